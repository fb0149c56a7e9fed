"""Forms of the account pages, with readable errors; values are checked again on writing."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import forms

from auth_tokens.account_pages.time_zones import time_zone_names
from auth_tokens.models import ApiToken
from config.core.clock import now

_LIFETIMES = [("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "No end")]


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

    time_zone = forms.ChoiceField(label="Time zone", required=False)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["time_zone"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 -- declared above
        field.choices = [("", "UTC (default)"), *((n, n) for n in time_zone_names())]
