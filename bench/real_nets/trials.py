"""Who agrees with an owner on how much, and what the tool's judge says of it against several draws of null references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.real_nets.suspects import CHOOSERS, Matrix, Someone
from whosenet.judging.verdict import judge
from whosenet.questions.answers import NO_ANSWER, Answers, Kind, Stack
from whosenet.questions.evidence import Evidence
from whosenet.questions.queryset import QuerySet
from whosenet.thresholds import PROBE_ALPHA

REFERENCES = 16
OWN = ("ftal", "rtal", "prune-50", "int4", "adversarial-training", "distil", "extract-label")
"""Attacks on the owner's model that stand for copies of the owner's own making, the suspect itself left out."""


@dataclass(frozen=True)
class Trial:
    owner: str
    suspect: str
    origin: str
    group: str
    derived: bool
    verdict: str
    log10_p: float
    independence_p: float | None
    controls: float | None
    reason: str

    @property
    def withheld(self) -> bool:
        """Beyond chance, and not called derived only because the references are not like the owner."""
        return self.verdict == "inconclusive" and "they accuse nobody" in self.reason


def agreement(questions: QuerySet, said: Matrix, first: int) -> float:
    """Share (0..1) of the points among the first so many questions on which the labels are the owner's."""
    points = ~questions.control[:first]
    return float((said[:first].argmax(1) == questions.expected[:first])[points].mean())


def auc(derived: Sequence[float], strangers: Sequence[float]) -> float:
    """Chance that a derived net scores above a stranger, ties counted half."""
    a, b = np.asarray(derived)[:, None], np.asarray(strangers)[None]
    return float(((a > b) + (a == b) / 2).mean()) if a.size and b.size else float("nan")


def trials(
    questions: QuerySet,
    owner: Someone,
    people: list[Someone],
    said: dict[str, Matrix],
    *,
    draw: int,
    chose: frozenset[str],
    kind: Kind,
    labels_only: bool = True,
) -> Iterator[Trial]:
    """Everybody judged against draw `draw` of honest nets of ours, which is in no other role then; nor are those that `chose`
    the points. `kind`: what the owner is."""
    references = drawn(people, draw)
    kinds = {p.id: Kind(architecture(p.id), p.accuracy) for p in people}
    taken = {*references, *chose}
    for one in people:
        if one.origin in taken or one.id == owner.id:
            continue
        derived = one.origin == owner.origin
        own = [p for p in people if p.origin == owner.origin and p.group in OWN and p.id != one.id]
        evidence = Evidence(
            questions.expected, questions.probabilities, questions.control, _answers(said[one.id], labels_only),
            _stack(references, said, kinds), _stack([p.id for p in own], said, kinds), questions.score, kind,
        )  # fmt: skip
        found = judge(evidence, alpha=PROBE_ALPHA)
        yield Trial(owner.id, one.id, one.origin, one.group, derived, found.verdict, found.log10_p, found.independence_p,
                    found.control_accuracy, found.reasons[0])  # fmt: skip


def drawn(people: list[Someone], draw: int) -> list[str]:
    """Ids of REFERENCES honest nets of ours that chose no point."""
    free = sorted(p.id for p in people if p.group == "ours" and p.id not in CHOOSERS)
    order: NDArray[np.int64] = np.random.default_rng([draw, 0x6E756C6C]).permutation(len(free))
    return [free[i] for i in order[:REFERENCES]]


def _answers(said: Matrix, labels_only: bool) -> Answers:
    shown = ~np.isnan(said).any(1)
    labels = np.where(shown, np.nan_to_num(said).argmax(1), NO_ANSWER).astype(np.int64)
    return Answers(labels, None if labels_only else said)


def architecture(net: str) -> str:
    """A name for it, for nets of ours and for published ones (files and copies of one go by its name)."""
    return net.split(".")[1] if net.startswith("cifar10.") else net


def _stack(ids: Sequence[str], said: dict[str, Matrix], kinds: dict[str, Kind]) -> Stack:
    rows = np.stack([said[name] for name in ids])
    return Stack(tuple(ids), tuple(ids), rows.argmax(2).astype(np.int64), rows, tuple(kinds[i] for i in ids))
