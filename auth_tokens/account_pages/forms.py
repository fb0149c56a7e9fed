"""Forms of the account pages, with readable errors; values are checked again on writing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest

from auth_tokens.account_pages.time_zones import time_zone_names
from auth_tokens.log_in.limits import LONGEST_NAME, has_failed_for_many
from auth_tokens.models import ApiToken
from config.core.clock import now

_LIFETIMES = [("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "No end")]
_LONGEST_PASSWORD = 4096


class LogInForm(AuthenticationForm):
    """Name and password, bounded before anything is hashed or kept."""

    def __init__(self, request: HttpRequest | None = None, **named: object) -> None:
        super().__init__(request, **named)
        self.fields["username"].validators.append(MaxLengthValidator(LONGEST_NAME))
        self.fields["password"].validators.append(MaxLengthValidator(_LONGEST_PASSWORD))

    def clean(self) -> dict[str, Any]:
        if self.errors:
            return self.cleaned_data
        if self.request is not None and has_failed_for_many(self.request):
            raise ValidationError("Too many log-ins from your network failed. Try again later.")
        return super().clean()


class ApiTokenForm(forms.Form):
    """Name, scope and lifetime of a new token."""

    name = forms.CharField(max_length=64, help_text="What will use it, for example: spreadsheet.")
    scope = forms.ChoiceField(choices=ApiToken.Scope.choices, initial=ApiToken.Scope.READ)
    lifetime = forms.ChoiceField(
        choices=_LIFETIMES, initial="90", required=False, label="Valid for"
    )

    def expires_at(self) -> datetime | None:
        """Return when the chosen lifetime ends; ``None`` for no end."""
        days = self.cleaned_data["lifetime"]
        return now() + timedelta(days=int(days)) if days else None


class TimeZoneForm(forms.Form):
    """The zone in which a user sees times."""

    time_zone = forms.ChoiceField(
        label="Time zone",
        required=False,
        choices=lambda: [("", "UTC (default)"), *((name, name) for name in time_zone_names())],
    )
