"""Apply readers' words on which fills belong together, after the automatic grouping."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from trades.strategies.grouping import Group
from trades.strategies.opening import Opening


@dataclass(frozen=True, slots=True)
class Override:
    """Moves one opening, or joins its whole trade, to the trade of ``anchor`` (both by key)."""

    joins: bool
    anchor: int


def apply_overrides(groups: Sequence[Group], overrides: Mapping[int, Override]) -> list[Group]:
    """Return the trades as readers want them: moves first, then joins.

    An anchor that is not here any more still keeps together what was moved to it.
    """
    if not overrides:
        return list(groups)
    openings = [opening for group in groups for opening in group.openings]
    home: dict[int, Hashable] = {o.key: group.key for group in groups for o in group.openings}
    automatic = dict(home)
    for opening in openings:
        override = overrides.get(opening.key)
        if override is not None and not override.joins:
            home[opening.key] = _destination(opening.key, overrides, automatic)
    first = {name: name for name in home.values()}

    def root(name: Hashable) -> Hashable:
        while first[name] != name:
            name = first[name]
        return name

    for key, override in sorted(overrides.items()):
        if override.joins and key in home and override.anchor in home:
            first[root(home[key])] = root(home[override.anchor])
    wheels = {group.key for group in groups if group.is_wheel}
    found: dict[Hashable, list[Opening]] = {}
    for opening in sorted(openings, key=lambda each: (each.at, each.key)):
        found.setdefault(root(home[opening.key]), []).append(opening)
    return [_group(members, automatic, wheels) for members in found.values()]


def _destination(
    key: int, overrides: Mapping[int, Override], automatic: Mapping[int, Hashable]
) -> Hashable:
    """Follow moves to where they end: a trade by itself, or the automatic trade of an anchor."""
    seen = {key}
    while True:
        override = overrides.get(key)
        if override is None or override.joins:
            return automatic.get(key, ("moved", key))
        if override.anchor in seen:
            return ("moved", min(seen) if override.anchor != key else key)
        key = override.anchor
        seen.add(key)


def _group(members: list[Opening], automatic: Mapping[int, Hashable], wheels: set[int]) -> Group:
    group = Group()
    group.add(members)
    group.is_wheel = group.has_delivery and any(automatic[o.key] in wheels for o in members)
    return group
