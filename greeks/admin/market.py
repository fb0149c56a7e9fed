"""Admin of polled instruments, and a view of stored minutes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin

from config.core.admin import AnyModelAdmin, ReadOnlyAdmin
from config.core.clock import market_now
from greeks.calendar.exchanges import EXCHANGES
from greeks.chains import SUMMED_GREEKS
from greeks.models import GreekSnapshot, PolledInstrument
from greeks.polling.instruments import POLL_STEPS, polled_expiries
from greeks.providers.chain_registry import configured_chain_providers

if TYPE_CHECKING:
    PolledModelForm = forms.ModelForm[PolledInstrument]
else:
    PolledModelForm = forms.ModelForm


class PolledInstrumentForm(PolledModelForm):
    """A polled instrument, checked as far as possible without asking the provider."""

    class Meta:
        model = PolledInstrument
        fields = (
            "slug", "name", "instrument_key", "provider", "underlying", "exchange", "currency",
            "nearest_expiries", "extra_expiries", "poll_seconds", "rate", "enabled", "position",
            "simulated",
        )  # fmt: skip

    exchange = forms.ChoiceField(choices=[(name, name) for name in EXCHANGES])
    poll_seconds = forms.TypedChoiceField(
        choices=[(seconds, f"{seconds} s") for seconds in POLL_STEPS],
        coerce=int,
        initial=POLL_STEPS[0],
        help_text="Minimum seconds between polls; longer if the provider's budget is too small.",
    )

    def clean_provider(self) -> str:
        name = str(self.cleaned_data["provider"]).strip()
        configured = configured_chain_providers()
        if name not in configured and name != self.instance.provider:
            known = ", ".join(configured) or "none"
            raise forms.ValidationError(f"Not set up on this desk. Set up: {known}.")
        return name

    def clean_extra_expiries(self) -> list[str]:
        given = self.cleaned_data["extra_expiries"] or []
        if not isinstance(given, list):
            raise forms.ValidationError('A list of ISO dates, such as ["2026-12-29"].')
        days = [_iso_date(each) for each in given]
        wrong = [str(each)[:32] for each, day in zip(given, days, strict=True) if day is None]
        if wrong:
            raise forms.ValidationError(f"Not an ISO date (2026-12-29): {', '.join(wrong)}.")
        return sorted({day.isoformat() for day in days if day is not None})

    def clean_rate(self) -> float | None:
        rate = self.cleaned_data["rate"]
        if rate is not None and not -0.1 <= rate <= 0.5:
            raise forms.ValidationError("A fraction a year: 0.065 is 6.5 %.")
        return rate if rate is None else float(rate)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("nearest_expiries") == 0 and not cleaned.get("extra_expiries"):
            self.add_error("nearest_expiries", "No expiry would be polled; disable it instead.")
        return cleaned


@admin.register(PolledInstrument)
class PolledInstrumentAdmin(AnyModelAdmin):
    """Underlyings whose chains are polled. Stored minutes stay when one is deleted."""

    form = PolledInstrumentForm
    list_display = (
        "name", "slug", "instrument_key", "provider", "exchange", "poll_seconds", "enabled",
        "expiries", "simulated",
    )  # fmt: skip
    list_filter = ("enabled", "provider", "exchange")
    search_fields = ("name", "slug", "instrument_key", "underlying")
    readonly_fields = ("expiries", "listed_as_of")
    show_full_result_count = False

    @admin.display(description="polled expiries")
    def expiries(self, instrument: PolledInstrument) -> str:
        polled = polled_expiries(instrument, market_now())
        return ", ".join(each.isoformat() for each in polled) or "none listed yet"


def _closing_sum(greek: str) -> Callable[[GreekSnapshot], str]:
    @admin.display(description=f"Σ {greek}")
    def total(row: GreekSnapshot) -> str:
        value = getattr(row, f"total_{greek}_close")
        return "" if value is None else f"{value:.6g}"

    return total


@admin.register(GreekSnapshot)
class GreekSnapshotAdmin(ReadOnlyAdmin):
    """Stored minutes of the market; a gap has no numbers."""

    list_display = (
        "minute", "instrument_key", "expiry", "seen", "spot", *map(_closing_sum, SUMMED_GREEKS),
        "pcr", "max_pain", "source", "simulated",
    )  # fmt: skip
    list_filter = ("instrument_key", "expiry", "simulated")
    search_fields = ("instrument_key",)
    date_hierarchy = "session_date"
    ordering = ("-minute", "instrument_key", "expiry")
    exclude = ("delta_buckets", "held_changes")

    @admin.display(description="samples", ordering="samples_seen")
    def seen(self, row: GreekSnapshot) -> str:
        return f"{row.samples_seen} of {row.samples_expected}"


def _iso_date(given: object) -> date | None:
    try:
        return date.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return None
