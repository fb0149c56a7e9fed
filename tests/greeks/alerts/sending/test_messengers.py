"""Which addresses are accepted, and what a try to send comes to, with a real receiver."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys

import pytest
from pytest_django.fixtures import Settings

from config.core.errors import InvalidInput
from greeks.alerts.sending import messengers
from greeks.alerts.sending.messengers import Outcome, read_address, send_message
from tests.greeks.alerts.receiver import Receiver

CANARY = "canary-of-the-channel"
TELEGRAM_BOT = "123456789:abcdefg_hijklmnopqrstuvwxyz012345678"  # pragma: allowlist secret


def send(address: str) -> messengers.Sent:
    return send_message(address, title="NIFTY 50: spot above 100", body="101.00 at 09:20")


def test_message_arrives_with_title_and_text(receiver: Receiver) -> None:
    assert send(receiver.address) == messengers.Sent(Outcome.SENT)
    (message,) = receiver.messages
    assert (message["title"], message["message"]) == (
        "NIFTY 50: spot above 100",
        "101.00 at 09:20",
    )


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (401, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (302, Outcome.REFUSED),
        (429, Outcome.AGAIN),
        (500, Outcome.AGAIN),
        (503, Outcome.AGAIN),
    ],
)
def test_answer_says_whether_another_try_is_worth_it(
    receiver: Receiver, status: int, outcome: Outcome
) -> None:
    receiver.statuses = [status]
    receiver.headers = {"Location": "http://127.0.0.1:1/elsewhere"}
    sent = send(receiver.address)
    assert (sent.outcome, sent.error) == (outcome, f"The receiver answered with {status}.")


def test_receiver_that_is_not_there_may_be_tried_again(receiver: Receiver) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    sent = send(f"json://127.0.0.1:{port}/hook")
    assert (sent.outcome, sent.error) == (Outcome.AGAIN, "No connection to the receiver.")


def test_receiver_that_takes_a_message_and_says_nothing_may_have_it(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messengers, "READ_SECONDS", 0.2)
    receiver.waits.clear()
    sent = send(receiver.address)
    assert sent.outcome is Outcome.UNKNOWN
    assert len(receiver.messages) == 1


def test_receiver_that_never_ends_its_answer_is_left(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messengers, "LONGEST_SECONDS", 0.2)
    receiver.waits.clear()
    assert send(receiver.address).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "address",
    [
        "ftp://example.org",
        "syslog://",
        "example.org",
        "",
        "jsons://",
        "jsons://example.org/?template=file:///etc/passwd",
        "jsons://example.org/?verify=no",
        "jsons://example.org/?redirect=yes",
        "jsons://example.org/?rto=9000",
        "jsons://example.org/?-x=y",
        "jsons://exam ple.org",
        "jsons://example.org/" + "x" * 1024,
        "tgram://not-a-token/123",
    ],
)
def test_address_that_is_not_accepted_is_refused_without_being_repeated(
    receiver: Receiver, address: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_address(address)
    assert set(refused.value.fields) == {"address"}
    assert "passwd" not in refused.value.message


@pytest.mark.parametrize(
    ("address", "service", "host"),
    [
        (f"tgram://{TELEGRAM_BOT}/12315544/", "Telegram", ""),
        (f"jsons://user:{CANARY}@example.org/path-secret", "Webhook", "example.org"),
        (f"discord://4174216298/{CANARY}", "Discord", ""),
        (f"ntfys://{CANARY}", "ntfy", ""),
        (f"ntfys://example.org/{CANARY}", "ntfy", "example.org"),
        (f"mailtos://user:{CANARY}@example.org?smtp=smtp.example.org", "E-mail",
         "smtp.example.org"),
    ],
)  # fmt: skip
def test_what_is_shown_of_an_address_is_service_and_host(
    receiver: Receiver, address: str, service: str, host: str
) -> None:
    shown = read_address(address)
    assert (shown.service, shown.host) == (service, host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.0.0.8", "169.254.169.254", "[::1]", "desk.local"]
)
def test_address_of_the_own_network_is_refused_when_it_is_entered(
    receiver: Receiver, settings: Settings, host: str
) -> None:
    settings.ALERT_PRIVATE_ADDRESSES = False
    with pytest.raises(InvalidInput, match="own network"):
        read_address(f"jsons://{host}/hook")
    assert send(f"json://{host}/hook").outcome is not Outcome.SENT


def test_name_that_leads_inside_is_refused_when_it_is_sent_to(
    receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALERT_PRIVATE_ADDRESSES = False
    answers = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::ffff:10.1.2.3", 0, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    address = receiver.address.replace("127.0.0.1", "hooks.example.org")
    assert send(address).outcome is Outcome.REFUSED
    assert receiver.messages == []


def test_services_that_the_settings_do_not_name_are_refused(settings: Settings) -> None:
    settings.ALERT_SCHEMAS = ["tgram", "nothing"]
    assert messengers.accepted_schemas() == ("tgram",)
    with pytest.raises(InvalidInput, match="tgram://"):
        read_address("jsons://example.org")


def test_address_is_in_no_log(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.statuses = [401]
    send(receiver.address)
    assert CANARY not in caplog.text


def test_apprise_is_not_loaded_until_an_address_is_read() -> None:
    script = (
        "import django, sys; django.setup(); import greeks.tasks, greeks.alerts.sending.messengers;"
        "sys.exit('apprise' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert ended.returncode == 0, ended.stderr.decode()
