"""Judge answers to a key's triggers: is the mark there? The p-value is exact (whosenet.judging.chance)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet import thresholds
from whosenet.judging import chance, graded
from whosenet.questions.evidence import Evidence
from whosenet.types import Verdict

ASSUMPTIONS = (
    "The p-value is the chance that a model made without the key answers its triggers with its targets as often "
    "(or, where it gives probabilities, leans to them as far), over all choices of the key's patterns among the "
    "decoys and of target classes, which a key that was drawn (and committed to) before leaves equally likely. "
    "Nothing is assumed about the model. It does not hold for a key or for images chosen after looking at the "
    "suspect: ask for the date of the commitment, and let the court choose the images (the transcript has their "
    "digest). Where the suspect gives probabilities, labels and probabilities are two looks, and p is doubled. "
    "Every key, strength, set of images and budget that was tried is a look (--tried). 'derived' tells neither "
    "direction nor intent."
)


MAX_CARRIERS = 64
MAX_WORK = 10**11
"""Steps that counting a stranger's probabilities may take: a minute or two."""
MAX_TABLE = 1 << 24
"""Patterns times classes in a stranger's transcript."""


@dataclass(frozen=True)
class Layout:
    """Which question shows which pattern."""

    carriers: int
    patterns: NDArray[np.int64]
    """int64 [n]: the pattern's number; -1 for clean covers."""
    labels: NDArray[np.int64]
    """int64 [n]: the cover's own class."""
    targets: NDArray[np.int64]
    """int64 [carriers]."""

    def document(self) -> dict[str, Any]:
        return {"carriers": self.carriers, "patterns": self.patterns.tolist(), "labels": self.labels.tolist(),
                "targets": self.targets.tolist()}  # fmt: skip

    @classmethod
    def read(cls, document: Any, classes: int, questions: int) -> Layout:
        """Raises ValueError, KeyError or TypeError for what makes no sense."""
        found = cls(
            int(document["carriers"]), *(np.array(document[k], np.int64) for k in ("patterns", "labels", "targets"))
        )
        if any(part.ndim != 1 for part in (found.patterns, found.labels, found.targets)):
            raise ValueError("a layout with more than one axis")
        inside = all(((part >= 0) & (part < classes)).all() for part in (found.labels, found.targets))
        if not inside or not 1 <= found.carriers == len(found.targets) or len(found.patterns) != questions:
            raise ValueError("a layout that makes no sense")
        if found.carriers > MAX_CARRIERS or len(np.unique(found.patterns)) * classes > MAX_TABLE:
            raise ValueError("a layout far too large")
        if found.patterns.shape != found.labels.shape or found.patterns.min(initial=-1) < -1:
            raise ValueError("patterns that do not exist")
        return found

    def of(self, rows: Any) -> Layout:
        """Of some of the questions: int [k] places, in the order of asking."""
        where = np.asarray(rows, np.int64)
        return Layout(self.carriers, self.patterns[where], self.labels[where], self.targets)


@dataclass(frozen=True)
class MarkJudgement:
    """The verdict on a mark and everything it rests on."""

    verdict: Verdict
    p_value: float
    log10_p: float
    alpha: float
    hits: int
    """Triggers that led to their target, covers of that class not counted."""
    triggers: int
    """Triggers that could have: their cover is not of the target class."""
    queries: int
    base_rate: float
    """The larger of the rates at which clean covers and decoys hit the targets."""
    control_accuracy: float | None
    reasons: tuple[str, ...]
    tried: int = 1
    """Keys tried; the p-value is corrected for them."""
    labels_log10_p: float = 0.0
    """By labels alone, not doubled ..."""
    probabilities_log10_p: float | None = None
    """... and by probabilities alone; None where the suspect hides them."""
    partial: bool = False
    """Not every question was answered; the p-value is corrected for as many looks as there are questions."""
    assumptions: str = ASSUMPTIONS


def judge(evidence: Evidence, layout: Layout, *, alpha: float, tried: int = 1, asked: int = 0) -> MarkJudgement:
    """`layout` in the order of `evidence`. A missing answer hits nothing. Raises nothing.

    `asked`: how many questions there were to be (0: as many as were answered). Where fewer were answered, somebody may
    have stopped when it looked well; then p is corrected as for a look after every answer.
    """
    partial = len(evidence) < asked
    said = evidence.suspect.labels
    rows = _by_pattern(layout.patterns)
    # Every pattern counts with as many questions as the one with the fewest, so that carriers have no more chances.
    depth = min((len(r) for r in rows), default=0)
    short = depth == 0 or not np.isin(np.arange(layout.carriers), layout.patterns).all()
    log10_p, by_labels, by_probabilities, hit, possible, decoyed = 0.0, 0.0, None, 0, 0, 0.0
    if not short:
        table = np.stack([r[:depth] for r in rows])
        counts = chance.tally(said[table], layout.labels[table], evidence.classes)
        by_labels, by_probabilities = chance.log10_p(counts, layout.targets), _graded(evidence, layout, table)
        best = by_labels if by_probabilities is None else min(by_labels, by_probabilities) + math.log10(2)
        log10_p = min(0.0, best + math.log10(tried) + (math.log10(asked) if partial else 0.0))
        hit = chance.hits(counts, layout.targets)
        possible = int((layout.labels[table[: layout.carriers]] != layout.targets[:, None]).sum())
        decoyed = _decoy_rate(counts, layout, depth)
    clean = layout.patterns < 0
    base = max(decoyed, _clean_rate(said[clean], layout.labels[clean], layout.targets))
    right = float((said[clean] == layout.labels[clean]).mean()) if clean.any() else None
    verdict, reasons = _verdict(log10_p, alpha, short, right, evidence.classes, hit, possible, base)
    if by_probabilities is not None:
        reasons = (*reasons, f"p by labels {10**by_labels:.1e}, by probabilities {10**by_probabilities:.1e}: "
                             "two looks, so twice the smaller counts")  # fmt: skip
    if partial:
        reasons = (*reasons, f"partial: {len(evidence)} of {asked} questions were answered")
    return MarkJudgement(
        verdict, 10.0**log10_p, log10_p, alpha, hit, possible, len(said), base, right, reasons, tried, by_labels,
        by_probabilities, partial,
    )  # fmt: skip


def _graded(evidence: Evidence, layout: Layout, table: NDArray[np.intp]) -> float | None:
    """log10 p by probabilities; None where no answer has any, or nobody asks that much."""
    shown = evidence.suspect.probabilities
    work = table.shape[0] * len(layout.targets) ** 2 * graded.LEVELS * min(evidence.classes, graded.LEVELS)
    if shown is None or not np.isfinite(shown).any() or work > MAX_WORK:
        return None
    found = graded.scores(evidence.suspect.labels[table], shown[table], layout.labels[table], evidence.classes)
    return chance.log10_p(found, layout.targets)


def _by_pattern(patterns: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Positions of every pattern that was asked, in order of its number."""
    return [np.flatnonzero(patterns == number) for number in np.unique(patterns[patterns >= 0])]


def _decoy_rate(counts: chance.Counts, layout: Layout, depth: int) -> float:
    """How often decoys hit the key's targets, the mean over all targets."""
    decoys = counts[layout.carriers :]
    return float(decoys[:, layout.targets].mean() / depth) if len(decoys) else 0.0


def _clean_rate(said: NDArray[np.int64], labels: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    """How often covers without a pattern hit a target that is not their class."""
    hit = (said[:, None] == targets) & (labels[:, None] != targets)
    possible = (labels[:, None] != targets).sum()
    return float(hit.sum() / possible) if possible else 0.0


def _verdict(log10_p: float, alpha: float, short: bool, right: float | None, classes: int, hit: int, possible: int,
             base: float) -> tuple[Verdict, tuple[str, ...]]:  # fmt: skip
    if short:
        return "inconclusive", ("not every pattern of the key was answered; ask more (--budget)",)
    told = f"{hit} of {possible} triggers led to their targets (base rate {base:.3f})"
    if log10_p <= np.log10(alpha):
        return "derived", (f"{told}; it answers the key beyond chance: it was taught it, or copied from one that was",)
    reasons = [f"{told}: no more than may come by chance at alpha {alpha:g}",
               "the absence of a mark clears nobody: a copy may have lost it, or never had one"]  # fmt: skip
    if right is not None and right <= max(2 / classes, thresholds.MARK_CLEAN):
        reasons.insert(0, f"only {right:.0%} of the clean covers were answered right: a broken suspect, or wrongly fed")
    return "inconclusive", tuple(reasons)
