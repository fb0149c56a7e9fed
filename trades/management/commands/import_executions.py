"""``manage.py import_executions FILE``: record a broker's statement or export."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.core.commands.command import DeskCommand
from config.core.errors import InvalidInput
from config.core.processes.collecting import no_collecting
from portfolio.accounts.named import named_accounts
from portfolio.models import Account
from trades.importing.run import Imported, import_file


class Command(DeskCommand):
    help = (
        "Import a statement of IBKR (Flex XML, Activity Statement CSV) or Tastytrade's export of "
        "transactions (CSV). "
        "Rows already known add nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--account", metavar="ID", help="the account of an export that names none"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be recorded and write nothing"
        )
        parser.add_argument(
            "--clock-offset",
            type=int,
            default=0,
            metavar="SECONDS",
            help="add this to all times of a statement of IBKR; a dry run says what is needed",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        account = None
        if options["account"]:
            (account,) = named_accounts([options["account"]], Account.objects.all())
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror or error}") from None
        try:
            with no_collecting():
                imported = import_file(
                    content,
                    file_name=path.name,
                    account=account,
                    dry_run=options["dry_run"],
                    clock_offset=timedelta(seconds=options["clock_offset"]),
                    tell=self._tell,
                )
        except InvalidInput as error:
            raise CommandError(f"{path.name}: {error.message}") from None
        if options["json"]:
            self.stdout.write(json.dumps(imported.as_document()))
            return
        for line in _lines(path.name, imported):
            self.stdout.write(line)

    def _tell(self, step: str) -> None:
        """Say what is done now, apart from the result."""
        self.stderr.write(f"  {step}", style_func=str)
        self.stderr.flush()


def _lines(name: str, imported: Imported) -> list[str]:
    found = imported.recorded
    lines = [
        f"{name}: {found.received} rows, {found.inserted} new, {found.existing} known, "
        f"{found.cancelled} cancels, {found.quarantined} in quarantine"
        + (" (dry run: nothing was written)" if imported.run_id is None else "")
    ]
    if found.by_kind:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(found.by_kind.items()))
        lines.append(f"  new: {kinds}")
    lines += [f"  realised: {net:,.2f} {currency}" for currency, net in imported.realised.items()]
    lines += [f"  ignored: {number} × {reason}" for reason, number in found.ignored.items()]
    lines += [f"  quarantine: {number} × {reason}" for reason, number in found.reasons.items()]
    if found.clock_offset is not None:
        lines.append(
            f"  clock: {sum(found.offsets.values())} rows known from another source are "
            f"{found.clock_offset} s behind it; if the file's zone is the cause, use "
            f"--clock-offset {found.clock_offset}"
        )
    return lines
