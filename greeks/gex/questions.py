"""A request for gamma exposure: symbol, expiries, definition."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from django.conf import settings

from greeks.gex.engine.definition import Dealers, Definition, dealers_named, definition_named
from greeks.providers.exposure_service import SOURCE

#: ``definition_version`` and ``dealers`` of an external service's answers.
SERVICE_SERIES: Final = ("service.1", "service")


@dataclass(frozen=True, slots=True, kw_only=True)
class GexQuestion:
    """A request; by default for the first symbol, all expiries and the desk's definition."""

    symbol: str | None = None
    definition: str | None = None
    dealers: str | None = None
    expiries: tuple[date, ...] = ()

    def check(self) -> None:
        """Raise ``InvalidInput`` for an unknown definition or assumption."""
        definition_named(self.definition or settings.GEX_DEFINITION)
        dealers_named(self.dealers or settings.GEX_DEALERS)

    def series(self, source: str) -> tuple[str, str]:
        """Return ``definition_version`` and ``dealers`` of the snapshots of a subject's source."""
        if source == SOURCE:
            return SERVICE_SERIES
        return self.chosen_definition.key, self.chosen_dealers.name

    @property
    def chosen_definition(self) -> Definition:
        """Return it, by default ``GEX_DEFINITION``. Raises ``InvalidInput`` if unknown."""
        return definition_named(self.definition or settings.GEX_DEFINITION)

    @property
    def chosen_dealers(self) -> Dealers:
        """Return them, by default ``GEX_DEALERS``. Raises ``InvalidInput`` if unknown."""
        return dealers_named(self.dealers or settings.GEX_DEALERS)
