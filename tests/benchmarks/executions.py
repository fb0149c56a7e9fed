"""An export of many fills, as Tastytrade writes it: spreads of many underlyings, opened, closed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from trades.importing.tastytrade_csv import COLUMNS

_UNDERLYINGS = 200
_FIRST = datetime(2023, 1, 3, 15, 0, tzinfo=UTC)
#: Fills of a spread from entry to exit.
_FILLS = 4
#: A short and a long file hold about the same share of rolls, which take the most work.
_HELD = timedelta(days=2)


def export(fills: int) -> bytes:
    """Return the file: each spread is opened by one order of two legs and closed by another."""
    lines = [",".join(COLUMNS)]
    for number in range(fills // _FILLS):
        lines += _spread(number)
    return "\n".join([lines[0], *reversed(lines[1:])]).encode()


def _spread(number: int) -> Iterator[str]:
    day, place = divmod(number, _UNDERLYINGS)
    # Digits at the end would make it an adjusted root.
    root = f"T{chr(65 + place // 26)}{chr(65 + place % 26)}"
    opened = _FIRST + timedelta(days=day, seconds=place)
    expiry = (opened + timedelta(days=45)).date()
    strike = 90 + day % 20
    for order, at, effect, price in (
        (2 * number, opened, "OPEN", 1.25),
        (2 * number + 1, opened + _HELD, "CLOSE", 0.6),
    ):
        for leg, is_sold in ((strike, effect == "OPEN"), (strike - 5, effect == "CLOSE")):
            side = "SELL" if is_sold else "BUY"
            paid = price if leg == strike else price / 2
            symbol = f"{root:<6}{expiry:%y%m%d}P{leg * 1000:08d}"
            done = f"{'Sold' if is_sold else 'Bought'} 1 {root} {expiry:%m/%d/%y} Put {leg}.00"
            yield ",".join(
                (
                    f"{at:%Y-%m-%dT%H:%M:%S}+0000", "Trade", f"{side.title()} to {effect.title()}",
                    f"{side}_TO_{effect}", symbol, "Equity Option", f"{done} @ {paid:.2f}",
                    f"{100 * paid if is_sold else -100 * paid:.2f}", "1",
                    f"{100 * paid if is_sold else -100 * paid:.2f}", "-1.00", "-0.14", "100", root,
                    root, f"{expiry:%-m/%d/%y}", str(leg), "PUT", str(310_000_000 + order), "USD",
                )
            )  # fmt: skip
