"""What proves the second factor: a code of the authenticator app, or a recovery code."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from datetime import datetime
from hmac import compare_digest
from typing import Final

import pyotp

SLOT_SECONDS: Final = 30
DIGITS: Final = 6
RECOVERY_CODES: Final = 10
_ISSUER: Final = "Greekdesk"
_RECOVERY_LENGTH: Final = 16


def new_secret() -> str:
    """Return 160 random bits in Base32, as RFC 4226 advises."""
    return pyotp.random_base32(32)


def enrolment_uri(secret: str, *, username: str) -> str:
    """Return the ``otpauth`` address that authenticator apps read from the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=_ISSUER)


def slot_of(code: str, *, secret: str, after: int, at: datetime) -> int | None:
    """Return the 30-second slot that the code belongs to; ``None`` if it is wrong.

    One slot before and one after are accepted for clocks that differ (RFC 6238, 5.2), none that
    is not after the last used one.
    """
    codes, present = pyotp.TOTP(secret), int(at.timestamp()) // SLOT_SECONDS
    slots = (present - 1, present, present + 1)
    right = [slot for slot in slots if compare_digest(codes.generate_otp(slot), code)]
    return next((slot for slot in right if slot > after), None)


def new_recovery_codes() -> list[str]:
    """Return codes of 80 random bits, in groups of four letters and digits."""
    texts = (base64.b32encode(secrets.token_bytes(10)).decode() for _ in range(RECOVERY_CODES))
    return ["-".join(re.findall("....", text)) for text in texts]


def recovery_digest(code: str) -> str:
    """Return what is stored of a recovery code: it is random, so a fast digest is as safe."""
    return hashlib.sha256(code.encode()).hexdigest()


def cleaned(text: str) -> str:
    """Return what was typed as one of both kinds is written; empty if it is neither."""
    letters = re.sub(r"[\s-]", "", text).upper()
    if re.fullmatch(rf"[0-9]{{{DIGITS}}}", letters):
        return letters
    if re.fullmatch(rf"[A-Z2-7]{{{_RECOVERY_LENGTH}}}", letters):
        return "-".join(re.findall("....", letters))
    return ""
