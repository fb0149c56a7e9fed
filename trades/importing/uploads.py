"""Uploads of statements and exports: preview first, then take or drop them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from auth_tokens.models import User
from config.core.api.parameters import whole_number
from config.core.clock import now
from config.core.errors import Forbidden, InvalidInput, NotFound
from portfolio.accounts.access import account_for_user, can_sync
from portfolio.models import Account
from trades.importing.run import Imported, import_file
from trades.models import PendingImport

#: Unreadable lines reported at most: a file of nothing else would take seconds.
MOST_LINES = 50_000
_KEPT = timedelta(days=1)


def preview_upload(
    *, user: User, file_name: str, content: bytes, account_id: str = ""
) -> tuple[PendingImport, Imported]:
    """Keep an uploaded file and tell what importing it would do. Nothing is recorded.

    Raises:
        InvalidInput: the file has too many lines, or is none that can be read.
        NotFound, Forbidden: the account is not the user's to import into.
    """
    # An XML file needs no lines: its elements count.
    if max(map(content.count, (b"\n", b"\r", b"<"))) > MOST_LINES:
        raise InvalidInput(
            f"The file has more than {MOST_LINES:,} lines. Use manage.py import_executions.",
            fields={"file": "too many lines"},
        )
    account = _account(user, account_id) if account_id else None
    imported = import_file(content, file_name=file_name, account=account, user=user, dry_run=True)
    PendingImport.objects.filter(created_at__lt=now() - _KEPT).delete()
    PendingImport.objects.filter(user=user).delete()
    pending = PendingImport.objects.create(
        user=user,
        account=account,
        file_name="".join(c for c in file_name if c.isprintable())[-255:] or "file",
        content=content,
        created_at=now(),
    )
    return pending, imported


def take_upload(*, user: User, upload_id: UUID, clock_offset: timedelta = timedelta()) -> Imported:
    """Import a previewed file of the user, its times corrected by ``clock_offset``.

    Raises NotFound if it is gone or another user's.
    """
    pending = PendingImport.objects.filter(pk=upload_id, user=user).first()
    if pending is None:
        raise NotFound("The preview is gone: upload the file again.")
    account = _account(user, pending.account_id) if pending.account_id else None
    imported = import_file(
        bytes(pending.content),
        file_name=pending.file_name,
        account=account,
        user=user,
        clock_offset=clock_offset,
    )
    pending.delete()
    return imported


def parse_offset(text: str) -> int:
    """Return seconds from a form; 0 if it asks for none. Raises InvalidInput for no number."""
    seconds = whole_number(text.removeprefix("-") or "0")
    if seconds is None:
        raise InvalidInput(
            "The clock's offset is not a number of seconds.", fields={"clock_offset": "no number"}
        )
    return -seconds if text.startswith("-") else seconds


def _account(user: User, account_id: str) -> Account:
    account = account_for_user(user, account_id)
    if not can_sync(user, account):
        raise Forbidden(f"Account {account_id} is shared with you for viewing only.")
    return account
