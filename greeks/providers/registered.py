"""Register the providers of one kind, keep their order, and open them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from config.core.errors import InvalidInput

Provider = TypeVar("Provider")
Factory = TypeVar("Factory", bound=Callable[[], Any])


@dataclass(frozen=True, slots=True)
class _Registered(Generic[Provider]):
    factory: Callable[[], Provider]
    is_configured: Callable[[], bool]


class RegisteredProviders(Generic[Provider]):
    """The providers of one kind, by name, best first.

    ``modules`` are imported on first use; each registers its own provider. ``field`` names the
    input that chooses one, for the error message.
    """

    def __init__(self, modules: Sequence[str], *, field: str) -> None:
        self._modules = list(modules)
        self._field = field
        self._loaded = False
        self._providers: dict[str, _Registered[Provider]] = {}

    def register(
        self, name: str, *, is_configured: Callable[[], bool]
    ) -> Callable[[Factory], Factory]:
        """Decorate the factory that builds a provider from the settings.

        ``name`` is the source that its numbers carry; ``is_configured`` tells whether the settings
        have what it needs.
        """

        def decorate(factory: Factory) -> Factory:
            registered = _Registered(factory, is_configured)
            if self._providers.setdefault(name, registered).factory is not factory:
                raise ValueError(f"provider {name} is registered twice")
            return factory

        return decorate

    def add_module(self, module: str) -> None:
        """Import one more module on first use, after the others."""
        if module not in self._modules:
            self._modules.append(module)

    def names(self) -> tuple[str, ...]:
        self._load()
        return tuple(self._providers)

    def configured(self) -> tuple[str, ...]:
        """Return the providers whose settings are complete, best first."""
        self._load()
        return tuple(name for name, each in self._providers.items() if each.is_configured())

    def open(self, name: str) -> Provider:
        """Return a new provider, configured from settings. The caller closes it.

        Raises ``InvalidInput`` for a name that does not exist or is not configured.
        """
        if name not in self.configured():
            known = ", ".join(self.configured()) or "none"
            raise InvalidInput(
                f"{self._field}: {name[:32]!r} is not set up here (set up: {known})."
            )
        return self._providers[name].factory()

    def _load(self) -> None:
        # In the order of ``modules``, whichever was imported first elsewhere.
        if self._loaded:
            return
        for module in self._modules:
            import_module(module)
        self._loaded = True
