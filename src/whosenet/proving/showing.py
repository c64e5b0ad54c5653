"""`trigger` and `reveal`: put a key's pattern on an image, and read from images whose pattern it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whosenet.errors import UsageError
from whosenet.keys.identity_code import BITS, read
from whosenet.keys.key import Key
from whosenet.networks.images import Pixels
from whosenet.proving.questions import watermark_of
from whosenet.questions.queryset import QuerySet
from whosenet.watermarks.deephiding import DeepHiding

ALPHA = 1e-6
"""Chance at which bits that have nothing to do with the key may be called its own."""


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
    """uint8 [h, w, 1 or 3] with pattern number `pattern` of the key."""
    stamped: Pixels = watermark_of(key).stamp(image[None], np.array([pattern]))[0]
    return stamped


def reveal(images: Pixels, key: Key) -> Shown:
    """From carriers uint8 [n, h, w, c] that bear one pattern: their soft bits are added up. Raises UsageError."""
    mark = watermark_of(key)
    if not isinstance(mark, DeepHiding):
        raise UsageError(f"a key for the watermark {mark.name} hides no identity; mint one for {DeepHiding.name}")
    soft = mark.pair.read(images, BITS).sum(0)
    found = read(key, soft, mark.carriers)
    verified = found.identity_ok and found.log10_p <= np.log10(ALPHA)
    return Shown(
        key.identity if found.identity_ok else None, found.bit_errors, bool(verified), found.log10_p, found.pattern
    )


def read_carriers(key: Key, asked: QuerySet) -> Shown | None:
    """What the triggers of the first pattern in a set of questions show."""
    if asked.method != DeepHiding.name:
        return None
    first = np.array(asked.parameters["mark"]["patterns"]) == 0
    return reveal(asked.images[first], key)
