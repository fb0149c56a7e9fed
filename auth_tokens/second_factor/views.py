"""The pages of the second factor: the code of a log-in, setting it up, changing it."""

from __future__ import annotations

from typing import cast

import segno
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from auth_tokens.log_in.limits import remember_device
from auth_tokens.models import User
from auth_tokens.second_factor import pending, writing
from auth_tokens.second_factor.codes import enrolment_uri
from auth_tokens.second_factor.pending import PendingLogIn, pending_log_in
from config.core.errors import InvalidInput


class CodeForm(forms.Form):
    """A code of the app, or a recovery code."""

    code = forms.CharField(
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false"}
        ),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def log_in_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code after the password, then log in."""
    found = pending_log_in(request)
    if found is None:
        return _log_in_again(request)
    if found.user.second_factor_since is None:
        return redirect("second_factor_set_up")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            writing.use_code(found.user, form.cleaned_data["code"])
        except InvalidInput as error:
            form.add_error("code", error.message)
        else:
            # Not redirect(): it takes a word without a slash for the name of a page.
            return _log_in(request, found, HttpResponseRedirect(found.leads_to))
    status = 400 if form.errors else 200
    return render(request, "registration/log_in_code.html", {"form": form}, status=status)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: HttpRequest) -> HttpResponse:
    """Show the secret; with a right code, switch on and show the recovery codes, once.

    For a signed-in user, and in the log-in of somebody who must have a second factor.
    """
    found = pending_log_in(request)
    user = request.user if found is None else found.user
    if not isinstance(user, User):
        return _log_in_again(request)
    if user.second_factor_since is not None:
        return redirect("second_factor" if found is None else "log_in_code")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            codes = writing.confirm(user, form.cleaned_data["code"])
        except InvalidInput as error:
            form.add_error("code", error.message)
        else:
            leads_to = reverse("second_factor") if found is None else found.leads_to
            response = _recovery_codes(request, codes, leads_to)
            if found is not None:
                return _log_in(request, found, response)
            update_session_auth_hash(request, user)
            return response
    secret = writing.offered_secret(user)
    uri = enrolment_uri(secret, username=user.get_username())
    context = {
        "form": form,
        "is_required": found is not None,
        "secret": " ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        # White whatever the theme, with the quiet zone: scanners need both.
        "picture": segno.make(uri, error="m").svg_inline(border=4, light="white", omitsize=True),
    }
    status = 400 if form.errors else 200
    return render(request, "account/second_factor_set_up.html", context, status=status)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Say whether it is on; with a code, make new recovery codes or remove it."""
    user = cast("User", request.user)
    is_required = settings.STAFF_NEEDS_SECOND_FACTOR and user.is_staff
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            if is_required and "remove" in request.POST:
                raise InvalidInput("Staff need a second factor on this desk.")
            writing.use_code(user, form.cleaned_data["code"])
        except InvalidInput as error:
            form.add_error("code", error.message)
        else:
            if "remove" not in request.POST:
                codes = writing.replace_recovery_codes(user)
                return _recovery_codes(request, codes, reverse("second_factor"))
            writing.remove(user, actor=user)
            update_session_auth_hash(request, user)
            messages.success(request, "Your second factor is off. Your other sessions have ended.")
            return redirect("second_factor")
    left = writing.recovery_codes_left(user)
    context = {"form": form, "is_required": is_required, "recovery_codes_left": left}
    status = 400 if form.errors else 200
    return render(request, "account/second_factor.html", context, status=status)


def _log_in_again(request: HttpRequest) -> HttpResponse:
    messages.info(request, "Log in again: the time for the code is over.")
    return redirect("login")


def _log_in(request: HttpRequest, found: PendingLogIn, response: HttpResponse) -> HttpResponse:
    pending.end(request)
    login(request, found.user, backend=found.backend)
    remember_device(response, found.user.get_username())
    return response


def _recovery_codes(request: HttpRequest, codes: list[str], leads_to: str) -> HttpResponse:
    context = {"codes": codes, "leads_to": leads_to}
    return render(request, "account/recovery_codes.html", context)
