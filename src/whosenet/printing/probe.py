"""TEST's answers for people and for programs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from whosenet import __version__, registry
from whosenet.attacks.base import Outcome
from whosenet.judging import Judgement
from whosenet.networks.spec import Spec
from whosenet.printing.console import STYLE, console, emit, p_text, plain, shown
from whosenet.probing.asking import Probed, partial_reason
from whosenet.probing.twins import Twin
from whosenet.questions.queryset import QuerySet
from whosenet.questions.transcript import Transcript, made_by, now


@contextmanager
def stages(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """A progress line on stderr whose description changes with the stage."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        yield lambda what, done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True) as bar:
        task, now = bar.add_task(title, total=None), ""

        def step(what: str, done: int, total: int) -> None:
            nonlocal now
            if what != now:
                bar.reset(task, description=f"{title}: {what}", total=total)
                now = what
            bar.update(task, completed=done, total=total)

        yield step


@contextmanager
def counting(title: str, total: int | None) -> Iterator[Callable[[int, int], None]]:
    with stages(title) as on_stage:
        yield lambda done, whole: on_stage(f"{whole} steps" if total is None else f"{whole} questions", done, whole)


def note(text: str) -> None:
    """One line on stderr that does not wait for the answer."""
    print(f"whosenet: note: {plain(text)}", file=sys.stderr, flush=True)


def fingerprinted(made: QuerySet, out: Path, *, as_json: bool) -> None:
    points = int((~made.control).sum())
    if as_json:
        emit({
            "path": str(out), "digest": made.digest, "method": made.method, "parameters": dict(made.parameters),
            "owner": made.owner, "questions": len(made), "points": points, "controls": len(made) - points,
            "chosen_by": list(made.chosen_by), "copies": list(made.copies.names), "data": made.data,
            "score": made.score, "version": __version__,
        })  # fmt: skip
        return
    out_ = console()
    out_.print(f"{shown(str(out))}: {points} points by {made.method} and {len(made) - points} control images, "
               f"chosen by {len(made.chosen_by)} references; {len(made.copies)} derived copies kept")  # fmt: skip
    out_.print(f"digest {made.digest}  (publish it before a dispute: it commits you to these questions)")


def judgement_document(j: Judgement) -> dict[str, Any]:
    return {**asdict(j), "version": __version__}


def probed(answer: Probed, suspect: str, questions: QuerySet, *, as_json: bool) -> None:
    j, transcript = answer.judgement, answer.transcript
    if as_json:
        emit({"suspect": suspect, **_questions(questions), "transcript": str(transcript) if transcript else None,
              "transcript_sha256": answer.sha256, "questions": len(questions), "at": now(), "made_by": made_by(),
              "rules": dict(answer.rules), "partial": answer.partial,
              "reference_digests": list(answer.evidence.references.digests),
              "asked": asdict(answer.tally), "problems": list(answer.evidence.suspect.problems),
              **judgement_document(j)})  # fmt: skip
        return
    _say(j, suspect)
    for problem in answer.evidence.suspect.problems:
        console().print(f"- {shown(problem)}")
    if transcript:
        console().print(f"every answer is in {shown(str(transcript))} (SHA-256 {answer.sha256}); "
                        "`whosenet judge` judges it again")  # fmt: skip


def judged(j: Judgement, found: Transcript, path: Path, *, as_json: bool) -> None:
    j = _with_remarks(j, found)
    if as_json:
        emit({"transcript": str(path), "transcript_sha256": found.sha256, "partial": stopped_at_will(found),
              **{key: found.header.get(key) for key in ("suspect", "fingerprint", "method", "parameters", "owner",
                                                        "chosen_by", "data", "started", "made_by", "rules")},
              "reference_digests": found.header["references"], "questions": len(found.header["expected"]),
              **judgement_document(j)})  # fmt: skip
        return
    _say(j, str(found.header.get("suspect")))
    console().print(f"transcript {found.sha256}, begun {shown(str(found.header.get('started', 'at a time unknown')))}")
    console().print(f"fingerprint {shown(str(found.header.get('fingerprint')))}")


def stopped_at_will(found: Transcript) -> bool:
    """Whether another number of questions was answered than the one that was to be (unless stopping was allowed)."""
    return not found.rules.get("sequential") and not found.fixed_beforehand


def _with_remarks(j: Judgement, found: Transcript) -> Judgement:
    """What only the transcript tells: asking ended elsewhere than decided, or another alpha was."""
    said = []
    if stopped_at_will(found):
        said.append(partial_reason(len(found.asked), len(found.header["expected"])))
    if j.alpha != found.rules.get("alpha", j.alpha):
        said.append(f"the transcript was begun with alpha {found.rules['alpha']}, not {j.alpha:g}")
    return replace(j, reasons=(*j.reasons, *said))


def _questions(questions: QuerySet) -> dict[str, Any]:
    """What made the questions, and from what."""
    return {"fingerprint": questions.digest, "method": questions.method, "parameters": dict(questions.parameters),
            "owner": questions.owner, "chosen_by": list(questions.chosen_by), "data": questions.data}  # fmt: skip


def _say(j: Judgement, suspect: str) -> None:
    out = console()
    none = {"probability": "hidden"}
    scores = ", ".join(f"{k} {none.get(k, 'unknown') if v is None else f'{v:.2f}'}" for k, v in j.scores.items())
    out.print(f"[{STYLE[j.verdict]}]{j.verdict}[/]: {shown(suspect)}")
    out.print(f"p {p_text(j.log10_p)} (alpha {j.alpha:g}), conformal p {j.conformal_p:.3g}, against {j.references} "
              f"honest references; {j.queries} questions; agreement: {scores}")  # fmt: skip
    for reason in j.reasons:
        out.print(f"- {shown(reason)}")
    if j.verdict == "derived":
        out.print(f"- assumed: {j.assumptions}")


def twinned(made: list[Twin], out: Path, *, as_json: bool) -> None:
    if as_json:
        emit({"out": str(out), "twins": [asdict(twin) for twin in made], "version": __version__})
        return
    for twin in made:
        console().print(f"{shown(twin.spec)}  accuracy {twin.accuracy:.3f}, {twin.share:.0%} of the data")


def attacks(*, as_json: bool) -> None:
    rows = [
        {"name": name, "family": cls.family, "parameters": cls.defaults(), "what": _first_line(cls)}
        for name, cls in registry.plugins("attack").items()
    ]
    if as_json:
        emit(rows)
        return
    table = Table()
    for heading in ("attack", "family", "what it does", "parameters"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        settings = ", ".join(f"{k}={v}" for k, v in row["parameters"].items())
        table.add_row(row["name"], row["family"], shown(row["what"]), shown(settings))
    console().print(table)


def _first_line(cls: type[Any]) -> str:
    return (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")


def attacked(outcome: Outcome, spec: Spec, out: Path, *, as_json: bool) -> None:
    if as_json:
        about = {k: getattr(outcome, k) for k in ("attack", "parameters", "seed", "digest", "accuracy_before",
                                                  "accuracy_after", "seconds")}  # fmt: skip
        emit({**about, "out": str(out), "spec": str(spec), "version": __version__})
        return
    out_ = console()
    out_.print(f"{outcome.attack}: accuracy {outcome.accuracy_before:.3f} before, {outcome.accuracy_after:.3f} after, "
               f"{outcome.seconds:.0f} s")  # fmt: skip
    out_.print(shown(str(spec)))
