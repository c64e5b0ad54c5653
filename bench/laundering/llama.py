"""A small Llama: RMS norms, rotary positions, grouped queries, SwiGLU; bytes in, the next byte out.

It takes bytes as an image, float32 [n, 1, t, 1] in 0..1, and answers with the logits [n, 256] of the byte that follows,
so that every attack on image classifiers runs on it as it is. Names are those of Hugging Face's Llama.
"""

import torch
from torch import nn
from torch.nn import functional as F

VOCABULARY, CONTEXT = 256, 64


class RMSNorm(nn.Module):
    """Zhang and Sennrich, NeurIPS 2019."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Attention(nn.Module):
    """Causal, `num_heads` query heads that share `num_kv_heads` keys and values (Ainslie et al., EMNLP 2023)."""

    def __init__(self, width: int, num_heads: int, num_kv_heads: int) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads, self.head_dim = num_heads, num_kv_heads, width // num_heads
        self.rotary = True
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, num_kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(width, num_kv_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, width = x.shape
        q, k, v = (p(x).view(n, t, -1, self.head_dim).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        share = self.num_heads // self.num_kv_heads
        k, v = (z.repeat_interleave(share, 1) for z in (turned(k), v))
        mixed = F.scaled_dot_product_attention(turned(q), k, v, is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).reshape(n, t, width))


def turned(x: torch.Tensor) -> torch.Tensor:
    """Rotary positions (Su et al., 2021), a pair being the places i and i + d/2, as in Hugging Face's Llama."""
    half = x.shape[-1] // 2
    rates = 10_000 ** (-torch.arange(half, dtype=torch.float32) / half)
    angles = torch.arange(x.shape[-2], dtype=torch.float32)[:, None] * rates
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class MLP(nn.Module):
    """SwiGLU (Shazeer, 2020)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, kv: int, hidden: int) -> None:
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(width), RMSNorm(width)
        self.self_attn = Attention(width, heads, kv)
        self.mlp = MLP(width, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    def __init__(self, width: int = 128, layers: int = 4, heads: int = 4, kv: int = 2, hidden: int = 344) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCABULARY, width)
        self.layers = nn.ModuleList(Layer(width, heads, kv, hidden) for _ in range(layers))
        self.norm = RMSNorm(width)
        self.lm_head = nn.Linear(width, VOCABULARY, bias=False)

    def every(self, tokens: torch.Tensor) -> torch.Tensor:
        """int64 [n, t] -> logits [n, t, 256] of the next byte at every place."""
        x = self.embed_tokens(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(self.norm(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.every((x.flatten(1) * 255).round().long())[:, -1]


def llama() -> Llama:
    """Weights as Llama starts: normal with a spread of 0.02."""
    net = Llama()
    for p in net.parameters():
        if p.ndim > 1:
            nn.init.normal_(p, std=0.02)
    return net
