"""The transcript of a `verify`, judged again offline: nothing but the file is needed, no torch, and nobody is asked."""

from __future__ import annotations

from whosenet import thresholds
from whosenet.errors import MalformedFile
from whosenet.judging.marks import Layout, MarkJudgement, judge
from whosenet.questions.transcript import Transcript

MAX_TRIED = 10**12


def about_a_mark(found: Transcript) -> bool:
    """Whether `verify` wrote it, not `probe`."""
    parameters = found.header.get("parameters")
    return isinstance(parameters, dict) and "mark" in parameters


def rejudge(found: Transcript, path: object, *, alpha: float | None = None) -> MarkJudgement:
    """`alpha`: default the one fixed before asking. Raises MalformedFile (named by `path`) for what makes no sense."""
    whole, rules = len(found.header["expected"]), found.rules
    try:
        layout = Layout.read(found.header["parameters"]["mark"], found.evidence.classes, whole)
        tried = rules.get("tried", 1)
        if type(tried) is not int or not 1 <= tried <= MAX_TRIED:
            raise ValueError("a number of keys tried that is none")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MalformedFile(path, f"is the transcript of a mark that makes no sense ({str(error)[:100]})") from error
    declared = rules.get("alpha", thresholds.VERIFY_ALPHA) if alpha is None else alpha
    return judge(found.evidence, layout.of(found.asked), alpha=declared, tried=tried, asked=whole)
