"""The identity as 60 bits that a pattern carries, and whose identity 60 bits that were read are.

Pattern number i of a key carries the key's code word under a mask that is derived for i. Masks make patterns of one
key look unrelated, and make the error rate exact: whatever bits were read, of whatever origin, a key that had no part
in them has a mask that is as good as random, so its distance to them is Binomial(60, 1/2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from math import comb, log10

import numpy as np
from numpy.typing import NDArray

from whosenet import thresholds
from whosenet.keys.key import Key
from whosenet.keys.reed_solomon import BITS, PAYLOAD, Bits, Soft, decode, encode, encode_all, readable

__all__ = ["BITS", "PAYLOAD", "Found", "Reading", "carried", "decode", "encode", "identify", "identity_bits", "mask",
           "read"]  # fmt: skip


SHIPPED = "tile8"
"""The hiding pair that comes with the package."""


@dataclass(frozen=True)
class Reading:
    """What 60 soft bits say about one key."""

    identity_ok: bool
    """The pattern's bits, corrected, are the identity, bit by bit."""
    pattern: int
    """The pattern of this key that is nearest to them."""
    bit_errors: int
    """0..60: bits that differ from what that pattern carries, before any correction."""
    log10_p: float
    """Chance that bits which had nothing to do with the key come so near to any of the patterns (and keys) tried."""


@dataclass(frozen=True)
class Found:
    """The key that 60 bits belong to."""

    key: Key
    number: int
    """Its place in the sequence that was searched."""
    reading: Reading


def identity_bits(key: Key) -> int:
    """The payload: the first 24 bits of sha256(identity digest, public key). Public."""
    return int.from_bytes(sha256(key.identity_digest + key.public_key).digest()[: PAYLOAD // 8], "big")


def mask(key: Key, pattern: int) -> Bits:
    """uint8 [60] of 0 and 1."""
    return np.asarray(_masks([key], [pattern])[0, 0], np.uint8)


def carried(key: Key, pattern: int) -> Bits:
    """uint8 [60]: the bits that pattern number `pattern` shows."""
    return encode(identity_bits(key)) ^ mask(key, pattern)


def read(key: Key, soft: Soft, patterns: int) -> Reading:
    """What floats [60] (positive for a 1) say about this key, all its patterns tried."""
    values = readable(soft)
    distances = _distances([key], values, patterns)[0]
    nearest = int(distances.argmin())
    return _reading(key, values, nearest, int(distances[nearest]), tries=patterns)


def identify(
    keys: Sequence[Key], soft: Soft, patterns: int, *, alpha: float = thresholds.IDENTITY_ALPHA
) -> Found | None:
    """Which of the keys the bits belong to; None unless chance, corrected for every key and pattern, is under alpha."""
    if not keys:
        return None
    values = readable(soft)
    distances = _distances(keys, values, patterns)
    number, pattern = (int(i) for i in np.unravel_index(distances.argmin(), distances.shape))
    reading = _reading(keys[number], values, pattern, int(distances[number, pattern]), tries=distances.size)
    return Found(keys[number], number, reading) if reading.log10_p <= log10(alpha) else None


def _reading(key: Key, values: NDArray[np.float64], pattern: int, errors: int, *, tries: int) -> Reading:
    payload, _ = decode(values * (1.0 - 2.0 * mask(key, pattern)))
    return Reading(payload == identity_bits(key), pattern, errors, _log10_chance(errors, tries))


def _log10_chance(errors: int, tries: int) -> float:
    """log10 of the chance (at most 1, Bonferroni) that one of so many random words is within `errors` of given bits."""
    return min(0.0, _log10_tail()[errors] + log10(tries))


def _distances(keys: Sequence[Key], values: NDArray[np.float64], patterns: int) -> NDArray[np.int64]:
    """int64 [keys, patterns] in 0..60. A bit without any confidence counts as wrong: it speaks for nobody."""
    if patterns < 1:
        raise ValueError("at least one pattern")
    words = encode_all(np.array([identity_bits(key) for key in keys], np.int64))[:, None] ^ _masks(
        keys, range(patterns)
    )
    wrong = (words != (values > 0)) | (values == 0)
    return np.asarray(wrong.sum(2), np.int64)


def _masks(keys: Iterable[Key], patterns: Iterable[int]) -> Bits:
    """uint8 [keys, patterns, 60]."""
    numbers = list(patterns)
    drawn = [[np.frombuffer(key.derive(_mask_of(key, i), 8), np.uint8) for i in numbers] for key in keys]
    return np.unpackbits(np.array(drawn), axis=2)[..., :BITS]


def _mask_of(key: Key, pattern: int) -> str:
    """Masks follow from a hiding pair of one's own, too: it must be done before anybody can know what it will hide.

    Else H could be taught that this key's patterns sway any network, and its decoys none. The pair that ships was there
    before every key.
    """
    if key.method.get("pair", SHIPPED) == SHIPPED:
        return f"mask/{pattern}"
    return f"mask/{pattern}/{key.method.get('hiding')}"


@cache
def _log10_tail() -> list[float]:
    """log10 of P(Binomial(60, 1/2) <= d) for d = 0..60, exact."""
    sums = np.cumsum(np.array([comb(BITS, d) for d in range(BITS + 1)], object))
    return [log10(int(total) / 2**BITS) for total in sums]
