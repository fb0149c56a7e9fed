"""*memory with 1000 sockets*: what the demo's processes weigh while a thousand pages are open."""

from __future__ import annotations

import http.client
import re
import time
from urllib.parse import urlencode

from tests.benchmarks.memory import counted, parts, running_demo, weigh
from tests.benchmarks.options import NotMeasured, Options
from tests.benchmarks.rounds import Row
from tests.benchmarks.socket_load import Sockets, open_sockets

SOCKETS = 1000
BAR = 280.0
# Two syncs and their frames: what a viewer causes has happened.
HELD_SECONDS = 60.0
NAME, PASSWORD = "demo", "demo"


def measure(options: Options) -> list[Row]:
    """Weighed once, like the idle demo: it is not a matter of rounds."""
    with running_demo() as (pid, port):
        cookie = _log_in(port)
        time.sleep(options.idle)
        idle = counted(weigh(pid))
        wanted = Sockets(
            port=port,
            path="/ws/portfolio",
            cookie=cookie,
            origin=f"http://127.0.0.1:{port}",
            sockets=SOCKETS,
        )
        with open_sockets(wanted) as opened:
            time.sleep(HELD_SECONDS)
            weights = weigh(pid)
            opened.finish()
    return [
        Row(
            name=f"memory with {SOCKETS} sockets: web + worker + beat + Valkey",
            measured=counted(weights),
            bar=BAR,
            unit="MB",
            note=f"PSS after the sockets were held for {HELD_SECONDS:.0f} s of a demo that syncs "
            f"two accounts every 30 s and sends each what changed; {idle:.0f} before they were "
            f"opened. {parts(weights)}.",
        )
    ]


def _log_in(port: int) -> str:
    """Return the ``Cookie`` header of the demo's session."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/accounts/login")
        page = connection.getresponse()
        form = page.read().decode()
        cookies = _cookies(page)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        if token is None:
            raise NotMeasured("the log-in page has no form")
        fields = {"csrfmiddlewaretoken": token[1], "username": NAME, "password": PASSWORD}
        headers = {
            "Cookie": "; ".join(cookies),
            "Content-Type": "application/x-www-form-urlencoded",
            "Referer": f"http://127.0.0.1:{port}/accounts/login",
        }
        connection.request("POST", "/accounts/login", urlencode(fields), headers)
        answer = connection.getresponse()
        answer.read()
        session = [cookie for cookie in _cookies(answer) if "session" in cookie]
        if answer.status != 302 or not session:
            raise NotMeasured(f"the demo's log-in was answered {answer.status}")
        return session[0]
    finally:
        connection.close()


def _cookies(answer: http.client.HTTPResponse) -> list[str]:
    return [value.partition(";")[0] for value in answer.msg.get_all("Set-Cookie", [])]
