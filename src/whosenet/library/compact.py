"""Rewriting code files: without removed rows when there are many, or from the record when a file is wrong."""

from __future__ import annotations

import contextlib
from pathlib import Path

from whosenet.library import segments
from whosenet.library.record import Block, Record

MIN_DEAD, DEAD_SHARE = 4096, 0.25


def crowded(block: Block) -> bool:
    """Whether removed rows slow the scan enough to be worth a rewrite."""
    return block.dead >= MIN_DEAD and block.dead >= DEAD_SHARE * block.rows


def compact(folder: Path, record: Record, block: Block) -> None:
    """Move the living rows to a new group. One transaction: searches that began before go on in the old one."""
    with record.change():
        now = record.block(block.signature, block.bits)
        if now is None or now.id != block.id:
            return  # another process was faster
        _sweep(folder, record)
        db = record.db
        db.execute("DELETE FROM groups WHERE id = ?", (now.id,))
        sql = "INSERT INTO groups (signature, bits, rows) VALUES (?, ?, ?)"
        new = Block(
            db.execute(sql, (now.signature, now.bits, now.live)).lastrowid or 0, now.signature, now.bits, now.live, 0
        )
        db.execute(
            """INSERT INTO codes SELECT ?, row_number() OVER (ORDER BY row) - 1, model_id, data, m_eff
               FROM codes WHERE group_id = ? AND model_id IS NOT NULL""",
            (new.id, now.id),
        )
        db.execute("DELETE FROM codes WHERE group_id = ?", (now.id,))
        segments.rebuild(segments.segment(folder, new.id), record.data(new))
    with contextlib.suppress(OSError):
        segments.segment(folder, now.id).unlink()


def refit(folder: Path, record: Record, block: Block) -> bool:
    """Inside a transaction: rewrite the block's file if it differs from the record; returns whether it did."""
    path = segments.segment(folder, block.id)
    rows = segments.mapped(path, block.rows, block.width) if block.rows else None
    if block.rows == 0 or (rows is not None and all(rows[i].tobytes() == d for i, d in enumerate(record.data(block)))):
        return False
    segments.rebuild(path, record.data(block))
    return True


def _sweep(folder: Path, record: Record) -> None:
    """Delete files of groups that are no more: leavings of compactions that were killed."""
    alive = {segments.segment(folder, block.id).name for block in record.blocks()}
    for file in (folder / "codes").iterdir():
        if file.name not in alive:
            with contextlib.suppress(OSError):
                file.unlink()
