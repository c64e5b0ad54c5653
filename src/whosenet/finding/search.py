"""Ask a library about suspects: distance, p-value corrected for its size, verdict, families."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from whosenet import thresholds
from whosenet.errors import LibraryError, MissingExtra, UnreadableInput, UsageError
from whosenet.finding.discount import beyond
from whosenet.finding.hashing import Hashed, digest_of, hash_file, hasher
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


Answer = FindReport | UnreadableInput | MissingExtra
"""A report, or why this suspect has none."""


@dataclass(frozen=True)
class _Near:
    hit: Hit
    pair_log10_p: float
    plain_log10_p: float
    identical: bool
    m_eff: float = 0.0


def find(suspects: Sequence[str | Path], library: Library, *, top: int = 10, alpha: float = thresholds.ALPHA,
         verify: bool = False, base: Sequence[str | Path] = ()) -> list[Answer]:  # fmt: skip
    """One report a suspect, in order; an unreadable suspect is answered by its error. Raises LibraryError."""
    if verify and len(base) > 1:
        raise UsageError("--verify can set one --base aside; give one, or leave --verify out")
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
            near, searched, hashed = _near(suspect, library, methods, groups, bases, top)
        except (UnreadableInput, MissingExtra) as error:
            answers.append(error)
            continue
        matches = [_match(group, hashed, searched, alpha, bool(base)) for group in _families(near)[:top]]
        if verify:
            likely = [i == 0 or min(m.pair_log10_p, m.plain_log10_p) <= CANDIDATE for i, m in enumerate(matches)]
            matches = [
                _verified(suspect, m, searched, alpha, base) if x else m for m, x in zip(matches, likely, strict=True)
            ]
            matches.sort(
                key=lambda m: (not m.identical, m.verdict != "derived")
            )  # what the weights confirm comes first
        made = [m.signature for m in methods]
        answers.append(FindReport(str(suspect), hashed.digest, made, [str(b) for b in base], searched, alpha, matches))
    return answers


def _features(path: str | Path, method: Hash) -> Features:
    return hash_file(path, [method], digest=False).features


def _near(suspect: str | Path, library: Library, methods: list[Hash], groups: list[Group],
          bases: list[list[Features]], top: int) -> tuple[list[_Near], int, Hashed]:  # fmt: skip
    """Everything near by any method the library holds, nearest first; how many comparisons that took; the suspect."""
    out: dict[str, _Near] = {}
    searched, first = 0, hash_file(suspect, methods[:1])
    for method, group, roots in zip(methods, groups, bases, strict=False):
        hashed = first if method is methods[0] else hash_file(suspect, [method], digest=False)
        code = method.code_of(beyond(hashed.features, roots), str(suspect)) if roots else hashed.codes[0]
        searched += group.models
        for hit in _candidates(library, code, hashed.codes[0], top, group.models):
            near = _judge(hashed, code, hit, first.digest)
            if hit.entry.name not in out or near.pair_log10_p < out[hit.entry.name].pair_log10_p:
                out[hit.entry.name] = near
    return sorted(out.values(), key=lambda n: (not n.identical, n.pair_log10_p, n.plain_log10_p)), searched, first


def _candidates(library: Library, code: Code, plain: Code, top: int, models: int) -> list[Hit]:
    """Rows near the code; with a base set aside also those near the plain code, which --verify may tell apart."""
    hits = _rows(library, code, top, models)
    if code is plain:
        return hits
    known = {h.entry.name for h in hits}
    more = [h for h in _rows(library, plain, top, models) if h.entry.name not in known]
    return hits + [replace(h, distance=code - h.code) for h in more]


def _rows(library: Library, code: Code, top: int, models: int) -> list[Hit]:
    """The nearest rows: as many as give `top` families, as far as the library goes."""
    k = min(max(FIRST, 4 * top), max(models, 1))
    while True:
        hits = library.search([code], k)[0]
        if len(_families([_Near(h, 0.0, 0.0, False) for h in hits])) >= top or k >= min(models, MOST):
            return hits
        k = min(4 * k, models, MOST)


def _judge(hashed: Hashed, code: Code, hit: Hit, digest: str) -> _Near:
    """`pair_log10_p` is that of the code asked with, `plain_log10_p` that of the model as it is, base and all."""
    plain = hashed.codes[0].log10_p(hit.code)
    return _Near(hit, code.log10_p(hit.code), plain, hit.entry.digest == digest, code.m_eff)


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


def _match(group: list[_Near], hashed: Hashed, searched: int, alpha: float, based: bool) -> Match:
    head, entry = group[0], group[0].hit.entry
    log10_p = corrected(head.pair_log10_p, searched)
    m = joint_m_eff(head.hit.code.m_eff, head.m_eff)
    power = chance.power(thresholds.WEAKEST_COSINE, head.hit.code.bits, m, math.log10(alpha / max(searched, 1)))
    near = [n for n in group[1:] if corrected(n.pair_log10_p, searched) <= math.log10(alpha)]
    return Match(
        name=entry.name, path=entry.path, digest=entry.digest, family=entry.name,
        distance=head.hit.distance, bits=head.hit.code.bits, code=head.hit.code.hex, m_eff=head.hit.code.m_eff,
        pair_log10_p=head.pair_log10_p, plain_log10_p=head.plain_log10_p, log10_p=log10_p,
        verdict="derived" if head.identical else _verdict(head, log10_p, alpha, power, hashed, based),
        power=power, identical=head.identical,
        relatives=[Relative(n.hit.entry.name, n.hit.distance, n.pair_log10_p) for n in near[:20]],
        relatives_count=len(near), family_count=len(group),
        licence=entry.licence, note=entry.note, method=head.hit.code.signature,
    )  # fmt: skip


def corrected(pair_log10_p: float, searched: int) -> float:
    """log10 of the chance that any of `searched` unrelated models comes as near: 1 - (1 - p)^n."""
    if pair_log10_p < -12:
        return min(0.0, pair_log10_p + math.log10(max(searched, 1)))
    p = min(10.0**pair_log10_p, 1 - 1e-16)
    return min(0.0, math.log10(max(-math.expm1(max(searched, 1) * math.log1p(-p)), 1e-300)))


def _verdict(near: _Near, log10_p: float, alpha: float, power: float, hashed: Hashed, based: bool) -> Verdict:
    """By the code alone. With a base set aside codes neither convict nor clear: the library's still contain it."""
    entry, bits = near.hit.entry, near.hit.code.bits
    few = min(hashed.tensors, entry.tensors) < thresholds.MIN_TENSORS
    if based or (few and near.hit.distance > thresholds.NEARLY_EQUAL * bits):
        return "inconclusive"
    if log10_p <= math.log10(alpha):
        return "derived"
    pairs = ((hashed.parameters, entry.parameters), (hashed.tensors, entry.tensors))
    comparable = all(min(p) >= thresholds.COMPARABLE * max(p) for p in pairs)
    mirrored = chance.log10_p(bits - near.hit.distance, bits, near.hit.code.m_eff) <= CANDIDATE  # all signs turned
    cleared = log10_p > math.log10(thresholds.INDEPENDENT_P) and power >= thresholds.POWER
    return "independent" if cleared and comparable and not mirrored else "inconclusive"


def _verified(suspect: str | Path, match: Match, searched: int, alpha: float, base: Sequence[str | Path]) -> Match:
    """With the comparison of the weights themselves, whose p is corrected for the search, too. What the code alone
    says and the weights deny becomes inconclusive: a code can be forged by who knows its seeds."""
    try:
        with open_weights(match.path) as a, open_weights(suspect) as b:
            if digest_of(a) != match.digest:
                return replace(match, verify_note="the file at this path is no longer the one that was added")
            root = open_weights(base[0]) if base else None
            c = compare(a, b, alpha=alpha / max(searched, 1), base=root)
    except (UnreadableInput, MissingExtra) as error:
        return replace(match, verify_note=str(error))
    c = replace(c, log10_p=min(0.0, c.log10_p + math.log10(max(searched, 1))), alpha=alpha)
    word: Verdict = match.verdict
    if word == "derived" and c.verdict != "derived" and not match.identical:
        word = "inconclusive"
    elif base and c.verdict == "derived":
        word = "derived"
    return replace(match, verdict=word, comparison=c)
