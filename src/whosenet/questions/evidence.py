"""All that a judge may look at: what the owner's model, honest nets, derived nets and the suspect say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.questions.answers import UNKNOWN, Answers, Kind, Labels, Matrix, Stack


@dataclass(frozen=True, eq=False)
class Evidence:
    """n questions in the order they were asked; every array's question axis has length n."""

    expected: Labels
    """int64 [n]: the owner's label (points), or the known answer (controls)."""
    owner: Matrix
    """float32 [n, k]: the owner's probabilities."""
    control: NDArray[np.bool_]
    """bool [n]: clean images with known answers, which tell a broken suspect from an innocent one."""
    suspect: Answers
    references: Stack
    """The null: honest nets that chose no point."""
    copies: Stack
    """Derived nets of the owner's own making that chose no point."""
    score: str = "label"
    """The score that decides, declared in the fingerprint beforehand: label, probability or cluster."""
    kind: Kind = UNKNOWN
    """What the owner's model is."""

    def __len__(self) -> int:
        return len(self.expected)

    @property
    def classes(self) -> int:
        return int(self.owner.shape[1])

    def take(self, rows: Any) -> Evidence:
        """The same models on some of the questions (the first so many, the points only ...)."""
        return Evidence(
            self.expected[rows],
            self.owner[rows],
            self.control[rows],
            self.suspect.take(rows),
            self.references.take(rows),
            self.copies.take(rows),
            self.score,
            self.kind,
        )

    def points(self) -> Evidence:
        return self.take(~self.control)

    def against(self, suspect: Answers) -> Evidence:
        """The same questions with another suspect's answers."""
        return replace(self, suspect=suspect)
