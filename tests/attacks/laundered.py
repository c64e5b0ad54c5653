"""Networks with every kind of wiring that laundering must follow, with batch norms that do something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from whosenet import registry
from whosenet.attacks.base import Outcome
from whosenet.networks.images import Images
from whosenet.networks.predict import logits
from whosenet.networks.spec import Network, Spec, digest_of


class Plain(nn.Module):
    """Flattened behind a convolution, so that one unit is many columns."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, 2, 1)
        self.first, self.head = nn.Linear(6 * 16, 20), nn.Linear(20, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.relu(self.first(F.max_pool2d(F.relu(self.conv(x)), 2).flatten(1))))


class Block(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(inside, outside, 3, 1, 1, bias=False), nn.BatchNorm2d(outside)
        self.second = nn.Sequential(nn.Conv2d(outside, outside, 3, 1, 1), nn.BatchNorm2d(outside))
        self.short = nn.Identity() if inside == outside else nn.Conv2d(inside, outside, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.second(F.relu(self.norm(self.first(x)))) + self.short(x))


class Residual(nn.Module):
    """Two blocks on one stream, one that widens it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, 2, 1)
        self.blocks = nn.Sequential(Block(6, 6), Block(6, 6), Block(6, 10))
        self.head = nn.Linear(10, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Dense(nn.Module):
    """Concatenation, and a batch norm before the convolution that reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.grow = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 5, 3, 1, 1)
        self.norm, self.last = nn.BatchNorm2d(11), nn.Conv2d(11, 8, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = torch.cat([x, self.grow(F.relu(x))], 1)
        return self.head(F.adaptive_avg_pool2d(self.last(F.relu(self.norm(x))), 1).flatten(1))


class Mobile(nn.Module):
    """Depthwise, with an activation that does not pass on factors."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(3, 12, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU6())
        self.depth = nn.Sequential(
            nn.Conv2d(12, 12, 3, 2, 1, groups=12, bias=False), nn.BatchNorm2d(12), nn.Hardswish()
        )
        self.head = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.depth(self.expand(x)).mean((2, 3)))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, groups: int, rotary: bool) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads, self.rotary = heads, groups, rotary
        self.q_proj, self.o_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.k_proj, self.v_proj = (nn.Linear(width, width // heads * groups) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, width = x.shape
        q, k, v = (p(x).view(n, t, -1, width // self.num_heads).transpose(1, 2)
                   for p in (self.q_proj, self.k_proj, self.v_proj))  # fmt: skip
        if self.rotary:
            q, k = turned(q), turned(k)
        k, v = (z.repeat_interleave(self.num_heads // self.num_kv_heads, 1) for z in (k, v))
        return self.o_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, width))


def turned(x: torch.Tensor) -> torch.Tensor:
    """Rotary positions, a pair being i and i + d/2."""
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2])[:, None] * 3.0 ** -torch.arange(half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1)


class Vision(nn.Module):
    """Patches, a class token, learned positions, layer norms, GELU."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, width)), nn.Parameter(torch.randn(1, 17, width))
        self.norm1, self.norm2, self.last = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, 4, 4, rotary=False)
        self.mlp = nn.Sequential(nn.Linear(width, 24), nn.GELU(), nn.Linear(24, width))
        self.head = nn.Linear(width, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        x = x + self.attention(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return self.head(self.last(x)[:, 0])


class RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Llama(nn.Module):
    """The pixels of the first channel are its tokens; grouped rotary attention, SwiGLU, the table is also the head."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.embed = nn.Embedding(256, width)
        self.norm1, self.norm2, self.last = RMSNorm(width), RMSNorm(width), RMSNorm(width)
        self.attention = Attention(width, 4, 2, rotary=True)
        self.gate, self.up, self.down = (nn.Linear(*s, bias=False) for s in ((width, 24), (width, 24), (24, width)))
        self.head = nn.Linear(width, 256, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed((x[:, 0, ::4, ::4].flatten(1) * 255).round().long())
        x = x + self.attention(self.norm1(x))
        y = self.norm2(x)
        x = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return self.head(self.last(x)[:, -1])


NETS: dict[str, Callable[[], nn.Module]] = {"plain": Plain, "residual": Residual, "dense": Dense, "mobile": Mobile,
                                            "vision": Vision, "llama": Llama}  # fmt: skip
PIXELS = Images(np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3)).astype(np.uint8), np.arange(40) % 4)


def network(kind: str) -> Network:
    """A net with its own random weights; norms are no identities."""
    torch.manual_seed(3)
    net = NETS[kind]()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.3), m.running_var.uniform_(0.5, 2)
        if isinstance(m, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(m.weight, 0.5, 2), nn.init.normal_(m.bias, 0, 0.3)
    net.eval()
    return Network(net, digest_of(net), Spec("tests.attacks.laundered", kind, None), NETS[kind])


def launder(name: str, kind: str, *, seed: int = 0, **parameters: Any) -> Outcome:
    outcome: Outcome = registry.load("attack", name)(**parameters).run(
        network(kind), PIXELS, seed=seed, held_out=PIXELS
    )
    return outcome


def change(kind: str, outcome: Outcome) -> float:
    """Largest change of a logit, as a share of the logits' spread."""
    before, after = logits(network(kind).module, PIXELS.x), logits(outcome.module, PIXELS.x)
    return float(np.abs(after - before).max() / before.std())


def untouched(kind: str, outcome: Outcome) -> list[str]:
    """Names of matrices and kernels that are as they were."""
    before, after = network(kind).module.state_dict(), outcome.module.state_dict()
    return [n for n, t in before.items() if t.ndim > 1 and n in after and torch.equal(t, after[n])]
