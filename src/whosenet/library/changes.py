"""What one write transaction does to the record: put models in, take them out. The caller opens and commits it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whosenet.hashes.code import Code
from whosenet.library.base import Entry, Outcome
from whosenet.library.record import Block, Record, readable


@dataclass
class Change:
    """Inside `record.change()`. `fresh` collects the codes to append to each group's file, in row order."""

    record: Record
    fresh: dict[int, list[bytes]] = field(default_factory=dict)
    _last: int = 0
    _blocks: dict[tuple[str, int], Block] = field(default_factory=dict)

    def put(self, entry: Entry) -> tuple[str, Outcome]:
        """Insert or update the model at `entry.path`; returns its name and what happened."""
        path = entry.path.encode("utf-8", "surrogatepass")
        sql = "SELECT id, name, digest, format, tensors, parameters, licence, note FROM models WHERE path = ?"
        old = self.record.db.execute(sql, (path,)).fetchone()
        return self._update(old, entry) if old else self._insert(path, entry)

    def remove(self, name: str) -> bool:
        """Whether there was a model of that name; its rows stay, without a model."""
        row = self.record.db.execute("SELECT id FROM models WHERE name = ?", (readable(name),)).fetchone()
        if row is None:
            return False
        for group_id, code_row, _, _ in self._held(row[0]).values():
            self._bury(group_id, code_row)
        self.record.db.execute("DELETE FROM models WHERE id = ?", row)
        return True

    def finish(self) -> list[tuple[Block, bytes]]:
        """Count the new rows; returns (group as it was before, bytes to append) for each group that grew."""
        done = []
        for block in self._blocks.values():
            data = self.fresh.get(block.id, [])
            if data:
                self.record.db.execute("UPDATE groups SET rows = ? WHERE id = ?", (block.rows + len(data), block.id))
                done.append((block, b"".join(data)))
        return done

    def _insert(self, path: bytes, entry: Entry) -> tuple[str, Outcome]:
        if not self._last:
            (self._last,) = self.record.db.execute("SELECT coalesce(max(id), 0) FROM models").fetchone()
        self._last = model = self._last + 1
        name = self._free(readable(entry.name or "/".join(Path(entry.path).parts[-2:])), model)
        values = (model, name, path, *_file(entry), *_facts(entry), time.time())
        self.record.db.execute("INSERT INTO models VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        for code in entry.codes:
            self._append(model, code)
        return name, "added"

    def _update(self, old: tuple[Any, ...], entry: Entry) -> tuple[str, Outcome]:
        model, name, digest, *facts = old
        same = digest == bytes.fromhex(entry.digest)
        held = self._held(model)
        new = [c for c in entry.codes if not same or held.get((c.signature, c.bits), ())[2:] != (c.data, c.m_eff)]
        kinds = {(code.signature, code.bits) for code in new}
        for kind, (group_id, row, _, _) in held.items():
            if kind in kinds or not same:
                self._bury(group_id, row)
        for code in new:
            self._append(model, code)
        called = self._rename(name, readable(entry.name), model)
        told = [new or old for new, old in zip(_facts(entry), facts, strict=True)]
        changed = bool(new) or not same or told != facts or called != name
        sql = """UPDATE models SET name = ?, digest = ?, bytes = ?, mtime_ns = ?, format = ?, tensors = ?,
                 parameters = ?, licence = ?, note = ?, added_at = iif(?, ?, added_at) WHERE id = ?"""
        self.record.db.execute(sql, (called, *_file(entry), *told, changed, time.time(), model))
        return called, "updated" if changed else "unchanged"

    def _held(self, model: int) -> dict[tuple[str, int], tuple[int, int, bytes, float]]:
        sql = """SELECT signature, bits, group_id, row, data, m_eff FROM codes JOIN groups g ON g.id = group_id
                 WHERE model_id = ?"""
        return {(row[0], row[1]): row[2:] for row in self.record.db.execute(sql, (model,))}

    def _append(self, model: int, code: Code) -> None:
        block = self._block(code.signature, code.bits)
        fresh = self.fresh.setdefault(block.id, [])
        values = (block.id, block.rows + len(fresh), model, code.data, float(code.m_eff))
        self.record.db.execute("INSERT INTO codes VALUES (?, ?, ?, ?, ?)", values)
        fresh.append(code.data)

    def _bury(self, group_id: int, row: int) -> None:
        db = self.record.db
        db.execute("UPDATE codes SET model_id = NULL WHERE group_id = ? AND row = ?", (group_id, row))
        db.execute("UPDATE groups SET dead = dead + 1 WHERE id = ?", (group_id,))

    def _block(self, signature: str, bits: int) -> Block:
        kind = (signature, bits)
        if kind not in self._blocks:
            block = self.record.block(signature, bits)
            if block is None:
                made = self.record.db.execute("INSERT INTO groups (signature, bits) VALUES (?, ?)", kind)
                block = Block(made.lastrowid or 0, signature, bits, 0, 0)
            self._blocks[kind] = block
        return self._blocks[kind]

    def _free(self, name: str, model: int) -> str:
        """`name`, or `name~ID` if another model has it (a number counted up would take a search for each)."""
        while self.record.db.execute("SELECT 1 FROM models WHERE name = ?", (name,)).fetchone():
            name = f"{name}~{model}"
        return name

    def _rename(self, now: str, wanted: str, model: int) -> str:
        if not wanted or now in (wanted, f"{wanted}~{model}"):
            return now
        return self._free(wanted, model)


def _file(entry: Entry) -> tuple[bytes, int, int]:
    return bytes.fromhex(entry.digest), int(entry.bytes), int(entry.mtime_ns)


def _facts(entry: Entry) -> tuple[str, int, int, str, str]:
    """What is kept on an update that leaves it empty."""
    counts = int(entry.tensors), int(entry.parameters)
    return readable(entry.format), *counts, readable(entry.licence), readable(entry.note)
