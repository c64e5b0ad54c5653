"""What a judge says."""

from __future__ import annotations

from dataclasses import dataclass

from whosenet.types import Verdict

ASSUMPTIONS = (
    "The p-value is the chance that an honest model, drawn like the references, agrees with the owner's as much as the "
    "suspect does, if honest models' agreement spreads as a beta-binomial or in families around the references. A kind "
    "of honest model that no reference belongs to is outside of it. 'derived' tells neither direction nor intent."
)


@dataclass(frozen=True)
class Judgement:
    """The verdict and everything it rests on; every number is finite."""

    verdict: Verdict
    p_value: float
    """H0: drawn like the references. Missing answers count as disagreement."""
    log10_p: float
    alpha: float
    conformal_p: float
    """(1 + references that score at least as high) / (1 + references): needs no distribution, never below its floor."""
    queries: int
    """Questions asked, controls included."""
    scores: dict[str, float | None]
    """label, probability, cluster: 0..1 over the points, None where the suspect hides what it needs."""
    references: int
    references_needed: int
    """How many more references would be needed for a verdict, those of the owner's architecture and accuracy included
    without which nobody is accused; 0 if their number is not what is short."""
    independence_p: float | None
    """Chance that a copy of the owner's own making agrees as little; None without copies. Missing answers count as
    agreement here."""
    control_accuracy: float | None
    """Share of the control images answered right; None without controls."""
    reasons: tuple[str, ...]
    """What the verdict rests on, in plain words, the main reason first."""
    score: str = "label"
    """The score that decided."""
    sequential: bool = False
    """Whether questions could stop early: then p_value holds at any stopping time."""
    assumptions: str = ASSUMPTIONS
