"""The risk monitor's bodies, built once per version for Django's view and the front door."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any, cast

from django.conf import settings

from auth_tokens.models import User
from config.core.front_door.bodies import Body, Prepared, prepared_bodies
from config.core.front_door.resources import Key
from portfolio.accounts.access import accounts_visible_to
from portfolio.refresh.asked import note_announced
from portfolio.risk_monitor.body import RiskMonitor, accounts_shown, risk_monitor_of, state_of
from portfolio.risk_monitor.reading import request_what_is_behind
from portfolio.sync.progress import account_group

NAME = "risk_monitor"


def prepared_risk_monitor(monitor: RiskMonitor) -> Prepared:
    """Return a reading's body; readings that show the same share one object."""
    key = tuple(account.account_id for account in monitor.accounts)
    known = prepared_bodies.get(NAME, key, monitor.state)
    if known is not None:
        return known
    prepared = Prepared(Body(monitor.to_json()), monitor.state, monitor.valid_until)
    return prepared_bodies.put(NAME, key, prepared)


class RiskMonitorSource:
    """A ``front_door.resources.PrivateSource``; a key is the ids of all the user's accounts."""

    def key_of(self, user: User) -> Key:
        visible = accounts_visible_to(user).order_by("account_id")
        return tuple(visible.values_list("account_id", flat=True))

    def groups_of(self, key: Key) -> Iterable[str]:
        return [account_group(account_id) for account_id in _ids(key)]

    def heard(self, message: Mapping[str, Any]) -> bool:
        note_announced(message)
        return True

    def states_of(self, keys: Collection[Key]) -> Mapping[Key, Hashable]:
        if not settings.USE_PERSISTENT_CACHE:
            # Every read asks the brokers first, so nothing may be answered from memory.
            return {}
        wanted = {account_id for key in keys for account_id in _ids(key)}
        known = {account.account_id: account for account in accounts_shown(wanted)}
        return {
            key: state_of([known[account_id] for account_id in _ids(key)])
            for key in keys
            if all(account_id in known for account_id in _ids(key))
        }

    def kept(self, key: Key, state: Hashable) -> Prepared | None:
        return prepared_bodies.get(NAME, key, state)

    def prepare(self, key: Key) -> Prepared | None:
        monitor = risk_monitor_of(accounts_shown(_ids(key)))
        if monitor.lacks_all_greeks:
            # A first load fetches before it answers: leave that to Django's view.
            return None
        return prepared_risk_monitor(monitor)

    def asked(self, key: Key) -> None:
        request_what_is_behind(account_ids=_ids(key))


def _ids(key: Key) -> tuple[str, ...]:
    return cast("tuple[str, ...]", key)
