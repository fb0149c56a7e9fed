"""One process asks another over Redis, and waits no longer than its deadline.

Something that only one process may hold (a broker's socket with its client id) is owned by one; it
``serve``s, everybody else ``ask``s. Names, all under one service:

* presence: the owner's token, renewed each second and expiring after a few, so that an asker
  fails at once where nobody owns the service;
* requests: a list with an expiry; each request carries when it stops to be wanted, on Redis's own
  clock, so that machines need not agree on the time. One that is late is never executed;
* reply: a list of one request, with an expiry. An answer that comes too late goes to nobody.

A request may be executed twice (a connection that broke while it was sent): questions only read.
"""

from __future__ import annotations

from config.core.ask.asking import ask
from config.core.ask.serving import serve

__all__ = ["ask", "serve"]
