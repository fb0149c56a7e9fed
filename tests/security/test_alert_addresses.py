"""An alert reaches no address of the desk's own network, whatever names and forms it takes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from config.core.errors import InvalidInput
from greeks.alerts.sending import messengers, public_only
from greeks.alerts.sending.messengers import Outcome, read_address, send_message
from greeks.alerts.sending.public_only import is_private_name, is_public

INSIDE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.0", "192.0.0.1",  # noqa: S104
    "198.18.0.1", "192.88.99.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::127.0.0.1", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1",
    "2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "3fff::1",
    "100::1", "5f00::1",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _not_private(settings: Settings) -> None:
    settings.ALERT_PRIVATE_ADDRESSES = False
    settings.ALERT_SCHEMAS = ["jsons", "json", "mailtos"]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        opened.setblocking(False)
        yield opened


@pytest.mark.parametrize("address", INSIDE)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)
    assert is_private_name(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.1", "2130706433", "0x7f.1", "LOCALHOST.", "a.localhost", "１２７.0.0.1", "127。0。0。1"],
)
def test_other_spellings_are_refused_when_they_are_entered(host: str) -> None:
    with pytest.raises(InvalidInput):
        read_address(f"jsons://{host}/hook")
    assert is_private_name(host)


@pytest.mark.parametrize("public_looks", [0, 1])
def test_name_that_changes_after_a_look_reaches_nothing(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, public_looks: int
) -> None:
    port = listener.getsockname()[1]
    looks: list[str] = []

    def changing(host: str, *_: Any, **__: Any) -> list[Any]:
        looks.append(host)
        found = ("127.0.0.1", port) if len(looks) > public_looks else ("192.88.99.1", port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", found)]

    # As if that address, where nothing answers any more, were an ordinary one.
    monkeypatch.setattr(public_only, "_REFUSED_4", ())
    monkeypatch.setattr(messengers, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", changing)
    sent = send_message(f"json://hooks.example.org:{port}/", title="t", body="b")
    assert sent.outcome is not Outcome.SENT
    with pytest.raises(BlockingIOError):
        listener.accept()
    # One resolution: nobody looks a second time.
    assert len(looks) == 1


def test_mail_server_inside_is_refused_as_it_connects(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", listener.getsockname())]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
    address = "mailtos://example.org?user=a&pass=b&to=c@example.org&smtp=mail.example.org&mode=ssl"
    assert send_message(address, title="t", body="b").outcome is Outcome.REFUSED
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_operators_proxy_may_be_inside(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener.getsockname()[1]
    monkeypatch.setattr(public_only, "getproxies", lambda: {"http": f"http://127.0.0.1:{port}"})
    with public_only.public_only(), socket.create_connection(("127.0.0.1", port)) as opened:
        assert opened.getpeername()[1] == port


@pytest.mark.parametrize(
    "address",
    [
        "mailtos://user:pass@example.org?mode=insecure",  # pragma: allowlist secret
        "mailtos://user:pass@example.org?mode=Insecure&smtp=a.test",  # pragma: allowlist secret
        "mailto://user:pass@example.org",  # pragma: allowlist secret
    ],
)
def test_password_in_plain_text_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput):
        read_address(address)
