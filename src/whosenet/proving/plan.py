"""How many decoys and covers a budget buys: many covers a pattern, decoys enough for p to fall under alpha."""

from __future__ import annotations

from dataclasses import dataclass

from whosenet.errors import UsageError
from whosenet.judging.chance import floor_log10

CLEAN = 20
"""Clean covers: they tell a broken suspect, and give the base rate."""
COVERS = (12, 3)
"""Most and fewest covers a pattern."""
SLACK = 1.8
"""Orders of magnitude the smallest possible p-value lies under alpha, so that neither the second look (0.3) nor a few
misses cost the verdict."""


@dataclass(frozen=True)
class Plan:
    carriers: int
    decoys: int
    covers: int
    """A pattern."""
    clean: int

    @property
    def questions(self) -> int:
        return (self.carriers + self.decoys) * self.covers + self.clean


def plan(carriers: int, classes: int, budget: int, log10_alpha: float) -> Plan:
    """The plan with the most covers a pattern that can reach alpha with some slack; else the one that comes nearest.

    Raises UsageError if the budget does not pay for three covers a carrier.
    """
    possible = shares(carriers, budget)
    if not possible:
        least = carriers * COVERS[1] + 1
        raise UsageError(
            f"a budget of {budget} questions is too small for a key of {carriers} patterns; "
            f"give at least {least * 10 // 9 + 1}"
        )
    enough = [p for p in possible if _floor(p, classes) <= log10_alpha - SLACK]
    return enough[0] if enough else min(possible, key=lambda p: _floor(p, classes))


def shares(carriers: int, budget: int) -> list[Plan]:
    """Every way to share a budget out, the most covers first."""
    clean = min(CLEAN, budget // 10)
    plans = [
        Plan(carriers, (budget - clean) // covers - carriers, covers, clean)
        for covers in range(COVERS[0], COVERS[1] - 1, -1)
    ]
    return [p for p in plans if p.decoys >= 0]


def _floor(found: Plan, classes: int) -> float:
    return floor_log10(found.carriers + found.decoys, classes, found.carriers)
