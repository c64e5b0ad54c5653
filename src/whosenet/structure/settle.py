"""Tensors too small or too damaged to be matched alone, in the orders that others have told.

Nothing is fitted to them: their rows and columns are put in orders that come from elsewhere, so how alike they then are
is a test of its own. It explains more of a model and counts for no p-value.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from whosenet import thresholds
from whosenet.structure.agreement import Axis
from whosenet.structure.alone import Order, signed
from whosenet.structure.matched import Matched, laid
from whosenet.structure.view import View, balanced, numbers

MOST_ORDERS = 12
"""Known orders of one length that are tried."""


def known_orders(axes: Sequence[Axis], family: Sequence[int]) -> dict[int, list[Order]]:
    """By length: the orders that two axes and more agree on (the fullest of each family), and everybody's own place."""
    members: dict[int, list[Order]] = {}
    for axis, f in zip(axes, family, strict=True):
        members.setdefault(f, []).append(axis.order)
    out: dict[int, list[Order]] = {}
    for orders in members.values():
        if len(orders) > 1:
            out.setdefault(len(orders[0]), []).append(max(orders, key=lambda o: int(np.sum(o >= 0))))
    return {n: found[:MOST_ORDERS] for n, found in out.items()}


def settle(m: Matched, known: dict[int, list[Order]]) -> Matched | None:
    """`m` in the best of the known orders of its rows and columns; None if it is not alike in any."""
    a, b = (View(balanced(laid(numbers(t), way))) for t, way in zip((m.a, m.b), m.layouts, strict=True))
    rows, columns = (
        [o for o in (np.arange(n), *known.get(n, [])) if o.max(initial=0) < width]
        for n, width in zip(a.array.shape[:2], b.array.shape[:2], strict=True)
    )
    found = None
    for left, right in itertools.product(rows, columns):
        matching = signed(a, b, left, right)
        if found is None or matching.similarity > found.similarity:
            found = matching
    if found is None or found.similarity < thresholds.REORDERED_SIMILARITY:
        return None
    return Matched(m.a, m.b, m.layouts, found)
