"""What models say of the same questions: one model's answers, and a stack of several models'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Matrix = NDArray[np.float32]
NO_ANSWER = -1


@dataclass(frozen=True)
class Kind:
    """What a model is, apart from its answers: tells whether references are the kind of model that the owner's is."""

    architecture: str = ""
    """Signature of its architecture (networks/architecture.py); empty if unknown."""
    accuracy: float | None = None
    """Share (0..1) of the fingerprint's yardstick images that it gets right; None if unknown."""

    def document(self) -> dict[str, Any]:
        return {"architecture": self.architecture, "accuracy": self.accuracy}

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Kind:
        """From a header or a transcript's line; what is missing there is unknown. Raises ValueError for nonsense."""
        architecture, accuracy = found.get("architecture", ""), found.get("accuracy")
        if not isinstance(architecture, str):
            raise ValueError("architecture")
        if accuracy is not None and (not isinstance(accuracy, (int, float)) or not 0 <= accuracy <= 1):
            raise ValueError("accuracy")
        return cls(architecture, None if accuracy is None else float(accuracy))


UNKNOWN = Kind()


@dataclass(frozen=True, eq=False)
class Answers:
    """One model's answers to n questions about k classes."""

    labels: Labels
    """int64 [n], in the questions' own class order; -1 where no valid answer came."""
    probabilities: Matrix | None
    """float32 [n, k] in 0..1 (rows of NaN where hidden), or None if the model hides them all."""
    problems: tuple[str, ...] = ()
    """What went wrong, in words, each once."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Any) -> Answers:
        return Answers(
            self.labels[rows], None if self.probabilities is None else self.probabilities[rows], self.problems
        )


@dataclass(frozen=True, eq=False)
class Stack:
    """The answers of m models to the same n questions."""

    digests: tuple[str, ...]
    """m digests of the models' weights."""
    names: tuple[str, ...]
    """m names for people: a file, an attack."""
    labels: Labels
    """int64 [m, n]."""
    probabilities: Matrix
    """float32 [m, n, k]."""
    kinds: tuple[Kind, ...] = ()
    """m kinds, or none where none is known."""

    def __len__(self) -> int:
        return len(self.digests)

    def kind(self, model: int) -> Kind:
        return self.kinds[model] if self.kinds else UNKNOWN

    def take(self, rows: Any) -> Stack:
        """The same models on some of the questions."""
        return Stack(self.digests, self.names, self.labels[:, rows], self.probabilities[:, rows], self.kinds)

    def models(self, which: Any) -> Stack:
        """Some of the models (indices) on the same questions."""
        chosen = np.arange(len(self))[which]
        return Stack(
            tuple(self.digests[i] for i in chosen),
            tuple(self.names[i] for i in chosen),
            self.labels[chosen],
            self.probabilities[chosen],
            tuple(self.kinds[i] for i in chosen) if self.kinds else (),
        )


def empty_stack(questions: int, classes: int) -> Stack:
    return Stack((), (), np.zeros((0, questions), np.int64), np.zeros((0, questions, classes), np.float32))
