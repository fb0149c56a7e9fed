"""The book of the rows: 200 positions of ten underlyings in one account, its owner signed in."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.test import Client

from auth_tokens.models import User
from config.core.clock import now
from greeks.models import Instrument
from portfolio.models import Account, Position
from tests.factories import (
    AccountFactory,
    AccountStatusFactory,
    OptionFactory,
    PositionFactory,
    UserFactory,
)

POSITIONS = 200
UNDERLYINGS = ("SPY", "QQQ", "IWM", "AAPL", "NVDA", "MSFT", "AMZN", "META", "TSLA", "AMD")


def make_book(owner: User, *, positions: int = POSITIONS) -> Account:
    """Return an account of options with prices and Greeks, synced just now."""
    at = now()
    account: Account = AccountFactory(owner=owner, last_synced_at=at, book_version=1)
    AccountStatusFactory(account=account, as_of=at, timestamp=at)
    instruments = [_option(number) for number in range(positions)]
    Instrument.objects.bulk_create(instruments)
    Position.objects.bulk_create(
        PositionFactory.build(
            account=account,
            instrument=instrument,
            quantity=Decimal(-2 if number % 3 else 5),
            opening_price=Decimal("3.75"),
            previous_close=Decimal("3.9"),
            daily_change=Decimal("-50"),
            delta_raw=-0.3 + number / 1000,
            price_as_of=at,
            greeks_as_of=at,
            as_of=at,
            timestamp=at,
        )
        for number, instrument in enumerate(instruments)
    )
    return account


def _option(number: int) -> Instrument:
    underlying = UNDERLYINGS[number % len(UNDERLYINGS)]
    expiry = (now() + timedelta(days=7 * (1 + number // 10 % 8))).date()
    strike = Decimal(100 + 5 * (number // 10))
    right = "CP"[number % 2]
    option: Instrument = OptionFactory.build(
        key=f"option:bench:{number}",
        symbol=f"{underlying:<6}{expiry:%y%m%d}{right}{int(strike * 1000):08d}",
        underlying=underlying,
        root=underlying,
        expiry=expiry,
        strike=strike,
        right=right,
    )
    return option


def signed_in(user: User | None = None) -> tuple[User, str]:
    """Return a user and the ``Cookie`` header of a session of theirs."""
    trader = user or UserFactory()
    client = Client()
    client.force_login(trader)
    name = settings.SESSION_COOKIE_NAME
    return trader, f"{name}={client.cookies[name].value}"
