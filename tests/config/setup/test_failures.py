"""What set-up says of a failed command: its cause in one line."""

from __future__ import annotations

import pytest

from config.setup.failures import explain

CLOSING = "npm error A complete log of this run can be found in: /home/me/.npm/_logs/debug-0.log"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            "npm error code SELF_SIGNED_CERT_IN_CHAIN\n"
            "npm error errno SELF_SIGNED_CERT_IN_CHAIN\n"
            "npm error request to https://registry/uplot failed, reason: self-signed certificate",
            "certificate is not trusted (SELF_SIGNED_CERT_IN_CHAIN)",
        ),
        ("npm ERR! code CERT_HAS_EXPIRED", "certificate is not trusted (CERT_HAS_EXPIRED)"),
        (
            "error: Failed to fetch: `https://index/simple/django/`\n"
            "  Caused by: invalid peer certificate: UnknownIssuer",
            "certificate is not trusted (invalid peer certificate)",
        ),
        (
            "Could not fetch URL: There was a problem confirming the ssl certificate: "
            "HTTPSConnectionPool: Max retries exceeded (Caused by SSLError(...))\n"
            "ERROR: Could not find a version that satisfies the requirement uv",
            "certificate is not trusted (SSLError)",
        ),
        ("npm error code ENOTFOUND\nnpm error errno ENOTFOUND", "cannot be reached (ENOTFOUND)"),
        ("error: error sending request\n  Caused by: dns error", "cannot be reached"),
        ("npm error code ENOSPC", "the disk is full"),
        ("npm error code EACCES\nnpm error syscall mkdir", "no permission to write"),
        (
            "npm error code EINTEGRITY\n"
            "npm error errno 1\n"
            "npm error sha512-abc integrity checksum failed when using sha512",
            "failed: EINTEGRITY: sha512-abc integrity checksum failed when using sha512",
        ),
        ("npm error code E404", "failed: E404"),
        ("npm error `npm ci` can only install with a lock", "failed: `npm ci` can only install"),
        ("Resolving\n  × No solution found\n\n", "failed: × No solution found"),
        ("", "failed: it said nothing"),
    ],
)
def test_cause_is_said_in_one_line(output: str, said: str) -> None:
    closing = CLOSING if output.startswith("npm") else ""
    line = explain("Fetching", f"{output}\n{closing}")
    assert line.startswith("Fetching")
    assert said in line
    assert "\n" not in line
    assert "complete log" not in line
