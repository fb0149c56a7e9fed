"""Create the demo's user and simulated accounts, in a database without real accounts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import PROTECT, Max, Model
from django.db.models.fields.reverse_related import ForeignObjectRel
from django.utils.module_loading import import_string

from auth_tokens.models import User
from config.core.clock import tell_market_clock
from config.core.errors import Conflict
from greeks.models import Instrument
from portfolio.accounts.connecting import connect_account
from portfolio.accounts.days import session_dates_of
from portfolio.domain import Broker
from portfolio.models import Account, AccountDay, AccountHistory

DEMO_NAME = "demo"
DEMO_PASSWORD = "demo"  # noqa: S105 - known to everyone, on loopback, with nothing real behind it

SOURCE = "simulated"
# Where the simulated accounts' exchanges are; users may choose another zone.
TIME_ZONE = "America/New_York"
LABELS = {Broker.IBKR: "IBKR", Broker.TASTY: "Tastytrade"}


class Minute(Protocol):
    """A past minute of the simulated books."""

    at: datetime
    net_liquidation: float
    unrealized_pnl: float
    dollar_delta: float
    dollar_gamma: float
    theta: float
    vega: float


class SimulatedAccount(Protocol):
    """An account of the simulated books."""

    broker: str
    account_number: str
    currency: str

    def backfill_minutes(self) -> Sequence[Minute]: ...

    def positions(self) -> Sequence[Any]: ...


def recorded_clock(chain: Path) -> str:
    """Return when a recorded chain's clock stands still, ISO 8601. Raises ``InvalidInput``."""
    return str(_open_market(seed=1, chain=str(chain)).now().isoformat())


def prepare_demo(*, seed: int, chain: str) -> None:
    """Create the demo's user and accounts; start over if seed or chain changed.

    Raises ``Conflict`` if the database holds a real account, or outside demo mode.
    """
    if not settings.DEMO:
        raise Conflict("The demo is prepared in demo mode only.")
    if Account.objects.filter(simulated=False).exists():
        raise Conflict(
            "This database holds real accounts, and the demo does not touch those: "
            "unset DATABASE_URL, or name another folder in VAR_DIR."
        )
    remembered = Path(settings.VAR_DIR) / "demo_source"
    market = _open_market(seed=seed, chain=chain)
    if market.frozen:
        tell_market_clock(market.now())
    books = import_string(settings.SANDBOX_BOOKS)(market)
    source = _source(books, seed=seed, chain=chain)
    with transaction.atomic():
        first_version = 0
        if not remembered.exists() or remembered.read_text() != source:
            first_version = _forget()
        owner = _demo_user()
        for simulated in books.accounts():
            account = _account(simulated, owner=owner, first_version=first_version)
            _backfill(simulated, account)
    remembered.write_text(source)


def _source(books: Any, *, seed: int, chain: str) -> str:
    """Describe the source of the simulated numbers in one line.

    Twice a year the simulated accounts begin anew, so that a statement holds all of their life.
    """
    if not chain:
        began = min(account.begins_on for account in books.accounts())
        return f"simulated market, seed {seed}, accounts since {began}"
    return f"recorded chain {hashlib.sha256(Path(chain).read_bytes()).hexdigest()}"


def _open_market(*, seed: int, chain: str) -> Any:
    open_market = import_string("config.core.sandbox.server.open_market")
    return open_market(seed=seed, chain=Path(chain) if chain else None)


def _forget() -> int:
    """Delete an earlier market's data. Returns a version above all that were ever shown."""
    versions = Account.objects.aggregate(highest=Max("book_version"))
    _delete_protecting(Account)
    Account.objects.all().delete()
    _delete_protecting(Instrument)
    # In another market the same contract number means another contract.
    Instrument.objects.all().delete()
    return int(versions["highest"] or 0) + 1


def _delete_protecting(model: type[Model]) -> None:
    """Delete the rows that protect a model's: the record of a market that is gone."""
    # Hidden ones too: a relation without a name of its own protects as well.
    for relation in model._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel) and relation.on_delete is PROTECT:
            _delete_protecting(relation.related_model)
            relation.related_model._base_manager.all().delete()


def _demo_user() -> User:
    """Return the demo's well-known log-in; staff, so every page can be seen."""
    user, _ = User.objects.get_or_create(username=DEMO_NAME, defaults={"time_zone": TIME_ZONE})
    user.is_active = user.is_staff = user.is_superuser = True
    if not user.check_password(DEMO_PASSWORD):
        user.set_password(DEMO_PASSWORD)
    user.save()
    return user


def _account(simulated: SimulatedAccount, *, owner: User, first_version: int) -> Account:
    number, broker = simulated.account_number, simulated.broker
    account = Account.objects.filter(broker=broker, account_number=number).first()
    if account is None:
        account = connect_account(
            broker=broker,
            account_number=number,
            owner=owner,
            label=f"{LABELS[Broker(broker)]} margin",
            base_currency=simulated.currency,
            simulated=True,
        )
        # Continue the deleted account's versions, so no cached copy looks newer.
        account.book_version = first_version
    # Due at once: the last run's prices are old.
    account.next_sync_at = None
    account.save(update_fields=["book_version", "next_sync_at"])
    return account


def _backfill(simulated: SimulatedAccount, account: Account) -> None:
    """Write minutes and days from before the desk ran, so charts have a past."""
    minutes = simulated.backfill_minutes()
    if not minutes:
        return
    seen = set(
        AccountHistory.objects.filter(account=account, minute__gte=minutes[0].at).values_list(
            "minute", flat=True
        )
    )
    legs = len(simulated.positions())
    session_date = session_dates_of(account)
    rows = [
        AccountHistory(
            account=account,
            minute=minute.at,
            session_date=session_date(minute.at),
            **_totals(minute, legs),
        )
        for minute in minutes
        if minute.at not in seen
    ]
    AccountHistory.objects.bulk_create(rows)
    days: dict[date, tuple[Minute, Minute]] = {}
    for minute in minutes:
        day = session_date(minute.at)
        days[day] = (days.get(day, (minute, minute))[0], minute)
    for day, (first, last) in days.items():
        AccountDay.objects.get_or_create(
            account=account,
            session_date=day,
            defaults=_totals(last, legs) | {"opening_net_liquidation": _money(first)},
        )


def _money(minute: Minute) -> Decimal:
    return Decimal(f"{minute.net_liquidation:.2f}")


def _totals(minute: Minute, legs: int) -> dict[str, Any]:
    return {
        "net_liquidation": _money(minute),
        "unrealized_pnl": Decimal(f"{minute.unrealized_pnl:.2f}"),
        "dollar_delta": minute.dollar_delta,
        "dollar_gamma": minute.dollar_gamma,
        "theta": minute.theta,
        "vega": minute.vega,
        "positions": legs,
        "source": SOURCE,
        "as_of": minute.at,
    }
