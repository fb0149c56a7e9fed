"""Make, change and remove portfolios: named sets of the accounts their owner may see."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Final

from django.db import IntegrityError, transaction

from auth_tokens.models import User
from config.core.errors import Conflict, InvalidInput, NotFound
from portfolio.accounts.access import accounts_visible_to
from portfolio.models import Portfolio

DEFAULT_NAME: Final = "All accounts"
#: Portfolios of one user: each costs the update queue a total.
MOST_PORTFOLIOS: Final = 50
_SMALLEST_NOTICE, _LARGEST_NOTICE = Decimal("0.1"), Decimal(100)


def ensure_default_portfolio(user_id: int) -> None:
    """Give the user the portfolio of all their accounts, if it is missing."""
    if Portfolio.objects.filter(owner_id=user_id, holds_all=True).exists():
        return
    names = set(Portfolio.objects.filter(owner_id=user_id).values_list("name", flat=True))
    name, number = DEFAULT_NAME, 2
    while name in names:
        name, number = f"{DEFAULT_NAME} {number}", number + 1
    # Two requests may come at once; the first made it.
    Portfolio.objects.bulk_create(
        [Portfolio(owner_id=user_id, holds_all=True, name=name)], ignore_conflicts=True
    )


def save_portfolio(
    *,
    user: User,
    name: str,
    account_ids: Collection[str],
    portfolio_id: int | None = None,
) -> Portfolio:
    """Make a portfolio, or change one of the user's.

    Raises:
        InvalidInput: the name is empty or an account is not theirs to see.
        Conflict: the name is taken, or there are too many portfolios.
        NotFound: the user has no such portfolio.
    """
    name = name.strip()
    if not name or len(name) > 64 or "\x00" in name:
        raise InvalidInput("A name has 1 to 64 characters.", fields={"name": "1 to 64 characters"})
    wanted = set(account_ids)
    accounts = list(accounts_visible_to(user).filter(pk__in=wanted))
    if unknown := sorted(wanted - {account.pk for account in accounts}):
        raise InvalidInput(
            "No such account.", fields={"account_ids": f"unknown: {', '.join(unknown)[:200]}"}
        )
    with transaction.atomic():
        # The row of the owner: two requests cannot both be the last one allowed.
        User.objects.select_for_update().get(pk=user.pk)
        mine = Portfolio.objects.filter(owner=user)
        if portfolio_id is None:
            if mine.count() >= MOST_PORTFOLIOS:
                raise Conflict(f"You have {MOST_PORTFOLIOS} portfolios, the most there may be.")
            portfolio = Portfolio(owner=user)
        else:
            portfolio = _changeable(user, portfolio_id)
        portfolio.name = name
        try:
            with transaction.atomic():
                # Only these: the queue writes the others meanwhile.
                portfolio.save(update_fields=["name"] if portfolio.pk else None)
        except IntegrityError:
            raise Conflict(f"You have a portfolio named {name!r} already.") from None
        portfolio.accounts.set(accounts)
    return portfolio


def save_notices(
    *, user: User, portfolio_id: int, notice_percent: Decimal | None, daily_summary: bool
) -> None:
    """Set a portfolio's notices; that of all accounts has them too.

    Raises:
        InvalidInput: ``notice_percent`` is not between 0.1 and 100.
        NotFound: the user has no such portfolio.
    """
    if notice_percent is not None:
        if not _SMALLEST_NOTICE <= notice_percent <= _LARGEST_NOTICE:
            raise InvalidInput(
                "Notices come at each move by 0.1 to 100 %.",
                fields={"notice_percent": "0.1 to 100"},
            )
        notice_percent = notice_percent.quantize(Decimal("0.01"))
    portfolio = Portfolio.objects.filter(owner=user, pk=portfolio_id).first()
    if portfolio is None:
        raise NotFound("No such portfolio.", fields={"portfolio_id": "unknown"})
    portfolio.notice_percent, portfolio.daily_summary = notice_percent, daily_summary
    # Only these: the queue writes the others meanwhile.
    portfolio.save(update_fields=["notice_percent", "daily_summary"])


def remove_portfolio(*, user: User, portfolio_id: int) -> None:
    """Remove one of the user's portfolios. Raises ``NotFound``, or ``Conflict`` for the default."""
    _changeable(user, portfolio_id).delete()


def _changeable(user: User, portfolio_id: int) -> Portfolio:
    portfolio = Portfolio.objects.filter(owner=user, pk=portfolio_id).first()
    if portfolio is None:
        raise NotFound("No such portfolio.", fields={"portfolio_id": "unknown"})
    if portfolio.holds_all:
        raise Conflict("The portfolio of all accounts cannot be changed.")
    return portfolio
