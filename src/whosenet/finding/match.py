"""What `find` answers: a family of models near the suspect, with its p-value and verdict by the codes alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from whosenet import thresholds
from whosenet.finding.hashing import DEFAULT, LAUNDERED
from whosenet.finding.near import Asked, Near
from whosenet.hashes import chance
from whosenet.hashes.code import joint_m_eff
from whosenet.types import Verdict
from whosenet.verify.compare import Comparison

CANDIDATE = -3.0
"""--verify compares candidates up to this pair_log10_p, and the first whatever it is."""
WEAKEST = {DEFAULT: thresholds.WEAKEST_COSINE, LAUNDERED: thresholds.WEAKEST_COSINE_LAUNDERED}


@dataclass(frozen=True)
class Relative:
    """Another model of the family that is near enough to be called derived by itself."""

    name: str
    distance: int
    pair_log10_p: float


@dataclass(frozen=True)
class Match:
    """One family of models near the suspect, by its nearest member."""

    name: str
    path: str
    digest: str
    family: str
    distance: int
    bits: int
    code: str
    m_eff: float
    pair_log10_p: float
    """Of this pair alone, beyond the base if one is set aside."""
    plain_log10_p: float
    """The same without setting a base aside."""
    log10_p: float
    """Corrected for the number of models searched."""
    verdict: Verdict
    identical: bool
    """The same bytes."""
    power: float
    """Chance that a copy by the weakest listed edit would have been called derived."""
    relatives: list[Relative]
    """At most 20 of the `relatives_count` others; `family_count` also counts members too far from the suspect."""
    relatives_count: int
    family_count: int
    licence: str
    note: str
    method: str
    verify_note: str = ""
    """Why --verify could not look at the weights."""
    comparison: Comparison | None = None
    matched_by: list[str] = field(default_factory=list)
    """The hashes whose code alone passes alpha: `nts`, `invariant`. Only the second: a rearranged copy."""

    @property
    def p_value(self) -> float:
        return float(10.0 ** max(self.log10_p, -300.0))


@dataclass(frozen=True)
class FindReport:
    """What was asked and what came back; `digest` (BLAKE3) and `methods` say of what and with what."""

    suspect: str
    digest: str
    methods: list[str]
    base: list[str]
    searched: int
    alpha: float
    matches: list[Match] = field(default_factory=list)
    comparisons: int = 0
    """Codes compared: what p-values are corrected for. Two a model where it has both codes."""
    without: dict[str, str] = field(default_factory=dict)
    """Methods of the library that find too little in the suspect, and why."""


def matched(group: Sequence[Near], asked: Asked, alpha: float, based: bool) -> Match:
    """`group`: a family, nearest first; its head with all of its codes."""
    head, entry, searched = group[0], group[0].hit.entry, asked.comparisons
    log10_p = corrected(head.pair_log10_p, searched)
    power = _power(head, asked, alpha)
    near = [n for n in group[1:] if corrected(n.pair_log10_p, searched) <= math.log10(alpha)]
    return Match(
        name=entry.name, path=entry.path, digest=entry.digest, family=entry.name,
        distance=head.hit.distance, bits=head.hit.code.bits, code=head.hit.code.hex, m_eff=head.hit.code.m_eff,
        pair_log10_p=head.pair_log10_p, plain_log10_p=head.plain_log10_p, log10_p=log10_p,
        verdict="derived" if head.identical else _verdict(head, asked, log10_p, alpha, power, based),
        power=power, identical=head.identical,
        relatives=[Relative(n.hit.entry.name, n.hit.distance, n.pair_log10_p) for n in near[:20]],
        relatives_count=len(near), family_count=len(group),
        licence=entry.licence, note=entry.note, method=head.hit.code.signature,
        matched_by=[k.split("/")[0] for k, p in head.pairs.items() if corrected(p, searched) <= math.log10(alpha)],
    )  # fmt: skip


def corrected(pair_log10_p: float, searched: int) -> float:
    """log10 of the chance that any of `searched` unrelated models comes as near: 1 - (1 - p)^n."""
    if pair_log10_p < -12:
        return min(0.0, pair_log10_p + math.log10(max(searched, 1)))
    p = min(10.0**pair_log10_p, 1 - 1e-16)
    return min(0.0, math.log10(max(-math.expm1(max(searched, 1) * math.log1p(-p)), 1e-300)))


def _power(head: Near, asked: Asked, alpha: float) -> float:
    """The least over all codes: a copy by the weakest listed edit would have been found, rearranged or not. A pair that
    was never asked whether it is rearranged has none."""
    limit = math.log10(alpha / max(asked.comparisons, 1))
    kinds = {kind.split("/")[0]: kind for kind in head.codes}
    if DEFAULT in kinds and LAUNDERED not in kinds:
        return 0.0
    found = []
    for name, kind in kinds.items():
        code, m = head.codes[kind], joint_m_eff(head.codes[kind].m_eff, asked.codes[kind].m_eff)
        found.append(chance.power(WEAKEST.get(name, thresholds.WEAKEST_COSINE), code.bits, m, limit))
    return min(found, default=0.0)


def _verdict(near: Near, asked: Asked, log10_p: float, alpha: float, power: float, based: bool) -> Verdict:
    """By the code alone. With a base set aside codes neither convict nor clear: the library's still contain it."""
    entry, bits, hashed = near.hit.entry, near.hit.code.bits, asked.first
    few = min(hashed.tensors, entry.tensors) < thresholds.MIN_TENSORS
    if based or (few and near.hit.distance > thresholds.NEARLY_EQUAL * bits):
        return "inconclusive"
    if log10_p <= math.log10(alpha):
        return "derived"
    pairs = ((hashed.parameters, entry.parameters), (hashed.tensors, entry.tensors))
    comparable = all(min(p) >= thresholds.COMPARABLE * max(p) for p in pairs)
    mirrored = any(_mirrored(near, asked, kind) for kind in near.codes)
    cleared = log10_p > math.log10(thresholds.INDEPENDENT_P) and power >= thresholds.POWER
    return "independent" if cleared and comparable and not mirrored else "inconclusive"


def _mirrored(near: Near, asked: Asked, kind: str) -> bool:
    """Whether all signs are turned: no stranger's code is as far away."""
    code = near.codes[kind]
    return chance.log10_p(code.bits - (asked.codes[kind] - code), code.bits, code.m_eff) <= CANDIDATE
