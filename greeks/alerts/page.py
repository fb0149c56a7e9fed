"""Data of the alerts page and its panel, for one request. Each value is read only when used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.http import HttpRequest

from config.core.api.address import AddressValues
from config.core.clock import market_clock_is_frozen, market_now
from greeks.alerts import wording
from greeks.alerts.forms import AlertChannelForm, AlertRuleForm, rule_initial
from greeks.alerts.reading import channels_of, events_of, rule_for_user, rules_of, unread_count
from greeks.gex.levels import DISTANCES, ZERO_GAMMA_DISTANCE
from greeks.models import AlertChannel, AlertEvent, AlertRule, PolledInstrument
from greeks.polling.instruments import enabled_instruments

#: Percent of the spot within which a wall counts as touched, unless a rule says otherwise.
TOUCHED = 0.05
#: Events shown in the panel of another page.
PANEL_EVENTS = 8


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule in words."""

    rule: AlertRule
    series: str
    condition: str
    expiry: str

    @property
    def name(self) -> str:
        return f"{self.rule.instrument.name}: {self.series} {self.condition}"


class AlertsPage:
    """The alerts of one user.

    Raises (also on reading an attribute):
        NotFound: the rule to edit is not the user's, or does not exist.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.user = request.user
        self.address = AddressValues(request.GET)
        # The panel on the market page is shorter, and its forms lead back there.
        self.is_page = request.path.startswith("/market/alerts") and "panel" not in request.GET
        self.clock = {"now": market_now(), "frozen": market_clock_is_frozen()}
        self.rule_problem = ""
        self.channel_problem = ""

    @cached_property
    def instruments(self) -> tuple[PolledInstrument, ...]:
        return enabled_instruments()

    @cached_property
    def rules(self) -> list[RuleRow]:
        return [
            RuleRow(
                rule,
                wording.series_words(rule),
                wording.condition_words(rule),
                wording.expiry_words(rule.expiry),
            )
            for rule in rules_of(self.user)
        ]

    @cached_property
    def channels(self) -> list[AlertChannel]:
        return channels_of(self.user)

    @cached_property
    def events(self) -> list[AlertEvent]:
        if self.is_page:
            return events_of(self.user)
        return events_of(self.user, count=PANEL_EVENTS)

    @cached_property
    def unread(self) -> int:
        return unread_count(self.user)

    @property
    def version(self) -> int:
        """The newest event's id: a page that polls tells by it what is new."""
        return self.events[0].pk if self.events else 0

    @cached_property
    def edited(self) -> AlertRule | None:
        """The rule the address opens for editing."""
        asked = self.address.number("edit")
        return None if asked is None else rule_for_user(self.user, asked)

    @property
    def asked(self) -> AddressValues:
        """The address, once the form has read it."""
        _ = self.form
        return self.address

    @cached_property
    def form(self) -> AlertRuleForm:
        initial = rule_initial(self.edited) if self.edited else self._first()
        return self._rule_form(initial=initial)

    def _first(self) -> dict[str, Any]:
        """Return a new rule's initial values: the chain that the page shows."""
        known = {each.slug for each in self.instruments}
        asked = self.address.choice("instrument", sorted(known))
        first: dict[str, Any] = {"series": "vega.total", "measure": "change"}
        if series := self.address.choice("series", DISTANCES):
            # Of zero gamma the side matters, of a wall that it is near.
            crossed = {"comparison": "crosses", "threshold": 0}
            touched = {"comparison": "below", "threshold": TOUCHED}
            first = {"series": series, "measure": "value"}
            first |= crossed if series == ZERO_GAMMA_DISTANCE else touched
        return first | {"slug": asked} if asked else first

    def _rule_form(self, *arguments: Any, **named: Any) -> AlertRuleForm:
        return AlertRuleForm(
            *arguments, instruments=self.instruments, channels=self.channels, **named
        )

    def type_rule(self, typed: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the typed rule; ``None`` after marking its errors."""
        self.form = self._rule_form(typed)
        if not self.form.is_valid():
            self.rule_problem = "Some values are not valid: they are marked below."
            return None
        return self.form.values(enabled=self.edited.enabled if self.edited else True)

    @cached_property
    def channel_form(self) -> AlertChannelForm:
        return AlertChannelForm()

    def type_channel(self, typed: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the typed name and address; ``None`` after marking what is missing."""
        self.channel_form = AlertChannelForm(typed)
        if not self.channel_form.is_valid():
            self.channel_problem = "See the field marked below."
            return None
        return {name: self.channel_form.cleaned_data[name] for name in ("name", "address")}
