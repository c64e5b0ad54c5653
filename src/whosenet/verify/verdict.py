"""From evidence to one of three words."""

from __future__ import annotations

import math

from whosenet import thresholds
from whosenet.hashes.chance import log10_p_cosine
from whosenet.types import Verdict
from whosenet.verify.evidence import Tested
from whosenet.verify.inplace import InPlace
from whosenet.weights.base import Tensor

CLEARED = "units agree in place only by chance; listed edits would have shown, re-ordered hidden units would not"


def share(pairs: list[Tested], ours: list[Tensor], theirs: list[Tensor]) -> float:
    """The smaller of the two models' shares of weights that have a counterpart of the same shape."""
    sides = ((sum(t.pair.a.elements for t in pairs), ours), (sum(t.pair.b.elements for t in pairs), theirs))
    return min(matched / max(1, sum(t.elements for t in all_)) for matched, all_ in sides)


def verdict(
    pairs: list[Tested], log10_p: float, whole: InPlace | None, alpha: float, shared: float
) -> tuple[Verdict, str]:
    """The verdict and the reason for it. `shared`: the share of both models' weights that has a counterpart."""
    if whole is None:
        return "inconclusive", "no trained tensor of one has the shape of one of the other"
    if len(pairs) < thresholds.MIN_TENSORS:
        return "inconclusive", "only one tensor in common; one alone never convicts nor clears"
    if log10_p <= math.log10(alpha):
        return "derived", "units agree in place beyond chance"
    if rearranged(pairs):
        return (
            "inconclusive",
            "the same numbers at other places: re-ordered on purpose or by a converter; look closer",
        )
    if log10_p <= math.log10(thresholds.INDEPENDENT_P):
        return "inconclusive", f"p-value between {alpha:g} and {thresholds.INDEPENDENT_P}"
    if shared < thresholds.MATCHED_SHARE:
        return "inconclusive", f"only {shared:.0%} of the weights have a counterpart of the same shape"
    if power(whole.m_eff, alpha) < thresholds.POWER:
        return "inconclusive", "too few weights to have found the weakest listed edit for sure"
    return (
        "independent",
        CLEARED,
    )


def power(m_eff: float, alpha: float) -> float:
    """Chance that the weakest listed edit passes alpha: its cosine scatters by about 1 / sqrt(m_eff)."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if log10_p_cosine(middle, m_eff) > math.log10(alpha) else (low, middle)
    z = (thresholds.WEAKEST_COSINE - high) * math.sqrt(m_eff)
    return 0.5 * math.erfc(-z / math.sqrt(2))


def rearranged(pairs: list[Tested]) -> bool:
    """Whether most weights of the aligned tensors are the same numbers at other places: strangers never have that."""
    same = sum(t.pair.b.elements for t in pairs if t.traced.same_numbers)
    return same > 0.5 * sum(t.pair.b.elements for t in pairs)
