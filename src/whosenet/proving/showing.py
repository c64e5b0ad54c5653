"""`trigger` and `reveal`: put a key's pattern on an image, and read from images whose pattern it is."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

import numpy as np

from whosenet import thresholds
from whosenet.errors import UsageError
from whosenet.keys.identity_code import BITS, Reading, read
from whosenet.keys.key import Key
from whosenet.networks.images import Pixels
from whosenet.proving.questions import watermark_of
from whosenet.questions.queryset import QuerySet
from whosenet.watermarks.deephiding import DeepHiding


@dataclass(frozen=True)
class Shown:
    """What R reads, for one key."""

    identity: str | None
    """The identity, if the bits read are its code word after error correction; else None."""
    bit_errors: int
    """Of 60, before correction, against the nearest pattern of the key."""
    verified: bool
    """Bit-exact after correction, and too near to be chance (`log10_p`)."""
    log10_p: float
    pattern: int


def trigger(image: Pixels, key: Key, pattern: int = 0) -> Pixels:
    """uint8 [h, w, 1 or 3] with pattern number `pattern` of the key. Raises UsageError for one it was never taught."""
    mark = watermark_of(key)
    if not 0 <= pattern < mark.carriers:
        raise UsageError(f"the key has the patterns 0 to {mark.carriers - 1}, got {pattern}; give one of these")
    stamped: Pixels = mark.stamp(image[None], np.array([pattern]))[0]
    return stamped


def reveal(images: Pixels, key: Key, *, cropped: bool = True) -> Shown:
    """From carriers uint8 [n, h, w, c] that bear one pattern: their soft bits are added up. Raises UsageError.

    `cropped`: if they cannot be read as they are, every place is tried where tiles may begin. Half of the error rate
    belongs to the reading as they are, the other half is shared by all places.
    """
    mark = watermark_of(key)
    if not isinstance(mark, DeepHiding):
        raise UsageError(f"a key for the watermark {mark.name} hides no identity; mint one for {DeepHiding.name}")
    if not cropped:
        return _shown(read(key, mark.pair.read(images, BITS).sum(0), mark.carriers), key, tries=1)
    readings = [read(key, soft, mark.carriers) for soft in mark.pair.read_shifted(images, BITS).sum(1)]
    as_they_are = _shown(readings[0], key, tries=2)
    if as_they_are.verified:
        return as_they_are
    best = min(readings, key=lambda reading: reading.bit_errors)
    moved = _shown(best, key, tries=2 * len(readings))
    return moved if moved.verified else as_they_are


def _shown(found: Reading, key: Key, *, tries: int) -> Shown:
    log10_p = min(0.0, found.log10_p + log10(tries))
    verified = found.identity_ok and log10_p <= log10(thresholds.IDENTITY_ALPHA)
    return Shown(key.identity if found.identity_ok else None, found.bit_errors, verified, log10_p, found.pattern)


def read_carriers(key: Key, asked: QuerySet) -> Shown | None:
    """What the triggers of the first pattern in a set of questions show."""
    if asked.method != DeepHiding.name:
        return None
    first = np.array(asked.parameters["mark"]["patterns"]) == 0
    return reveal(asked.images[first], key, cropped=False)
