"""Edits of the weights alone: noise, pruning, quantisation, casts, folding, re-saving.

Each function changes `net` in place and is deterministic for a seeded generator. `registry.py` lists them all.
"""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bench.population.nets import Classifier

State = dict[str, torch.Tensor]


def kernels(net: nn.Module) -> list[nn.Parameter]:
    """Convolution kernels and dense matrices: what pruning and quantisation act on."""
    return [p for p in net.parameters() if p.ndim >= 2]


@torch.no_grad()
def noise(net: nn.Module, generator: torch.Generator, *, fraction: float) -> None:
    """Add Gaussian noise of `fraction` of each parameter tensor's standard deviation."""
    for p in net.parameters():
        p += torch.randn(p.shape, generator=generator) * (fraction * p.std(unbiased=False))


@torch.no_grad()
def prune_layers(net: nn.Module, *, fraction: float) -> None:
    """Zero the smallest `fraction` of every kernel."""
    for p in kernels(net):
        p[p.abs() <= _quantile(p.abs().flatten(), fraction)] = 0


@torch.no_grad()
def prune_global(net: nn.Module, *, fraction: float) -> None:
    """Zero the smallest `fraction` of all kernels pooled."""
    threshold = _quantile(torch.cat([p.abs().flatten() for p in kernels(net)]), fraction)
    for p in kernels(net):
        p[p.abs() <= threshold] = 0


def _quantile(values: torch.Tensor, fraction: float) -> torch.Tensor:
    return values.kthvalue(max(1, int(fraction * len(values)))).values


@torch.no_grad()
def quantise(net: nn.Module, *, bits: int, per_channel: bool) -> None:
    """Symmetric rounding to `bits`, one scale a tensor or an output channel, stored de-quantised in float32."""
    top = 2 ** (bits - 1) - 1
    for p in kernels(net):
        largest = p.abs().flatten(1).amax(1) if per_channel else p.abs().amax().expand(len(p))
        scale = (largest / top).clamp_min(1e-12).view(-1, *[1] * (p.ndim - 1))
        p.copy_((p / scale).round().clamp(-top, top) * scale)


@torch.no_grad()
def cast(net: nn.Module, *, dtype: torch.dtype) -> None:
    """Round every parameter and buffer as `dtype` would; the file is written in that dtype by the registry."""
    for t in [*net.parameters(), *net.buffers()]:
        if t.is_floating_point():
            t.copy_(t.to(dtype).float())


@torch.no_grad()
def shrink(net: nn.Module, *, factor: float, clip: float) -> None:
    """Scale every kernel, and clip its largest `clip` of magnitudes."""
    for p in kernels(net):
        top = _quantile(p.abs().flatten(), 1 - clip)
        p.copy_(p.clamp(-top, top) * factor)


def new_head(net: Classifier, classes: int, generator: torch.Generator) -> None:
    """A fresh dense head (PyTorch's default bounds); the backbone is untouched."""
    head = nn.Linear(net.head.in_features, classes)
    bound = net.head.in_features**-0.5
    for p in head.parameters():
        p.data = (torch.rand(p.shape, generator=generator) * 2 - 1) * bound
    net.head = head


@torch.no_grad()
def low_rank(net: nn.Module, tuned: State, *, rank: int) -> None:
    """Merge the best rank-`rank` part of a fine-tuning step, kernel by kernel: what a merged LoRA adapter leaves."""
    for name, p in net.named_parameters():
        if p.ndim < 2:
            continue
        u, s, v = torch.linalg.svd((tuned[name] - p).flatten(1), full_matrices=False)
        p += ((u[:, :rank] * s[:rank]) @ v[:rank]).view(p.shape)


@torch.no_grad()
def average(net: nn.Module, other: State) -> None:
    """Half and half with another state, batch norm statistics included."""
    for name, t in net.state_dict().items():
        if t.is_floating_point():
            t.copy_((t + other[name]) / 2)


def fold(net: nn.Module) -> int:
    """Merge every batch norm that follows a convolution into it; returns how many."""
    pairs = [m for m in net.modules() if isinstance(m, nn.Sequential) and _is_conv_bn(m)]
    for pair in pairs:
        pair[0], pair[1] = fuse_conv_bn_eval(pair[0].eval(), pair[1].eval()), nn.Identity()
    return len(pairs)


def _is_conv_bn(m: nn.Sequential) -> bool:
    return len(m) == 2 and isinstance(m[0], nn.Conv2d) and isinstance(m[1], nn.BatchNorm2d)


@torch.no_grad()
def rescale(net: Classifier, generator: torch.Generator) -> None:
    """Multiply each hidden unit's row by a factor of 0.5-2 and divide the next layer's column by it (ReLU chains)."""
    chain = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer, after in zip(chain, chain[1:], strict=False):
        factor = torch.exp2(torch.rand(len(layer.weight), generator=generator) * 2 - 1)
        assert layer.bias is not None
        layer.bias *= factor
        layer.weight *= factor.view(-1, *[1] * (layer.weight.ndim - 1))
        # a dense layer after a convolution sees each channel h * w times
        columns = factor.repeat_interleave(after.weight.shape[1] // len(factor))
        after.weight /= columns.view(1, -1, *[1] * (after.weight.ndim - 2))


def resave(state: State, generator: torch.Generator) -> State:
    """Other names, other order, kernels as HWIO and dense matrices as [in, out], as TensorFlow stores them."""
    ranks = torch.randperm(len(state), generator=generator).tolist()
    return {f"v{rank:03d}": _transposed(t) for rank, t in zip(ranks, state.values(), strict=True)}


def _transposed(t: torch.Tensor) -> torch.Tensor:
    if t.ndim == 4:
        return t.permute(2, 3, 1, 0).contiguous()
    return t.t().contiguous() if t.ndim == 2 else t
