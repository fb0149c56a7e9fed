"""Folders of recorded answers, served in front of a simulated server.

Two forms are read, also mixed and in subfolders:

* ``{"Request": {"Path", "Methods"}, "Response": {"StatusCode", "Headers", "Body"}}``: the path is
  in the file. Several recordings of one request are served in the order of their file names; the
  last one repeats.
* any other JSON: the file's place is its path (``accounts/U1/positions/0.json`` answers
  ``/accounts/U1/positions/0``) for every method, with status 200.

A request that was not recorded goes on to the simulated server.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from starlette.responses import Response

from config.core.errors import InvalidInput
from config.core.sandbox.faults import AsgiApplication, Receive, Scope, Send

ANY_METHOD = "*"


class RecordedFolder:
    """The answers in one folder, by method and path."""

    def __init__(self, folder: Path, *, base_path: str = "") -> None:
        if not folder.is_dir():
            raise InvalidInput(f"recorded answers: {folder} is not a folder")
        self._base_path = base_path
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str], list[Response]] = {}
        self._served: dict[tuple[str, str], int] = {}
        for file in sorted(folder.rglob("*.json")):
            self._read(file, folder)
        if not self._answers:
            raise InvalidInput(f"recorded answers: {folder} holds no JSON file")

    def _read(self, file: Path, folder: Path) -> None:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InvalidInput(f"recorded answers: {file} is not JSON: {error}") from None
        if isinstance(content, dict) and {"Request", "Response"} <= set(content):
            request, response = content["Request"], content["Response"]
            status, headers = int(response.get("StatusCode", 200)), response.get("Headers", {})
            answer = Response(json.dumps(response.get("Body")), status, headers)
            for method in request.get("Methods", ["GET"]):
                self._add(method.upper(), request["Path"], answer)
            return
        place = "/" + file.relative_to(folder).with_suffix("").as_posix()
        answer = Response(json.dumps(content), media_type="application/json")
        self._add(ANY_METHOD, place, answer)

    def _add(self, method: str, path: str, answer: Response) -> None:
        self._answers.setdefault((method, self._key(path)), []).append(answer)

    def _key(self, path: str) -> str:
        return path.removeprefix(self._base_path).rstrip("/") or "/"

    def answer(self, method: str, path: str) -> Response | None:
        """Return the next recorded answer to this request, or ``None``."""
        for key in ((method.upper(), self._key(path)), (ANY_METHOD, self._key(path))):
            answers = self._answers.get(key)
            if answers:
                with self._lock:
                    place = self._served.get(key, 0)
                    self._served[key] = place + 1
                return answers[min(place, len(answers) - 1)]
        return None


class RecordedMiddleware:
    """Answer from the recorded folders, in order; pass on requests none of them has."""

    def __init__(self, application: AsgiApplication, folders: list[RecordedFolder]) -> None:
        self._application = application
        self._folders = folders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._find(scope) if scope["type"] == "http" else None
        await (answer or self._application)(scope, receive, send)

    def _find(self, scope: Scope) -> Response | None:
        path: Any = scope["path"].removeprefix(scope.get("root_path", ""))
        answers = (folder.answer(scope["method"], path) for folder in self._folders)
        return next((answer for answer in answers if answer is not None), None)
