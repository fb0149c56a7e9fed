"""The market at the front door: map a query string to its prepared body."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any, cast

from django.conf import settings
from django.http import QueryDict

from config.core.clock import market_now
from config.core.errors import ApplicationError
from config.core.front_door.bodies import Prepared
from config.core.front_door.resources import Key
from greeks.market.bodies.cache import kept_market_body, prepared_market_body
from greeks.market.bodies.questions import (
    MarketChoice,
    MarketQuestion,
    choice_for,
    choices_for,
    question_of,
)

#: The hub group that announces every closed minute once its body is prepared.
MINUTES_GROUP = "market.minutes"


class MarketSource:
    """A ``front_door.resources.PublicSource``: a key is a question as it was asked."""

    def key_for(self, query: str) -> Key | None:
        try:
            return question_of(QueryDict(query))
        except ApplicationError:
            return None

    def groups_of(self, key: Key) -> Iterable[str]:
        return [MINUTES_GROUP]

    def heard(self, message: Mapping[str, Any]) -> bool:
        return True

    def states_of(self, keys: Collection[Key]) -> Mapping[Key, Hashable]:
        if not settings.MARKET_DATA_PUBLIC:
            # Django decides who may have it.
            return {}
        questions = [cast("MarketQuestion", key) for key in keys]
        return {
            question: choice
            for question, choice in choices_for(questions, market_now()).items()
            if isinstance(choice, MarketChoice)
        }

    def kept(self, key: Key, state: Hashable) -> Prepared | None:
        return kept_market_body(choice=cast("MarketChoice", state))

    def prepare(self, key: Key) -> Prepared | None:
        try:
            choice = choice_for(cast("MarketQuestion", key), market_now())
        except ApplicationError:
            return None
        return prepared_market_body(choice=choice)

    def asked(self, key: Key) -> None:
        """Do nothing: the market is polled whether it is read or not."""
