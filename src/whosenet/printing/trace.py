"""The answer of `whosenet trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whosenet.printing.console import STYLE, console, emit, p_text, plain, shown

if TYPE_CHECKING:
    from whosenet.proving.tracing import Candidate, Traced


def traced(found: Traced, suspect: str, *, as_json: bool) -> None:
    if as_json:
        emit({
            "suspect": suspect, "verdict": found.verdict, "licensee": _only(found.licensees),
            "licensees": list(found.licensees), "commitment": _only(found.commitments),
            "p_value": 10.0**found.log10_p, "log10_p": found.log10_p, "alpha": found.alpha, "keys": found.keys,
            "queries": found.queries, "candidates": [_candidate(c) for c in found.candidates],
            "failed": [{"path": path, "error": why} for path, why in found.failed],
            "reasons": list(found.reasons), "problems": list(found.problems), "assumptions": found.assumptions,
        })  # fmt: skip
        return
    screen = console()
    level = f"alpha {found.alpha:g}, corrected for {found.keys} keys"
    screen.print(f"[{STYLE[found.verdict]}]{found.verdict}[/] p = {p_text(found.log10_p)} ({level}), "
                 f"{found.queries} questions: {shown(suspect)}", highlight=False)  # fmt: skip
    for name in found.licensees:
        screen.print(f"  [bold]{shown(name)}[/]", highlight=False)
    for reason in found.reasons:
        print(f"  {plain(reason)}")
    for one in found.candidates:
        j = one.judgement
        print(f"  {plain(one.identity)}: {j.hits} of {j.triggers} triggers, p = {p_text(j.log10_p)}, {j.verdict}")
    for problem in found.problems:
        print(f"  {plain(problem)}")
    for path, why in found.failed:
        print(f"  not tried: {plain(path)}: {plain(why.removeprefix(f'{path}: '))}")
    print(f"  {found.assumptions}")


def _only(names: tuple[str, ...]) -> str | None:
    """The one there is; null for none and for several, so that a program which reads one name accuses nobody half."""
    return names[0] if len(names) == 1 else None


def _candidate(one: Candidate) -> dict[str, object]:
    j = one.judgement
    return {
        "identity": one.identity, "commitment": one.commitment, "hits": j.hits, "triggers": j.triggers,
        "log10_p": j.log10_p, "labels_log10_p": j.labels_log10_p, "probabilities_log10_p": j.probabilities_log10_p,
        "verdict": j.verdict, "queries": j.queries, "base_rate": j.base_rate,
        "control_accuracy": j.control_accuracy, "screened": one.screened,
        "transcript": str(one.transcript) if one.transcript else None,
    }  # fmt: skip
