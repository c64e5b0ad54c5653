"""Hidden units in another order: the network is the same, every tensor is another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.attacks.atoms import Ids
from whosenet.attacks.attention import Heads
from whosenet.attacks.base import Attack, Context
from whosenet.attacks.same import answers, check_same
from whosenet.attacks.wiring import Wiring, wiring
from whosenet.errors import UsageError
from whosenet.networks.images import Images

if TYPE_CHECKING:
    import torch
    from torch import nn

Order = NDArray[np.int64]


class Permute(Attack):
    """Hidden channels, MLP units, attention heads and residual streams in a random order, consistently everywhere.

    Source: permutation symmetry (Hecht-Nielsen, 1990; Ainsworth et al., Git Re-Basin, ICLR 2023). A `share` of the
    units (0..1) moves. The answers stay the same up to the order of additions, which is checked on the images.
    """

    name = "permute"
    family = "laundering"

    def _run(self, module: nn.Module, images: Images, context: Context, *, share: float = 1.0) -> nn.Module:
        if not 0 < share <= 1:
            raise UsageError(f"{self.name}: share lies in 0..1 and above 0, got {share}")
        example, before = answers(module, images)
        permute(module, wiring(module, example[:2]), np.random.default_rng(context.seed), share)
        check_same(self.name, module, example, before)
        context.on_step(1, 1)
        return module


def permute(module: nn.Module, found: Wiring, draws: np.random.Generator, share: float = 1.0) -> int:
    """Shuffle `module` in place; returns how many units could move. Raises UsageError if none can."""
    groups = found.groups()
    new: dict[int, int] = {}
    for group in groups:
        some = draws.permutation(group)[: max(2, round(share * len(group)))]
        new |= dict(zip(some.tolist(), draws.permutation(some).tolist(), strict=True))
    moving = len(new)
    for place in found.places:
        units = found.units.roots(place.unit)
        _move(place.tensor, place.axis, _source(units, new))
    for heads in found.heads:
        moving += heads.heads
        _permute_heads(heads, draws)
    if not moving:
        raise UsageError(f"{type(module).__name__} has no hidden units that may change places")
    return moving


def _source(units: Ids, new: dict[int, int]) -> Order:
    """int64 [n]: at each position, where its new content was; the k-th entry of a unit comes from the other's k-th."""
    places: dict[int, list[int]] = {}
    for at, unit in enumerate(units.tolist()):
        places.setdefault(unit, []).append(at)
    source = np.arange(len(units))
    for unit, positions in places.items():
        source[positions] = places[new.get(unit, unit)]
    return source


def _move(tensor: torch.Tensor, axis: int, source: Order) -> None:
    import torch

    with torch.no_grad():
        tensor.copy_(tensor.index_select(axis, torch.from_numpy(source)))


def _permute_heads(heads: Heads, draws: np.random.Generator) -> None:
    """Groups, query heads within each, and the channels of each group's values, wherever the values are used."""
    share, width = heads.heads // heads.groups, len(heads.v.weight) // heads.groups
    groups = draws.permutation(heads.groups)
    queries = np.concatenate([g * share + draws.permutation(share) for g in groups])
    inside = {int(g): draws.permutation(width) for g in groups}
    values = np.concatenate([g * width + inside[int(g)] for g in groups])
    back = np.concatenate([h * width + inside[int(h) // share] for h in queries])
    rows_q = _rows(queries, len(heads.q.weight) // heads.heads)
    rows_k = _rows(groups, len(heads.k.weight) // heads.groups)
    for layer, source in ((heads.q, rows_q), (heads.k, rows_k), (heads.v, values)):
        _move(layer.weight, 0, source)
        if layer.bias is not None:
            _move(layer.bias, 0, source)
    _move(heads.o.weight, 1, back)


def _rows(order: Order, width: int) -> Order:
    return np.asarray((order[:, None] * width + np.arange(width)).ravel(), np.int64)
