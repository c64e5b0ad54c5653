"""Batch norm folded into the layer before it, as every exporter does; norm factors into the layers that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from whosenet.attacks.base import Attack, Context
from whosenet.attacks.folding import Pair, folded
from whosenet.attacks.rescale import scale_axis
from whosenet.attacks.same import answers, check_same
from whosenet.attacks.wiring import Wiring, traced, wiring
from whosenet.errors import UsageError
from whosenet.networks.images import Images
from whosenet.networks.spec import Spec

if TYPE_CHECKING:
    from torch import nn

_FACTORY = '''

PAIRS = {pairs}


def make():
    """The owner's network, the second layer of each pair folded into the first."""
    from whosenet.attacks.folding import folded

    return folded(owner(), PAIRS)
'''


class Fold(Attack):
    """Every batch norm that follows a convolution or a linear layer becomes part of it, and is gone.

    The factors of RMS and layer norms go into the layers that read them and are ones (or minus ones) afterwards.
    Source: Jacob et al., CVPR 2018 (folding), Ashkboos et al., SliceGPT, ICLR 2024 (norm factors). The answers stay
    the same up to rounding, which is checked on the images.
    """

    name = "fold"
    family = "laundering"
    changes_factory = True

    def _run(self, module: nn.Module, images: Images, context: Context) -> nn.Module:
        example, before = answers(module, images)
        pairs = _pairs(module)
        if not _fold_factors(wiring(module, example[:2])) and not pairs:
            raise UsageError(f"{type(module).__name__} has no batch norm behind a layer, and no norm before one")
        _fold(module, pairs)
        check_same(self.name, module, example, before)
        context.on_step(1, 1)
        return module

    def factory_source(self, spec: Spec, module: nn.Module) -> str:
        """The text of `make()` (see attacks/folder.py)."""
        from whosenet.attacks.folding import Gone

        return _FACTORY.format(pairs=tuple(m.pair for m in module.modules() if isinstance(m, Gone)))


def _pairs(module: nn.Module) -> list[Pair]:
    """(layer, batch norm) where the batch norm alone takes what the layer returns, by name; both are called once."""
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm

    graph = traced(module)
    called = [n.target for n in graph.nodes if n.op == "call_module"]
    found = []
    for node in graph.nodes:
        before: Any = node.args[0] if node.op == "call_module" and node.args else None
        if getattr(before, "op", None) != "call_module" or len(before.users) > 1:
            continue
        norm, layer = module.get_submodule(node.target), module.get_submodule(before.target)
        once = called.count(node.target) == called.count(before.target) == 1
        kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
        if once and isinstance(norm, _BatchNorm) and isinstance(layer, kinds) and norm.running_mean is not None:
            found.append((str(before.target), str(node.target)))
    return found


def _fold(module: nn.Module, pairs: list[Pair]) -> None:
    """Change weights and biases, in double precision, then take the batch norms out."""
    import torch

    values = {}
    for first, second in pairs:
        layer, norm = module.get_submodule(first), module.get_submodule(second)
        gain = (norm.running_var.double() + norm.eps).rsqrt() * (norm.weight.double() if norm.affine else 1.0)
        bias = layer.bias.double() if layer.bias is not None else 0.0
        shift = norm.bias.double() if norm.affine else 0.0
        values[first] = (gain, (bias - norm.running_mean.double()) * gain + shift)
    folded(module, pairs)
    with torch.no_grad():
        for first, (gain, bias) in values.items():
            layer = module.get_submodule(first)
            scale_axis(layer.weight, 0, gain.detach().numpy())
            layer.bias.copy_(bias)


def _fold_factors(found: Wiring) -> int:
    """Factors of RMS and layer norms to plus or minus one, wherever what reads them can take them; how many norms."""
    factor: dict[int, float] = {}
    norms = [p for p in found.places if p.role == "through" and p.tensor.ndim == 1 and p.powers]
    for place in norms:
        out = found.scales.roots(place.powers[0][0])
        sizes = place.tensor.detach().double().abs().numpy()
        if not found.scales.fixed(out).any() and (sizes > 0).all() and not set(out.tolist()) & set(factor):
            factor |= dict(zip(out.tolist(), (1 / sizes).tolist(), strict=True))
    for place in found.places:
        for ids, power in place.powers:
            times = np.array([factor.get(r, 1.0) ** power for r in found.scales.roots(ids).tolist()])
            scale_axis(place.tensor, place.axis, times)
    return len(factor)
