"""The transcript of a `verify`, judged again offline: nothing but the file is needed, no torch, and nobody is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from whosenet import thresholds
from whosenet.errors import MalformedFile
from whosenet.judging.marks import Layout, MarkJudgement, judge
from whosenet.questions.transcript import Transcript

MAX_TRIED = 10**12
MAX_ALPHA = 0.5


def about_a_mark(found: Transcript) -> bool:
    """Whether `verify` wrote it, not `probe`."""
    parameters = found.header.get("parameters")
    return isinstance(parameters, dict) and "mark" in parameters


def rejudge(found: Transcript, path: object, *, alpha: float | None = None) -> MarkJudgement:
    """`alpha`: default the one fixed before asking. Raises MalformedFile (named by `path`) for what makes no sense."""
    whole, rules = len(found.header["expected"]), found.rules
    try:
        if found.asked != tuple(range(len(found.asked))):
            raise ValueError("answers that are not the first so many: others were left out")
        layout = Layout.read(found.header["parameters"]["mark"], found.evidence.classes, whole)
        declared = _declared(rules) if alpha is None else alpha
        tried = rules.get("tried", 1)
        if type(tried) is not int or not 1 <= tried <= MAX_TRIED:
            raise ValueError("a number of keys tried that is none")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MalformedFile(path, f"is the transcript of a mark that makes no sense ({str(error)[:100]})") from error
    evidence = found.evidence
    if rules.get("labels_only", True):
        evidence = evidence.against(replace(evidence.suspect, probabilities=None))
    return judge(evidence, layout.of(found.asked), alpha=declared, tried=tried, asked=whole)


def _declared(rules: dict[str, Any]) -> float:
    """The alpha fixed before asking: a stranger's may be no rate at all, and at 1 everybody would be `derived`."""
    found = rules.get("alpha", thresholds.VERIFY_ALPHA)
    if type(found) is not float or not 0 < found <= MAX_ALPHA:
        raise ValueError(f"an alpha that is no rate up to {MAX_ALPHA}")
    return found
