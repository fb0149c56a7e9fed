from __future__ import annotations

from django.db import models
from django.db.models import F
from django.db.models.functions import Coalesce

from config.core.fields import AmountField
from greeks.models import Instrument
from portfolio.domain import ExecutionKind
from portfolio.models import Account
from trades.models.execution import TradeExecution

#: When a trade began: with its opening, or with its first known close.
BEGAN = Coalesce("opened_at", "closed_at")


class Trade(models.Model):
    """From entry to exit: the lots of one order, or of the position that several orders formed.

    Computed from the lots and replaced whenever they change. The key is stable: the execution that
    opened the first lot, in its first revision (for a close of unknown basis, the closing one).
    What readers add (notes, tags, overrides) refers to that execution, never to a trade.
    """

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        #: Nothing is open; of an option that expired the broker has not told how it ended.
        AWAITING = "awaiting", "Awaiting statement"
        CLOSED = "closed", "Closed"

    opening = models.OneToOneField(
        TradeExecution, primary_key=True, on_delete=models.PROTECT, related_name="trade"
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="trades", db_index=False
    )
    underlying = models.CharField(max_length=32)
    strategy = models.CharField(max_length=24, help_text="What was opened.")
    name = models.CharField(max_length=48, help_text="The strategy in words, with its side.")
    open_name = models.CharField(
        max_length=48, blank=True, help_text="What is open now; empty once closed."
    )
    status = models.CharField(max_length=8, choices=Status.choices)
    opened_at = models.DateTimeField(null=True, help_text="Empty if the opening is not known.")
    closed_at = models.DateTimeField(null=True, help_text="Of the last close; empty while open.")
    quantity = AmountField(help_text="How often the strategy was opened: spreads, or shares.")
    currency = models.CharField(max_length=8)
    premium = AmountField(
        null=True,
        help_text="Cash of the openings before costs, a credit positive; empty for futures.",
    )
    costs = AmountField(help_text="All that was paid so far, openings of open lots too.")
    gross = AmountField(
        null=True,
        help_text="Realised before costs; empty if nothing was, or if a basis is unknown.",
    )
    net = AmountField(null=True, help_text="Realised after costs.")
    unknown_closes = models.PositiveIntegerField(
        default=0, help_text="Closed lots whose basis is not known."
    )
    chain = models.BigIntegerField(
        help_text="Key of the first trade of those that rolled into each other."
    )

    class Meta:
        db_table = "trades"
        indexes = [
            models.Index(fields=["account", "underlying"]),
            models.Index(
                "account", BEGAN.desc(), F("opening").desc(), name="trade_began_in_account"
            ),
            models.Index(BEGAN.desc(), F("opening").desc(), name="trade_began"),
            models.Index(fields=["account", "status"]),
            models.Index(fields=["account", "strategy"]),
            models.Index(fields=["account", "closed_at"]),
            models.Index(fields=["chain"]),
        ]
        ordering = [BEGAN.desc(), "-opening_id"]

    def __str__(self) -> str:
        return f"{self.underlying} {self.name}"

    @property
    def key(self) -> int:
        return self.opening_id


class TradeLeg(models.Model):
    """The lots of one contract and sign in a trade. ``quantity`` is all that was opened, signed."""

    trade = models.ForeignKey(Trade, on_delete=models.CASCADE, related_name="legs")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    quantity = AmountField()
    open_quantity = AmountField()
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True, help_text="Of the last close; empty while open.")
    closed_kind = models.CharField(
        max_length=24, blank=True, choices=[(k.value, k.value) for k in ExecutionKind]
    )
    awaiting = models.BooleanField(
        default=False, help_text="A part ended at expiry, and the broker has not told how."
    )
    open_price = AmountField(null=True, help_text="Average of what was opened.")
    close_price = AmountField(null=True, help_text="Average of what was closed.")
    costs = AmountField()
    gross = AmountField(null=True)
    net = AmountField(null=True)

    class Meta:
        db_table = "trade_legs"
        ordering = ["opened_at", "id"]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} × {self.instrument_id}"


class TradeFill(models.Model):
    """Which executions opened and closed a trade, and how much. ``quantity`` has the lot's sign.

    An execution opens in one trade at most; it may close lots of several.
    """

    class Role(models.TextChoices):
        OPEN = "open", "Open"
        CLOSE = "close", "Close"

    trade = models.ForeignKey(Trade, on_delete=models.CASCADE, related_name="fills", db_index=False)
    execution = models.ForeignKey(
        TradeExecution, on_delete=models.PROTECT, related_name="in_trades"
    )
    key = models.BigIntegerField(help_text="The first revision of the execution.")
    role = models.CharField(max_length=5, choices=Role.choices)
    quantity = AmountField()

    class Meta:
        db_table = "trade_fills"
        indexes = [models.Index(fields=["key"])]
        constraints = [
            models.UniqueConstraint(fields=["trade", "execution", "role"], name="trade_fill_unique")
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.role} {self.quantity.normalize():f}"


class TradeRoll(models.Model):
    """A lot that was closed and opened again elsewhere: the same right and sign, the same session.

    ``opened_by`` opened the old lot (empty if that is not known), ``closed_by`` closed it,
    ``rolled_to`` opened the new one.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    underlying = models.CharField(max_length=32)
    opened_by = models.ForeignKey(
        TradeExecution, null=True, on_delete=models.PROTECT, related_name="+"
    )
    closed_by = models.ForeignKey(TradeExecution, on_delete=models.PROTECT, related_name="+")
    rolled_to = models.ForeignKey(TradeExecution, on_delete=models.PROTECT, related_name="+")
    quantity = AmountField()
    inferred = models.BooleanField(help_text="Closed and opened by different orders.")

    class Meta:
        db_table = "trade_rolls"
        indexes = [models.Index(fields=["account", "underlying"])]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.opened_by_id} → {self.rolled_to_id}"
