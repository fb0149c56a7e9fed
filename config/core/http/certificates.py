"""The certificate authorities a provider's server is checked against."""

from __future__ import annotations

import ssl
from functools import lru_cache

import httpx


def certificates(verify: bool | str | ssl.SSLContext) -> bool | ssl.SSLContext:
    """``True``: the public authorities; a path: those in that file; ``False``: unchecked."""
    return _load(verify) if verify is True or isinstance(verify, str) else verify


@lru_cache(maxsize=8)
def _load(verify: bool | str) -> ssl.SSLContext:
    """Load the authorities' file once per process, not once per caller: it takes 20 ms."""
    if verify is True:
        return httpx.create_ssl_context()
    return ssl.create_default_context(cafile=str(verify))
