"""FIND's answers for people (tables) and for programs (one JSON document)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from whosenet import __version__
from whosenet.errors import MissingExtra, UnreadableInput, WhosenetError
from whosenet.finding.add import AddReport, Step
from whosenet.finding.hashing import Hashed
from whosenet.finding.search import FindReport, Match
from whosenet.library.base import Entry
from whosenet.printing.console import FAIL_ON, STYLE, console, emit, p_text, plain, shown
from whosenet.verify.compare import Comparison

MAX_ROWS = 1_000
"""Tensors a table for people lists: enough for most models, and drawing more than that takes minutes in the end."""


def attempt(call: Callable[[], Any]) -> Any:
    """The answer, or the error of a file that cannot be read here."""
    try:
        return call()
    except (UnreadableInput, MissingExtra) as error:
        return error


def _failed(answers: Iterable[Any]) -> None:
    """Exit as if the last error had been raised, when nothing at all could be read; the others get their line, too."""
    errors = [a for a in answers if isinstance(a, WhosenetError)]
    if errors and len(errors) == len(list(answers)):
        _say_errors(errors[:-1])
        raise errors[-1]


def _say_errors(answers: Iterable[Any]) -> None:
    for answer in answers:
        if isinstance(answer, WhosenetError):
            print(f"whosenet: {plain(str(answer))}", file=sys.stderr)


def hashes(answers: list[Hashed | UnreadableInput | MissingExtra], *, as_json: bool) -> None:
    _failed(answers)
    if as_json:
        emit([_hash_row(a) for a in answers])
        return
    _say_errors(answers)
    for answer in answers:
        if isinstance(answer, Hashed):
            print(f"{answer.codes[0]}  {plain(answer.path)}")


def _hash_row(answer: Hashed | UnreadableInput | MissingExtra) -> dict[str, Any]:
    if isinstance(answer, UnreadableInput | MissingExtra):
        return {"path": answer.path, "error": str(answer)}
    code = answer.codes[0]
    return {
        "path": answer.path, "method": code.signature, "bits": code.bits, "code": code.hex, "m_eff": code.m_eff,
        "tensors": answer.tensors, "parameters": answer.parameters, "bytes": answer.bytes, "format": answer.format,
    }  # fmt: skip


@contextmanager
def progress(paths: list[str]) -> Iterator[Callable[[Step], None] | None]:
    """A progress line on stderr: files, bytes, rate, time left. The total is counted ahead, by name only."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from whosenet.finding.walk import models

    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
               TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("hashing", total=sum(1 for _ in models(paths)), rate="")
        seen = 0

        def step(s: Step) -> None:
            nonlocal seen
            seen += s.bytes if s.outcome == "hashed" else 0
            elapsed = max(bar.tasks[task].elapsed or 0.0, 1e-9)
            bar.update(task, advance=1, rate=f"{seen / 1e6:,.0f} MB, {seen / 1e6 / elapsed:,.0f} MB/s")

        yield step


def added(report: AddReport, *, as_json: bool) -> None:
    if report.failed and not (report.added or report.updated or report.unchanged):
        *others, last = report.failed
        _say_failures(others)
        raise UnreadableInput(last["path"], last["error"].removeprefix(f"{last['path']}: "))
    if as_json:
        emit(report.__dict__)
        return
    print(f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, {len(report.failed)} failed")
    _say_failures(report.failed)


def _say_failures(failures: list[dict[str, str]]) -> None:
    for failure in failures:
        print(f"whosenet: {plain(failure['error'])}", file=sys.stderr)


def found(answers: list[FindReport | UnreadableInput | MissingExtra], *, as_json: bool, fail_on: str | None) -> None:
    _failed(answers)
    if as_json:
        documents = [_find_document(a) for a in answers]
        emit(documents[0] if len(documents) == 1 else documents)
    else:
        _say_errors(answers)
        for answer in answers:
            if isinstance(answer, FindReport):
                _find_table(answer)
    unread = [a for a in answers if isinstance(a, UnreadableInput | MissingExtra)]
    if fail_on and any(m.verdict == fail_on for a in answers if isinstance(a, FindReport) for m in a.matches):
        sys.exit(FAIL_ON)
    if fail_on and unread:
        raise unread[0]


def _find_document(answer: FindReport | UnreadableInput | MissingExtra) -> dict[str, Any]:
    if isinstance(answer, UnreadableInput | MissingExtra):
        return {"suspect": answer.path, "error": str(answer)}
    asked = {k: v for k, v in answer.__dict__.items() if k != "matches"}
    return {**asked, "version": __version__, "matches": [_match_document(m) for m in answer.matches]}


def _match_document(match: Match) -> dict[str, Any]:
    document = {k: v for k, v in match.__dict__.items() if k != "comparison"} | {"p_value": match.p_value}
    document["relatives"] = [r.__dict__ for r in match.relatives]
    if match.comparison is not None:
        document["comparison"] = compare_document(match.comparison)
    return document


def _find_table(report: FindReport) -> None:
    table = Table(
        title=f"{shown(report.suspect)}: {report.searched} models searched, alpha {report.alpha:g}",
        title_justify="left",
    )
    for heading in ("match", "distance", "p-value", "matched by", "verdict", "relatives", "licence"):
        table.add_column(heading, overflow="fold")
    for m in report.matches:
        verdict = f"[{STYLE[m.verdict]}]{m.verdict}[/]" + (" (same bytes)" if m.identical else "")
        if m.comparison is not None:
            verdict += (
                f"; compare: [{STYLE[m.comparison.verdict]}]{m.comparison.verdict}[/] p {p_text(m.comparison.log10_p)}"
            )
            verdict += f" {', '.join(m.comparison.relation)}" if m.comparison.relation else ""
        table.add_row(
            shown(m.name),
            f"{m.distance}/{m.bits}",
            p_text(m.log10_p),
            ", ".join(m.matched_by) or "-",
            verdict,
            str(m.relatives_count or ""),
            shown(m.licence),
        )
    console().print(table)
    for method, why in report.without.items():
        print(f"not searched by {method}: {plain(why)}", file=sys.stderr)
    if not report.matches:
        print("nothing to compare with: the library is empty")


def listed(entries: Iterable[Entry], *, as_json: bool) -> None:
    rows = [
        {"name": e.name, "path": e.path, "format": e.format, "tensors": e.tensors, "parameters": e.parameters,
         "bytes": e.bytes, "digest": e.digest, "licence": e.licence, "note": e.note,
         "methods": [c.signature for c in e.codes],
         "added_at": datetime.fromtimestamp(e.added_at, UTC).isoformat(timespec="seconds")}
        for e in entries
    ]  # fmt: skip
    if as_json:
        emit(rows)
        return
    table = Table()
    for heading in ("name", "format", "parameters", "licence", "note", "path"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(
            shown(str(row["name"])),
            str(row["format"]),
            f"{row['parameters']:,}",
            *(shown(str(row[key])) for key in ("licence", "note", "path")),
        )
    console().print(table)


def removed(count: int, *, as_json: bool) -> None:
    emit({"removed": count}) if as_json else print(f"{count} removed")


def compare_document(c: Comparison) -> dict[str, Any]:
    return {
        "verdict": c.verdict, "p_value": c.p_value, "log10_p": c.log10_p, "alpha": c.alpha, "relation": c.relation,
        "coverage": c.coverage, "reason": c.reason, "cosine": c.cosine, "m_eff": c.m_eff,
        "tensors": [t.__dict__ for t in c.tensors],
    }  # fmt: skip


def compared(c: Comparison, a: str, b: str, *, digests: dict[str, str], as_json: bool) -> None:
    """`digests`: BLAKE3 of a, b and, if given, base, so that the answer says what it is about."""
    if as_json:
        emit({"a": a, "b": b, "digests": digests, "version": __version__, **compare_document(c)})
        return
    table = Table(title=f"{shown(a)}  and  {shown(b)}", title_justify="left")
    for heading in ("A", "B", "p-value", "similarity", "note"):
        table.add_column(heading, overflow="fold")
    for t in c.tensors[:MAX_ROWS]:
        p = "" if t.log10_p is None else p_text(t.log10_p)
        similarity = "" if t.similarity is None else f"{t.similarity:.3f}"
        table.add_row(shown(t.a or "-"), shown(t.b or "-"), p, similarity, t.note)
    out = console()
    out.print(table)
    if len(c.tensors) > MAX_ROWS:
        out.print(f"... and {len(c.tensors) - MAX_ROWS:,} tensors more; --json lists them all")
    out.print(f"[{STYLE[c.verdict]}]{c.verdict}[/]: {c.reason}; p {p_text(c.log10_p)} (alpha {c.alpha:g})")
    if c.relation:
        out.print(f"likely relation: {', '.join(c.relation)}; {c.coverage:.0%} of B's weights traced to A")
