"""A user's portfolios, live: their figures as the update queue computes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from auth_tokens.models import User
from config.core.live.feeds import Feed, frame
from portfolio.updates.announcing import group_of
from portfolio.updates.reading import portfolios_of

#: A user's portfolios by id, as the API shows them.
Rows = Mapping[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Owned:
    """Whose portfolios, and the accounts that they may see now: others are another feed."""

    owner_id: int
    account_ids: tuple[str, ...]


class PortfoliosFeed(Feed[Owned, Rows]):
    """Watches the portfolios of one owner, by id. A change holds whole those that changed."""

    def groups(self, state: Rows | None) -> list[str]:
        return [group_of(self.key.owner_id)]

    def read(self, before: Rows | None) -> Rows:
        owner = User.objects.get(pk=self.key.owner_id)
        after = {row["id"]: row for row in portfolios_of(owner)}
        return after if before is None or after != before else before

    def snapshot_frame(self) -> str:
        rows = list(self.state.values())
        return frame(
            "portfolios.snapshot",
            {"portfolios": rows},
            version=self.number,
            as_of=_newest(rows),
        )

    def tell(self, before: Rows, after: Rows) -> None:
        changed = [row for name, row in after.items() if before.get(name) != row]
        removed = [name for name in before if name not in after]
        data = {"portfolios": changed, "removed": removed}
        self.send_numbered("portfolios.changed", data, as_of=_newest(changed))


def _newest(rows: Iterable[Mapping[str, Any]]) -> Any:
    known = (row["last_updated"] for row in rows if row["last_updated"] is not None)
    return max(known, default=None)
