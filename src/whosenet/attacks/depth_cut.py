"""Depth cut: a stolen network with fewer layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from whosenet.attacks.base import Attack, Context
from whosenet.attacks.depth import Cut, Truncated, ended, skipped
from whosenet.attacks.layers import in_use, kinds
from whosenet.attacks.same import answers, difference
from whosenet.attacks.student import seed_for
from whosenet.attacks.tune import tune
from whosenet.attacks.wiring import TROUBLE
from whosenet.errors import UsageError
from whosenet.networks.images import Images, as_tensor
from whosenet.networks.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import nn

PARTS = ("auto", "blocks", "last")
FITTED_ON = 2000
_FACTORY = '''

SKIPPED, LAST, DROPPED, WIDTH, CLASSES = {skipped}, {last!r}, {dropped}, {width}, {classes}


def make():
    """The owner's network without these blocks, and up to this layer (if one is named) with another head."""
    from whosenet.attacks.depth import cut

    return cut(owner(), SKIPPED, LAST, DROPPED, WIDTH, CLASSES)
'''


class DepthCut(Attack):
    """Leave out whole blocks (those that are missed least), or end early under a new head; then maybe fine-tune.

    `blocks`: `count` modules that return what has the shape of what they took (residual blocks, transformer layers)
    are skipped, the least missed first; Source: Men et al., ShortGPT, 2024. `last`: the network ends before its last
    hidden layer that has weights, and the mean over places of what comes out goes into a linear head fitted to the
    images. `auto`: blocks where there are any. `epochs` of training all layers follow. The answers do change: the
    outcome tells the accuracy.
    """

    name = "depth-cut"
    family = "laundering"
    changes_factory = True

    def _run(self, module: nn.Module, images: Images, context: Context, *, part: str = "auto", count: int = 1,
             epochs: int = 1, lr: float = 0.01, batch: int = 128, augment: bool = True,
             flip: bool = True) -> nn.Module:  # fmt: skip
        if part not in PARTS or count < 1:
            raise UsageError(f"{self.name}: part is one of {', '.join(PARTS)} and count 1 or more, got {part} {count}")
        made = without_blocks(module, images, count) if part != "last" else None
        if made is None:
            if part == "blocks":
                raise UsageError(f"{type(module).__name__} has no {count} blocks that can be skipped; try part=last")
            made = without_last(module, images)
        if epochs:
            tune(made, images, Context(context.network, seed_for(self.name, context.seed), context.on_step),
                 epochs=epochs, lr=lr, batch=batch, augment=augment, flip=flip)  # fmt: skip
        return made

    def factory_source(self, spec: Spec, module: nn.Module) -> str:
        """The text of `make()` (see attacks/folder.py)."""
        inner = module.network if isinstance(module, Truncated) else module
        left = tuple(n for n, m in inner.named_modules() if isinstance(m, Cut))
        if not isinstance(module, Truncated):
            return _FACTORY.format(skipped=left, last=None, dropped=(), width=0, classes=0)
        shape = tuple(module.head.weight.shape)
        return _FACTORY.format(skipped=(), last=module.last, dropped=module.dropped, width=shape[1], classes=shape[0])


def without_blocks(module: nn.Module, images: Images, count: int) -> nn.Module | None:
    """The module with its least missed blocks skipped; None if it has not so many."""
    example, before = answers(module, images)
    for _ in range(count):
        tried = [(_missed(module, name, example, before), name) for name in _blocks(module, example)]
        tried = [t for t in tried if np.isfinite(t[0])]
        if not tried:
            return None
        skipped(module, [min(tried)[1]])
    return module


def _missed(module: nn.Module, name: str, example: torch.Tensor, before: torch.Tensor) -> float:
    """How much the answers change without a block; infinite if it cannot be left out."""
    place, _, leaf = name.rpartition(".")
    parent, block = module.get_submodule(place), module.get_submodule(name)
    skipped(module, [name])
    try:
        return difference(module, example, before)
    except TROUBLE:
        return float("inf")
    finally:
        setattr(parent, leaf, block)


def _blocks(module: nn.Module, example: torch.Tensor) -> list[str]:
    """Outermost modules with parts and weights of their own whose result has the shape of their only input."""
    import torch

    found: list[str] = []
    shapes: dict[str, bool] = {}

    def note(name: str, inputs: tuple[object, ...], output: object) -> None:
        fits = len(inputs) == 1 and isinstance(output, torch.Tensor) and isinstance(inputs[0], torch.Tensor)
        shapes[name] = fits and inputs[0].shape == output.shape and name not in shapes  # type: ignore[attr-defined]

    hooks = [m.register_forward_hook(lambda _m, i, o, n=n: note(n, i, o)) for n, m in module.named_modules() if n]
    try:
        with torch.inference_mode():
            module(example[:2])
    finally:
        for hook in hooks:
            hook.remove()
    for name, part in module.named_modules():
        inside = any(name.startswith(f + ".") for f in found)
        heavy = any(isinstance(m, kinds()) for m in part.modules()) and not isinstance(part, kinds())
        if shapes.get(name) and heavy and not inside:
            found.append(name)
    return found


def without_last(module: nn.Module, images: Images) -> nn.Module:
    """The module up to its last but one hidden layer with weights, under a head fitted by ridge regression."""
    import torch

    layers, names = in_use(module, images), {m: n for n, m in module.named_modules()}
    if len(layers) < 3:
        raise UsageError(f"{type(module).__name__} has {len(layers)} layers in use; three are needed to leave one out")
    example, last = as_tensor(images.x[:2]), names[layers[-3]]
    with torch.inference_mode():
        classes = module(example).shape[1]
        dropped = _after(module, last, example)
        width = Truncated(module, last, (), 1, classes).features(example).shape[1]
    made = ended(module, last, dropped, width, classes).eval()
    some = images.take(np.arange(min(FITTED_ON, len(images))))
    with torch.inference_mode():
        parts = [made.features(as_tensor(some.x[i : i + 256])) for i in range(0, len(some), 256)]
        _fit_head(made.head, torch.cat(parts).double(), torch.from_numpy(some.y))
    return made


def _after(module: nn.Module, last: str, example: torch.Tensor) -> tuple[str, ...]:
    """Names of modules with weights of their own that do not run before `last` has."""
    ran: set[str] = set()
    heavy = [n for n, m in module.named_modules() if n and (m._parameters or m._buffers)]
    hooks = [module.get_submodule(n).register_forward_pre_hook(lambda _m, _i, n=n: ran.add(n)) for n in heavy]
    try:
        Truncated(module, last, (), 1, 1).features(example)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(n for n in heavy if n not in ran)


def _fit_head(head: nn.Module, features: torch.Tensor, labels: torch.Tensor) -> None:
    """Ridge regression to plus and minus a logit of 3, on standardised features."""
    import torch

    mean, spread = features.mean(0), features.std(0).clamp_min(1e-6)
    x = (features - mean) / spread
    target = torch.nn.functional.one_hot(labels, head.out_features).double() * 6 - 3
    ridge = 0.01 * len(x) * torch.eye(x.shape[1], dtype=torch.float64)
    weight = torch.linalg.solve(x.T @ x + ridge, x.T @ (target - target.mean(0))).T / spread
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(target.mean(0) - weight @ mean)
