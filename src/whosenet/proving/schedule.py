"""How many questions of a trace go into finding the few keys worth verifying, and how many into verifying them."""

from __future__ import annotations

from dataclasses import dataclass

from whosenet import thresholds
from whosenet.errors import UsageError
from whosenet.judging.chance import floor_log10
from whosenet.proving.plan import CLEAN, COVERS, SLACK

EACH = 4
"""Triggers a key is asked about in one round of screening, if the budget allows ..."""
KEPT = 4
"""... of which the best one in so many goes on to the next."""
CANDIDATES = 4
"""Keys verified at most: two licensees may have put their copies together."""
FAMILY = 0.5
"""Orders of magnitude more of decoys than `plan` asks for: a marked network may answer one of them as it does triggers,
and then the best p-value is out of its reach (a copy among 1,000 keys ended at 10^-5.8 with every trigger hit)."""
MOST_PATTERNS = 1000
"""Patterns of one verification at most; beyond, alpha is out of reach."""


@dataclass(frozen=True)
class Schedule:
    """Fixed before the first question by the number of keys, alpha and the budget alone."""

    each: int
    """Triggers a key and round; 0: so few keys that each is verified."""
    rounds: tuple[int, ...]
    """Keys in each round."""
    candidates: int
    verify: int
    """Questions of one verification at most."""

    @property
    def screening(self) -> int:
        return self.each * sum(self.rounds)

    @property
    def questions(self) -> int:
        return self.screening + self.candidates * self.verify


def schedule(keys: int, carriers: int, classes: int, log10_alpha: float, budget: int | None) -> Schedule:
    """`log10_alpha`: corrected for all keys. `carriers`: the fewest of any key. Raises UsageError for too few."""
    verify = verification(carriers, classes, log10_alpha)
    wholes = [
        _with(keys, each, candidates, verify) for each in range(EACH, 0, -1) for candidates in range(CANDIDATES, 0, -1)
    ]
    fitting = [whole for whole in wholes if budget is None or whole.questions <= budget]
    if not fitting:
        least = min(whole.questions for whole in wholes)
        raise UsageError(
            f"{keys} keys at this alpha take at least {least} questions, got a budget of {budget}; raise --budget"
        )
    return fitting[0]


def _with(keys: int, each: int, candidates: int, verify: int) -> Schedule:
    if keys <= candidates:
        return Schedule(0, (), keys, verify)
    rounds = [keys]
    while (fewer := max(candidates, -(-rounds[-1] // KEPT))) < rounds[-1] and fewer > candidates:
        rounds.append(fewer)
    return Schedule(each, tuple(rounds), candidates, verify)


def verification(carriers: int, classes: int, log10_alpha: float) -> int:
    """Questions of one verification: as many decoys as alpha needs, each pattern on as many covers as `plan` would use.

    Triggers of a copy that lost half of its mark still reach alpha with 12 covers a pattern, rarely with 4
    (docs/active-protection.md).
    """
    patterns = carriers
    while floor_log10(patterns, classes, carriers) > log10_alpha - SLACK - FAMILY and patterns < MOST_PATTERNS:
        patterns += 1
    return max(thresholds.VERIFY_BUDGET, patterns * COVERS[0] + CLEAN)
