"""What can go wrong with a library on disk, each in one line with the way out."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whosenet.errors import LibraryError, UsageError

BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT}
DENIED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

NO_ROOM = "the disk is full; this change was not made, what was acknowledged is safe: free some space and run it again"
READ_ONLY = "cannot be written; give your user write access to the folder, or copy the library"
LOCKED = "another process has been writing to it for too long; run this again when that one is done"
BROKEN = "record.sqlite is damaged; restore it from a backup (codes rebuild from it), or add the files to a new library"


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors into LibraryError."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise UsageError(f"{path}: cannot be asked that: {_flat(error)}") from error
    except sqlite3.Error as error:
        raise LibraryError(f"{path}: {_sqlite(error)} [{_flat(error)}]") from error
    except OSError as error:
        full = error.errno in FULL
        denied = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        why = NO_ROOM if full else READ_ONLY if denied else "cannot be used; check the folder and the disk"
        raise LibraryError(f"{path}: {why} [{_flat(error)}]") from error


def _sqlite(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in BUSY:
        return LOCKED
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return NO_ROOM if code == sqlite3.SQLITE_FULL else "the disk failed or is full; check it and run this again"
    if code in DENIED:
        return READ_ONLY
    return BROKEN if code in DAMAGED else "cannot be used; check the folder and the disk"


def _flat(error: Exception) -> str:
    """The cause on one line, without the path that the message has already."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:160]
