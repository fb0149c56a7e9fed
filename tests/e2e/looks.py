"""How a page must look: in every window, in both themes."""

from __future__ import annotations

from collections.abc import Sequence

from tests.e2e.browser import Browser

PHONE, DESK = (390, 844), (1440, 900)
# The smallest phone, iPhone SE, iPhone, Pixel, iPad upright and on its side, 13 and 15 inches.
SIZES = ((320, 568), (375, 667), PHONE, (412, 915), (820, 1180), (1024, 768), (1280, 800), DESK)
COLOURS = ("color-contrast", "link-in-text-block")


def assert_looks_right(
    page: Browser,
    what: str,
    *,
    sizes: Sequence[tuple[int, int]] = (PHONE, DESK),
    whole: str = "",
) -> None:
    """Assert that the page fits, satisfies axe, is reached in order and is hit with a finger.

    The light theme differs by its colours: of axe's rules, those of colour are run on it too.
    ``whole`` selects what may not need scrolling at any size.
    """
    for size in sizes:
        page.resize(*size)
        for scheme in ("light", "dark"):
            page.prefer(scheme=scheme)
            where = f"{what} {size} {scheme}"
            assert page.width_beyond_window() <= 0, where
            if whole:
                assert page.width_beyond_window(whole) <= 0, f"{where} {whole}"
            if size in (PHONE, DESK):
                assert page.violations(COLOURS if scheme == "light" else ()) == [], where
                assert page.steps_back() == [], where
            if size == PHONE:
                assert page.small_targets() == [], where
