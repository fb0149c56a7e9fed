"""Rows for tests: sensible by default, every field can be named."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import factory
from django.contrib.auth.hashers import make_password
from factory.django import DjangoModelFactory

from auth_tokens.models import User
from greeks.domain import InstrumentKind
from greeks.models import Instrument
from portfolio.domain import Broker
from portfolio.models import Account, AccountStatus, Position

PASSWORD = "a-long-passphrase"
AS_OF = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"trader{n}")
    password = factory.LazyFunction(lambda: make_password(PASSWORD))


class AccountFactory(DjangoModelFactory[Account]):
    class Meta:
        model = Account

    account_id = factory.Sequence(lambda n: f"DU{1000000 + n}")
    account_number = factory.SelfAttribute("account_id")
    broker = Broker.IBKR.value
    owner = factory.SubFactory(UserFactory)
    label = factory.LazyAttribute(lambda account: f"Margin {account.account_id}")


class AccountStatusFactory(DjangoModelFactory[AccountStatus]):
    class Meta:
        model = AccountStatus

    account = factory.SubFactory(AccountFactory)
    net_liquidation = Decimal("100000")
    buying_power = Decimal("300000")
    excess_liquidity = Decimal("80000")
    maint_margin = Decimal("20000")
    currency = "USD"
    source = "ibkr"
    as_of = AS_OF
    timestamp = AS_OF


class OptionFactory(DjangoModelFactory[Instrument]):
    class Meta:
        model = Instrument

    key = factory.Sequence(lambda n: f"option:SPY:{n}")
    kind = InstrumentKind.OPTION.value
    symbol = factory.Sequence(lambda n: f"SPY   270115P{(500 + n) * 1000:08d}")
    underlying = "SPY"
    root = "SPY"
    expiry = date(2027, 1, 15)
    strike = factory.Sequence(lambda n: Decimal(500 + n))
    right = "P"
    multiplier = Decimal(100)
    currency = "USD"


class PositionFactory(DjangoModelFactory[Position]):
    class Meta:
        model = Position

    account = factory.SubFactory(AccountFactory)
    instrument = factory.SubFactory(OptionFactory)
    symbol = factory.SelfAttribute("instrument.symbol")
    underlying = factory.SelfAttribute("instrument.underlying")
    instrument_type = factory.SelfAttribute("instrument.kind")
    expiry = factory.SelfAttribute("instrument.expiry")
    strike = factory.SelfAttribute("instrument.strike")
    right = factory.SelfAttribute("instrument.right")
    multiplier = factory.SelfAttribute("instrument.multiplier")
    currency = "USD"
    quantity = Decimal(-2)
    avg_price = Decimal("4.5")
    price = Decimal(4)
    price_source = "ibkr"
    price_as_of = AS_OF
    market_value = Decimal(-800)
    unrealized_pnl = Decimal(100)
    delta_raw = -0.3
    gamma_raw = 0.01
    theta_raw = -0.1
    vega_raw = 0.5
    iv_raw = 0.18
    underlying_price = Decimal(600)
    greeks_source = "ibkr"
    greeks_as_of = AS_OF
    source = "ibkr"
    as_of = AS_OF
    timestamp = AS_OF
