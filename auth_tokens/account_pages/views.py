"""The account pages: log-in, tokens, time zone, password. Log-out is Django's own view."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.contrib.messages.views import SuccessMessageMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from auth_tokens.account_pages.forms import ApiTokenForm, LogInForm, TimeZoneForm
from auth_tokens.account_pages.writing import choose_time_zone
from auth_tokens.api_tokens.reading import api_tokens_of
from auth_tokens.api_tokens.writing import IssuedToken, create_api_token, revoke_api_token
from auth_tokens.log_in.limits import remember_device
from auth_tokens.models import User
from auth_tokens.second_factor import pending
from config.core.clock import now
from config.core.errors import ApplicationError, NotFound


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def api_tokens(request: HttpRequest) -> HttpResponse:
    """List the user's tokens; POST makes one and shows its text once.

    POST answers with the page itself: a redirect would mean storing the text somewhere.
    """
    user = cast("User", request.user)
    form = ApiTokenForm(request.POST if request.method == "POST" else None)
    issued: IssuedToken | None = None
    if form.is_valid():
        try:
            issued = create_api_token(
                user=user,
                name=form.cleaned_data["name"],
                scope=form.cleaned_data["scope"],
                expires_at=form.expires_at(),
            )
            form = ApiTokenForm()
        except ApplicationError as error:
            form.add_error(None, error.message)
    status = 400 if form.errors else 201 if issued else 200
    context = {"form": form, "issued": issued, "tokens": api_tokens_of(user), "now": now()}
    return render(request, "account/api_tokens.html", context, status=status)


@login_required
@require_POST
def api_token_revocation(request: HttpRequest, token_id: int) -> HttpResponse:
    """Revoke one of the user's own tokens."""
    user = cast("User", request.user)
    try:
        if not api_tokens_of(user).filter(pk=token_id).exists():
            raise NotFound("No such token.")
        token = revoke_api_token(actor=user, token_id=token_id)
    except NotFound as error:
        return render(
            request, "account/not_found.html", {"message": error.message}, status=error.status
        )
    messages.success(request, f"Token “{token.name}” is revoked.")
    return redirect("api_tokens")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def time_zone(request: HttpRequest) -> HttpResponse:
    """Choose the zone in which times are shown."""
    user = cast("User", request.user)
    form = TimeZoneForm(
        request.POST if request.method == "POST" else None, initial={"time_zone": user.time_zone}
    )
    if form.is_valid():
        choose_time_zone(user=user, time_zone=form.cleaned_data["time_zone"])
        messages.success(request, "Times are now shown in your zone.")
        return redirect("time_zone")
    return render(
        request,
        "account/time_zone.html",
        {"form": form, "now": now()},
        status=400 if form.errors else 200,
    )


class LogIn(LoginView):
    """Log in, or ask for the code first; know the browser the next time."""

    authentication_form = LogInForm

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        if user.needs_second_factor:
            leads_to = self.get_success_url()
            pending.begin(self.request, user, backend=user.backend, leads_to=leads_to)
            return redirect("log_in_code")
        response = super().form_valid(form)
        remember_device(response, user.get_username())
        return response


class PasswordChange(SuccessMessageMixin, PasswordChangeView):  # type: ignore[type-arg]
    """Change the password: the user's other sessions end, this one stays."""

    template_name = "registration/password_change_form.html"
    success_url = reverse_lazy("password_change")
    success_message = "Your password was changed. Your other sessions have ended."
