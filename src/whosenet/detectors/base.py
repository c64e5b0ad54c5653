"""What a detector is: it gives images, or a model, a number that is higher the more suspicious they are.

A plugin computes, the base checks; how good the numbers are is measured by `auc`. Detectors have no threshold of their
own here: a mark is hidden as well as the best threshold cannot find it.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import UsageError
from whosenet.networks.images import Pixels

if TYPE_CHECKING:
    from torch import nn

Scores = NDArray[np.float64]


class Detector(ABC):
    """Parameters are keyword-only arguments of `_score` with defaults that make it useful; same seed, same scores."""

    name: ClassVar[str]
    looks_at: ClassVar[str]
    """images | model: for listings."""

    def __init__(self, *, seed: int = 0, **parameters: Any) -> None:
        known = self.defaults()
        unknown = sorted(set(parameters) - set(known))
        if unknown:
            raise UsageError(f"{self.name} has no parameter {unknown[0]!r}; it has: {', '.join(known) or 'none'}")
        self.seed = seed
        self.parameters: dict[str, Any] = {**known, **parameters}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        found = inspect.signature(cls._score).parameters.values()
        return {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY}

    @abstractmethod
    def _score(self, *given: Any, **parameters: Any) -> Any:
        """The numbers; what is given, the two kinds of detectors below say."""


class ImageDetector(Detector):
    """Tells trigger images from clean ones; may use the model, and clean images that the searcher has."""

    looks_at = "images"

    @abstractmethod
    def _score(self, module: nn.Module, images: Pixels, clean: Pixels, shown: Pixels | None) -> Scores: ...

    def score_images(self, module: nn.Module, images: Pixels, clean: Pixels, *, shown: Pixels | None = None) -> Scores:
        """float64 [n] for `images` uint8 [n, h, w, c], higher for more suspicious.

        `clean` uint8 [m, h, w, c], m >= 2: images without a mark, none of them among `images`. `shown` uint8
        [k, h, w, c]: triggers of the same method under a key of the searcher's own; only detectors that can learn
        from such look at them.
        """
        if images.shape[1:] != clean.shape[1:] or len(clean) < 2:
            raise UsageError(
                f"{self.name} takes images and at least two clean ones of one size, "
                f"got {list(images.shape)} and {list(clean.shape)}"
            )
        if not len(images):
            return np.zeros(0)
        with _Still(module):
            scores = np.asarray(self._score(module, images, clean, shown, **self.parameters), np.float64)
        if scores.shape != (len(images),) or not np.isfinite(scores).all():
            raise RuntimeError(f"{self.name} gave no number for some image")
        return scores


class ModelDetector(Detector):
    """Tells marked models from unmarked ones by clean images."""

    looks_at = "model"

    @abstractmethod
    def _score(self, module: nn.Module, clean: Pixels, classes: int) -> float: ...

    def score_model(self, module: nn.Module, clean: Pixels, classes: int) -> float:
        """Higher for more suspicious. `clean` uint8 [m, h, w, c]; the model has outputs for 0..classes-1."""
        if classes < 3 or not len(clean):
            raise UsageError(f"{self.name} takes a model of at least 3 classes and images, got {classes}, {len(clean)}")
        with _Still(module):
            return float(self._score(module, clean, classes, **self.parameters))


class _Still:
    """The module in evaluation mode with frozen weights, and afterwards as it was."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __enter__(self) -> None:
        self.training = self.module.training
        self.asking = [p for p in self.module.parameters() if p.requires_grad]
        self.module.eval()
        for parameter in self.asking:
            parameter.requires_grad_(False)

    def __exit__(self, *_: object) -> None:
        self.module.train(self.training)
        for parameter in self.asking:
            parameter.requires_grad_(True)


def auc(suspicious: Scores, innocent: Scores) -> float:
    """Chance that one of the first outscores one of the second, ties by half (Mann-Whitney): 0.5 is blind, 1 sure."""
    from scipy.stats import rankdata

    n, m = len(suspicious), len(innocent)
    if not n or not m:
        raise UsageError(f"an AUC takes scores of both kinds, got {n} and {m}")
    ranks = rankdata(np.concatenate([suspicious, innocent]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
