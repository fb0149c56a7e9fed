"""The journal of the accounts a user may see: fills, and results by contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Max, Min, Q, Sum

from auth_tokens.models import User
from config.core.clock import YEARS
from config.core.errors import InvalidInput
from greeks.models import Instrument
from portfolio.accounts.access import account_for_user, accounts_visible_to
from portfolio.models import Account
from trades.models import TradeExecution, TradeLot
from trades.underlyings import of_underlyings

ZERO = Decimal(0)
HALF_CENT = Decimal("0.005")


def accounts_of_journal(user: User | AnonymousUser, account_id: str | None) -> list[Account]:
    """Return one account, or all that the user may see. Raises NotFound for another's."""
    if account_id:
        return [account_for_user(user, account_id)]
    return list(accounts_visible_to(user))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFilter:
    """What of the fills is asked for. Days are inclusive, in each account's zone."""

    underlying: str = ""
    kind: str = ""
    start: date | None = None
    end: date | None = None
    with_replaced: bool = False


def executions_of(
    accounts: Sequence[Account], wanted: ExecutionFilter, *, before: str = "", most: int = 100
) -> tuple[list[TradeExecution], str]:
    """Return fills, newest first, and where the next page begins (empty at the end).

    ``before`` is what the page before returned. Reads along an index whatever the page.

    Raises:
        InvalidInput: ``before`` is no place in the list.
    """
    found = TradeExecution.objects.select_related("instrument").filter(_days(accounts, wanted))
    if not wanted.with_replaced:
        found = found.filter(superseded=False, cancelled_by="")
    if wanted.underlying:
        found = found.filter(of_underlyings([wanted.underlying.upper()], "instrument__underlying"))
    if wanted.kind:
        found = found.filter(kind=wanted.kind)
    if before:
        at, number = _place(before)
        # The first condition is what an index can begin at.
        found = found.filter(Q(execution_time__lt=at) | Q(pk__lt=number), execution_time__lte=at)
    rows = list(found.order_by("-execution_time", "-id")[: most + 1])
    if len(rows) <= most:
        return rows, ""
    last = rows[most - 1]
    return rows[:most], f"{last.execution_time.isoformat()}_{last.pk}"


def _place(text: str) -> tuple[datetime, int]:
    moment, _, number = text.rpartition("_")
    try:
        at = datetime.fromisoformat(moment)
        if (
            at.tzinfo is None
            or at.year not in YEARS
            or not (number.isascii() and number.isdigit())
            or len(number) > 18
        ):
            raise ValueError
    except ValueError:
        raise InvalidInput(
            "The page begins nowhere.", fields={"before": "not a place in the list"}
        ) from None
    return at, int(number)


def _days(accounts: Sequence[Account], wanted: ExecutionFilter) -> Q:
    """Return the accounts' rows between the days; accounts of one zone share a condition."""
    by_zone: dict[str, list[str]] = {}
    for account in accounts:
        by_zone.setdefault(account.time_zone, []).append(account.pk)
    condition = Q(pk__in=[])
    for name, ids in by_zone.items():
        part, zone = Q(account__in=ids), ZoneInfo(name)
        if wanted.start:
            part &= Q(execution_time__gte=datetime.combine(wanted.start, time(), tzinfo=zone))
        if wanted.end:
            after = wanted.end + timedelta(days=1)
            part &= Q(execution_time__lt=datetime.combine(after, time(), tzinfo=zone))
        condition |= part
    return condition


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractResult:
    """What one contract of one account has brought. ``gross`` and ``net`` leave out closes whose
    opening fill is not known; ``unknown`` counts them."""

    account_id: str
    instrument: Instrument
    currency: str
    opened_at: datetime | None
    closed_at: datetime | None
    open_quantity: Decimal
    #: Ended at expiry; not in ``gross`` and ``net`` until the broker tells how.
    awaiting_quantity: Decimal
    closes: int
    unknown: int
    gross: Decimal | None
    net: Decimal | None
    #: The broker's own realised profit, where it told it of every close.
    broker_net: Decimal | None

    @property
    def differs(self) -> bool:
        """Whether the broker counts another profit: another lot method, a wash sale, a gap."""
        ours, theirs = self.net, self.broker_net
        return ours is not None and theirs is not None and abs(ours - theirs) >= HALF_CENT

    @property
    def costs(self) -> Decimal | None:
        return None if self.gross is None or self.net is None else self.gross - self.net


def results_by_contract(
    accounts: Sequence[Account], *, underlying: str = ""
) -> list[ContractResult]:
    """Return results by account and contract, what closed or opened last first. Three queries."""
    lots = TradeLot.objects.filter(account__in=[account.pk for account in accounts])
    if underlying:
        lots = lots.filter(of_underlyings([underlying.upper()], "instrument__underlying"))
    closed, final = Q(closed_at__isnull=False), Q(closed_at__isnull=False, awaiting=False)
    rows = list(
        lots.order_by()
        .values("account_id", "instrument_id", "currency")
        .annotate(
            first_opened=Min("opened_at"),
            last_closed=Max("closed_at"),
            open_quantity=Sum("quantity", filter=~closed),
            closes=Count("closed_by", filter=closed, distinct=True),
            unknown=Count("id", filter=final & Q(gross__isnull=True)),
            gross=Sum("gross", filter=final),
            net=Sum("net", filter=final),
            awaiting_quantity=Sum("quantity", filter=Q(awaiting=True)),
            last_opened=Max("opened_at"),
        )
    )
    rows.sort(key=lambda row: _latest(row["last_closed"], row["last_opened"]), reverse=True)
    instruments = Instrument.objects.in_bulk({row["instrument_id"] for row in rows})
    told = _told_by_broker(accounts)
    return [
        ContractResult(
            account_id=row["account_id"],
            instrument=instruments[row["instrument_id"]],
            currency=row["currency"],
            opened_at=row["first_opened"],
            closed_at=row["last_closed"],
            open_quantity=row["open_quantity"] or ZERO,
            awaiting_quantity=row["awaiting_quantity"] or ZERO,
            closes=row["closes"],
            unknown=row["unknown"],
            gross=row["gross"],
            net=row["net"],
            broker_net=told.get((row["account_id"], row["instrument_id"])),
        )
        for row in rows
    ]


def _told_by_broker(accounts: Sequence[Account]) -> dict[tuple[str, int], Decimal]:
    """Return the brokers' realised profit by account and contract, where no close lacks it."""
    rows = (
        TradeExecution.objects.filter(
            account__in=[account.pk for account in accounts],
            superseded=False,
            cancelled_by="",
            closed_lots__isnull=False,
        )
        .order_by()
        .values_list("account_id", "instrument_id", "id", "broker_realized_pnl")
        .distinct()
    )
    found: dict[tuple[str, int], Decimal | None] = {}
    for account_id, instrument_id, _, told in rows.iterator():
        place = account_id, instrument_id
        known = found.get(place, ZERO)
        found[place] = None if told is None or known is None else known + told
    return {place: told for place, told in found.items() if told is not None}


def _latest(*moments: datetime | None) -> float:
    return max((moment.timestamp() for moment in moments if moment is not None), default=0.0)
