"""The journal of the accounts a user may see: fills, results by contract, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from auth_tokens.models import User
from config.core.errors import InvalidInput
from greeks.models import Instrument
from portfolio.accounts.access import account_for_user, accounts_visible_to
from portfolio.models import Account, Position
from trades.models import TradeExecution, TradeLot

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
        found = found.filter(instrument__underlying=wanted.underlying.upper())
    if wanted.kind:
        found = found.filter(kind=wanted.kind)
    if before:
        at, number = _place(before)
        found = found.filter(Q(execution_time__lt=at) | Q(execution_time=at, pk__lt=number))
    rows = list(found.order_by("-execution_time", "-id")[: most + 1])
    if len(rows) <= most:
        return rows, ""
    last = rows[most - 1]
    return rows[:most], f"{last.execution_time.isoformat()}_{last.pk}"


def _place(text: str) -> tuple[datetime, int]:
    moment, _, number = text.rpartition("_")
    try:
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None or not (number.isascii() and number.isdigit()) or len(number) > 18:
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
        lots = lots.filter(instrument__underlying=underlying.upper())
    closed = Q(closed_at__isnull=False)
    rows = list(
        lots.order_by()
        .values("account_id", "instrument_id", "currency")
        .annotate(
            first_opened=Min("opened_at"),
            last_closed=Max("closed_at"),
            open_quantity=Sum("quantity", filter=~closed),
            closes=Count("closed_by", filter=closed, distinct=True),
            unknown=Count("id", filter=closed & Q(gross__isnull=True)),
            gross=Sum("gross"),
            net=Sum("net"),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A contract of which the journal and the broker hold different quantities."""

    account_id: str
    symbol: str
    journal: Decimal
    broker: Decimal
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Σ lots against the broker's positions, contract by contract."""

    agreed: int
    differences: list[Difference]


def reconcile_positions(accounts: Sequence[Account]) -> Reconciliation:
    """Compare open lots with the positions of the last sync. Two queries.

    A difference names its likely cause and what mends it.
    """
    ids = [account.pk for account in accounts]
    journal = _by_contract(TradeLot.objects.filter(account__in=ids, closed_at__isnull=True))
    broker = _by_contract(Position.objects.filter(account__in=ids))
    names = dict(
        Instrument.objects.filter(
            pk__in={pk for _, pk in journal.keys() | broker.keys()}
        ).values_list("pk", "symbol")
    )
    began = dict(
        TradeExecution.objects.filter(account__in=ids)
        .order_by()
        .values_list("account_id")
        .annotate(Min("execution_time"))
    )
    differences = []
    agreed = 0
    for account_id, instrument_id in sorted(journal.keys() | broker.keys()):
        ours = journal.get((account_id, instrument_id), ZERO)
        theirs = broker.get((account_id, instrument_id), ZERO)
        if ours == theirs:
            agreed += bool(ours)
            continue
        differences.append(
            Difference(
                account_id=account_id,
                symbol=names[instrument_id],
                journal=ours,
                broker=theirs,
                cause=_cause(ours, theirs, began.get(account_id)),
            )
        )
    return Reconciliation(agreed=agreed, differences=differences)


def _by_contract(
    rows: QuerySet[TradeLot] | QuerySet[Position],
) -> dict[tuple[str, int], Decimal]:
    found = rows.order_by().values_list("account_id", "instrument_id").annotate(Sum("quantity"))
    return {(account_id, pk): quantity for account_id, pk, quantity in found}


def _cause(ours: Decimal, theirs: Decimal, began: datetime | None) -> str:
    if began is None:
        return "The journal of this account is empty. Import its statements."
    if not ours:
        return f"Opened before {began:%Y-%m-%d}, where the journal begins. Import older statements."
    if not theirs:
        return (
            "The broker holds it no more: expired, assigned, exercised or transferred. Such rows "
            "come with the statement."
        )
    return "A fill, a split or a transfer is missing. Import the statements since it was opened."
