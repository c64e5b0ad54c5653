"""Transcripts whose chain is sound and whose content is not: one line that says so, little memory, no crash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whosenet.errors import MalformedFile, WhosenetError
from whosenet.questions.answers import Answers, Kind, Stack
from whosenet.questions.queryset import QuerySet
from whosenet.questions.transcript import Writer, read

Lines = list[dict[str, Any]]
RULES = {"alpha": 1e-3, "sequential": False, "labels_only": False, "budget": None}
HEAD, REFERENCE, ANSWER = 0, 1, -1
BAD = [None, -1, 10**30, 1e308, float("inf"), float("nan"), "x", [], {}, [[]], True, [None], [[10**400]], [[{}]]]


def _stack(count: int, seed: int) -> Stack:
    said = np.random.default_rng(seed).dirichlet(np.ones(4), (count, 6)).astype(np.float32)
    digests = tuple(f"{seed}-{i}" for i in range(count))
    return Stack(digests, digests, said.argmax(2), said, (Kind("a", 0.5),) * count)


def _questions() -> QuerySet:
    said, x = _stack(1, 0).probabilities[0], np.arange(288, dtype=np.uint8).reshape(6, 4, 4, 3)
    return QuerySet(images=x, expected=said.argmax(1), copies=_stack(2, 1),
                    probabilities=said, control=np.arange(6) < 1, method="m", parameters={}, owner="o")  # fmt: skip


def _write(path: Path) -> Lines:
    with Writer(path, _questions(), _stack(3, 2), "suspect", rules=RULES) as kept:
        kept.append([0, 1], Answers(np.array([0, 1]), _stack(1, 3).probabilities[0, :2], ()))
    return [json.loads(line) for line in path.read_text().splitlines()]


def _chained(path: Path, lines: Lines) -> None:
    last, data = "0" * 64, b""
    for line in lines:
        raw = json.dumps({**line, "before": last}).encode() + b"\n"
        data, last = data + raw, hashlib.sha256(raw).hexdigest()
    path.write_bytes(data)


@pytest.mark.parametrize("where", [HEAD, REFERENCE, ANSWER])
def test_nonsense_in_any_field_is_read_or_named(tmp_path: Path, where: int) -> None:
    lines = _write(tmp_path / "t")
    for key in lines[where]:
        for value in BAD:
            edited = json.loads(json.dumps(lines))
            edited[where][key] = value
            _chained(tmp_path / "e", edited)
            for act in (read, lambda path: Writer(path, _questions(), _stack(3, 2), "suspect", rules=RULES).close()):
                try:
                    act(tmp_path / "e")
                except WhosenetError as error:
                    assert "\n" not in str(error)


def _many_classes(lines: Lines) -> None:
    lines[HEAD].update(classes=10**9, probabilities=[None] * 6)


def _twice(lines: Lines) -> None:
    lines[-1]["question"] = 1
    lines.append({**lines[-1], "question": 1 - 6})


@pytest.mark.parametrize("edit", [_many_classes, _twice])
def test_what_a_small_file_may_not_do(tmp_path: Path, edit: Callable[[Lines], None]) -> None:
    lines = _write(tmp_path / "t")
    edit(lines)
    _chained(tmp_path / "e", lines)
    with pytest.raises(MalformedFile, match="makes no sense"):
        read(tmp_path / "e")
