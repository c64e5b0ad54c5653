"""Codes of fixed weights, byte for byte: a released code stays what it was, or the method's version is raised.

Regenerate, after raising the version of what changed: python tests/goldens/test_codes.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

from whosenet import registry
from whosenet.hashes.base import Hash
from whosenet.weights.base import Tensor, Weights

GOLDENS = Path(__file__).with_name("codes.json")
NETS = {
    "cnn": {"a": (32, 3, 3, 3), "b": (64, 32, 3, 3), "c": (64, 64, 3, 3), "d": (10, 64)},
    "mlp": {"a": (96, 64), "b": (80, 96), "c": (10, 80)},
    "wide": {"a": (700, 900), "b": (300, 700), "c": (300, 300)},
}


def weights(name: str) -> Weights:
    """Sums of four bytes of a BLAKE3 stream: bell-shaped, exact, the same everywhere and always."""
    made = []
    for key, shape in NETS[name].items():
        count = int(np.prod(shape))
        raw = np.frombuffer(blake3(f"golden {name} {key}".encode()).digest(length=4 * count), np.uint8)
        array = (raw.reshape(-1, 4).sum(axis=1, dtype=np.int64) - 510).astype(np.float32).reshape(shape) / 1024
        made.append(Tensor(key, shape, "float32", lambda a, b, array=array: array[a:b]))
    return Weights(name, "memory", made, 0)


def codes() -> dict[str, dict[str, str]]:
    methods: list[Hash] = [cls() for cls in registry.plugins("hash").values()]
    methods += [registry.load("hash", "nts")(bits=512), registry.load("hash", "nts")(statistic="k2")]
    return {m.signature: {name: str(m.code(weights(name))) for name in NETS} for m in methods}


@pytest.mark.skipif(not GOLDENS.exists(), reason="no release has fixed its codes yet")
def test_codes_are_what_they_were() -> None:
    held = json.loads(GOLDENS.read_text())
    now = codes()
    assert {s: now[s] for s in held if s in now} == {s: c for s, c in held.items() if s in now}
    assert set(now) <= set(held), "a new method or version: regenerate the goldens"


if __name__ == "__main__":
    GOLDENS.write_text(json.dumps(codes(), indent=1) + "\n")
