"""The visual language's words: numbers, ages and badges as templates write them.

Every filter shows a missing value as a dash that is read out as "no value". The rules are in
``config.core.web.formatting``; the markup is that of ``static/js/base/cells.js`` for live cells.

A book of 200 positions calls these some 5,000 times a page: what is written out of digits and
constants is marked safe as it is; only names that came from outside are escaped.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone, localtime

from config.core.clock import market_now, now
from config.core.web import formatting
from config.core.web.formatting import Number

register = template.Library()

MISSING = SafeString(
    '<span class="missing" aria-hidden="true">–</span><span class="visually-hidden">no value</span>'
)
# How a provider is written; a source not listed is shown by its own name.
SOURCES = {
    "ibkr": "IBKR",
    "flex": "IBKR Flex",
    "ibkr_csv": "IBKR CSV",
    "ibkr_flex": "IBKR Flex",
    "ibkr_portal": "IBKR portal",
    "IBKR": "IBKR",
    "tastytrade": "Tasty",
    "tastytrade_csv": "Tasty CSV",
    "TASTY": "Tastytrade",
    "polygon": "Polygon",
    "upstox": "Upstox",
    "cboe": "Cboe",
    "model": "Model",
}
INSTRUMENT_TYPES = {
    "stock": "Shares",
    "index": "Index",
    "option": "Option",
    "future": "Future",
    "future_option": "Future option",
    "currency": "Currency",
    "event_contract": "Event contract",
}
# A compared age this far behind the newest is marked: a closed market ages all alike.
OLD_BEHIND_SECONDS = 300


def shown(text: str | None) -> SafeString:
    """A text of digits, signs and constant words, or the dash for a missing value."""
    return MISSING if text is None else SafeString(text)


def _field(name: str) -> str:
    """Return the attribute by which the page's script finds a live value."""
    return f' data-field="{name}"' if name else ""


def _number_filter(name: str, function: Callable[..., str | None]) -> None:
    """Register a formatting rule as a filter; an argument is its number of decimals."""

    def plain(value: Number | None) -> SafeString:
        return shown(function(value))

    def with_digits(value: Number | None, digits: int | None = None) -> SafeString:
        return shown(function(value) if digits is None else function(value, digits))

    takes_digits = function.__code__.co_argcount > 1
    register.filter(name, with_digits if takes_digits else plain)


_number_filter("money", formatting.number)
_number_filter("greek", formatting.number)
_number_filter("signed", formatting.signed)
_number_filter("percent", formatting.percent)
_number_filter("points", formatting.points)
_number_filter("price", formatting.price)
_number_filter("strike", formatting.strike)
_number_filter("quantity", formatting.quantity)
_number_filter("compact", formatting.compact)
_number_filter("counted", formatting.counted)


@register.filter
def sign(value: Number | None, digits: int = 2) -> str:
    """``up``, ``down``, ``flat`` or nothing, as the value with that many decimals shows it."""
    return formatting.sign(value, digits)


@register.filter
def day(value: date | None) -> SafeString:
    """A day; of a moment, the reader's."""
    return shown(formatting.day(localtime(value) if isinstance(value, datetime) else value))


@register.filter
def moment(value: datetime | None) -> SafeString:
    """A moment in the zone that the reader has chosen, which it names.

    What is prepared for several readers is in UTC: ages and their titles. In a narrow cell only the
    time takes a line of its own.
    """
    text = formatting.moment(value, get_current_timezone())
    if text is None:
        return shown(None)
    day, _, time = text.partition(" ")
    parts = f'<span class="number">{day}</span> <span class="number">{time}</span>'
    return SafeString(f"<span>{parts}</span>")


@register.filter
def short_moment(value: datetime | None) -> SafeString:
    """A moment to the minute; the whole of it is its title."""
    if value is None:
        return shown(None)
    return SafeString(
        f'<time datetime="{value.isoformat()}" title="{formatting.moment(value)}">'
        f"{formatting.short_moment(value)}</time>"
    )


@register.filter
def source_name(value: str | None) -> str:
    return SOURCES.get(value, value) if value else ""


@register.filter
def instrument_type_name(value: str) -> str:
    return INSTRUMENT_TYPES.get(value, value)


@register.filter
def words(value: str) -> str:
    """A stored code as words: ``cash_settlement`` → ``Cash settlement``."""
    text = value.replace("_", " ").capitalize()
    return text.replace("Iv ", "IV ")


@register.simple_tag
def age(
    value: datetime | None,
    clock: str = "wall",
    field: str = "",
    *,
    is_compared: bool = False,
    newest: datetime | None = None,
    text: str | None = None,
) -> SafeString:
    """Return the age of something as ``<time>``; the page's script counts it on.

    ``clock`` is ``wall`` for what the desk did and ``market`` for what the market said: on a
    frozen market clock the latter stands still. A compared age is marked old if it lies far behind
    ``newest``. ``text`` is written in place of the age now.
    """
    compared = " data-compared" if is_compared else ""
    start = f'<time class="age"{_field(field)} data-clock="{clock}"{compared}'
    if value is None:
        return SafeString(f"{start}>{MISSING}</time>")
    if text is None:
        at = market_now() if clock == "market" else now()
        text = formatting.age((at - value).total_seconds())
    behind = (newest - value).total_seconds() if is_compared and newest else 0.0
    old = " data-old" if behind > OLD_BEHIND_SECONDS else ""
    return SafeString(
        f'{start} datetime="{value.isoformat()}" title="{formatting.moment(value)}"{old}>'
        f"{text}</time>"
    )


@register.simple_tag
def change(value: Number | None, digits: int = 2, field: str = "") -> SafeString:
    """Return a signed change: arrow, sign and colour say the same."""
    sign = formatting.sign(value, digits)
    text = shown(formatting.signed(value, digits))
    return SafeString(
        f'<span class="number change"{_field(field)} data-sign="{sign}">{text}</span>'
    )


@register.simple_tag
def source_badge(source: str | None, last_known: bool = False, field: str = "") -> SafeString:
    """Return a source's badge. ``model``: computed here. ``last_known``: no source answered."""
    start = f'<span class="source"{_field(field)} data-source="'
    if not source:
        return SafeString(f'{start}">{MISSING}</span>')
    mark = " data-last-known" if last_known else ""
    return SafeString(f'{start}{escape(source)}"{mark}>{escape(source_name(source))}</span>')
