"""Damage to files and what must come of it: an answer or an UnreadableInput, quickly and in little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from hypothesis import strategies as st

from whosenet.errors import MissingExtra, UnreadableInput
from whosenet.weights import open_weights

MAX_PEAK = 48 << 20
"""Bytes NumPy and Python may hold at once for a file of some kilobytes."""
BLOCKS = [
    b"\xff",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\0" * 8,
    b"\x7f",
    b"\x80" * 10,
    b"\xff\xff\xff\x7f",
    b"\0\0\0\0\0\0\0\x80",
]

Edit = tuple[float, bytes]


def edits() -> st.SearchStrategy[list[Edit]]:
    """Blocks of bytes written over a file at places given as shares of its length."""
    place = st.floats(0, 1, exclude_max=True)
    block = st.one_of(st.sampled_from(BLOCKS), st.binary(min_size=1, max_size=8))
    return st.lists(st.tuples(place, block), min_size=1, max_size=6)


def damaged(body: bytes, changes: list[Edit], keep: float = 1.0) -> bytes:
    """`body` with the edits made, cut to a share of its length (one byte at least)."""
    out = bytearray(body)
    for place, block in changes:
        at = int(place * len(body))
        out[at : at + len(block)] = block[: len(body) - at]
    return bytes(out[: max(1, int(keep * len(out)))])


def refused(path: Path) -> str:
    """Open and read all of it; the message if it was refused, else "". Anything else that is raised is a failure."""
    tracemalloc.start()
    try:
        with open_weights(path) as weights:
            for tensor in weights.tensors[:40]:
                tensor.read(0, min(1, tensor.shape[0]))
                if tensor.elements < 1 << 20:
                    tensor.read()
    except (UnreadableInput, MissingExtra) as error:
        assert "\n" not in str(error) and len(str(error)) < 600
        return str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MAX_PEAK, f"{peak >> 20} MB held"
    return ""
