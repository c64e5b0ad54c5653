"""`whosenet verify`: ask a suspect for the mark of a key, and read the identity from the very questions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whosenet import thresholds
from whosenet.errors import UsageError
from whosenet.judging.marks import Layout, MarkJudgement, judge
from whosenet.keys.key import Key
from whosenet.networks.images import Images
from whosenet.proving.plan import plan
from whosenet.proving.questions import questions, watermark_of
from whosenet.proving.showing import Shown, read_carriers
from whosenet.questions.answers import empty_stack
from whosenet.questions.evidence import Evidence
from whosenet.questions.queryset import QuerySet
from whosenet.questions.recording import recording
from whosenet.suspects.base import Suspect
from whosenet.suspects.reply import Tally

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Verified:
    """A judgement, whose name the questions bear, and where the evidence lies."""

    judgement: MarkJudgement
    identity: Shown | None
    """What R reads from the triggers that were asked; None for a watermark that hides no identity."""
    tally: Tally
    commitment: str
    problems: tuple[str, ...]
    """What was wrong with answers: another number of classes, no answer, ..."""
    transcript: Path | None = None
    sha256: str | None = None
    psnr: float | None = None
    """Strength of the patterns asked with, decibels, where the key tells it."""
    asked: dict[str, Any] = field(default_factory=dict)
    """What tells these questions from others: digests of the questions and of the images, method, strength, rules."""


def verify(suspect: Suspect, key: Key, images: Images, *, alpha: float = thresholds.VERIFY_ALPHA,
           budget: int = thresholds.VERIFY_BUDGET, tried: int = 1, labels_only: bool = False, psnr: float | None = None,
           transcript: str | Path | None = None, on_step: OnStep | None = None) -> Verified:  # fmt: skip
    """Ask at most `budget` questions and judge. `tried`: keys (and strengths) tried in all, for which the p-value is
    corrected. `psnr`: ask with patterns of that strength instead of the key's: stronger ones get through JPEG.

    Raises UsageError (nothing was asked), SuspectUnreachable (the transcript keeps what was answered).
    """
    classes, tried = images.classes, looks(key, psnr, tried)
    chosen = plan(watermark_of(key).carriers, classes, budget, math.log10(alpha / tried))
    asked = questions(key, images, classes, chosen, psnr=psnr)
    rules = {"alpha": alpha, "sequential": False, "labels_only": labels_only, "budget": budget, "tried": tried}
    with recording(transcript, asked, suspect.describe(), rules) as kept:
        answers = suspect.ask(asked.images, classes=classes, names=asked.names, budget=budget, labels_only=labels_only,
                              transcript=kept, on_step=on_step)  # fmt: skip
    if not len(answers):
        raise UsageError("no question was asked, so there is nothing to judge; raise --budget")
    part = asked.take(answers.rows)
    evidence = Evidence(part.expected, part.probabilities, part.control, answers, *_nobody(part))
    judgement = judge(evidence, layout_of(asked, answers.rows), alpha=alpha, tried=tried, asked=len(asked))
    where = (Path(transcript) if transcript else None, kept.sha256 if kept else None)
    return Verified(judgement, read_carriers(key, asked), answers.tally, key.commitment, answers.problems, *where,
                    key.method.get("psnr") if psnr is None else psnr, _described(asked, rules))  # fmt: skip


def usable(found: Verified) -> Verified:
    """Raises UsageError where the suspect gave no valid answer at all: a wrong file is no finding about it."""
    if found.tally.answered + found.tally.resumed:
        return found
    why = f" ({found.problems[0]})" if found.problems else ""
    raise UsageError(f"the suspect gave no valid answer to any question{why}; check that --data has the "
                     "size, colours and classes that it takes")  # fmt: skip


def _described(asked: QuerySet, rules: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in asked.parameters.items() if name != "mark"}
    return {"fingerprint": asked.digest, "data": asked.data, "method": asked.method, "parameters": told, "rules": rules}


def looks(key: Key, psnr: float | None, tried: int) -> int:
    """How many looks the p-value is corrected for: another strength than the key's is a second one at least."""
    return max(tried, 2) if psnr is not None and psnr != key.method.get("psnr") else tried


def layout_of(asked: QuerySet, rows: Any) -> Layout:
    """The layout of those questions that were answered, in the order of asking."""
    return Layout.read(asked.parameters["mark"], asked.classes, len(asked)).of(rows)


def _nobody(part: QuerySet) -> tuple[Any, Any]:
    """No references and no copies: the null of a mark is the key itself."""
    return empty_stack(len(part), part.classes), empty_stack(len(part), part.classes)
