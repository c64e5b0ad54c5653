"""The control: a code that knows only whether two models are exactly equal. Everything else must come out at chance."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from whosenet.errors import UsageError
from whosenet.hashes.base import Features, Hash
from whosenet.hashes.canonical import Shape, canonical, orders
from whosenet.weights.base import Tensor

WORDS = 8
"""32-bit words of a tensor's digest: sums of them over a million tensors are exact in float64."""
M_EFF = 1e6
"""Stated, not measured: bits of a cryptographic digest are fair coins, so the plain binomial holds."""
MAX_ORDERS = 24
"""Axis orders of a tensor with at most four equal axes."""


class Null(Hash):
    """No source: BLAKE3 of the numbers, so any change gives an unrelated code. Reads whole tensors: only a control."""

    name = "null"
    version = 1
    defaults: ClassVar[dict[str, Any]] = {"bits": 256}

    def check(self) -> None:
        if self.parameters["bits"] not in (64, 128, 256, 512, 1024):
            raise UsageError("bits must be 64, 128, 256, 512 or 1024")

    def tensor_features(self, tensor: Tensor) -> tuple[Shape, NDArray[np.float64]] | str:
        layout = canonical(tensor.shape)
        alike = orders(layout.shape)
        if len(alike) > MAX_ORDERS:
            return "more than four equal axes"
        whole = tensor.read().reshape(layout.squeezed).transpose(layout.order)
        # Summed over the orders storage may have used, as a sum does not know which of them it was.
        return layout.shape, np.sum([_words(whole.transpose(order)) for order in alike], axis=0) % 2.0**32

    def encode(self, features: Features) -> NDArray[np.bool_]:
        whole = blake3()
        for shape in sorted(features.parts):
            whole.update(f"{shape} {features.counts[shape]} ".encode() + features.parts[shape].tobytes())
        digest = whole.digest(length=self.parameters["bits"] // 8)
        return np.unpackbits(np.frombuffer(digest, np.uint8)).astype(np.bool_)

    def effective(self, features: Features) -> float:
        return M_EFF


def _words(numbers: NDArray[np.float32]) -> NDArray[np.float64]:
    """The digest of the numbers in row-major order, as float64 [WORDS] of 32-bit integers. -0 counts as 0."""
    digest = blake3(np.ascontiguousarray(numbers + np.float32(0)).tobytes()).digest(length=4 * WORDS)
    return np.frombuffer(digest, np.uint32).astype(np.float64)
