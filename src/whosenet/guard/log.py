"""Who was let in, as JSON lines that are only appended: no secret, no picture, nothing that lets anybody in again."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whosenet.errors import UsageError
from whosenet.files import canonical


class Log:
    """Several threads and processes may write to one file. `path` None: nothing is kept."""

    def __init__(self, path: str | Path | None) -> None:
        """Raises UsageError where it cannot be written: better now than at the first caller."""
        self.path = None if path is None else Path(path)
        self._lock = threading.Lock()
        if self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._append(b"")
            except OSError as error:
                raise UsageError(f"{path} cannot be written ({error.strerror}); choose another place") from error

    def write(self, event: str, **what: Any) -> None:
        """Raises OSError: whoever is not logged is not to be served."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = canonical({"at": at, "event": event, **what}).encode() + b"\n"
        if self.path is not None:
            with self._lock:
                self._append(line)

    def _append(self, line: bytes) -> None:
        """By one write at the end of the file, for the owner's eyes only."""
        assert self.path is not None
        number = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(number, line) != len(line):
                raise OSError("the disk is full")
        finally:
            os.close(number)
