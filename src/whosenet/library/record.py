"""The record of models: one SQLite database in WAL mode, the truth about a library. A commit is the acknowledgement.

A code is a row (group, row, model, data). Rows of a group are numbered 0, 1, 2 ... in the order of adding, and row i of
the table is row i of the group's code file. A removed code keeps its row, without a model, until the group is compacted
under a new number. WAL: readers see the last commit before they began and never wait (sqlite.org/wal.html).
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whosenet.errors import LibraryError
from whosenet.hashes.code import Code
from whosenet.library.base import Entry, Group
from whosenet.library.segments import size_of

PATIENCE = 120.0
"""Seconds to wait for another writer. The longest anybody writes is the compaction of a large group."""
WAL_LIMIT, TRIM_PATIENCE = 64 << 20, 5.0
"""Bytes the write-ahead log may grow to before a writer waits some seconds for readers to let go of it."""
APPLICATION = 0x776E6574
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS models (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, path BLOB NOT NULL UNIQUE, digest BLOB NOT NULL,
  bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, format TEXT NOT NULL, tensors INTEGER NOT NULL,
  parameters INTEGER NOT NULL, licence TEXT NOT NULL, note TEXT NOT NULL, added_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS groups (
  id INTEGER PRIMARY KEY AUTOINCREMENT, signature TEXT NOT NULL, bits INTEGER NOT NULL,
  rows INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0, UNIQUE (signature, bits));
CREATE TABLE IF NOT EXISTS codes (
  group_id INTEGER NOT NULL, row INTEGER NOT NULL, model_id INTEGER, data BLOB NOT NULL, m_eff REAL NOT NULL,
  PRIMARY KEY (group_id, row)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS codes_of_model ON codes (model_id) WHERE model_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS codes_removed ON codes (group_id, row) WHERE model_id IS NULL;
PRAGMA application_id = {APPLICATION};
"""
MODEL = (
    "m.path, m.digest, m.bytes, m.mtime_ns, m.format, m.tensors, m.parameters, m.name, m.licence, m.note, m.added_at"
)


@dataclass(frozen=True)
class Block:
    """The rows of one group as one snapshot sees them."""

    id: int
    signature: str
    bits: int
    rows: int
    dead: int

    @property
    def live(self) -> int:
        return self.rows - self.dead

    @property
    def width(self) -> int:
        return self.bits // 8


class Record:
    """One connection. Errors are SQLite's own; the caller explains them."""

    def __init__(self, file: Path, *, create: bool = False) -> None:
        self.file, self.patience = file, PATIENCE
        self.writable = os.access(file.parent, os.W_OK) and (create or os.access(file, os.W_OK))
        self._frozen: tuple[int, ...] | None = None
        self._no_room: sqlite3.OperationalError | None = None
        self.db = self._connect("rwc") if create else self._open()
        if create:
            self._create()
        elif self._one("PRAGMA application_id")[0] != APPLICATION:
            raise sqlite3.DatabaseError("record.sqlite is not a record of models")

    def _open(self) -> sqlite3.Connection:
        """On a full disk SQLite cannot make the index of its log, even to read: what is stored is read as it lies."""
        try:
            return self._connect("rw" if self.writable else "ro")
        except sqlite3.OperationalError as error:
            if not self.writable or error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL):
                raise
            self._no_room, self.writable = error, False
            return self._connect("ro")

    def _connect(self, mode: str) -> sqlite3.Connection:
        self._frozen = None
        wal = self.file.with_name(self.file.name + "-wal")
        if mode == "ro" and not size_of(wal):
            mode, self._frozen = "ro&immutable=1", self._stamp()
        uri = f"{self.file.absolute().as_uri()}?mode={mode}"
        db = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
        return db

    def _create(self) -> None:
        if self._one("PRAGMA journal_mode")[0] != "wal":
            self._one("PRAGMA journal_mode = WAL")
        with self.change():
            for statement in SCHEMA.split(";"):
                self.db.execute(statement)

    def _stamp(self) -> tuple[int, ...]:
        info = self.file.stat()
        return info.st_size, info.st_mtime_ns, info.st_ino

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Every read inside sees one state. Kept short: the write-ahead log cannot be reset while one is open."""
        if self._frozen is not None and self._frozen != self._stamp():
            self.db.close()
            self.db = self._connect("ro")
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def change(self, patience: float | None = None) -> Iterator[None]:
        """All writes inside become durable together, or none does. One writer at a time over all processes."""
        if self._no_room:
            raise self._no_room
        if not self.writable:
            raise PermissionError(errno.EACCES, "the folder or record.sqlite is read-only")
        self.db.execute(f"PRAGMA busy_timeout = {int(1000 * (self.patience if patience is None else patience))}")
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self.db.execute(begin)
        try:
            yield
            self._commit()
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def trim(self) -> None:
        """Fold a long write-ahead log into the database; readers that never pause can keep it from shrinking."""
        wal = self.file.with_name(self.file.name + "-wal")
        if size_of(wal) > WAL_LIMIT:
            self.db.execute(f"PRAGMA busy_timeout = {int(1000 * TRIM_PATIENCE)}")
            self._one("PRAGMA wal_checkpoint(TRUNCATE)")
            self.db.execute(f"PRAGMA busy_timeout = {int(1000 * self.patience)}")

    def _commit(self) -> None:
        self.db.execute("COMMIT")

    def _one(self, sql: str, *values: Any) -> Any:
        return self.db.execute(sql, values).fetchone()

    # -- reading ---------------------------------------------------------------------------------------------------

    def count(self) -> int:
        return int(self._one("SELECT count(*) FROM models")[0])

    def empty(self) -> bool:
        return self._one("SELECT 1 FROM models LIMIT 1") is None

    def groups(self) -> list[Group]:
        rows = self.db.execute(
            "SELECT signature, bits, rows - dead FROM groups WHERE rows > dead ORDER BY 3 DESC, 1, 2"
        )
        return [Group(*row) for row in rows]

    def blocks(self) -> list[Block]:
        return [Block(*row) for row in self.db.execute("SELECT id, signature, bits, rows, dead FROM groups")]

    def block(self, signature: str, bits: int) -> Block | None:
        sql = "SELECT id, signature, bits, rows, dead FROM groups WHERE signature = ? AND bits = ?"
        row = self._one(sql, signature, bits)
        return Block(*row) if row else None

    def hits(self, block: Block, rows: Iterable[int]) -> dict[int, tuple[Entry, Code]]:
        """The models behind `rows`; removed rows are not in the answer."""
        sql = f"""SELECT {MODEL}, c.data, c.m_eff FROM codes c JOIN models m ON m.id = c.model_id
                  WHERE group_id = ? AND row = ?"""
        found = ((row, self._one(sql, block.id, row)) for row in rows)
        return {row: (_entry(line), Code(block.signature, line[-2], line[-1])) for row, line in found if line}

    def removed(self, block: Block) -> list[int]:
        sql = "SELECT row FROM codes WHERE group_id = ? AND model_id IS NULL ORDER BY row"
        return [row for (row,) in self.db.execute(sql, (block.id,))] if block.dead else []

    def data(self, block: Block, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The codes of rows [start, stop), each bits / 8 bytes, removed ones too."""
        sql = "SELECT data FROM codes WHERE group_id = ? AND row >= ? AND row < ? ORDER BY row"
        for (data,) in self.db.execute(sql, (block.id, start, block.rows if stop is None else stop)):
            yield data

    def find(self, column: str, value: str) -> Entry | None:
        """By "name" or "path", with its codes."""
        line = self._one(f"SELECT {MODEL}, m.id FROM models m WHERE {column} = ?", _bind(column, value))
        return _entry(line, self.codes(line[-1])) if line else None

    def page(self, after: int, size: int) -> list[tuple[int, Entry]]:
        """(id, model with its codes) of the next `size` models whose id is over `after`."""
        lines = self.db.execute(f"SELECT {MODEL}, m.id FROM models m WHERE id > ? ORDER BY id LIMIT ?", (after, size))
        return [(line[-1], _entry(line, self.codes(line[-1]))) for line in lines.fetchall()]

    def codes(self, model: int) -> tuple[Code, ...]:
        sql = (
            "SELECT signature, data, m_eff FROM codes JOIN groups g ON g.id = group_id WHERE model_id = ? ORDER BY g.id"
        )
        return tuple(Code(*row) for row in self.db.execute(sql, (model,)))


def _bind(column: str, value: str) -> str | bytes:
    """Paths need not be valid Unicode on disk, so they are stored as bytes; names are text for people."""
    return value.encode("utf-8", "surrogatepass") if column == "path" else readable(value)


def readable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _entry(line: tuple[Any, ...], codes: tuple[Code, ...] = ()) -> Entry:
    rest: list[Any] = [*line[2:11], codes]
    return Entry(line[0].decode("utf-8", "surrogatepass"), line[1].hex(), *rest)


def unknown_names(library: Path, names: list[str]) -> LibraryError:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    listed = ", ".join(repr(name) for name in names[:3])
    return LibraryError(
        f"{library}: has no model called {listed}{more}; nothing was removed (whosenet list shows the names)"
    )
