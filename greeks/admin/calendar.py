"""Admin of the exchange calendar: hours are entered in the exchange's local time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from config.core.admin import AnyModelAdmin
from config.core.clock import market_now
from config.core.web import form_fields
from greeks.calendar.coverage import CalendarState, calendar_states
from greeks.calendar.exchanges import EXCHANGES, Exchange
from greeks.calendar.seeding import confirm_session_years
from greeks.models import ExchangeSession

if TYPE_CHECKING:
    SessionModelForm = forms.ModelForm[ExchangeSession]
else:
    SessionModelForm = forms.ModelForm

Kind = ExchangeSession.Kind
_CLOCK = {"type": "time", "step": 60}


class ExchangeSessionForm(SessionModelForm):
    """A session in the exchange's local time. A closed day needs no hours."""

    class Meta:
        model = ExchangeSession
        fields = ("exchange", "session_date", "kind", "note", "edited")

    exchange = forms.ChoiceField(choices=[(name, name) for name in EXCHANGES])
    opens = form_fields.TimeField(
        required=False,
        widget=forms.TimeInput(attrs=_CLOCK, format="%H:%M"),
        help_text="In the exchange's local time. Leave empty for a closed day.",
    )
    closes = form_fields.TimeField(
        required=False, widget=forms.TimeInput(attrs=_CLOCK, format="%H:%M")
    )

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        exchange = EXCHANGES.get(self.instance.exchange)
        if self.instance.pk and exchange is not None:
            for name in ("opens", "closes"):
                at = getattr(self.instance, f"{name}_at").astimezone(exchange.zone)
                self.initial[name] = at.time().replace(tzinfo=None)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        exchange = EXCHANGES.get(str(cleaned.get("exchange")))
        day, kind = cleaned.get("session_date"), cleaned.get("kind")
        if exchange is None or day is None:
            return cleaned
        opens, closes = self._hours(exchange, kind)
        if opens is None or closes is None:
            return cleaned
        if opens >= closes:
            self.add_error("closes", "Closes before it opens.")
            return cleaned
        self.instance.opens_at = _at(exchange, day, opens)
        self.instance.closes_at = _at(exchange, day, closes)
        self._refuse_overlap(exchange, day, kind)
        return cleaned

    def _hours(self, exchange: Exchange, kind: Any) -> tuple[time | None, time | None]:
        given = self.cleaned_data.get("opens"), self.cleaned_data.get("closes")
        if kind == Kind.CLOSED:
            return given[0] or exchange.opens, given[1] or exchange.closes
        for name, value in zip(("opens", "closes"), given, strict=True):
            if value is None and name not in self.errors:
                self.add_error(name, "Required, except for a closed day.")
        return given

    def _refuse_overlap(self, exchange: Exchange, day: date, kind: Any) -> None:
        """Reject overlapping sessions; one may start when another ends."""
        if kind == Kind.CLOSED:
            return
        others = ExchangeSession.objects.filter(exchange=exchange.name, session_date=day)
        others = others.exclude(pk=self.instance.pk).exclude(kind=Kind.CLOSED)
        overlapping = others.filter(
            opens_at__lt=self.instance.closes_at, closes_at__gt=self.instance.opens_at
        ).first()
        if overlapping is not None and not self._day_is_closed(exchange, day, overlapping):
            hours = f"{_local(overlapping, 'opens_at')} to {_local(overlapping, 'closes_at')}"
            kind_name = overlapping.get_kind_display().lower()
            self.add_error("opens", f"Overlaps the day's {kind_name} session, {hours}.")

    def _day_is_closed(self, exchange: Exchange, day: date, session: ExchangeSession) -> bool:
        """Return whether the other session is off because its day was closed by hand."""
        if session.kind == Kind.SPECIAL:
            return False
        return ExchangeSession.objects.filter(
            exchange=exchange.name, session_date=day, kind=Kind.CLOSED
        ).exists()


@admin.register(ExchangeSession)
class ExchangeSessionAdmin(AnyModelAdmin):
    """The calendar. Rows saved here are marked as edited, and seeding leaves that day alone.

    To close a day by hand, use the kind ``Closed``. Seeding would restore a deleted row, so only
    rows entered by hand can be deleted.
    """

    form = ExchangeSessionForm
    fields = ("exchange", "session_date", "kind", "opens", "closes", "note", "edited")
    list_display = (
        "session_date", "exchange", "kind", "opens_there", "closes_there", "note", "edited",
    )  # fmt: skip
    list_filter = ("exchange", "kind", "edited")
    search_fields = ("note",)
    date_hierarchy = "session_date"
    ordering = ("-session_date", "exchange")
    show_full_result_count = False
    actions = ("close_days", "confirm_years")
    change_list_template = "admin/greeks/exchangesession/change_list.html"

    @admin.display(description="opens (exchange's time)", ordering="opens_at")
    def opens_there(self, session: ExchangeSession) -> str:
        return _local(session, "opens_at")

    @admin.display(description="closes (exchange's time)", ordering="closes_at")
    def closes_there(self, session: ExchangeSession) -> str:
        return _local(session, "closes_at")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        calendars = [(state, _shortcuts(state)) for state in calendar_states(market_now())]
        shown: HttpResponse = super().changelist_view(
            request, (extra_context or {}) | {"calendars": calendars}
        )
        return shown

    def save_model(
        self, request: HttpRequest, obj: ExchangeSession, form: Any, change: bool
    ) -> None:
        given_back = "edited" in form.changed_data and not obj.edited
        if form.changed_data and not given_back:
            obj.edited = True
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        by_hand = isinstance(obj, ExchangeSession) and obj.edited
        return by_hand and super().has_delete_permission(request, obj)

    @admin.action(description="Close the selected days", permissions=["change"])
    def close_days(self, request: HttpRequest, queryset: QuerySet[ExchangeSession]) -> None:
        closed = 0
        for session in queryset.exclude(kind=Kind.CLOSED):
            session.kind, session.edited = Kind.CLOSED, True
            session.save(update_fields=["kind", "edited"])
            closed += 1
        self.message_user(request, f"{closed} sessions closed.")

    @admin.action(
        description="Confirm the selected sessions' whole years as announced",
        permissions=["change"],
    )
    def confirm_years(self, request: HttpRequest, queryset: QuerySet[ExchangeSession]) -> None:
        years = {(row.exchange, row.session_date.year) for row in queryset}
        for exchange, year in sorted(years):
            confirmed = confirm_session_years(exchange=exchange, year=year)
            self.message_user(
                request,
                f"{exchange} {year}: {confirmed} provisional sessions confirmed. Check the"
                " holidays and close by hand any day that is missing.",
                messages.SUCCESS,
            )


def _shortcuts(state: CalendarState) -> list[tuple[str, str]]:
    """Return links to the entry form, prefilled with what is known."""
    special = {"exchange": state.exchange, "kind": Kind.SPECIAL.value}
    links = [
        (f"Close a day of {state.exchange}", {"exchange": state.exchange, "kind": "closed"}),
        (f"Add a special session of {state.exchange}", special),
    ]
    for day, note in state.awaited:
        awaited = {"session_date": day.isoformat(), "note": note}
        links.append((f"Enter the hours of {note}, {day:%-d %b %Y}", special | awaited))
    add = reverse("admin:greeks_exchangesession_add")
    return [(text, f"{add}?{urlencode(given)}") for text, given in links]


def _at(exchange: Exchange, day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, tzinfo=exchange.zone).astimezone(UTC)


def _local(session: ExchangeSession, field: str) -> str:
    exchange = EXCHANGES.get(session.exchange)
    at = getattr(session, field)
    return f"{at.astimezone(exchange.zone) if exchange else at:%H:%M %Z}"
