"""The filter of trades, for the page, the API and the CSV file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import django_filters
from django.db.models import F, Q, QuerySet
from django.http import QueryDict

from config.core.api.parameters import QueryParameters
from config.core.errors import InvalidInput
from config.core.web import form_fields
from greeks.underlyings import product_name
from portfolio.models import Account
from trades.models import Trade, TradeFill, TradeReview, TradeTag
from trades.models.trade import BEGAN
from trades.strategies.naming import Strategy
from trades.strategies.results import EVEN, LOST, WON

RESULTS = {"won": WON, "lost": LOST, "even": EVEN, "unknown": Q(unknown_closes__gt=0)}
SORTS = {
    "-opened": "Newest first",
    "opened": "Oldest first",
    "-closed": "Last closed first",
    "-net": "Largest gain first",
    "net": "Largest loss first",
    "underlying": "By underlying",
}
_SORT_FIELDS = {
    "closed": "closed_at",
    "net": "net",
    "underlying": "underlying",
}
#: What is no filter: how the answer is cut and written.
FORM = frozenset({"account_id", "page", "group", "format"})


class _DateFilter(django_filters.DateFilter):  # type: ignore[misc]
    field_class = form_fields.DateField


class _NumberFilter(django_filters.NumberFilter):  # type: ignore[misc]
    field_class = form_fields.DecimalField


class TradeFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters of trades. Days are inclusive, of the opening, in each account's zone."""

    underlying = django_filters.CharFilter(
        method="of_underlying", max_length=32, help_text="Of this only."
    )
    strategy = django_filters.ChoiceFilter(
        choices=[(each.value, each.value.replace("_", " ").capitalize()) for each in Strategy]
    )
    status = django_filters.ChoiceFilter(choices=Trade.Status.choices)
    result = django_filters.ChoiceFilter(
        choices=[(name, name.capitalize()) for name in RESULTS], method="with_result"
    )
    start = _DateFilter(method="from_day", help_text="YYYY-MM-DD, inclusive.")
    end = _DateFilter(method="to_day", help_text="YYYY-MM-DD, inclusive.")
    tag = django_filters.CharFilter(method="with_tag", max_length=32)
    review = django_filters.ChoiceFilter(choices=TradeReview.State.choices, method="in_review")
    chain = _NumberFilter(
        field_name="chain",
        min_value=1,
        max_value=2**63 - 1,
        help_text="Key of the chain's first trade.",
    )
    sort = django_filters.ChoiceFilter(
        choices=list(SORTS.items()), method="in_order", null_label=None, empty_label=None
    )

    class Meta:
        model = Trade
        fields: Sequence[str] = ()

    def __init__(self, data: Mapping[str, Any], *, accounts: Sequence[Account]) -> None:
        self.accounts = accounts
        own = Trade.objects.filter(account__in=[account.pk for account in accounts])
        super().__init__(data, queryset=own)

    def of_underlying(self, trades: QuerySet[Trade], _: str, value: str) -> QuerySet[Trade]:
        return trades.filter(underlying__in={value, product_name(value.upper())})

    def with_result(self, trades: QuerySet[Trade], _: str, value: str) -> QuerySet[Trade]:
        return trades.filter(RESULTS[value])

    def from_day(self, trades: QuerySet[Trade], _: str, value: date) -> QuerySet[Trade]:
        return trades.filter(self._at_or_after("began__gte", value))

    def to_day(self, trades: QuerySet[Trade], _: str, value: date) -> QuerySet[Trade]:
        return trades.filter(self._at_or_after("began__lt", value + timedelta(days=1)))

    def with_tag(self, trades: QuerySet[Trade], _: str, value: str) -> QuerySet[Trade]:
        tagged = TradeTag.objects.filter(name=value.strip().lower()).values("opening_id")
        return trades.filter(_annotated(tagged))

    def in_review(self, trades: QuerySet[Trade], _: str, value: str) -> QuerySet[Trade]:
        if value == TradeReview.State.NEW:
            looked = TradeReview.objects.exclude(state=value).values("opening_id")
            return trades.exclude(pk__in=looked)
        return trades.filter(pk__in=TradeReview.objects.filter(state=value).values("opening_id"))

    def in_order(self, trades: QuerySet[Trade], _: str, value: str) -> QuerySet[Trade]:
        return trades

    @property
    def trades(self) -> QuerySet[Trade]:
        """The matching trades in the requested order. Raises InvalidInput."""
        if not self.form.is_valid():
            fields = {name: " ".join(map(str, found)) for name, found in self.form.errors.items()}
            name, problem = next(iter(fields.items()))
            raise InvalidInput(f"{name}: {problem}", fields=fields)
        asked = self.form.cleaned_data.get("sort") or "-opened"
        found = self.filter_queryset(self.queryset.annotate(began=BEGAN))
        name = asked.lstrip("-")
        column = F("began") if name == "opened" else F(_SORT_FIELDS[name])
        # A trade has always begun: without a word on nulls an index gives the order.
        last = None if name == "opened" else True
        order = column.desc(nulls_last=last) if asked[0] == "-" else column.asc(nulls_last=last)
        key = "opening_id" if asked == "opened" else "-opening_id"
        ordered: QuerySet[Trade] = found.order_by(order, key)
        return ordered

    @property
    def is_by_opening(self) -> bool:
        """Whether an index has this order."""
        return (self.form.cleaned_data.get("sort") or "-opened").lstrip("-") == "opened"

    def _at_or_after(self, lookup: str, day: date) -> Q:
        """Return the condition with midnight of each account's zone."""
        by_zone: dict[str, list[str]] = {}
        for account in self.accounts:
            by_zone.setdefault(account.time_zone, []).append(account.pk)
        condition = Q(pk__in=[])
        for name, ids in by_zone.items():
            midnight = datetime.combine(day, time(), tzinfo=ZoneInfo(name))
            condition |= Q(account__in=ids) & Q(**{lookup: midnight})
        return condition


def _annotated(openings: QuerySet[Any, Any]) -> Q:
    """Return the trades that one of these openings belongs to."""
    opened = TradeFill.objects.filter(role=TradeFill.Role.OPEN.value, key__in=openings)
    return Q(pk__in=openings) | Q(pk__in=opened.values("trade_id"))


def asked_parameters(query: QueryDict) -> QueryParameters:
    """Return the parameters of a request for trades; blank ones count as absent.

    Raises InvalidInput for one that is not known here.
    """
    return QueryParameters.of_form(query, allowed=FORM | set(TradeFilter.base_filters))
