"""Are enough references what an innocent suspect would be: of the owner's own architecture, and as good as its model?

Networks of one architecture, trained for one task to one accuracy, agree more than others do. References of another
kind, or weaker ones, agree with the owner's model less, and against them every good network of its family looks like a
copy: sixteen small nets as the null would accuse published ResNets by other authors in 237 of 3,995 trials
(docs/methods/deepcore.md). They may stay in the null, which takes those that agree most for a kind of their own, but
nobody is accused without MIN_REFERENCES of the owner's kind.

Ten of the owner's architecture are not enough if all are weaker: on CIFAR-10, siblings fine-tuned from a public start
(0.71 accurate) as the only null of owners trained from scratch (0.79) accused 6 of 153 nets trained from scratch.

Limits: an architecture is known by the shapes of its tensors, so strides, activations and wiring are not seen; accuracy
is taken on clean images drawn by lot from those the fingerprint was made from, where an owner's model that was trained
on them looks better than it is; and what a transcript says of this, its author could have written.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whosenet import thresholds
from whosenet.questions.answers import Kind, Stack

SLACK = 1e-9
"""A gap of exactly ACCURACY_GAP is allowed, however it is rounded."""


@dataclass(frozen=True)
class Shortage:
    """What the references lack."""

    needed: int = 0
    """Further references of the owner's kind; 0 if none is lacking, or no number of them would help."""
    why: str = ""
    """In words; empty if nothing is lacking."""


def shortage(owner: Kind, references: Stack) -> Shortage:
    """What keeps `references` from accusing anybody."""
    if not owner.architecture or owner.accuracy is None:
        return Shortage(0, "the fingerprint, made by an older version, does not say what the owner's network is, so "
                           "nobody can tell whether they are like it; make the fingerprint again")  # fmt: skip
    kinds = [references.kind(i) for i in range(len(references))]
    own = [k for k in kinds if k.architecture == owner.architecture and k.accuracy is not None]
    missing = thresholds.MIN_REFERENCES - len(own)
    if missing > 0:
        return Shortage(missing, f"{len(own)} of the {len(references)} references are known to be of the owner's "
                        f"architecture, {thresholds.MIN_REFERENCES} are needed; nets of another one agree less than an "
                        "innocent net like the owner's would (`whosenet twins` trains them)")  # fmt: skip
    return _weaker(owner.accuracy, [k.accuracy for k in own if k.accuracy is not None])


def _weaker(owner: float, own: list[float]) -> Shortage:
    """By the best of them, so that no reference that is added ever keeps the others from counting."""
    best = float(np.mean(sorted(own)[-thresholds.MIN_REFERENCES :]))
    if owner - best <= thresholds.ACCURACY_GAP + SLACK:
        return Shortage()
    good = sum(owner - accuracy <= thresholds.ACCURACY_GAP + SLACK for accuracy in own)
    return Shortage(max(thresholds.MIN_REFERENCES - good, 1), (
        f"the best {thresholds.MIN_REFERENCES} references of the owner's architecture get {best:.0%} of the clean "
        f"images right, the owner's network {owner:.0%}, and better nets would agree with it more; train them as well "
        "as the owner's (epochs, data), or make the fingerprint from images that neither was trained on"))  # fmt: skip
