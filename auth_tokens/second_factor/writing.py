"""Set up, use and remove a user's second factor."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from django.db import transaction

from auth_tokens.audit.writing import record_audit_event
from auth_tokens.broker_tokens.crypto import Undecryptable, decrypt, encrypt, rotated
from auth_tokens.models import SecondFactor, User
from auth_tokens.second_factor.codes import (
    cleaned,
    new_recovery_codes,
    new_secret,
    recovery_digest,
    slot_of,
)
from config.core.clock import now
from config.core.errors import InvalidInput

#: Wrong codes in a row that cost no waiting.
FREE_TRIES = 4
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=15)


def offered_secret(user: User) -> str:
    """Return the secret that the user may put into an app; the same until a code confirms it."""
    with transaction.atomic():
        row = SecondFactor.objects.select_for_update().filter(user=user).first()
        if row is not None and _secret(row):
            return _secret(row)
        secret = new_secret()
        SecondFactor.objects.update_or_create(
            user=user, defaults={"ciphertext": encrypt(secret, provider=_owner(user.pk))}
        )
        return secret


def confirm(user: User, code: str) -> list[str]:
    """Begin to ask for codes, since this one is right; return the recovery codes.

    Raises ``InvalidInput``. Every other session of the user ends.
    """
    _check(user, code)
    with transaction.atomic():
        user.second_factor_since = now()
        user.save(update_fields=["second_factor_since"])
        record_audit_event(event="second_factor.added", subject=user.get_username(), actor=user)
        return replace_recovery_codes(user)


def use_code(user: User, code: str) -> None:
    """Take a code of the app or a recovery code, each once. Raises ``InvalidInput``."""
    _check(user, code)


def replace_recovery_codes(user: User) -> list[str]:
    """Make new recovery codes; the old ones end."""
    codes = new_recovery_codes()
    digests = [recovery_digest(code) for code in codes]
    SecondFactor.objects.filter(user=user).update(recovery_digests=digests)
    record_audit_event(event="recovery_codes.made", subject=user.get_username(), actor=user)
    return codes


def recovery_codes_left(user: User) -> int:
    """Return how many recovery codes the user has not used."""
    row = SecondFactor.objects.filter(user=user).first()
    return len(row.recovery_digests) if row is not None else 0


def remove(user: User, *, actor: User | None = None) -> None:
    """Ask for no codes any more. Every session of the user ends."""
    with transaction.atomic():
        SecondFactor.objects.filter(user=user).delete()
        user.second_factor_since = None
        user.save(update_fields=["second_factor_since"])
        record_audit_event(event="second_factor.removed", subject=user.get_username(), actor=actor)


def reencrypt_secrets(**_: object) -> None:
    """Encrypt every secret with the first key."""
    for row in SecondFactor.objects.all():
        try:
            ciphertext = rotated(row.ciphertext)
        except Undecryptable:
            # Recovery codes still open the account, and an operator can remove the factor.
            continue
        if ciphertext is not None:
            same = SecondFactor.objects.filter(pk=row.pk, ciphertext=row.ciphertext)
            same.update(ciphertext=ciphertext)


def _check(user: User, text: str) -> None:
    refusal = ""
    with transaction.atomic():
        row = SecondFactor.objects.select_for_update().filter(user=user).first()
        if row is None:
            raise InvalidInput("Set up the second factor first.")
        wait = (row.next_try_at - now()).total_seconds() if row.next_try_at else 0
        if wait > 0:
            raise InvalidInput(f"Too many wrong codes. Try again in {ceil(wait)} s.")
        if _take(row, cleaned(text)):
            row.failures, row.next_try_at = 0, None
        else:
            row.failures += 1
            row.next_try_at = _next_try(row.failures)
            record_audit_event(event="second_factor.refused", subject=user.get_username())
            refusal = "This code is wrong or was used before. Wait for the app's next one."
        row.save()
    # After the commit: the failure counts.
    if refusal:
        raise InvalidInput(refusal)


def _take(row: SecondFactor, code: str) -> bool:
    if "-" in code:
        digest = recovery_digest(code)
        if digest not in row.recovery_digests:
            return False
        row.recovery_digests.remove(digest)
        record_audit_event(event="recovery_code.used", subject=row.user.get_username())
        return True
    secret = _secret(row)
    slot = slot_of(code, secret=secret, after=row.last_slot, at=now()) if secret else None
    if slot is None:
        return False
    row.last_slot = slot
    return True


def _next_try(failures: int) -> datetime | None:
    if failures < FREE_TRIES:
        return None
    doublings = min(failures - FREE_TRIES, 10)
    wait: timedelta = min(LONGEST_WAIT, FIRST_WAIT * 2**doublings)
    return now() + wait


def _secret(row: SecondFactor) -> str:
    try:
        return decrypt(row.ciphertext, provider=_owner(row.user_id))
    except Undecryptable:
        return ""


def _owner(user_id: int) -> str:
    return f"second factor of user {user_id}"
