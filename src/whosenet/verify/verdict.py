"""From evidence to one of three words, and the reason."""

from __future__ import annotations

import math

from whosenet import thresholds
from whosenet.hashes.chance import log10_p_cosine
from whosenet.types import Verdict
from whosenet.verify.evidence import Evidence, Tested
from whosenet.verify.inplace import together

DERIVED = "units agree in place beyond chance"
PART = "some layers agree in place beyond chance; the others do not"
CLEARED = "units agree in place only by chance; listed edits would have shown, re-ordered hidden units would not"
CLEARED_REORDERED = (
    "units agree only by chance, in place and in any order; listed edits would have shown, re-ordering alone, too"
)
NOTHING = "no trained tensor of one has the shape of one of the other"
NOTHING_BEYOND = "nothing is left of what they share once the base is set aside"
EQUAL = "the few tensors there are hold the same numbers"
FEW = f"alike, but fewer than {thresholds.MIN_TENSORS} tensors convict only if they are equal"
ONE = "only one tensor in common; one alone never convicts nor clears"
LITTLE = "only a small share of the weights agrees: a copied part, or tables and frozen layers that anybody may have"
MOVED = "the same numbers at other places or with other signs: on purpose or by a converter; look closer"
PUBLIC = "what agrees is equal to the bit and the rest does not agree: a public table or frozen layers? look closer"
BEYOND = "related beyond the base, but honest fine-tunes on the same data can be; only equal numbers would convict"
UNREAD = "some weights could not be looked at (not finite, or beyond a limit), so nothing is cleared"
WEAK = "too few weights to have found the weakest listed edit for sure"


def verdict(found: Evidence, alpha: float, coverage: float, changed: float, *, base: bool) -> tuple[Verdict, str]:
    """The verdict and its reason. `coverage`: the larger of the shares of A and B that is traced; `changed`: the part
    of it that is not equal to the bit; `base`: one was given."""
    if found.whole is None:
        return "inconclusive", NOTHING_BEYOND if base else NOTHING
    if len(found.pairs) < 2:
        return "inconclusive", ONE
    if min(found.log10_p, found.log10_all) <= math.log10(alpha):
        return _related(found, alpha, coverage, changed)
    if rearranged(found.pairs):
        return "inconclusive", MOVED
    if found.log10_all <= math.log10(thresholds.INDEPENDENT_P):
        return "inconclusive", f"p-value between {alpha:g} and {thresholds.INDEPENDENT_P}"
    if found.unreadable > 0:
        return "inconclusive", UNREAD
    if found.shared < thresholds.MATCHED_SHARE or found.based:
        return "inconclusive", f"{found.shared:.0%} of the weights have a counterpart to compare"
    if power(found.whole.m_eff, math.log10(alpha) - found.log10_tries) < thresholds.POWER:
        return "inconclusive", WEAK
    return "independent", CLEARED


def _related(found: Evidence, alpha: float, coverage: float, changed: float) -> tuple[Verdict, str]:
    """Agreement beyond chance: is it of a kind that honest strangers never have?"""
    if found.based:
        return ("derived", DERIVED) if _equal_share(found) >= thresholds.SAME_BEYOND_BASE else ("inconclusive", BEYOND)
    if found.tensors < thresholds.MIN_TENSORS:
        same = _equal_share(found) == 1 and coverage >= thresholds.MIN_COVERAGE_EQUAL
        return ("derived", EQUAL) if same else ("inconclusive", FEW)
    if coverage < thresholds.MIN_COVERAGE:
        return "inconclusive", LITTLE
    if found.log10_p > math.log10(alpha):  # two tensors carry it all: tables are equal to the bit, copied layers seldom
        most = (
            coverage >= thresholds.MIN_COVERAGE_EQUAL and len({t.traced.content for t in found.pairs if equal(t)}) > 1
        )
        return ("derived", PART) if changed >= thresholds.MIN_COVERAGE or most else ("inconclusive", PUBLIC)
    if coverage < thresholds.MIN_COVERAGE_EQUAL and _only_equal(found):
        return "inconclusive", PUBLIC
    return "derived", DERIVED


def equal(tested: Tested) -> bool:
    """Whether two tensors hold the same numbers, to the rounding of their stored types."""
    return tested.traced.change in ("identical", "cast")


def _equal_share(found: Evidence) -> float:
    whole = sum(t.pair.b.elements for t in found.pairs)
    return sum(t.pair.b.elements for t in found.pairs if equal(t)) / max(whole, 1)


def _only_equal(found: Evidence) -> bool:
    """Whether the tensors that are not equal show nothing by themselves."""
    rest = [t.result for t in found.pairs if not equal(t) and t.traced.change != "rescaled"]
    return not rest or together(rest).log10_p > math.log10(thresholds.INDEPENDENT_P)


def power(m_eff: float, log10_alpha: float) -> float:
    """Chance that the weakest listed edit passes alpha: its cosine scatters by about 1 / sqrt(m_eff)."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if log10_p_cosine(middle, m_eff) > log10_alpha else (low, middle)
    z = (thresholds.WEAKEST_COSINE - high) * math.sqrt(m_eff)
    return 0.5 * math.erfc(-z / math.sqrt(2))


def rearranged(pairs: list[Tested]) -> bool:
    """Whether most weights of the aligned tensors are the same numbers at other places: strangers never have that."""
    same = sum(t.pair.b.elements for t in pairs if t.traced.same_numbers)
    return same > 0.5 * sum(t.pair.b.elements for t in pairs)
