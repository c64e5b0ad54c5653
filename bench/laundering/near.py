"""What `find --verify` makes of copies that `find` misses by code: is the parent among the candidates it compares?

The list of candidates is the product's; the rule that picks among them is its `CANDIDATE`: the first whatever its p, the
others up to that p. What the comparison with the parent says is known already (`ask.compared`); the strangers of the list
are compared here, all ten, so that other rules can be judged as well.
"""

import math
from functools import cache
from pathlib import Path
from typing import Any

from bench.laundering.ask import Kept, compare_one, library, say
from bench.laundering.cast import Parent, everybody
from whosenet.find import ScanLibrary, find
from whosenet.finding.match import CANDIDATE

Answers = dict[str, Any]
LISTED = 10
"""So many families `find` lists by default: what --verify chooses from."""
RULES = {
    "the first, others at p <= 1e-3 (find --verify)": lambda rank, log10_p: rank == 1 or log10_p <= CANDIDATE,
    "the first, others at p <= 1e-2": lambda rank, log10_p: rank == 1 or log10_p <= -2,
    "the first ten": lambda rank, log10_p: rank <= LISTED,
}
"""The product's rule is the first; the others are for comparison and were thought of after seeing these suspects."""
PRODUCT = next(iter(RULES))


def nearest(missed: list[dict[str, Any]], folder: Path) -> Answers:
    """id -> {first: [{name, log10_p of the pair, verdict and compared_log10_p of strangers}] of the ten families listed,
    rank: the parent's among all families from 1 (None: another stands for its family), log10_p: of its pair}."""
    kept, people = Kept("near"), {p.id: p for p in everybody()}
    with ScanLibrary(library()) as lib:
        for number, r in enumerate(missed, 1):
            if r["id"] not in kept.found:
                kept.add({"id": r["id"], **_near_one(r["parent"], folder / r["file"], lib, people)})
                say("near", number, missed)
    return {r["id"]: kept.found[r["id"]] for r in missed}


def _near_one(parent: str, path: Path, lib: ScanLibrary, people: dict[str, Parent]) -> Answers:
    where = {str(p.path): p.id for p in people.values()}
    first = _listed(path, lib, where, LISTED)
    whole = first if any(m["name"] == parent for m in first) else _listed(path, lib, where, len(lib))
    rank = next((i for i, m in enumerate(whole, 1) if m["name"] == parent), None)
    for m in first:
        if m["name"] != parent:
            c = compare_one(people[m["name"]], path)
            m |= {"verdict": c["verdict"], "compared_log10_p": c["log10_p"]}
    return {"first": first, "rank": rank, "log10_p": whole[rank - 1]["log10_p"] if rank else None}


def _listed(path: Path, lib: ScanLibrary, where: dict[str, str], top: int) -> list[dict[str, Any]]:
    answer = find([path], lib, top=top)[0]
    if isinstance(answer, Exception):
        return []
    return [{"name": where[str(Path(m.path))], "log10_p": min(m.pair_log10_p, m.plain_log10_p)} for m in answer.matches]


def named(own: Answers, by_code: bool, near: Answers | None, rule: str = PRODUCT) -> bool:
    """Whether a user of `find --verify` reads that the weights are the parent's. `own`: the comparison with the parent,
    `near`: the answer above, None for what the code found: that is compared, too, and may be denied."""
    candidate = by_code or bool(near and near["rank"] and RULES[rule](near["rank"], near["log10_p"]))
    return candidate and own["verdict"] == "derived" and own["log10_p"] <= _limit()


@cache
def _limit() -> float:
    """alpha 1e-6, corrected for the two codes of every model of the library."""
    return -6 - math.log10(2 * len(list(everybody())))


def strangers(near: Answers, rule: str = PRODUCT) -> list[dict[str, Any]]:
    """Those of the ten listed that the rule has compared and that are not the parent."""
    ranked = enumerate(near["first"], 1)
    return [m for rank, m in ranked if "verdict" in m and RULES[rule](rank, m["log10_p"])]
