"""Turn set-up failures into one line that says what to do."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NO_REGISTRY = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|dns error|"
    r"Failed to fetch|error sending request|NewConnectionError|ConnectTimeout|Could not connect|"
    r"Could not find a version",
    re.IGNORECASE,
)
# Messages of npm, pip and uv. Checked before NO_REGISTRY: pip and uv print both.
UNTRUSTED = re.compile(
    r"SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_[A-Z_]*(?:CERT|SIGNATURE)\w*|"
    r"ERR_TLS_\w+|ERR_SSL_\w+|CERT_[A-Z_]+|CERTIFICATE_VERIFY_FAILED|invalid peer certificate|"
    r"UnknownIssuer|self[- ]signed certificate|SSLError",
    re.IGNORECASE,
)
NPM_PREFIX = re.compile(r"^npm (?:error|ERR!)\s*")
# npm prints the cause first and ends with the path of its log.
NPM_CLOSING = re.compile(r"^(?:A complete log of this run|For a full report see)|\.log$")


class SetupError(Exception):
    """Set-up cannot continue. The message is one line and says what to do."""


def explain(what: str, output: str) -> str:
    """Describe a failed command in one line: a known cause, else its own message."""
    if "No space left on device" in output or "ENOSPC" in output:
        return f"{what}: the disk is full. Free some space and run the command again."
    if untrusted := UNTRUSTED.search(output):
        return (
            f"{what}: the package registry's certificate is not trusted ({untrusted.group()}). "
            "Behind a proxy of your own, name its authority's file in PIP_CERT and "
            "NODE_EXTRA_CA_CERTS and run the command again."
        )
    if unreached := NO_REGISTRY.search(output):
        return (
            f"{what}: the package registry cannot be reached ({unreached.group()}). Check the "
            "network (or pip's and npm's configured index) and run the command again."
        )
    if re.search("Permission denied|EACCES|Read-only file system|EROFS", output):
        return f"{what}: no permission to write under {ROOT}."
    return f"{what} failed: {_reason(output) or 'it said nothing'}"


def _reason(output: str) -> str:
    """Return npm's code and first sentence, or another program's last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = [NPM_PREFIX.sub("", line) for line in lines if NPM_PREFIX.match(line)]
    said = [line for line in said if line and not NPM_CLOSING.search(line)]
    if said:
        code = next((line for line in said if line.startswith("code ")), "")
        sentences = [line for line in said if not re.match(r"(?:code|errno|syscall|path) ", line)]
        return ": ".join(part for part in (code.removeprefix("code "), *sentences[:1]) if part)
    return lines[-1] if lines else ""
