"""Ask another process over Redis, with a deadline.

Only one process may hold some things (a broker's socket with its client id). That owner ``serve``s
and every other process ``ask``s. The keys of a service:

* presence: the owner's token, renewed each second and expiring after a few, so an asker fails at
  once if nobody owns the service;
* requests: a list with an expiry. Each request carries its own expiry on Redis's clock, so machines
  need not agree on the time. A late request is never executed;
* reply: one list per request, with an expiry. A late answer is dropped.

A request may be executed twice (if the connection breaks while it is sent), so questions only read.
"""

from __future__ import annotations

from config.core.ask.asking import ask
from config.core.ask.serving import serve

__all__ = ["ask", "serve"]
