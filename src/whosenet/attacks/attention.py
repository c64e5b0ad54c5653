"""Attention layers, recognised by their projections: whose heads and channels may change places, scale or turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from whosenet.attacks.wiring import Flow

if TYPE_CHECKING:
    from torch import nn

    from whosenet.attacks.wiring_rules import Call

NAMES = (("q_proj", "k_proj", "v_proj", "o_proj"), ("q_proj", "k_proj", "v_proj", "out_proj"),
         ("query", "key", "value", "out"), ("query", "key", "value", "proj"), ("q", "k", "v", "o"),
         ("wq", "wk", "wv", "wo"), ("to_q", "to_k", "to_v", "to_out"))  # fmt: skip
COUNTS = ("num_heads", "n_heads", "heads", "num_attention_heads")
KV_COUNTS = ("num_kv_heads", "num_key_value_heads", "n_kv_heads")


@dataclass(frozen=True)
class Heads:
    """One attention: linear layers q [h * d, c], k [g * d, c], v [g * e, c], o [c, h * e]; g divides h."""

    module: nn.Module = field(repr=False)
    q: nn.Module = field(repr=False)
    k: nn.Module = field(repr=False)
    v: nn.Module = field(repr=False)
    o: nn.Module = field(repr=False)
    heads: int
    groups: int
    """Heads of keys and values; `heads // groups` query heads share one."""


def is_attention(module: nn.Module) -> bool:
    return heads_of(module) is not None


def heads_of(module: nn.Module) -> Heads | None:
    """The projections and the numbers of heads, if the module's names and shapes say what they are."""
    from torch import nn

    for names in NAMES:
        parts: list[Any] = [getattr(module, n, None) for n in names]
        if all(isinstance(p, nn.Linear) for p in parts):
            q, k, v, o = parts
            heads = _number(module, COUNTS, 0)
            found = Heads(module, q, k, v, o, heads, _number(module, KV_COUNTS, heads))
            return found if _fits(found) else None
    return None


def _fits(found: Heads) -> bool:
    """Whether the shapes are those of as many heads."""
    h, g = found.heads, found.groups
    if h < 1 or g < 1 or h % g or len(found.q.weight) % h or len(found.k.weight) % g or len(found.v.weight) % g:
        return False
    return bool(found.o.in_features * g == len(found.v.weight) * h)


def _number(module: nn.Module, names: tuple[str, ...], default: int) -> int:
    found = [getattr(module, n) for n in names if isinstance(getattr(module, n, None), int)]
    return int(found[0]) if found else default


def labelled(call: Call, module: nn.Module) -> Any:
    """The projections read what comes in; o makes new units. What is inside is kept apart, in `Wiring.heads`."""
    found = heads_of(module)
    flow = call.args[0] if call.args else None
    others = [a for a in (*call.args[1:], *call.named.values()) if isinstance(a, Flow) and a is not flow]
    if found is None or others or not hasattr(call.result, "ndim"):
        call.frozen()
        return None
    if isinstance(flow, Flow):
        for part in (found.q, found.k, found.v):
            call.w.place(part.weight, 1, flow.unit, ((flow.scale, -1),), "in")
    made = call.w.wire(len(found.o.weight), call.result.ndim - 1)
    call.w.place(found.o.weight, 0, made.unit, ((made.scale, 1),), "out")
    if found.o.bias is not None:
        call.w.place(found.o.bias, 0, made.unit, ((made.scale, 1),), "out")
    call.w.heads.append(found)
    return made
