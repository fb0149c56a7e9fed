"""Option symbols: the OCC's 21 characters, Cboe's unpadded form and the dxFeed streamer form.

=====================  =========================  ================================================
form                   example                    rule
=====================  =========================  ================================================
OCC                    ``SPY   260117C00600500``  root padded to six, yymmdd, C or P, strike × 1000
compact (Cboe)         ``SPY260117C00600500``     the same without the padding
streamer (dxFeed)      ``.SPY260117C600.5``       leading dot, strike as a plain decimal
=====================  =========================  ================================================

Everything after the root has a fixed shape, so a root may end in digits (``SPY1``, adjusted
contracts) or start with one (``2SPX``, FLEX) and still be told apart. Source: OCC, Options
Symbology Initiative.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final

from greeks.domain import ADJUSTED_ROOT, Right

ROOT_WIDTH: Final = 6
OCC_WIDTH: Final = 21
MAXIMUM_STRIKE: Final = Decimal("99999.999")

_ROOT = r"(?P<root>[A-Z0-9][A-Z0-9./-]{0,5})"
_EXPIRY_AND_RIGHT = r"(?P<year>\d{2})(?P<month>\d{2})(?P<day>\d{2})(?P<right>[CP])"
_OCC = re.compile(rf"{_ROOT} *{_EXPIRY_AND_RIGHT}(?P<strike>\d{{8}})", re.ASCII)
_STREAMER = re.compile(
    rf"\.{_ROOT}{_EXPIRY_AND_RIGHT}(?P<strike>\d{{1,5}}(?:\.\d{{1,3}})?|\.\d{{1,3}})", re.ASCII
)
_ROOT_ONLY = re.compile(_ROOT, re.ASCII)
_SEPARATORS = str.maketrans("", "", "./-")


class OptionSymbolError(ValueError):
    """The text is not an option symbol. Its row is set aside with this reason."""


@dataclass(frozen=True, slots=True)
class OptionSymbol:
    """Root, expiry, right and strike of an option: what every symbol form encodes.

    Raises ``OptionSymbolError`` for what no form can hold: a root over six characters, an expiry
    outside 2000–2099, a strike that is not positive, has more than three decimals or exceeds
    99999.999.
    """

    root: str
    expiry: date
    right: Right
    strike: Decimal

    def __post_init__(self) -> None:
        if not _ROOT_ONLY.fullmatch(self.root):
            raise OptionSymbolError(f"option root {self.root[:24]!r} is not 1–6 of A–Z 0–9 . / -")
        if not 2000 <= self.expiry.year <= 2099:
            raise OptionSymbolError(f"expiry {self.expiry} does not fit two digits of year")
        if not (self.strike.is_finite() and 0 < self.strike <= MAXIMUM_STRIKE):
            raise OptionSymbolError(f"strike {self.strike} is outside 0.001–{MAXIMUM_STRIKE}")
        if self.strike * 1000 % 1:
            raise OptionSymbolError(f"strike {self.strike} has more than three decimals")

    @property
    def occ(self) -> str:
        """21 characters: ``SPY   260117C00600500``."""
        return f"{self.root:<{ROOT_WIDTH}}{self._expiry_and_right}{int(self.strike * 1000):08d}"

    @property
    def compact(self) -> str:
        """Cboe's form, without padding: ``SPY260117C00600500``."""
        return self.occ.replace(" ", "")

    @property
    def streamer(self) -> str:
        """dxFeed's form: ``.SPY260117C600.5``."""
        strike = f"{self.strike.normalize():f}"
        return f".{self.root}{self._expiry_and_right}{strike}"

    @property
    def standard(self) -> OptionSymbol:
        """The symbol under the OCC's own root.

        The OCC lists options on share classes without a separator (``BRKB``) where some vendors
        write ``BRK/B``. Use this form to compare symbols of two vendors.
        """
        return replace(self, root=self.root.translate(_SEPARATORS))

    @property
    def _expiry_and_right(self) -> str:
        return f"{self.expiry:%y%m%d}{self.right.value}"


def parse_occ(text: str) -> OptionSymbol:
    """Parse the OCC form, padded or not.

    Raises ``OptionSymbolError`` naming the text (cut to 32 characters).
    """
    matched = _OCC.fullmatch(text) if len(text) <= OCC_WIDTH else None
    if matched is None:
        raise OptionSymbolError(f"{text[:32]!r} is not an OCC option symbol")
    return _build(matched, Decimal(matched["strike"]) / 1000, text)


def is_occ(text: str) -> bool:
    """Return whether the text is an option symbol in the OCC's form."""
    try:
        parse_occ(text)
    except OptionSymbolError:
        return False
    return True


def listed_name(name: str) -> str:
    """Return the underlying of an adjusted option's root: ``SDS`` of ``SDS1``."""
    matched = ADJUSTED_ROOT.fullmatch(name)
    return matched["name"] if matched else name


def parse_streamer(text: str) -> OptionSymbol:
    """Parse dxFeed's form of an equity or index option.

    Raises ``OptionSymbolError`` naming the text (cut to 32 characters).
    """
    matched = _STREAMER.fullmatch(text)
    if matched is None:
        raise OptionSymbolError(f"{text[:32]!r} is not a streamer option symbol")
    return _build(matched, Decimal(matched["strike"]), text)


def _build(matched: re.Match[str], strike: Decimal, text: str) -> OptionSymbol:
    try:
        expiry = date(2000 + int(matched["year"]), int(matched["month"]), int(matched["day"]))
    except ValueError:
        raise OptionSymbolError(f"{text[:32]!r} has no such expiry date") from None
    return OptionSymbol(matched["root"], expiry, Right(matched["right"]), strike)
