"""From links to trees: who stands nearest to whom, and where the root may be.

A family's spanning tree of least distance says who belongs to whom. Its direction follows from its root, and every
trace on every edge speaks for or against each possible root. An edge is decided if the roots on one side of it have
almost all of the weight.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from whosenet.lineage.links import Link

DECIDED = 0.95
"""Least probability of a direction that is called decided."""
SAME = 1e-9
"""Nearer models hold the same numbers: each could be the other's copy, or both a third's."""


@dataclass(frozen=True)
class Edge:
    parent: int
    child: int
    probability: float
    """That it runs this way, 0.5..1."""
    link: Link

    @property
    def decided(self) -> bool:
        # of the same numbers, or of units elsewhere, the rest of the tree cannot say where they hang
        tells = self.link.odds != 0 or (self.link.distance > SAME and not self.link.moved)
        return self.probability >= DECIDED and tells and not self.link.siblings


def families(count: int, links: Sequence[Link]) -> list[list[int]]:
    """Connected models, the largest family first; those without relatives alone."""
    above = list(range(count))

    def top(i: int) -> int:
        while above[i] != i:
            i = above[i]
        return i

    for one in links:
        above[top(one.a)] = top(one.b)
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(count):
        groups[top(i)].append(i)
    return sorted(groups.values(), key=lambda g: (-len(g), g))


def tree(members: Sequence[int], links: Sequence[Link]) -> list[Edge]:
    """Directed edges of the least spanning tree; one fewer than members."""
    chosen = _spanning(members, links)
    weight = _roots(members, chosen)
    whole = sum(weight.values())
    edges = []
    for one in chosen:
        side = _side(one.a, one, chosen)
        share = sum(w for m, w in weight.items() if m in side) / whole
        a_first = share >= 0.5
        parent, child = (one.a, one.b) if a_first else (one.b, one.a)
        edges.append(Edge(parent, child, max(share, 1 - share), one))
    return edges


def _spanning(members: Sequence[int], links: Sequence[Link]) -> list[Link]:
    """Kruskal's: what is explained comes first, what was moved or can only be a sibling last, then the nearer first."""
    group = {m: m for m in members}

    def top(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    chosen: list[Link] = []
    inside = [k for k in links if k.a in group and k.b in group]
    first = _explained(inside)
    for one in sorted(inside, key=lambda k: (k not in first, k.moved, k.level, k.distance, k.a, k.b)):
        if top(one.a) != top(one.b):
            group[top(one.a)] = top(one.b)
            chosen.append(one)
    return chosen


def _explained(links: Sequence[Link]) -> list[Link]:
    """Of each child its nearest explained link; of adapters, which may be either side's, the nearest of either."""
    nearest: dict[int, Link] = {}
    for one in sorted((k for k in links if k.explained), key=lambda k: k.distance):
        for end in [one.b] if one.odds > 0 else [one.a] if one.odds < 0 else [one.a, one.b]:
            nearest.setdefault(end, one)
    return list(nearest.values())


def _roots(members: Sequence[int], chosen: Sequence[Link]) -> dict[int, float]:
    """Relative weight of each member as the root: how well the traces agree with arrows away from it."""
    scores = {m: sum(k.odds / 2 if m in _side(k.a, k, chosen) else -k.odds / 2 for k in chosen) for m in members}
    best = max(scores.values())
    return {m: math.exp(s - best) for m, s in scores.items()}


def _side(start: int, without: Link, chosen: Sequence[Link]) -> set[int]:
    """Members that hang on `start` once a link is taken out."""
    near: dict[int, list[int]] = defaultdict(list)
    for k in chosen:
        if k is not without:
            near[k.a].append(k.b)
            near[k.b].append(k.a)
    seen, todo = {start}, [start]
    while todo:
        for other in near[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen
