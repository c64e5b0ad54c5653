"""Who plays what for one owner: choosers, null references, honest suspects, derived suspects. All by seed."""

import hashlib
from dataclasses import dataclass

import numpy as np

from bench.test_population import plan
from bench.test_population.store import Record
from whosenet import thresholds

OWN = {"full": 4, "half-a": 2, "half-b": 2, "sibling": 1}
OWN_OF_SIBLING = {"full": 1, "half-a": 1, "half-b": 1, "sibling": 5}
OTHER = {"full": 1, "half-a": 1, "half-b": 1, "sibling": 1}
"""Choosers of each kind: of the owner's architecture, the most with a start like the owner's, and of every other
architecture. Points on which a kind of honest net was never asked are points on which that kind may agree with the
owner; the owner's architecture and start agree most."""
REFERENCES = {"twins": None, "all": None, "ten own": 20, "mixed": 20}
"""twins: all nets of the owner's architecture with a start like the owner's (from scratch, or from the same public
start) that chose no point, but the suspect: what `whosenet twins` makes, and the kind that agrees most. all: every
honest net that chose no point. ten own: so many of these, OWN_KIND of the owner's architecture (whatever their start) and
others, by lot; the tool accepts them if they are as accurate as the owner's. mixed: so many by lot, so that a kind may
be missing; on CIFAR-10 the tool accuses nobody by them."""
OWN_KIND = thresholds.MIN_REFERENCES
FEWEST = 12
"""... and never fewer than this, where the image set has so few."""


@dataclass(frozen=True)
class Cast:
    """Ids of nets, for one owner and one draw."""

    owner: str
    choosers: tuple[str, ...]
    references: tuple[str, ...]
    honest: tuple[str, ...]
    derived: tuple[str, ...]


def split_of(owner: Record) -> str:
    """ "report" for owners whose copies and fingerprints were made after the method's defaults and the choosers' kinds
    were settled, on the others: "development"."""
    return "report" if owner["id"] in plan.owner_ids(owner["image_set"], fresh=True) else "development"


def choosers(owner: Record, honest: list[Record]) -> tuple[str, ...]:
    """Honest nets that choose points: so many of each kind and architecture; the same in every draw."""
    chosen: list[str] = []
    for architecture in sorted({r["architecture"] for r in honest}):
        own = OWN_OF_SIBLING if owner["family"] == "sibling" else OWN
        for family, count in (own if architecture == owner["architecture"] else OTHER).items():
            kind = [
                r
                for r in honest
                if (r["architecture"], r["family"]) == (architecture, family) and r["id"] != owner["id"]
            ]
            chosen += _drawn(kind, count, "choosers", owner["id"])
    return tuple(chosen)


def draw(owner: Record, records: list[Record], number: int, *, chose: tuple[str, ...], null: str) -> Cast:
    """Draw `number` of the null references, a kind of REFERENCES; `chose`: those that chose the owner's points.

    Derived nets of other owners are honest suspects, unless what they were made from chose points.
    """
    free = [r for r in records if r["kind"] == "honest" and r["id"] not in chose and r["id"] != owner["id"]]
    own = [r for r in free if r["architecture"] == owner["architecture"]]
    twins = [r for r in own if (r["family"] == "sibling") == (owner["family"] == "sibling")]
    count = REFERENCES[null]
    count = count and min(count, max(FEWEST, len(free) // 2))
    whole = tuple(r["id"] for r in (twins if null == "twins" else free))
    references = whole if count is None else _by_lot(free, own, count, f"{null} {number}", owner["id"])
    others = [r for r in records if r["kind"] == "derived" and r["parent"] != owner["id"] and r["parent"] not in chose]
    kept = [r["id"] for r in [*free, *others] if count is None or not {r["id"], r["parent"]} & set(references)]
    derived = [r["id"] for r in records if r["kind"] == "derived" and r["parent"] == owner["id"]]
    return Cast(owner["id"], chose, references, tuple(kept), tuple(derived))


def _by_lot(free: list[Record], own: list[Record], count: int, salt: str, owner: str) -> tuple[str, ...]:
    """`count` ids; where the null is called "ten own", OWN_KIND of them are of the owner's architecture."""
    if not salt.startswith("ten own"):
        return _drawn(free, count, salt, owner)
    some = _drawn(own, OWN_KIND, salt, owner, "own")
    rest = [r for r in free if r["id"] not in some and (r not in own or len(own) == len(free))]
    return (*some, *_drawn(rest, count - len(some), salt, owner, "others"))


def _drawn(records: list[Record], count: int, *salt: str) -> tuple[str, ...]:
    seed = int.from_bytes(hashlib.sha256(" ".join(salt).encode()).digest()[:8], "big")
    ids = sorted(r["id"] for r in records)
    return tuple(np.random.default_rng(seed).permutation(ids)[:count].tolist())
