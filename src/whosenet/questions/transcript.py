"""The transcript: JSON lines that a third party can judge again. Each line holds the SHA-256 of the line before it.

Order: the header (questions' digests, expected answers, the null's digests), what the references and the copies say,
then one line an answer, appended and flushed to the disk as it comes. A run killed at any moment resumes after the last
whole line. The chain shows cuts and changes in the middle; that the whole file was made up, nothing could show.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from whosenet import __version__, files
from whosenet.errors import MalformedFile, UsageError
from whosenet.files import canonical
from whosenet.networks.images import image_digest
from whosenet.questions.answers import NO_ANSWER, Answers, Kind, Stack
from whosenet.questions.evidence import Evidence
from whosenet.questions.queryset import MAX_QUESTIONS, QuerySet

KIND = "transcript"
VERSION = 1
MAX_BYTES = 1 << 32
MAX_NUMBERS = 1 << 28
"""Probabilities in one transcript: rows that are hidden cost a file nothing and memory as much as any."""
FIRST = "0" * 64
SENSELESS = (KeyError, IndexError, ValueError, TypeError, AttributeError, OverflowError)
"""What reading a transcript raises that holds something else than was expected."""
OF_THE_RUN = ("started", "made_by")
"""What a header says of one run only; a run that goes on may differ in it, and in its budget."""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _numbers(matrix: Any) -> Any:
    """float32 [..., k] as lists of six significant digits, NaN rows as null."""
    rows = np.asarray(matrix, np.float64)
    if rows.ndim > 1:
        return [_numbers(row) for row in rows]
    return None if np.isnan(rows).any() else [float(f"{v:.6g}") for v in rows]


def made_by() -> dict[str, str]:
    """What computed the answers: versions, without importing anything."""
    found = {"whosenet": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for name in ("torch", "onnxruntime"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def header(questions: QuerySet, references: Stack, suspect: str, rules: Mapping[str, Any]) -> dict[str, Any]:
    """What is fixed before the first question is asked."""
    return {
        "kind": KIND, "version": VERSION, "fingerprint": questions.digest, "method": questions.method,
        "parameters": dict(questions.parameters), "owner": questions.owner, "chosen_by": list(questions.chosen_by),
        "score": questions.score, "classes": questions.classes, "names": list(questions.names), "suspect": suspect,
        "images": [image_digest(x) for x in questions.images], "expected": questions.expected.tolist(),
        "control": questions.control.tolist(), "probabilities": _numbers(questions.probabilities),
        "references": list(references.digests), "rules": dict(rules), "data": questions.data,
        "started": now(), "made_by": made_by(),
    }  # fmt: skip


def _trial(head: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a header that tells one trial from another."""
    rest = {key: value for key, value in head.items() if key not in OF_THE_RUN}
    return {**rest, "rules": {key: value for key, value in dict(head["rules"]).items() if key != "budget"}}


def _stack_lines(kind: str, stack: Stack) -> list[dict[str, Any]]:
    rows = zip(stack.digests, stack.names, stack.labels, stack.probabilities, strict=True)
    return [
        {"line": kind, "digest": d, "name": n, "labels": labels.tolist(), "probabilities": _numbers(p),
         **(stack.kind(i).document() if stack.kinds else {})}
        for i, (d, n, labels, p) in enumerate(rows)
    ]  # fmt: skip


class Writer:
    """Appends to a transcript; opening an existing one goes on where it stopped. Use as a context manager."""

    def __init__(self, path: str | Path, questions: QuerySet, references: Stack, suspect: str, *,
                 rules: Mapping[str, Any] | None = None) -> None:  # fmt: skip
        self.path = Path(path)
        self._questions = questions
        head = header(questions, references, suspect, rules or {})
        self.answered: dict[int, dict[str, Any]] = {}
        self._last = FIRST
        if self.path.exists():
            self._resume(head)
            self._file: BinaryIO = self.path.open("ab")
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(0o600, exist_ok=False)  # it holds a key's targets
            self._file = self.path.open("ab")
            lines = [head, *_stack_lines("reference", references), *_stack_lines("copy", questions.copies)]
            self._write(lines)

    def _resume(self, head: dict[str, Any]) -> None:
        lines, last, whole = _lines(self.path)
        if not lines or not self._same(lines[0], json.loads(canonical(head))):
            raise UsageError(
                f"{self.path} is the transcript of other questions, references, rules (--alpha, --budget, "
                "--sequential, --labels-only) or another suspect; name another file with --transcript"
            )
        os.truncate(self.path, whole)
        self._last = last
        try:
            _transcript(lines[0], lines[1:], last)
        except SENSELESS as error:
            raise MalformedFile(self.path, f"is a transcript that makes no sense ({str(error)[:100]})") from error
        self.answered = {line["question"]: line for line in lines if line.get("line") == "answer"}

    @staticmethod
    def _same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
        try:
            return _trial(found) == _trial(wanted)
        except (KeyError, TypeError, ValueError):
            return False

    @property
    def sha256(self) -> str:
        """Of the last line, and so of the whole chain."""
        return self._last

    def _write(self, lines: Sequence[dict[str, Any]]) -> None:
        for line in lines:
            data = canonical({**line, "before": self._last}).encode() + b"\n"
            self._file.write(data)
            self._last = hashlib.sha256(data).hexdigest()
        self._file.flush()
        os.fsync(self._file.fileno())

    def append(self, rows: Sequence[int], answers: Answers) -> None:
        """Keep the answers to questions `rows` (indices into the query set)."""
        lines = []
        for i, row in enumerate(rows):
            shown = None if answers.probabilities is None else _numbers(answers.probabilities[i])
            line = {"line": "answer", "question": int(row), "image": image_digest(self._questions.images[row]),
                    "label": int(answers.labels[i]), "probabilities": shown, "at": now(),
                    "problems": list(answers.problems)[:5]}  # fmt: skip
            self.answered[int(row)] = line
            lines.append(line)
        self._write(lines)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, eq=False)
class Transcript:
    """A transcript as read: `evidence` holds only the questions that were answered, in the order of asking."""

    header: dict[str, Any]
    evidence: Evidence
    asked: tuple[int, ...]
    sha256: str
    """Of the last line, and so of the whole chain."""

    @property
    def rules(self) -> dict[str, Any]:
        """alpha, sequential, labels_only, budget, as they were before the first question."""
        return dict(self.header["rules"])

    @property
    def fixed_beforehand(self) -> bool:
        """Whether as many questions were answered as had been decided; else someone may have stopped at will."""
        budget = self.rules.get("budget")
        return len(self.asked) == min(len(self.header["expected"]), budget or MAX_QUESTIONS)


def _lines(path: Path) -> tuple[list[dict[str, Any]], str, int]:
    """Whole lines of a sound chain, the digest of the last, and their bytes; a last line cut short is left out."""
    data = files.whole(path, MAX_BYTES)
    last, whole = FIRST, 0
    lines: list[dict[str, Any]] = []
    for raw in data.splitlines(keepends=True):
        if not raw.endswith(b"\n"):
            break
        try:
            line = json.loads(raw)
            before = line.pop("before")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise MalformedFile(
                path, f"line {len(lines) + 1} is no line of a transcript; fetch the original"
            ) from error
        if before != last:
            raise MalformedFile(path, f"line {len(lines) + 1} does not follow the one before it: lines were changed")
        last, whole = hashlib.sha256(raw).hexdigest(), whole + len(raw)
        lines.append(line)
    return lines, last, whole


def read(path: str | Path) -> Transcript:
    """Raises UnreadableInput if it is missing, broken, changed, or of a newer version."""
    lines, last, _ = _lines(Path(path))
    if not lines:
        raise MalformedFile(
            path, "is no transcript; give a file that `whosenet probe --transcript` or `verify --transcript` wrote"
        )
    try:
        head = lines[0]
        if head["kind"] != KIND or not 1 <= int(head["version"]) <= VERSION:
            raise MalformedFile(path, f"is no transcript of version up to {VERSION}; upgrade whosenet")
        return _transcript(head, lines[1:], last)
    except SENSELESS as error:
        raise MalformedFile(path, f"is no transcript, or one that makes no sense ({str(error)[:100]})") from error


def _transcript(head: dict[str, Any], lines: list[dict[str, Any]], last: str) -> Transcript:
    n, k = len(head["expected"]), int(head["classes"])
    if n > MAX_QUESTIONS or len(head["images"]) != n:
        raise ValueError("too many questions")
    if k < 1 or k * n * (2 + sum(line["line"] != "answer" for line in lines)) > MAX_NUMBERS:
        raise ValueError(f"{k} classes")
    _check_rules(head["rules"])
    answers = [line for line in lines if line["line"] == "answer"]
    asked = tuple(int(line["question"]) for line in answers)
    if any(not 0 <= i < n for i in asked):
        raise ValueError("a question that does not exist")
    if len(set(asked)) != len(asked) or any(
        line["image"] != head["images"][i] for line, i in zip(answers, asked, strict=True)
    ):
        raise ValueError("a question was asked twice, or another image was sent")
    references = _stack([line for line in lines if line["line"] == "reference"], n, k)
    if list(references.digests) != head["references"]:
        raise ValueError("references differ from those named before the first question")
    copies = _stack([line for line in lines if line["line"] == "copy"], n, k)
    rows = np.array(asked, np.int64)
    evidence = Evidence(
        expected=np.array(head["expected"], np.int64)[rows], owner=_rows(head["probabilities"], n, k)[rows],
        control=np.array(head["control"], bool)[rows], suspect=_answers(answers, k),
        references=references.take(rows), copies=copies.take(rows), score=str(head["score"]),
        kind=Kind.read(head["parameters"]),
    )  # fmt: skip
    return Transcript(head, evidence, asked, last)


def _check_rules(rules: Any) -> None:
    number = isinstance(rules, dict) and isinstance(rules.get("alpha", 0.5), (int, float))
    if not number or not isinstance(rules.get("budget"), (int, type(None))):
        raise ValueError("rules that are none")


def _rows(rows: list[list[float] | None], n: int, k: int) -> Any:
    filled = np.array([[np.nan] * k if row is None else row for row in rows], np.float32).reshape(len(rows), k)
    if len(filled) != n:
        raise ValueError("probabilities of other questions")
    return filled


def _stack(lines: list[dict[str, Any]], n: int, k: int) -> Stack:
    labels = np.array([line["labels"] for line in lines], np.int64).reshape(len(lines), n)
    probabilities = np.stack([_rows(line["probabilities"], n, k) for line in lines]) if lines else np.zeros((0, n, k))
    return Stack(tuple(str(line["digest"]) for line in lines), tuple(str(line["name"]) for line in lines), labels,
                 probabilities.astype(np.float32), tuple(Kind.read(line) for line in lines))  # fmt: skip


def _answers(lines: list[dict[str, Any]], k: int) -> Answers:
    labels = np.array([line["label"] for line in lines], np.int64)
    if ((labels < NO_ANSWER) | (labels >= k)).any():
        raise ValueError("labels outside the list of classes")
    shown = _rows([line["probabilities"] for line in lines], len(lines), k)
    problems = tuple(dict.fromkeys(str(p) for line in lines for p in line["problems"]))
    return Answers(labels, None if np.isnan(shown).all() else shown, problems)
