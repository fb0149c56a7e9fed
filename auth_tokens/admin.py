"""Admin of users, their tokens and the audit trail. No hash or digest is shown."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from auth_tokens.account_pages.time_zones import check_time_zone
from auth_tokens.api_tokens.reading import api_tokens_of
from auth_tokens.api_tokens.writing import revoke_api_token
from auth_tokens.models import ApiToken, AuditEvent, BrokerToken, TokenEvent, User
from config.core.admin import OwnRows, ReadOnlyAdmin
from config.core.errors import InvalidInput

admin.site.site_header = "Greekdesk administration"
admin.site.site_title = "Greekdesk"
admin.site.index_title = "Administration"
# One log-in for all: the admin's own page knows no second factor.
admin.site.login = staff_member_required(admin.site.login, login_url=settings.LOGIN_URL)  # type: ignore[method-assign]

_PRIVILEGES = ("is_staff", "is_superuser", "groups", "user_permissions")


class UserForm(UserChangeForm):  # type: ignore[type-arg]
    """Hides the password's hash: the password has a page of its own."""

    password = None  # type: ignore[assignment]

    def clean_time_zone(self) -> str:
        try:
            return check_time_zone(self.cleaned_data["time_zone"])
        except InvalidInput as error:
            self.add_error("time_zone", f"{error.message} Use {error.fields['time_zone']}.")
            return ""


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]
    """Users. Staff who are not superusers cannot touch superusers or grant privileges."""

    form = UserForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("username", "email", "first_name", "last_name")
    readonly_fields = ("password_page", "second_factor_since", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password_page", "second_factor_since")}),
        ("Person", {"fields": ("first_name", "last_name", "email", "time_zone")}),
        ("Access", {"fields": ("is_active", *_PRIVILEGES)}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    @admin.display(description="password")
    def password_page(self, user: User) -> str:
        return format_html(
            '{} · <a href="{}">change it</a>',
            "Set" if user.has_usable_password() else "Not set",
            reverse("admin:auth_user_password_change", args=[user.pk]),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if _is_superuser(request) else (*fields, *_PRIVILEGES)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        # Bulk deletion has no object to check, so only superusers have it.
        return allowed and (
            _is_superuser(request) or (obj is not None and _may_touch(request, obj))
        )


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Owners make tokens on ``/accounts/tokens``; here they are listed and revoked."""

    list_display = (
        "prefix", "name", "user", "scope", "created_at", "expires_at", "last_used_at", "revoked_at",
    )  # fmt: skip
    list_filter = ("scope", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("user",)
    search_fields = ("prefix", "name", "user__username")
    exclude = ("digest",)
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        if _is_superuser(request):
            return ApiToken.objects.all()
        return api_tokens_of(cast("User", request.user))

    @admin.action(description="Revoke the selected tokens", permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        actor = cast("User", request.user)
        for token_id in queryset.values_list("pk", flat=True):
            revoke_api_token(actor=actor, token_id=token_id)
        self.message_user(request, "The selected tokens were revoked.", messages.SUCCESS)


@admin.register(AuditEvent)
class AuditEventAdmin(OwnRows, ReadOnlyAdmin):
    """The audit trail. Staff who are not superusers see only their own actions."""

    owner_field = "actor"
    list_display = ("at", "event", "subject", "actor", "detail", "request_id")
    list_filter = ("event", "at")
    list_select_related = ("actor",)
    search_fields = ("subject", "actor__username", "request_id")


@admin.register(BrokerToken)
class BrokerTokenAdmin(ReadOnlyAdmin):
    """The providers' tokens: their state, never their text."""

    list_display = (
        "provider", "status", "source", "obtained_at", "expires_at", "failures", "next_try_at",
        "last_error",
    )  # fmt: skip
    list_filter = ("status",)
    exclude = ("ciphertext", "credentials", "renewing_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BrokerToken]:
        # Not even loaded, so no mistake can show it.
        return BrokerToken.objects.defer("ciphertext")


@admin.register(TokenEvent)
class TokenEventAdmin(ReadOnlyAdmin):
    """What happened to the providers' tokens."""

    list_display = ("at", "provider", "event", "source", "code", "detail", "screenshot", "actor")
    list_filter = ("provider", "event", "at")
    list_select_related = ("actor",)
    search_fields = ("code", "detail", "request_id")
    exclude = ("credentials",)


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


def _may_touch(request: HttpRequest, user: Model | None) -> bool:
    return _is_superuser(request) or not (isinstance(user, User) and user.is_superuser)
