"""A library on disk is a folder: library.json (what it is), record.sqlite (the truth), codes/ (for the scan).

Creating one may be killed anywhere and begun again, by several processes at once: library.json comes last.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from whosenet.errors import LibraryError
from whosenet.library.record import Record
from whosenet.library.trouble import BROKEN, explained

KIND, VERSION = "whosenet-library", 1
HEADER, RECORD, CODES = "library.json", "record.sqlite", "codes"
OURS = (HEADER, RECORD, CODES)
MAX_HEADER = 1 << 16


def open_record(folder: Path, *, create: bool) -> Record:
    """The record of the library at `folder`; with `create`, of a new one where there is none. Raises LibraryError."""
    with explained(folder):
        if (folder / HEADER).exists():
            check_header(folder)
            if not (folder / RECORD).is_file():
                raise LibraryError(f"{folder}: {BROKEN} [record.sqlite is missing]")
            return Record(folder / RECORD)
        if not create:
            raise LibraryError(f"{folder}: is no library; make one with: whosenet add {folder} PATH...")
        return make(folder)


def check_header(folder: Path) -> None:
    """Refuse other people's folders and versions this release does not know."""
    try:
        with (folder / HEADER).open("rb") as file:
            header = json.loads(file.read(MAX_HEADER))
        kind, version = header["kind"], int(header["version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"{HEADER} is damaged; write into it: {json.dumps({'kind': KIND, 'version': VERSION})}"
        raise LibraryError(f"{folder}: {why}") from error
    if kind != KIND:
        raise LibraryError(f"{folder}: holds a {str(kind)[:40]!r}, not a library of codes; give another folder")
    if not 1 <= version <= VERSION:
        why = f"was written by a newer whosenet (library version {version}, known: {VERSION}); pip install -U whosenet"
        raise LibraryError(f"{folder}: {why}")


def make(folder: Path) -> Record:
    if folder.exists() and not folder.is_dir():
        raise LibraryError(f"{folder}: is a file; a library is a folder, give another name")
    folder.mkdir(parents=True, exist_ok=True)
    foreign = [item.name for item in folder.iterdir() if not item.name.startswith(OURS) and item.name != "lost+found"]
    if foreign:
        why = f"is no library and holds other files ({foreign[0][:60]!r} ...); give an empty or a new folder"
        raise LibraryError(f"{folder}: {why}")
    (folder / CODES).mkdir(exist_ok=True)
    record = Record(folder / RECORD, create=True)
    part = folder / f"{HEADER}.{os.getpid()}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump({"kind": KIND, "version": VERSION}, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / HEADER)
    return record
