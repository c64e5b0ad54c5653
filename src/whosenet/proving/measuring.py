"""What an embedding did, measured on images that no training saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whosenet import thresholds
from whosenet.keys.key import Key
from whosenet.networks.images import Images, Pixels
from whosenet.networks.predict import logits
from whosenet.networks.spec import Spec
from whosenet.watermarks.base import Watermark, spread

if TYPE_CHECKING:
    from torch import nn

MEASURED = 2000
"""Held-out images that measure at most."""
DECOYS = 8
"""Decoys that are tried: patterns of the key's rule that were not embedded."""


@dataclass(frozen=True)
class Embedded:
    """What marking did, measured on images that no training saw."""

    clean_accuracy_before: float
    """Of the unmarked network: the one given, or with `from_scratch` a control trained the same way."""
    clean_accuracy_after: float
    watermark_accuracy: float
    """Share of triggers (covers of the target class left out) that lead to their targets."""
    base_rate: float
    """The same of the unmarked network."""
    decoy_rate: float
    """Share of images that a pattern which was NOT embedded moves to the class it favours, mean over such decoys: far
    above `base_rate`, the network answers patterns of anybody."""
    psnr: float
    ssim: float
    marked: bool
    images: int
    lost_z: float
    """The loss in standard errors of the paired difference: what a loss on few images is worth."""
    commitment: str
    spec: Spec
    digest_before: str = ""
    """Of the weights of the unmarked network (whosenet.networks.spec.digest_of)."""
    made: dict[str, Any] = field(default_factory=dict)
    """recipe, data (digest of the images), sha256 (of the file written)."""


def sample(held: Images, key: Key) -> Images:
    """At most so many, drawn by the key: files are often sorted by class."""
    return held.take(np.sort(key.generator("embed/measured").permutation(len(held))[:MEASURED]))


def measured(before: nn.Module, after: nn.Module, held: Images, mark: Watermark, classes: int, spec: Spec) -> Embedded:
    """`held`: images no training saw; `before` is the network the marked one, `after`, is compared with."""
    numbers = spread(len(held), mark.carriers)
    stamped, targets = mark.stamp(held.x, numbers), mark.targets(classes)[numbers]
    hit = [_hit_rate(m, stamped, targets, held) for m in (before, after)]
    psnr, ssim = mark.quality(held.x, numbers)
    said = [logits(m, held.x).argmax(1) for m in (before, after)]
    right = [s == held.y for s in said]
    decoys = decoy_rate(after, held, said[1], mark, classes)
    marked = hit[1] >= thresholds.MARKED and decoys <= thresholds.DECOYS_ANSWERED
    return Embedded(
        float(right[0].mean()), float(right[1].mean()), hit[1], hit[0], decoys, psnr, ssim, marked, len(held),
        paired_z(*right), mark.key.commitment, spec,
    )  # fmt: skip


def _hit_rate(module: nn.Module, stamped: Pixels, targets: NDArray[np.int64], held: Images) -> float:
    usable = held.y != targets
    return float((logits(module, stamped).argmax(1) == targets)[usable].mean()) if usable.any() else 0.0


def decoy_rate(module: nn.Module, held: Images, said: NDArray[np.int64], mark: Watermark, classes: int) -> float:
    """Mean over decoys of the share of images that the pattern moves to one class; `said` [n]: without a pattern."""
    which = spread(len(held), DECOYS)
    shown = logits(module, mark.stamp(held.x, mark.carriers + which)).argmax(1)
    moved = np.zeros((DECOYS, classes))
    np.add.at(moved, (which, shown), shown != said)
    return float((moved.max(1) / np.maximum(np.bincount(which, minlength=DECOYS), 1)).mean())


def paired_z(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    """(lost - won) / sqrt(lost + won) over the images on which the two differ (McNemar); 0 where they never do."""
    lost, won = int((before & ~after).sum()), int((after & ~before).sum())
    return (lost - won) / (lost + won) ** 0.5 if lost + won else 0.0
