"""Inside an attention: values against outputs, queries against keys, by factors or by another basis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.attacks.attention import Heads
from whosenet.attacks.same import LARGEST, difference
from whosenet.attacks.wiring import Wiring

if TYPE_CHECKING:
    import torch
    from torch import nn

Matrix = NDArray[np.float64]
PAIRINGS = ("free", "halves", "neighbours", "head")
"""Which channels of a query share a factor: none; i and i + d/2, or 2i and 2i + 1 (rotary positions); all of them."""


def rescale_heads(module: nn.Module, found: Wiring, example: torch.Tensor, draws: np.random.Generator, most: float,
                  turn: bool) -> int:  # fmt: skip
    """Change every attention in place; returns how many there are."""
    for heads in found.heads:
        width = len(heads.v.weight) // heads.groups
        mixes = [_mix(draws, width, most, turn, "free") for _ in range(heads.groups)]
        _apply(heads.v, heads.groups, mixes)
        _apply_columns(heads, mixes)
    before = None
    for heads in found.heads:
        before = _answers(module, example) if before is None else before
        _queries(module, heads, example, before, draws, most, turn)
    return len(found.heads)


def _answers(module: nn.Module, example: torch.Tensor) -> torch.Tensor:
    import torch

    with torch.inference_mode():
        answers: torch.Tensor = module(example)
    return answers


def _queries(module: nn.Module, heads: Heads, example: torch.Tensor, before: torch.Tensor, draws: np.random.Generator,
             most: float, turn: bool) -> None:  # fmt: skip
    """The freest pairing that leaves the answers alone: no attribute says reliably how positions enter. None may."""
    width, share = len(heads.k.weight) // heads.groups, heads.heads // heads.groups
    kept = [t.detach().clone() for t in _tensors(heads)]
    for pairing in PAIRINGS if width % 2 == 0 else ("free", "head"):
        mixes = [_mix(draws, width, most, turn, pairing) for _ in range(heads.groups)]
        _apply(heads.k, heads.groups, mixes)
        _apply(heads.q, heads.heads, [_inverse(m).T for m in mixes for _ in range(share)])
        if difference(module, example, before) <= LARGEST:
            return
        for tensor, old in zip(_tensors(heads), kept, strict=True):
            tensor.data.copy_(old)


def _tensors(heads: Heads) -> list[torch.Tensor]:
    return [t for layer in (heads.q, heads.k) for t in (layer.weight, layer.bias) if t is not None]


def _mix(draws: np.random.Generator, width: int, most: float, turn: bool, pairing: str) -> Matrix:
    """float64 [d, d], invertible: factors, or with `turn` an orthogonal basis, that respect the pairing."""
    if pairing == "free":
        return _orthogonal(draws, width) if turn else np.diag(_factors(draws, width, most))
    if pairing == "head":
        return np.eye(width) * _factors(draws, 1, most)
    half = width // 2
    pairs = [(i, i + half) if pairing == "halves" else (2 * i, 2 * i + 1) for i in range(half)]
    mix = np.zeros((width, width))
    for (a, b), factor, angle in zip(
        pairs, _factors(draws, half, most), draws.uniform(0, 2 * np.pi, half), strict=True
    ):
        c, s = (np.cos(angle), np.sin(angle)) if turn else (factor, 0.0)
        mix[a, a] = mix[b, b] = c
        mix[a, b], mix[b, a] = -s, s
    return mix


def _inverse(mix: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(mix), np.float64)


def _factors(draws: np.random.Generator, count: int, most: float) -> Matrix:
    return np.asarray(np.exp(draws.uniform(-1, 1, count) * np.log(most)))


def _orthogonal(draws: np.random.Generator, width: int) -> Matrix:
    """Uniform over rotations and reflections (Mezzadri, 2007)."""
    q, r = np.linalg.qr(draws.standard_normal((width, width)))
    return np.asarray(q * np.sign(np.diag(r)))


def _apply(layer: nn.Module, parts: int, mixes: list[Matrix]) -> None:
    """Rows of each part of a projection, and its bias, through that part's matrix."""
    import torch

    mix = torch.from_numpy(np.stack(mixes))
    with torch.no_grad():
        for tensor in (layer.weight, layer.bias):
            if tensor is not None:
                rows = tensor.double().reshape(parts, mix.shape[1], -1)
                tensor.copy_((mix @ rows).reshape(tensor.shape))


def _apply_columns(heads: Heads, mixes: list[Matrix]) -> None:
    """What the output layer reads, back through the inverse of what its values went through."""
    import torch

    share = heads.heads // heads.groups
    back = torch.from_numpy(np.stack([_inverse(m) for m in mixes for _ in range(share)]))
    weight = heads.o.weight
    with torch.no_grad():
        columns = weight.double().reshape(len(weight), heads.heads, -1).permute(1, 0, 2)
        weight.copy_((columns @ back).permute(1, 0, 2).reshape(weight.shape))
