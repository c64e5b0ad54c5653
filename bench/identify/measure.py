"""From answers to numbers: AUC by group and by number of questions, verdicts at the tool's threshold, p-values."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.identify.asked import Said
from bench.identify.cast import Cast
from whosenet.judging import Judgement, judge
from whosenet.questions.answers import Answers, Stack
from whosenet.questions.evidence import Evidence
from whosenet.questions.queryset import QuerySet

COPIES = ("ftal", "rtal", "prune-magnitude-70-tuned", "int4", "adversarial-training", "distil", "extract-label",
          "extract-probability")  # fmt: skip
"""What `whosenet fingerprint` makes as the owner's own copies; here they are taken from the population."""
COUNTS = (5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Trial:
    """One suspect judged once."""

    owner: str
    suspect: str
    parent: str
    """The net whose behaviour the suspect has: itself, if it was trained apart. Clusters for the bounds."""
    family: str
    derived: bool
    draw: int
    null: str
    judgement: Judgement
    stopped: Judgement
    """Judged question by question, stopping as soon as there is a verdict."""


def agreement(questions: QuerySet, said: Said, net: str, count: int | None = None) -> float:
    """Share of the first `count` questions' points (all, if None) on which `net` has the owner's label."""
    points = ~questions.control
    points[count if count is not None else len(points) :] = False
    return float((said.probabilities[net].argmax(1) == questions.expected)[points].mean())


def evidence(
    questions: QuerySet, said: Said, cast: Cast, suspect: Answers, without: str, itself: tuple[str, str]
) -> Evidence:
    """`without`: the family of the suspect's attack, so that no copy of its own kind clears or convicts it; `itself`:
    the suspect and what it was made from, which are no references."""
    copies = tuple(c for c in (f"{cast.owner}+{name}" for name in COPIES if name != without) if c in said.probabilities)
    stack = said.stack(copies) if copies else Stack((), (), np.zeros((0, len(questions)), np.int64),
                                                    np.zeros((0, len(questions), questions.classes), np.float32))  # fmt: skip
    return Evidence(questions.expected, questions.probabilities, questions.control, suspect,
                    said.stack(tuple(r for r in cast.references if r not in itself)), stack, questions.score,
                    said.kind(cast.owner))  # fmt: skip


def stopping(whole: Evidence, *, alpha: float, step: int = 5) -> Judgement:
    """What a sequential probe says, looking every `step` questions."""
    for count in [*range(step, len(whole), step), len(whole)]:
        part = whole.take(slice(0, count))
        if part.control.sum() < min(2, int(whole.control.sum())) or part.control.all():
            continue
        found = judge(part, alpha=alpha, sequential=True)
        if found.verdict != "inconclusive":
            return found
    return found


def auc(positive: Iterable[float], negative: Iterable[float]) -> float:
    """Chance that a derived net scores above an honest one, ties counted half; NaN without one of them."""
    a, b = np.asarray(list(positive)), np.sort(np.asarray(list(negative)))
    if not len(a) or not len(b):
        return float("nan")
    below, upto = np.searchsorted(b, a, "left"), np.searchsorted(b, a, "right")
    return float(((below + upto) / 2).mean() / len(b))
