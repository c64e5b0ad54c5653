"""24 bits with error correction in 60: Reed-Solomon RS(15, 6) over GF(16), by the library reedsolo.

Field polynomial x^4 + x + 1, first root alpha^1, symbols of 4 bits, most significant first. Distance 10: up to 4 wrong
symbols are corrected, or up to 9 that are known to be doubtful.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MissingExtra

BITS = 60
PAYLOAD = 24
SYMBOL = 4
SYMBOLS = BITS // SYMBOL
PARITY = SYMBOLS - PAYLOAD // SYMBOL
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

    `soft` is positive for a 1, and larger where the reader is surer. Generalised minimum distance decoding (Forney
    1966): as it is, then with the 1..9 least certain symbols erased; of the words found, the one that correlates best.
    (None, 60) where nothing decodes. With 9 symbols erased anything decodes: a payload alone is no evidence, its
    agreement with an expected one is.
    """
    values = readable(soft)
    if not values.any():
        return None, BITS
    received = (values > 0).astype(np.uint8)
    found = {payload: encode(payload) for payload in _candidates(received, values)}
    if not found:
        return None, BITS
    best = max(found, key=lambda payload: float((2.0 * found[payload] - 1) @ values))
    return best, int((found[best] != received).sum())


def readable(soft: Soft) -> NDArray[np.float64]:
    """float64 [60] with no confidence where there is no number. Raises ValueError on another shape."""
    values = np.asarray(soft, np.float64)
    if values.shape != (BITS,):
        raise ValueError(f"expected {BITS} soft bits, got an array of shape {list(values.shape)}")
    return np.where(np.isfinite(values), values, 0.0)


def _candidates(received: Bits, values: NDArray[np.float64]) -> Iterator[int]:
    symbols = (received.reshape(SYMBOLS, SYMBOL) @ WEIGHTS).tolist()
    doubtful = np.argsort(np.abs(values).reshape(SYMBOLS, SYMBOL).min(1), kind="stable").tolist()
    for erased in range(PARITY + 1):
        payload = _corrected(symbols, doubtful[:erased])
        if payload is not None:
            yield payload


def _corrected(symbols: list[int], erased: list[int]) -> int | None:
    import reedsolo

    try:
        message = _codec().decode(bytearray(symbols), erase_pos=erased)[0]
    except reedsolo.ReedSolomonError:
        return None
    return sum(int(s) << shift for s, shift in zip(message, range(PAYLOAD - SYMBOL, -1, -SYMBOL), strict=True))


def _bits(symbols: Any) -> Bits:
    values = np.frombuffer(bytes(symbols), np.uint8)
    return np.asarray(values[:, None] >> np.arange(SYMBOL)[::-1] & 1, np.uint8).reshape(-1)
