"""The fills of a broker's answer."""

from __future__ import annotations

from portfolio.domain import AccountEvent, BrokerExecution


def fills(items: tuple[AccountEvent, ...]) -> list[BrokerExecution]:
    """Return the items, each of which must be an execution."""
    found = [item for item in items if isinstance(item, BrokerExecution)]
    assert len(found) == len(items)
    return found
