"""The models of a library near a suspect, by every code that both have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from whosenet import thresholds
from whosenet.errors import TooFewWeights
from whosenet.finding.discount import beyond
from whosenet.finding.hashing import Hashed, hash_file
from whosenet.hashes.base import Features, Hash
from whosenet.hashes.code import Code
from whosenet.library.base import Group, Hit, Library

FIRST = 64
MOST = 16_384
"""Rows fetched at first and at most to fill the list with different families."""


@dataclass(frozen=True)
class Kind:
    """One kind of code that the library holds, and the features of the bases by its hash."""

    method: Hash
    group: Group
    bases: list[Features]


@dataclass
class Asked:
    """A suspect as one search sees it."""

    first: Hashed
    """By the first method that finds enough weights."""
    hashed: dict[str, Hashed]
    """By signature, as every entry below."""
    without: dict[str, str]
    """Methods that find too little, and why."""
    codes: dict[str, Code] = field(default_factory=dict)
    """What is asked with: beyond the bases, if any."""
    comparisons: int = 0
    """Codes of the library compared with these."""


@dataclass(frozen=True)
class Near:
    """One model by its nearest code. `pair_log10_p` is that of the code asked with, `plain_log10_p` that of the model
    as it is, base and all; `codes` are all of its codes that came up, `pairs` their pair_log10_p, by signature."""

    hit: Hit
    pair_log10_p: float
    plain_log10_p: float
    identical: bool
    m_eff: float = 0.0
    codes: dict[str, Code] = field(default_factory=dict)
    pairs: dict[str, float] = field(default_factory=dict)


def ask(suspect: str | Path, methods: Iterable[Hash]) -> Asked:
    """The suspect hashed by each method. UnreadableInput if none of them finds enough."""
    hashed: dict[str, Hashed] = {}
    refused: dict[str, TooFewWeights] = {}
    for method in methods:
        try:
            hashed[method.signature] = hash_file(suspect, [method], digest=not hashed)
        except TooFewWeights as error:
            refused[method.signature] = error
    if not hashed:
        raise next(iter(refused.values()))
    return Asked(next(iter(hashed.values())), hashed, {k: str(v) for k, v in refused.items()})


def near(suspect: str | Path, asked: Asked, library: Library, kinds: Sequence[Kind], top: int) -> list[Near]:
    """Everything near by any method the library holds, nearest first; completes `asked`."""
    out: dict[str, Near] = {}
    for kind in kinds:
        hashed = asked.hashed.get(kind.method.signature)
        if hashed is None:
            continue
        code = hashed.codes[0]
        if kind.bases:
            try:
                code = kind.method.code_of(beyond(hashed.features, kind.bases), str(suspect))
            except TooFewWeights as error:
                asked.without[kind.method.signature] = str(error)
                continue
        asked.codes[code.signature] = code
        asked.comparisons += kind.group.models
        for hit in _candidates(library, code, hashed.codes[0], top, kind.group.models):
            found = _judge(hashed, code, hit, asked.first.digest)
            out[hit.entry.name] = _better(out.get(hit.entry.name), found)
    if kinds and not asked.codes:
        raise TooFewWeights(str(suspect), next(iter(asked.without.values())))
    return sorted(out.values(), key=lambda n: (not n.identical, n.pair_log10_p, n.plain_log10_p))


def whole(found: Near, asked: Asked, library: Library) -> Near:
    """With all codes that the model and the suspect have in common, not only those among the nearest rows."""
    entry = library.get(found.hit.entry.name)
    codes = {c.signature: c for c in entry.codes if c.signature in asked.codes} if entry else {}
    pairs = {kind: asked.codes[kind].log10_p(code) for kind, code in codes.items()}
    return replace(found, codes=codes | found.codes, pairs=pairs | found.pairs)


def _judge(hashed: Hashed, code: Code, hit: Hit, digest: str) -> Near:
    pair, kind = code.log10_p(hit.code), code.signature
    plain = hashed.codes[0].log10_p(hit.code)
    return Near(hit, pair, plain, hit.entry.digest == digest, code.m_eff, {kind: hit.code}, {kind: pair})


def _better(old: Near | None, new: Near) -> Near:
    """The nearer of two codes of one model, with what both say."""
    if old is None:
        return new
    best = new if new.pair_log10_p < old.pair_log10_p else old
    return replace(best, codes=old.codes | new.codes, pairs=old.pairs | new.pairs)


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
        if len(families([Near(h, 0.0, 0.0, False, codes={h.code.signature: h.code}) for h in hits])) >= top or k >= min(
            models, MOST
        ):
            return hits
        k = min(4 * k, models, MOST)


def families(near: Sequence[Near]) -> list[list[Near]]:
    """Greedy groups: a model joins the first group whose nearest member it is related to beyond a 1e-6 chance."""
    groups: list[list[Near]] = []
    for n in near:
        for group in groups:
            if _related(group[0], n):
                group.append(n)
                break
        else:
            groups.append([n])
    return groups


def _related(a: Near, b: Near) -> bool:
    both = (a.codes[kind].log10_p(code) for kind, code in b.codes.items() if kind in a.codes)
    return any(p <= math.log10(thresholds.ALPHA) for p in both)
