"""Attention's own symmetry: each head may turn the basis of its queries and keys, and of its values and outputs.

Only products stay: keys transposed times queries, outputs times values, summed over the heads. They are found by the
names that Llama, GPT, BERT, T5, ViT, diffusers and GGUF give; under other names the four matrices speak for themselves.
No weight tells how many heads share keys where queries are grouped: it is guessed as models have it, eight groups or
heads of a usual width. A wrong guess, as a change of names, costs these products and no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.weights.base import Tensor

ROLES = (
    ("q_proj", "k_proj", "v_proj", ("o_proj", "out_proj")),
    ("wq", "wk", "wv", ("wo",)),
    ("attn_q", "attn_k", "attn_v", ("attn_output",)),
    ("to_q", "to_k", "to_v", ("to_out.0", "to_out")),
    ("q_lin", "k_lin", "v_lin", ("out_lin",)),
    ("attention.self.query", "attention.self.key", "attention.self.value", ("attention.output.dense",)),
    ("SelfAttention.q", "SelfAttention.k", "SelfAttention.v", ("SelfAttention.o",)),
)
FUSED = (("c_attn", ("c_proj",)), ("attn_qkv", ("attn_output",)), ("in_proj_", ("out_proj.",)), ("qkv", ("proj",)),
         ("qkv_proj", ("o_proj",)), ("Wqkv", ("out_proj",)))  # fmt: skip
GROUPS, WIDTHS = 8, (64, 128, 96, 80, 256, 32, 16)
"""Usual numbers of groups and widths of heads, the likeliest first."""
WIDENING = re.compile(
    r"(?:^|[._/])(?:up_proj|gate_proj|fc1|c_fc|fc_in|lin1|wi(?:_[01])?|w1|w3|ffn_up|ffn_gate|intermediate\.dense)(?=[._/]|$)"
)
"""Layers that go from the residual stream to more units: they tell which way round matrices are stored."""
MAX_ELEMENTS, MAX_WIDTH = 1 << 26, 1 << 13
"""Of a tensor, and of the residual stream: a product has its square."""
Matrix = NDArray[Any]


@dataclass(frozen=True)
class Heads:
    """The tensors of one attention: queries, keys, values (or all three in one) and outputs, if found."""

    parts: tuple[Tensor, ...]
    out: Tensor | None


def attentions(tensors: Sequence[Tensor]) -> list[Heads]:
    """Every attention of a model that goes by usual names."""
    named = {t.name: t for t in tensors if len(t.shape) == 2 and t.trained and t.elements <= MAX_ELEMENTS}
    found = []
    for name, tensor in named.items():
        for q, k, v, outs in ROLES:
            parts = _siblings(named, name, q, (k, v))
            if parts:
                found.append(Heads((tensor, *parts), _out(named, name, q, outs)))
                break
        else:
            for fused, outs in FUSED:
                if _component(fused, name) and max(tensor.shape) == 3 * min(tensor.shape):
                    found.append(Heads((tensor,), _out(named, name, fused, outs)))
                    break
    return found


def _component(role: str, name: str) -> re.Match[str] | None:
    """The role as a whole part of a dotted name; roles that end in _ or . are beginnings of one."""
    end = "" if role.endswith(("_", ".")) else r"(?=[./]|$)"
    return re.search(rf"(?:^|[./]){re.escape(role)}{end}", name)


def _siblings(named: dict[str, Tensor], name: str, role: str, others: Sequence[str]) -> tuple[Tensor, ...]:
    spot = _component(role, name)
    if not spot:
        return ()
    lead = name[: spot.end() - len(role)]
    names = [lead + other + name[spot.end() :] for other in others]
    return tuple(named[n] for n in names) if all(n in named for n in names) else ()


def _out(named: dict[str, Tensor], name: str, role: str, outs: Sequence[str]) -> Tensor | None:
    return next((found[0] for out in outs if (found := _siblings(named, name, role, (out,)))), None)


def stored_turned(tensors: Sequence[Tensor]) -> bool:
    """Whether matrices are stored [in, out], which square ones do not show; [out, in] where nothing tells."""
    wide = [t.shape for t in tensors if len(t.shape) == 2 and WIDENING.search(t.name)]
    return sum(n < m for n, m in wide) > sum(n > m for n, m in wide)


def products(heads: Heads, turned: bool) -> Iterator[tuple[str, Matrix]]:
    """("qk" or "vo", product [width, width]). `turned`: which convention is meant where shapes leave it open."""
    arrays = [np.asarray(t.read()) for t in heads.parts]
    out = None if heads.out is None else np.asarray(heads.out.read())
    ways = [w for w in (turned, not turned) if _fits(_as_linear(arrays, out, w))]
    if not ways:
        return
    q, k, v, o = _as_linear(arrays, out, ways[0])
    each = len(k) if len(q) == len(k) else head_width(len(k))
    if each:
        yield "qk", k.T @ _grouped(q, len(k), each)
        if o is not None and o.shape[1] == len(q):
            yield "vo", _grouped(o.T, len(k), each).T @ v


def _fits(parts: tuple[Matrix, Matrix, Matrix, Matrix | None]) -> bool:
    q, k, v, _ = parts
    same = q.shape[1] == k.shape[1] == v.shape[1] <= MAX_WIDTH
    return same and len(k) == len(v) > 0 and len(q) % len(k) == 0


def head_width(rows: int) -> int:
    """The likely width of heads when keys have so many rows and queries more; 0 if none is usual."""
    if rows % GROUPS == 0 and rows // GROUPS in WIDTHS:
        return rows // GROUPS
    return next((w for w in WIDTHS if rows % w == 0 and rows > w), 0)


def _as_linear(arrays: list[Matrix], out: Matrix | None, turn: bool) -> tuple[Matrix, Matrix, Matrix, Matrix | None]:
    if turn:
        arrays, out = [a.T for a in arrays], None if out is None else out.T
    if len(arrays) == 1:
        if len(arrays[0]) < arrays[0].shape[1]:
            return arrays[0], arrays[0][:0], arrays[0], out  # the wrong way round
        third = len(arrays[0]) // 3
        arrays = [arrays[0][i * third : (i + 1) * third] for i in range(3)]
    return arrays[0], arrays[1], arrays[2], out


def _grouped(rows: Matrix, count: int, width: int) -> Matrix:
    """[heads * width, n] to [count, n]: heads that share keys and values added up."""
    if len(rows) == count:
        return rows
    return np.asarray(rows.reshape(count // width, -1, width, rows.shape[1]).sum(axis=1).reshape(count, -1))
