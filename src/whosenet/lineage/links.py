"""Two models of one family: how near they are, and every trace of which came first."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from whosenet.hashes.canonical import canonical
from whosenet.lineage import traces
from whosenet.lineage.portrait import EXPORTED, Portrait
from whosenet.lineage.traces import Array, Trace
from whosenet.verify.compare import Comparison, compare
from whosenet.verify.values import values
from whosenet.weights import open_weights
from whosenet.weights.base import Tensor, Weights

MOST_TENSORS = 64
SAMPLE = 1 << 17
"""Tensors looked at, and numbers of each."""
EXPLAINED = ("pruned", "quantised", "cast", "noise", "lora")
LEVEL = "level"
ALIGNED = 0.5
"""Tensors less correlated than this are not where they were, and their numbers are not compared one by one."""


@dataclass(frozen=True)
class Link:
    """`a` and `b` are places in a list of portraits; traces speak of A and B in this order."""

    a: int
    b: int
    distance: float
    """1 - the correlation of what was traced, weighted by size, with what was not as 0: 0..1."""
    log10_p: float
    relation: tuple[str, ...]
    traces: tuple[Trace, ...] = field(repr=False)
    moved: bool = False
    """Whether hidden units stand elsewhere: what is matched then looks nearer than it is."""

    @property
    def level(self) -> bool:
        """Whether both were trained as long, so that neither went on from the other."""
        return any(t.word == LEVEL for t in self.traces) and not self.explained

    @property
    def explained(self) -> bool:
        """Whether one loss, noise or adapter is all that differs: nobody nearer stands between them."""
        return any(t.word in EXPLAINED for t in self.traces)

    @property
    def odds(self) -> float:
        """Natural log odds that A came first; 0 if each has lost something that the other still has."""
        return 0.0 if self.siblings else float(np.clip(sum(t.odds for t in self.traces), -8, 8))

    @property
    def siblings(self) -> bool:
        """Whether irreversible losses speak both ways, or both were trained as long: neither is the other's parent."""
        lost = [t.odds for t in self.traces if abs(t.odds) >= traces.LOSS]
        return self.level or (min(lost, default=0.0) < 0 < max(lost, default=0.0))


def link(portraits: list[Portrait], a: int, b: int, alpha: float) -> Link | None:
    """None unless compare calls them derived."""
    first, second = portraits[a], portraits[b]
    with open_weights(first.path) as x, open_weights(second.path) as y:
        found = compare(x, y, alpha=alpha)
        if found.verdict != "derived":
            return None
        pairs, moved = aligned(found, x, y), found.aligned_by == "re-ordered"
        seen = _by_numbers(pairs) + _by_looks(first, second)
        if not moved and "fine-tune" in found.relation:
            seen += _level(first, second)
        return Link(a, b, _distance(found, x, y), found.log10_p, tuple(found.relation), tuple(seen), moved)


def aligned(found: Comparison, x: Weights, y: Weights) -> list[tuple[Array, Array]]:
    """The largest traced tensors whose numbers stand where they stood."""
    ours, theirs = ({t.name: t for t in w.tensors} for w in (x, y))
    rows = [
        (ours[m.a], theirs[m.b]) for m in found.tensors if m.a in ours and m.b in theirs and m.similarity is not None
    ]
    rows.sort(key=lambda r: -r[0].elements)
    pairs = [p for a, b in rows[:MOST_TENSORS] if (p := _pair(a, b)) is not None]
    return [(a, b) for a, b in pairs if abs(_correlation(a, b)) > ALIGNED]


def _pair(a: Tensor, b: Tensor) -> tuple[Array, Array] | None:
    """As stored where that is alike (so that rows are units), else in canonical order."""
    if a.shape == b.shape and a.elements <= SAMPLE:
        return _clean(np.asarray(a.read(), np.float64)), _clean(np.asarray(b.read(), np.float64))
    if canonical(a.shape).shape != canonical(b.shape).shape:
        return None
    return values(a, SAMPLE), values(b, SAMPLE)


def _clean(x: Array) -> Array:
    return np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)


def _correlation(x: Array, y: Array) -> float:
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x.ravel(), y.ravel())[0, 1])


def _distance(found: Comparison, x: Weights, y: Weights) -> float:
    sizes = {t.name: t.elements for t in y.tensors}
    rows = [m for m in found.tensors if m.b in sizes and m.a is not None and m.similarity is not None]
    near = sum(sizes[m.b] * abs(m.similarity) for m in rows if m.b is not None and m.similarity is not None)
    whole = max(sum(t.elements for t in w.tensors if t.trained and len(t.shape) > 1) for w in (x, y))
    return float(min(max(1 - near / max(whole, 1), 0.0), 1.0))


def _by_numbers(pairs: list[tuple[Array, Array]]) -> list[Trace]:
    changed = [(x, y) for x, y in pairs if not np.array_equal(x, y)]
    if not changed:
        return []
    # rounding to few values makes zeros, too, and casts may look like a grid
    losses = traces.quantised(changed) or traces.cast(changed) or traces.pruned(changed)
    return losses or traces.low_rank(changed) or traces.added(changed)


def _level(a: Portrait, b: Portrait) -> list[Trace]:
    """For two that differ by training."""
    if a.steps is None or a.steps != b.steps:
        return []
    return [Trace(LEVEL, f"the batch norms of both have seen {a.steps} batches", 0.0)]


def _by_looks(a: Portrait, b: Portrait) -> list[Trace]:
    """Counters, batch norms, formats."""
    out = []
    if a.steps is not None and b.steps is not None and a.steps != b.steps:
        more = traces.B if b.steps > a.steps else traces.A
        text = (
            f"the batch norms of {more} have seen more batches ({a.steps} and {b.steps}); a thief can write any number"
        )
        out.append(Trace("counter", text, traces.COUNTED if b.steps > a.steps else -traces.COUNTED))
    for sign, x, y, name in ((1, a, b, traces.B), (-1, b, a, traces.A)):
        if x.norms and not y.norms:
            out.append(Trace("folded", f"{name} has no batch norm any more", sign * traces.LOSS))
        if y.format in EXPORTED and x.format not in EXPORTED:
            out.append(Trace("export", f"{name} is an exported file ({y.format})", sign * traces.COUNTED))
        if y.integers and not x.integers:
            out.append(Trace("quantised", f"{name} is stored as integers", sign * traces.LOSS))
    return out
