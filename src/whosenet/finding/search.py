"""Ask a library about suspects: distance, p-value corrected for its size, verdict, families."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from whosenet import thresholds
from whosenet.errors import LibraryError, MissingExtra, UnreadableInput
from whosenet.finding.discount import beyond
from whosenet.finding.hashing import Hashed, hash_file, hasher
from whosenet.hashes import chance
from whosenet.hashes.base import Features, Hash
from whosenet.hashes.code import Code, joint_m_eff
from whosenet.library.base import Group, Hit, Library
from whosenet.types import Verdict
from whosenet.verify.compare import Comparison, compare
from whosenet.weights import open_weights

FIRST = 64
MOST = 16_384
"""Rows fetched at first and at most to fill the list with different families."""
CANDIDATE = -3.0
"""--verify compares candidates up to this pair_log10_p, and the first whatever it is."""


@dataclass(frozen=True)
class Match:
    """One family of models near the suspect, by its nearest member."""

    name: str
    path: str
    family: str
    distance: int
    bits: int
    pair_log10_p: float
    """Of this pair alone."""
    log10_p: float
    """Corrected for the number of models searched."""
    verdict: Verdict
    identical: bool
    """The same bytes."""
    relatives: list[str]
    """Other models of the family that also came near, at most 20; `relatives_count` says how many."""
    relatives_count: int
    licence: str
    note: str
    method: str
    comparison: Comparison | None = None

    @property
    def p_value(self) -> float:
        return float(10.0**self.log10_p)


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


Answer = FindReport | UnreadableInput | MissingExtra
"""A report, or why this suspect has none."""


@dataclass(frozen=True)
class _Near:
    hit: Hit
    pair_log10_p: float
    identical: bool


def find(suspects: Sequence[str | Path], library: Library, *, top: int = 10, alpha: float = thresholds.ALPHA,
         verify: bool = False, base: Sequence[str | Path] = ()) -> list[Answer]:  # fmt: skip
    """One report a suspect, in order; an unreadable suspect is answered by its error. Raises LibraryError."""
    groups = library.groups()
    if len(library) and not groups:
        raise LibraryError(f"{library.path}: holds no code that can be searched; add its files again")
    methods = [hasher(g.signature) for g in groups] or [hasher()]
    bases = [[_features(path, m) for path in base] for m in methods]
    answers: list[Answer] = []
    for suspect in suspects:
        try:
            if not groups:
                hash_file(suspect, methods, digest=False)
            near, searched, digest = _near(suspect, library, methods, groups, bases, top)
        except (UnreadableInput, MissingExtra) as error:
            answers.append(error)
            continue
        matches = _matches(near, searched, top, alpha)
        if verify:
            matches = [_verified(suspect, m, i, alpha, base) for i, m in enumerate(matches)]
        made = [m.signature for m in methods]
        answers.append(FindReport(str(suspect), digest, made, [str(b) for b in base], searched, alpha, matches))
    return answers


def _features(path: str | Path, method: Hash) -> Features:
    return hash_file(path, [method], digest=False).features


def _near(suspect: str | Path, library: Library, methods: list[Hash], groups: list[Group],
          bases: list[list[Features]], top: int) -> tuple[list[_Near], int, str]:  # fmt: skip
    """Everything near by any method the library holds, nearest first; how many comparisons that took; the digest."""
    out: dict[str, _Near] = {}
    searched, digest = 0, hash_file(suspect, methods[:1]).digest
    for method, group, roots in zip(methods, groups, bases, strict=False):
        hashed = replace(hash_file(suspect, [method], digest=False), digest=digest)
        code = method.code_of(beyond(hashed.features, roots), str(suspect)) if roots else hashed.codes[0]
        searched += group.models
        for hit in _rows(library, code, top, group.models):
            near = _judge(hashed, code, hit)
            if hit.entry.name not in out or near.pair_log10_p < out[hit.entry.name].pair_log10_p:
                out[hit.entry.name] = near
    return sorted(out.values(), key=lambda n: (not n.identical, n.pair_log10_p)), searched, digest


def _rows(library: Library, code: Code, top: int, models: int) -> list[Hit]:
    """The nearest rows: as many as give `top` families, as far as the library goes."""
    k = min(max(FIRST, 4 * top), max(models, 1))
    while True:
        hits = library.search([code], k)[0]
        if len(_families([_Near(h, 0.0, False) for h in hits])) >= top or k >= min(models, MOST):
            return hits
        k = min(4 * k, models, MOST)


def _judge(hashed: Hashed, code: Code, hit: Hit) -> _Near:
    m = joint_m_eff(code.m_eff, hit.code.m_eff)
    return _Near(hit, chance.log10_p(hit.distance, code.bits, m), hit.entry.digest == hashed.digest)


def _families(near: Sequence[_Near]) -> list[list[_Near]]:
    """Greedy groups: a model joins the first group whose nearest member it is related to beyond a 1e-6 chance."""
    groups: list[list[_Near]] = []
    for n in near:
        for group in groups:
            head = group[0].hit.code
            if head.signature == n.hit.code.signature and n.hit.code.log10_p(head) <= math.log10(thresholds.ALPHA):
                group.append(n)
                break
        else:
            groups.append([n])
    return groups


def _matches(near: list[_Near], searched: int, top: int, alpha: float) -> list[Match]:
    return [_match(group, searched, alpha) for group in _families(near)[:top]]


def _match(group: list[_Near], searched: int, alpha: float) -> Match:
    head, entry = group[0], group[0].hit.entry
    log10_p = corrected(head.pair_log10_p, searched)
    m = head.hit.code.m_eff
    power = chance.power(thresholds.WEAKEST_COSINE, head.hit.code.bits, m, math.log10(alpha / max(searched, 1)))
    return Match(
        name=entry.name, path=entry.path, family=entry.name, distance=head.hit.distance, bits=head.hit.code.bits,
        pair_log10_p=head.pair_log10_p, log10_p=log10_p,
        verdict=_verdict(log10_p, alpha, power, head.identical, entry.tensors), identical=head.identical,
        relatives=[n.hit.entry.name for n in group[1:21]], relatives_count=len(group) - 1,
        licence=entry.licence, note=entry.note, method=head.hit.code.signature,
    )  # fmt: skip


def corrected(pair_log10_p: float, searched: int) -> float:
    """log10 of the chance that any of `searched` unrelated models comes as near: 1 - (1 - p)^n."""
    if pair_log10_p < -12:
        return min(0.0, pair_log10_p + math.log10(max(searched, 1)))
    p = min(10.0**pair_log10_p, 1 - 1e-16)
    return min(0.0, math.log10(max(-math.expm1(max(searched, 1) * math.log1p(-p)), 1e-300)))


def _verdict(log10_p: float, alpha: float, power: float, identical: bool, tensors: int) -> Verdict:
    if identical:
        return "derived"
    if log10_p <= math.log10(alpha):
        return "derived" if tensors >= thresholds.MIN_TENSORS else "inconclusive"
    if log10_p > math.log10(thresholds.INDEPENDENT_P) and power >= thresholds.POWER:
        return "independent"
    return "inconclusive"


def _verified(suspect: str | Path, match: Match, place: int, alpha: float, base: Sequence[str | Path]) -> Match:
    """With the comparison of the weights themselves, where the candidate's file can still be read."""
    if place > 0 and match.pair_log10_p > CANDIDATE:
        return match
    try:
        with open_weights(match.path) as a, open_weights(suspect) as b:
            root = open_weights(base[0]) if base else None
            comparison = compare(a, b, alpha=alpha, base=root)
    except (UnreadableInput, MissingExtra):
        return match
    return Match(**{**match.__dict__, "comparison": comparison})
