"""Hidden units as atoms: which of them must move together, or be scaled alike, for a network to stay what it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


class Atoms:
    """Disjoint sets of units, some of which may not be touched: the network's inputs and answers, say."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._fixed: set[int] = set()

    def fresh(self, count: int, *, fixed: bool = False) -> Ids:
        """int64 [count]: units that nothing has been said about."""
        made = np.arange(len(self._parent), len(self._parent) + count)
        self._parent.extend(made.tolist())
        if fixed:
            self._fixed.update(made.tolist())
        return made

    def unite(self, a: Ids, b: Ids) -> None:
        """Unit a[i] is b[i]: both int64 [n]."""
        for one, other in zip(self.roots(a).tolist(), b.tolist(), strict=True):
            ours, theirs = self._root(one), self._root(other)
            if ours != theirs:
                self._parent[theirs] = ours
                if theirs in self._fixed:
                    self._fixed.add(ours)

    def fix(self, ids: Ids) -> None:
        """These may not be touched."""
        self._fixed.update(self.roots(ids).tolist())

    def roots(self, ids: Ids) -> Ids:
        """int64 [n]: one representative for all that are the same unit."""
        return np.array([self._root(i) for i in ids.tolist()], np.int64)

    def fixed(self, ids: Ids) -> NDArray[np.bool_]:
        """bool [n]: which may not be touched."""
        return np.array([r in self._fixed for r in self.roots(ids).tolist()], bool)

    def _root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i
