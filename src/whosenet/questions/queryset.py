"""Questions with what is needed to judge the answers, and their file (a fingerprint, later a watermark's triggers)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet import files
from whosenet.errors import MalformedFile
from whosenet.questions.answers import Kind, Labels, Matrix, Stack, empty_stack

KIND = "fingerprint"
VERSION = 2
"""1: without yardstick images. Files without them are still written so, and keep their digest."""
MAX_QUESTIONS = 100_000


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Clean images with known answers, drawn by lot, for honest references alone: no suspect is asked about them.

    Controls are images that everybody knows, so they cannot tell whether references are as good as the owner's model.
    """

    images: NDArray[np.uint8]
    """uint8 [m, h, w, c]."""
    truth: Labels
    """int64 [m]."""

    def __len__(self) -> int:
        return len(self.truth)

    def accuracy(self, labels: Labels) -> float:
        """Share (0..1) of labels int64 [m] that are right."""
        return float((labels == self.truth).mean())


def no_yardstick() -> Yardstick:
    return Yardstick(np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class QuerySet:
    """n questions in the order they are to be asked. Images are stored as a service gets them: 8 bits a channel."""

    images: NDArray[np.uint8]
    """uint8 [n, h, w, c]."""
    expected: Labels
    """int64 [n]: the owner's label of a point, the known answer of a control image."""
    probabilities: Matrix
    """float32 [n, k]: the owner's."""
    control: NDArray[np.bool_]
    """bool [n]."""
    method: str
    parameters: Mapping[str, Any]
    """Every parameter of the method, seed included (JSON values); also the owner's kind: `architecture`, `accuracy`."""
    owner: str
    """Digest of the owner's weights."""
    chosen_by: tuple[str, ...] = ()
    """Digests of every net that had a part in choosing points: none of them may be a null reference."""
    copies: Stack = field(default_factory=lambda: empty_stack(0, 0))
    """Derived nets of the owner's own making, and what they say."""
    names: tuple[str, ...] = ()
    """Class names, for suspects that answer in words."""
    score: str = "label"
    """The score that decides, declared beforehand."""
    data: str = ""
    """Digest of the images it was made from."""
    yardstick: Yardstick = field(default_factory=no_yardstick)

    def __len__(self) -> int:
        return len(self.expected)

    @property
    def classes(self) -> int:
        return int(self.probabilities.shape[1])

    @property
    def kind(self) -> Kind:
        """What the owner's model is; unknown in fingerprints made before that was kept."""
        return Kind.read(self.parameters)

    @property
    def _version(self) -> int:
        return VERSION if len(self.yardstick) else 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything: publish it (with the time) before a dispute to commit to these questions."""
        return files.digest_of(KIND, self._version, self._header(), self._arrays())

    def take(self, rows: Any) -> QuerySet:
        return replace(
            self,
            images=self.images[rows],
            expected=self.expected[rows],
            probabilities=self.probabilities[rows],
            control=self.control[rows],
            copies=self.copies.take(rows),
        )

    def _header(self) -> dict[str, Any]:
        return {
            "method": self.method, "parameters": dict(self.parameters), "owner": self.owner, "score": self.score,
            "chosen_by": list(self.chosen_by), "names": list(self.names), "data": self.data,
            "copies": [list(self.copies.digests), list(self.copies.names)],
        }  # fmt: skip

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "images": self.images, "expected": self.expected, "probabilities": self.probabilities,
            "control": self.control, "copies.labels": self.copies.labels,
            "copies.probabilities": self.copies.probabilities,
            **({"yardstick.images": self.yardstick.images, "yardstick.truth": self.yardstick.truth}
               if len(self.yardstick) else {}),
        }  # fmt: skip

    def save(self, path: str | Path) -> str:
        """Write it; returns the digest."""
        return files.write(path, KIND, self._version, self._header(), self._arrays())


def load(path: str | Path) -> QuerySet:
    """Raises UnreadableInput if the file is missing, no fingerprint, changed since, or makes no sense."""
    found = files.read(path, KIND, VERSION)
    try:
        head, arrays = found.header, found.arrays
        digests, names = (tuple(str(s) for s in part) for part in head["copies"])
        copies = Stack(digests, names, arrays["copies.labels"], arrays["copies.probabilities"])
        made = QuerySet(
            images=arrays["images"], expected=arrays["expected"], probabilities=arrays["probabilities"],
            control=arrays["control"], method=str(head["method"]), parameters=head["parameters"],
            owner=str(head["owner"]), chosen_by=tuple(str(d) for d in head["chosen_by"]), copies=copies,
            names=tuple(str(n) for n in head["names"]), score=str(head["score"]), data=str(head["data"]),
            yardstick=_yardstick(arrays),
        )  # fmt: skip
        _check(made)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedFile(path, f"is a fingerprint that makes no sense ({str(error)[:100]})") from error
    return made


def _yardstick(arrays: Mapping[str, NDArray[Any]]) -> Yardstick:
    if "yardstick.truth" not in arrays:
        return no_yardstick()
    return Yardstick(arrays["yardstick.images"], arrays["yardstick.truth"])


def _check(made: QuerySet) -> None:
    if made.probabilities.ndim != 2 or made.images.ndim != 4:
        raise ValueError("probabilities or images")
    n, k, m = len(made), made.classes, len(made.copies)
    sides, points = made.images.shape[1:], ~made.control if made.control.shape == (n,) else slice(None)
    shapes = {
        "images": (len(made.images) == n and made.images.dtype == np.uint8 and sides[2] in (1, 3) and min(sides) > 0),
        "questions": 0 < n <= MAX_QUESTIONS and made.expected.shape == (n,) and made.expected.dtype == np.int64,
        "probabilities": made.probabilities.shape == (n, k) and _are_shares(made.probabilities),
        "expected": bool(((made.expected >= 0) & (made.expected < k)).all()),
        "control": made.control.shape == (n,) and made.control.dtype == bool,
        "copies": made.copies.labels.shape == (m, n) and made.copies.probabilities.shape == (m, n, k),
        "copies' answers": made.copies.labels.dtype == np.int64 and _are_shares(made.copies.probabilities),
        "names of copies": len(made.copies.names) == m,
        "names": len(made.names) in (0, k),
        "parameters": isinstance(made.parameters, dict) and made.kind is not None,
        "yardstick": _fits(made.yardstick, sides, k),
        "score": made.score in ("label", "probability", "cluster"),
    }
    wrong = [name for name, right in shapes.items() if not right]
    if wrong:
        raise ValueError(", ".join(wrong))
    if (made.expected != made.probabilities.argmax(1))[points].any():
        raise ValueError("points whose label is not what the owner's model says of them")


def _fits(yardstick: Yardstick, sides: tuple[int, ...], k: int) -> bool:
    """Images as the questions' own, and labels among their classes."""
    x, y = yardstick.images, yardstick.truth
    alike = x.dtype == np.uint8 and x.ndim == 4 and y.dtype == np.int64 and y.shape == (len(x),)
    return alike and (not len(y) or (x.shape[1:] == sides and bool(((y >= 0) & (y < k)).all())))


def _are_shares(values: NDArray[Any]) -> bool:
    """float32 in 0..1, with room for rounding."""
    return values.dtype == np.float32 and bool(((values >= -1e-3) & (values <= 1 + 1e-3)).all())
