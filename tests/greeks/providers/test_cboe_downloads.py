"""One download of Cboe's file for all callers, asked about again only when it is old."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier
from typing import Any

import httpx
import pytest

from config.core.errors import InvalidInput, PermanentError, RetryableError
from config.core.health import run_checks
from greeks.providers.cboe.client import CboeClient
from greeks.providers.cboe.provider import CboeProvider
from greeks.providers.chain_registry import configured_chain_providers, open_chain_provider
from tests.greeks.providers.cboe_support import EXPIRED, SEPTEMBER, Store, provider, with_options
from tests.greeks.sandbox.chains import CBOE_ROW, cboe


def test_expiries_of_a_symbol_are_one_download() -> None:
    store = Store(cboe())
    source = provider(store)
    source.fetch_listing("XYZ")
    source.fetch_chain("XYZ", SEPTEMBER)
    other = CboeProvider(
        CboeClient(
            f"https://{source.server.partition('@')[2]}",
            refresh_seconds=60.0,
            transport=httpx.MockTransport(store),
        )
    )
    other.fetch_chain("XYZ", EXPIRED)
    assert [request.url.path for request in store.asked] == ["/delayed_quotes/options/XYZ.json"]
    assert (source.calls, other.calls) == (1, 0)


def test_whoever_asks_meanwhile_gets_the_same_download() -> None:
    together = Barrier(6)
    store = Store(cboe())
    source = provider(store)

    def ask(expiry: date) -> int:
        together.wait(10)
        return len(source.fetch_chain("XYZ", expiry))

    with ThreadPoolExecutor(6) as threads:
        counts = list(threads.map(ask, [SEPTEMBER, EXPIRED] * 3))
    assert counts == [2, 1] * 3
    assert len(store.asked) == 1


def test_old_download_is_asked_about_and_used_where_nothing_changed() -> None:
    store = Store(cboe(), etag='"v1"')
    source = provider(store, refresh_seconds=0.0)
    first = source.fetch_chain("XYZ", SEPTEMBER)
    second = source.fetch_chain("XYZ", SEPTEMBER)
    assert store.asked[1].headers["if-none-match"] == '"v1"'
    assert second.bid.tolist() == first.bid.tolist()
    store.etag, store.body = '"v2"', with_options(CBOE_ROW | {"bid": 4.5})
    assert source.fetch_chain("XYZ", SEPTEMBER).bid.tolist() == [4.5]


def test_index_has_a_name_of_its_own() -> None:
    store = Store(cboe())
    source = provider(store)
    for symbol in ("SPX", "_XYZ", "^ABC", "brk.b"):
        source.fetch_listing(symbol)
    names = [request.url.path.rsplit("/", 1)[-1] for request in store.asked]
    assert names == ["_SPX.json", "_XYZ.json", "_ABC.json", "BRK.B.json"]
    for wrong in ("", "../x", "S P", "A" * 13, "É"):
        with pytest.raises(InvalidInput, match="instrument_key"):
            source.fetch_listing(wrong)


@pytest.mark.parametrize("status", [403, 404])
def test_symbol_without_options_is_refused_for_good(status: int) -> None:
    with pytest.raises(PermanentError, match="Cboe has no options file") as caught:
        provider(Store(httpx.Response(status, text="<Error/>"))).fetch_listing("NONE")
    assert type(caught.value) is PermanentError


@pytest.mark.django_db
def test_failure_is_everybodys_and_leaves_the_next_to_try_again(settings: Any) -> None:
    store = Store(httpx.Response(503))
    source = provider(store)
    for _ in range(3):
        with pytest.raises(RetryableError):
            source.fetch_chain("XYZ", SEPTEMBER)
    settings.CBOE_URL = f"https://{source.server.partition('@')[2]}"
    check = run_checks().checks["provider.cboe"]
    assert (check.status, check.detail) == ("degraded", "Calls are paused after failures in a row.")


@pytest.mark.django_db
def test_cboe_is_a_chain_provider_where_its_address_is_set(settings: Any) -> None:
    assert "cboe" in configured_chain_providers()
    opened = open_chain_provider("cboe")
    assert opened.source == "cboe"
    opened.close()
    settings.CBOE_URL = ""
    assert "cboe" not in configured_chain_providers()
    assert run_checks().checks["provider.cboe"].detail == "Not set up."
