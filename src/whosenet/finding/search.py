"""Ask a library about suspects: distance, p-value corrected for its size, verdict, families."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from whosenet import thresholds
from whosenet.errors import LibraryError, MissingExtra, UnreadableInput, UsageError
from whosenet.finding.hashing import DEFAULT, digest_of, hasher, readable, stored
from whosenet.finding.match import CANDIDATE, FindReport, Match, Relative, corrected, matched
from whosenet.finding.near import Asked, Kind, ask, families, near, whole
from whosenet.hashes.base import Features, Hash
from whosenet.library.base import Library
from whosenet.types import Verdict
from whosenet.verify.compare import compare
from whosenet.weights import open_weights

__all__ = ["Answer", "FindReport", "Match", "Relative", "corrected", "find"]

Answer = FindReport | UnreadableInput | MissingExtra
"""A report, or why this suspect has none."""


def find(suspects: Sequence[str | Path], library: Library, *, top: int = 10, alpha: float = thresholds.ALPHA,
         verify: bool = False, base: Sequence[str | Path] = ()) -> list[Answer]:  # fmt: skip
    """One report a suspect, in order; an unreadable suspect is answered by its error. Raises LibraryError."""
    if verify and len(base) > 1:
        raise UsageError("--verify can set one --base aside; give one, or leave --verify out")
    kinds = _kinds(library, base)
    answers: list[Answer] = []
    for suspect in suspects:
        try:
            asked = ask(suspect, [kind.method for kind in kinds] or stored())
            matches = _matches(suspect, asked, library, kinds, top, alpha)
        except (UnreadableInput, MissingExtra) as error:
            answers.append(error)
            continue
        if verify:
            matches = _all_verified(suspect, matches, asked, alpha, base)
        methods = [kind.method.signature for kind in kinds] or [m.signature for m in stored()]
        answers.append(FindReport(str(suspect), asked.first.digest, methods, [str(b) for b in base], len(library),
                                  alpha, matches, asked.comparisons, asked.without))  # fmt: skip
    return answers


def _kinds(library: Library, base: Sequence[str | Path]) -> list[Kind]:
    """The kinds of codes held, the default first."""
    groups = sorted(library.groups(), key=lambda g: not g.signature.startswith(f"{DEFAULT}/"))
    if len(library) and not groups:
        raise LibraryError(f"{library.path}: holds no code that can be searched; add its files again")
    methods = [(hasher(g.signature), g) for g in groups]
    return [Kind(m, g, [_features(path, m) for path in base]) for m, g in methods]


def _features(path: str | Path, method: Hash) -> Features:
    with open_weights(path) as weights, readable(path):
        return method.features(weights)


def _matches(suspect: str | Path, asked: Asked, library: Library, kinds: Sequence[Kind], top: int,
             alpha: float) -> list[Match]:  # fmt: skip
    groups = families(near(suspect, asked, library, kinds, top))[:top]
    based = any(kind.bases for kind in kinds)
    return [matched([whole(group[0], asked, library), *group[1:]], asked, alpha, based) for group in groups]


def _all_verified(suspect: str | Path, matches: list[Match], asked: Asked, alpha: float,
                  base: Sequence[str | Path]) -> list[Match]:  # fmt: skip
    """Likely candidates compared; what the weights confirm comes first."""
    likely = [i == 0 or min(m.pair_log10_p, m.plain_log10_p) <= CANDIDATE for i, m in enumerate(matches)]
    told = [
        _verified(suspect, m, asked.comparisons, alpha, base) if x else m for m, x in zip(matches, likely, strict=True)
    ]
    return sorted(told, key=lambda m: (not m.identical, m.verdict != "derived"))


def _verified(suspect: str | Path, match: Match, searched: int, alpha: float, base: Sequence[str | Path]) -> Match:
    """With the comparison of the weights themselves, whose p is corrected for the search, too. What the code alone
    says and the weights deny becomes inconclusive: a code can be forged by who knows its seeds. So does what the code
    clears and the weights convict: a rearranged and edited copy may evade it."""
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
    elif word == "independent" and c.verdict == "derived":
        word = "inconclusive"
    return replace(match, verdict=word, comparison=c)
