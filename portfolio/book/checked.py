"""The result of checking a broker's rows: kept rows, refused rows, and notes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from greeks.domain import RejectedRow
from portfolio.domain import BrokerPosition

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Generic[Item]):
    """A validated answer. ``notes`` are values that were dropped from kept rows."""

    kept: tuple[Item, ...]
    received: int
    rejected: tuple[RejectedRow, ...] = ()
    notes: tuple[RejectedRow, ...] = ()
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPositions(Checked[BrokerPosition]):
    """Positions by identity.

    ``keys`` are the instrument keys of ``kept``. ``flat`` are rows with quantity zero: the broker
    reports them closed. ``unsettled`` are identities the broker sent in two contradicting rows.
    """

    keys: tuple[str, ...]
    flat: tuple[BrokerPosition, ...] = ()
    unsettled: frozenset[tuple[str, str]] = frozenset()
