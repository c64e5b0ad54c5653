"""Layers that were re-ordered in a model whose other layers stand in place.

Converters do that (rotary halves of queries and keys, gates of a recurrent layer), and so does a thief in a hurry. The
model is derived already; this explains more of it and changes no p-value. A tensor is traced if it is alike in an order
that other tensors tell, too, or that leaves one of its axes where it is everywhere else.
"""

from __future__ import annotations

import math

import numpy as np

from whosenet import thresholds
from whosenet.structure.alone import Order
from whosenet.structure.matched import Matched
from whosenet.structure.rearranged import Model, Rearranged, rearranged
from whosenet.verify.folding import Folding
from whosenet.verify.relation import SAME_NUMBERS
from whosenet.verify.reordered import Moved, moved
from whosenet.verify.table import NOT_TRACED, Both, TensorMatch

AT_HOME = 0.5
"""Least share of an axis's units in their own place."""
MIN_UNITS = 8
ALL_BUT_DEAD = 0.9
"""Least share of an axis's units where a converter puts them."""
BETTER = 0.1
"""So much more alike must a tensor be in another order than in place."""


def rest(both: Both, rows: list[TensorMatch]) -> list[Moved]:
    """The tensors that are more alike in another order, given the `rows` of a model that is derived in place."""
    well = [r for r in rows if r.a and r.b and (r.similarity or 0.0) >= thresholds.WEAKEST_COSINE]
    used_a, used_b = {r.a for r in well}, {r.b for r in well}
    ours = [t for t in both.ours if t.name not in used_a]
    theirs = [t for t in both.theirs if t.name not in used_b]
    if not ours or not theirs:
        return []
    found = rearranged(Model(ours), Model(theirs))
    folding, before = Folding(both.a, both.b), {r.a: r.similarity or 0.0 for r in rows if r.a and r.b}
    better = [m for k, m in enumerate(found.found) if _believed(found, k, m)]
    return [moved(m, folding) for m in better if m.matching.similarity > before.get(m.a.name, 0.0) + BETTER]


def _believed(found: Rearranged, k: int, m: Matched) -> bool:
    return k in found.linked or (m.counts and any(map(_at_home, (m.matching.rows, m.matching.columns))))


def _at_home(order: Order) -> bool:
    return len(order) >= MIN_UNITS and float(np.mean(order == np.arange(len(order)))) >= AT_HOME


def elsewhere(more: list[Moved]) -> list[Moved]:
    """Those that hold the same numbers once one axis is stored as [h, w, c] instead of [c, h, w], or the reverse.

    Only such may help to convict: any other order may be that of a public table with a vocabulary of its own.
    """
    equal = [m for m in more if m.traced.change in ("identical", "cast")]
    return [m for m in equal if any(map(_flattened, (m.matched.matching.rows, m.matched.matching.columns)))]


def _flattened(order: Order) -> bool:
    """Whether `order` is that of a grid read by columns instead of rows (units that never fire may stand anywhere)."""
    count = len(order)
    steps = {s for d in range(2, math.isqrt(count) + 1) if count % d == 0 for s in (d, count // d)}
    grids = (np.arange(count).reshape(-1, step).T.ravel() for step in steps)
    return any(float(np.mean(order == grid)) >= ALL_BUT_DEAD for grid in grids)


def rows_with(rows: list[TensorMatch], more: list[Moved]) -> list[TensorMatch]:
    """The table with the rows of `more` in place of those of the same tensors."""
    done_a, done_b = {m.matched.a.name for m in more}, {m.matched.b.name for m in more}
    kept = [r for r in rows if r.a not in done_a and r.b not in done_b]
    torn = [r for r in rows if (r.a in done_a) != (r.b in done_b) and r.a and r.b]
    made = [TensorMatch(m.matched.a.name, m.matched.b.name, None, m.matched.matching.similarity, m.note) for m in more]
    lone = [TensorMatch(r.a, None, None, None, "no counterpart in B") for r in torn if r.a not in done_a]
    lone += [TensorMatch(None, r.b, None, None, "no counterpart in A") for r in torn if r.b not in done_b]
    return kept + made + lone


def traced(rows: list[TensorMatch]) -> set[str]:
    """The tensors of B that come from A."""
    return {r.b for r in rows if r.a and r.b and r.note not in (NOT_TRACED, SAME_NUMBERS)}
