"""24 bits with error correction in 60: Reed-Solomon RS(15, 6) over GF(16), by the library reedsolo.

Field polynomial x^4 + x + 1, first root alpha^1, symbols of 4 bits, most significant first. Distance 10: up to 4 wrong
symbols are corrected, or up to 9 that are known to be doubtful.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MissingExtra
from whosenet.keys.ordered_statistics import words_near

BITS = 60
PAYLOAD = 24
SYMBOL = 4
SYMBOLS = BITS // SYMBOL
PARITY = SYMBOLS - PAYLOAD // SYMBOL
CONFIDENCE = 3.0
"""Log-odds that a bit of average confidence is taken for."""
COVERED = 0.02
"""Share of symbols that are taken to be covered by something else."""
WEIGHTS = 1 << np.arange(SYMBOL)[::-1]

Bits = NDArray[np.uint8]
Soft = NDArray[np.floating[Any]]


@cache
def _codec() -> Any:
    """Raises MissingExtra."""
    try:
        import reedsolo
    except ImportError as error:
        raise MissingExtra("prove", "the identity code") from error
    return reedsolo.RSCodec(PARITY, nsize=SYMBOLS, fcr=1, prim=0b10011, generator=2, c_exp=SYMBOL)


def encode(payload: int) -> Bits:
    """uint8 [60] of 0 and 1. The first 24 are the payload itself, most significant first."""
    if not 0 <= payload < 1 << PAYLOAD:
        raise ValueError(f"a payload has {PAYLOAD} bits")
    symbols = [payload >> shift & 15 for shift in range(PAYLOAD - SYMBOL, -1, -SYMBOL)]
    return _bits(_codec().encode(symbols))


def encode_all(payloads: NDArray[np.int64]) -> Bits:
    """int64 [n] -> uint8 [n, 60]: the code is linear over bits, so 24 code words make all of them."""
    bits = payloads[:, None] >> np.arange(PAYLOAD)[::-1] & 1
    return np.asarray(bits @ _basis() & 1, np.uint8)


@cache
def _basis() -> NDArray[np.int64]:
    """int64 [24, 60]: the code word of each single bit."""
    return np.stack([encode(1 << shift) for shift in range(PAYLOAD)[::-1]]).astype(np.int64)


def decode(soft: Soft) -> tuple[int | None, int]:
    """The payload whose code word fits floats [60] best, and how many of their signs it contradicts (0..60).

    `soft` is positive for a 1, and larger where the reader is surer; its scale does not matter. If the signs alone are
    within 4 symbols of a code word, that is it. Else two decoders propose words: the library's with the 1..9 least
    certain symbols erased (generalised minimum distance, Forney 1966; for covered or wiped parts), and ordered
    statistics (for noise on every bit); `_fit` chooses. (None, 60) where there is nothing to decode. Otherwise
    something is always found: a payload alone is no evidence, that it is the expected one is (chance 2^-24).
    """
    values = readable(soft)
    if not values.any():
        return None, BITS
    received = (values > 0).astype(np.uint8)
    repaired = _repaired(received, values)
    payload = next(repaired)
    if payload is None:
        proposed = [encode(other) for other in repaired if other is not None]
        words = np.vstack([words_near(values, _basis()), *proposed])
        payload = _payload(words[_fit(words, values).argmax(), :PAYLOAD].reshape(-1, SYMBOL) @ WEIGHTS)
    return payload, int((encode(payload) != received).sum())


def _fit(words: Bits, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-likelihood [n] of uint8 [n, 60]: bits as sure as they say, except in symbols that are covered (any value).

    By plain correlation four covered symbols outvote the rest (docs/keys.md has the comparison).
    """
    sure = values / np.abs(values).mean() * CONFIDENCE
    bits = np.logaddexp(0, (1.0 - 2.0 * words) * sure).reshape(len(words), SYMBOLS, SYMBOL).sum(2)
    whole, covered = np.log1p(-COVERED) - bits, np.log(COVERED) - SYMBOL * np.log(2)
    return np.asarray(np.logaddexp(whole, covered).sum(1), np.float64)


def readable(soft: Soft) -> NDArray[np.float64]:
    """float64 [60] with no confidence where there is no number. Raises ValueError on another shape."""
    values = np.asarray(soft, np.float64)
    if values.shape != (BITS,):
        raise ValueError(f"expected {BITS} soft bits, got an array of shape {list(values.shape)}")
    return np.where(np.isfinite(values), values, 0.0)


def _repaired(received: Bits, values: NDArray[np.float64]) -> Iterator[int | None]:
    """What the library makes of the signs with the 0..9 least certain symbols erased."""
    symbols = (received.reshape(SYMBOLS, SYMBOL) @ WEIGHTS).tolist()
    doubtful = np.argsort(np.abs(values).reshape(SYMBOLS, SYMBOL).min(1), kind="stable").tolist()
    return (_corrected(symbols, doubtful[:erased]) for erased in range(PARITY + 1))


def _corrected(symbols: list[int], erased: list[int]) -> int | None:
    import reedsolo

    try:
        return _payload(_codec().decode(bytearray(symbols), erase_pos=erased)[0])
    except reedsolo.ReedSolomonError:
        return None


def _payload(symbols: Iterable[int]) -> int:
    """6 symbols -> 24 bits."""
    return sum(int(s) << shift for s, shift in zip(symbols, range(PAYLOAD - SYMBOL, -1, -SYMBOL), strict=True))


def _bits(symbols: Any) -> Bits:
    values = np.frombuffer(bytes(symbols), np.uint8)
    return np.asarray(values[:, None] >> np.arange(SYMBOL)[::-1] & 1, np.uint8).reshape(-1)
