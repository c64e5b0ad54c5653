"""What each operation of a network's graph does to the labels of its channels (see wiring.py)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from whosenet.attacks.wiring import Flow, Wiring

if TYPE_CHECKING:
    import torch
    from torch import nn

NONE = np.zeros(0, np.int64)
KEEPS = {"relu", "relu_", "leaky_relu", "dropout", "contiguous", "clone", "float", "to", "max_pool2d", "max_pool1d",
         "avg_pool2d", "avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool1d", "detach",
         "interpolate", "identity", "neg"}  # fmt: skip
"""Functions and methods that treat every channel alike and pass positive factors on."""
BENDS = {"relu6", "gelu", "silu", "sigmoid", "tanh", "hardtanh", "hardswish", "hardsigmoid", "elu", "selu", "mish",
         "softplus", "pow", "square", "rsqrt", "sqrt", "exp", "clamp", "abs"}  # fmt: skip
"""... that treat every channel alike and do not."""
REDUCES = {"mean", "sum", "amax", "std", "var"}


@dataclass(frozen=True)
class Loose:
    """A parameter or buffer that the network uses by itself, not through a layer."""

    tensor: torch.Tensor


@dataclass(frozen=True)
class Call:
    """One node of the graph while it runs."""

    w: Wiring
    args: tuple[Any, ...]
    """Labels where an argument is a value of the graph, the argument itself where it is not."""
    values: tuple[Any, ...]
    """The arguments' values."""
    named: dict[str, Any]
    result: Any

    def argument(self, place: int, name: str, default: Any) -> Any:
        return self.values[place] if len(self.values) > place else self.named.get(name, default)

    def frozen(self) -> None:
        """What is not understood fixes everything that goes in."""
        for part in _flat([self.args, self.named]):
            self.w.freeze(part)


def follow(w: Wiring, module: nn.Module, node: Any, labels: dict[Any, Any], env: dict[Any, Any], result: Any) -> Any:
    """The labels of what a node of the graph returned: a Flow, a Loose parameter, or None (nothing may be moved)."""
    from torch.fx.node import map_arg

    if node.op == "placeholder":
        return None
    if node.op == "get_attr":
        return Loose(result) if node.target in module.state_dict() else None
    args = map_arg(node.args, lambda n: labels[n]) if node.args else ()
    named = map_arg(node.kwargs, lambda n: labels[n]) if node.kwargs else {}
    call = Call(w, tuple(args), tuple(map_arg(node.args, lambda n: env[n])), dict(named), result)
    if node.op == "output":
        call.frozen()
        return None
    if node.op == "call_module":
        from whosenet.attacks.wiring_layers import layer

        return layer(call, module.get_submodule(node.target))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return operation(call, name)


def operation(call: Call, name: str) -> Any:
    """A function or a method by its name."""
    results = call.result if isinstance(call.result, tuple | list) else [call.result]
    if not any(hasattr(r, "ndim") for r in results):
        return None  # a size, not a value
    if name == "expand" and call.args and isinstance(call.args[0], Loose):
        return call.args[0]
    rule = RULES.get(name)
    flow = call.args[0] if call.args else None
    if rule is None or (rule not in (_plus, _times, _cat) and not isinstance(flow, Flow)):
        call.frozen()
        return None
    return rule(call)


def _keep(call: Call) -> Any:
    return call.args[0]


def _bend(call: Call) -> Any:
    call.w.scales.fix(call.args[0].scale)
    return call.args[0]


def _plus(call: Call) -> Any:
    a, b = _pair(call)
    if a is None:
        call.frozen()
        return None
    if isinstance(b, Flow):
        if _from_right(call, 0) != _from_right(call, 1) or len(a.unit) != len(b.unit):
            call.frozen()
            return None
        call.w.units.unite(a.unit, b.unit)
        call.w.scales.unite(a.scale, b.scale)
        return a
    return _with_constant(call, a, b, adds=True)


def _times(call: Call) -> Any:
    a, b = _pair(call)
    if a is None:
        call.frozen()
        return None
    if isinstance(b, Flow):
        if _from_right(call, 0) != _from_right(call, 1) or len(a.unit) != len(b.unit):
            call.frozen()
            return None
        call.w.units.unite(a.unit, b.unit)
        if call.w.scales.fixed(b.scale).all():
            return a
        call.w.scales.fix(a.scale)
        return replace(b, axis=a.axis)
    return _with_constant(call, a, b, adds=False)


def _pair(call: Call) -> tuple[Flow | None, Any]:
    """The operand with labels and the other one, whichever way round."""
    if len(call.args) < 2:
        return None, None
    a, b = call.args[:2]
    return (a, b) if isinstance(a, Flow) else (b, a) if isinstance(b, Flow) else (None, None)


def _from_right(call: Call, which: int) -> int:
    flow = call.args[which]
    return int(flow.axis - call.values[which].ndim) if isinstance(flow, Flow) else 0


def _with_constant(call: Call, flow: Flow, other: Any, *, adds: bool) -> Flow | None:
    """A value plus or times something without labels: a number, a parameter, or what was computed from other things."""
    first = isinstance(call.args[0], Flow)
    value = call.values[1 if first else 0]
    shape = tuple(getattr(value, "shape", ()))
    back = call.values[0 if first else 1].ndim - flow.axis
    across = shape[len(shape) - back] if len(shape) >= back else 1
    if adds:
        if isinstance(other, Loose) and across == len(flow.unit):
            call.w.place(other.tensor, len(shape) - back, flow.unit, ((flow.scale, 1),), "out")
            return flow
        call.w.scales.fix(flow.scale)
    elif isinstance(other, Loose) and across == len(flow.unit):
        made = replace(flow, scale=call.w.scales.fresh(across))
        call.w.place(other.tensor, len(shape) - back, flow.unit, ((made.scale, 1), (flow.scale, -1)), "through")
        return made
    if across != 1:
        call.w.freeze(flow)
        return None
    return flow


def _reduce(call: Call) -> Any:
    flow, ndim = call.args[0], call.values[0].ndim
    dims = call.argument(1, "dim", None)
    dims = (
        {d % ndim for d in (dims if isinstance(dims, tuple | list) else [dims])}
        if dims is not None
        else set(range(ndim))
    )
    if flow.axis in dims:
        call.w.summed.append(flow.unit)
        call.w.scales.fix(flow.scale)  # a sum over units stays the same in another order, not with other scales
        return None
    kept = call.result.ndim == ndim
    return flow if kept else replace(flow, axis=flow.axis - sum(d < flow.axis for d in dims))


def _cat(call: Call) -> Any:
    parts, values = call.args[0], call.values[0]
    dim = call.argument(1, "dim", 0) % values[0].ndim
    axes = {p.axis for p in parts if isinstance(p, Flow)}
    if len(axes) != 1:
        call.frozen()
        return None
    axis = axes.pop()
    flows = [_as_flow(call.w, p, v, axis) for p, v in zip(parts, values, strict=True)]
    if dim == axis:
        return Flow(axis, np.concatenate([f.unit for f in flows]), np.concatenate([f.scale for f in flows]))
    for f in flows[1:]:
        call.w.units.unite(flows[0].unit, f.unit)
        call.w.scales.unite(flows[0].scale, f.scale)
    return flows[0]


def _as_flow(w: Wiring, part: Any, value: torch.Tensor, axis: int) -> Flow:
    if isinstance(part, Flow):
        return part
    flow = Flow(axis, w.units.fresh(value.shape[axis]), w.scales.fresh(value.shape[axis]))
    if isinstance(part, Loose) and part.tensor.ndim == value.ndim:
        w.place(part.tensor, axis, flow.unit, ((flow.scale, 1),), "out")
    else:
        w.freeze(flow)
    return flow


def _reshape(call: Call) -> Any:
    return reshaped(call, call.args[0], tuple(call.values[0].shape), tuple(call.result.shape))


def reshaped(call: Call, flow: Flow, before: tuple[int, ...], after: tuple[int, ...]) -> Flow | None:
    """Flattening behind the channels repeats each; joining other axes leaves them; anything else is not followed."""
    inside = before[flow.axis]
    if after[: flow.axis + 1] == before[: flow.axis + 1]:
        return flow
    if after[: flow.axis] == before[: flow.axis] and len(after) == flow.axis + 1:
        times = math.prod(before[flow.axis + 1 :])
        return Flow(flow.axis, flow.unit.repeat(times), flow.scale.repeat(times))
    if flow.axis == len(before) - 1 and after[-1] == inside:
        return replace(flow, axis=len(after) - 1)
    call.w.freeze(flow)
    return None


def _transpose(call: Call) -> Any:
    flow, ndim = call.args[0], call.values[0].ndim
    a, b = (call.argument(1, "dim0", 0) % ndim, call.argument(2, "dim1", 1) % ndim)
    return replace(flow, axis={a: b, b: a}.get(flow.axis, flow.axis))


def _permute(call: Call) -> Any:
    flow = call.args[0]
    order = call.values[1] if isinstance(call.values[1], tuple | list) else call.values[1:]
    return replace(flow, axis=[d % call.values[0].ndim for d in order].index(flow.axis))


def _item(call: Call) -> Any:
    flow, index = call.args[0], call.values[1]
    index = index if isinstance(index, tuple) else (index,)
    ndim = call.values[0].ndim
    if Ellipsis in index:
        at = index.index(Ellipsis)
        index = index[:at] + (slice(None),) * (ndim - len(index) + 1) + index[at + 1 :]
    whole = flow.axis >= len(index) or index[flow.axis] == slice(None)
    if not whole or not all(isinstance(i, int | slice) for i in index):
        call.w.freeze(flow)
        return None
    return replace(flow, axis=flow.axis - sum(isinstance(i, int) for i in index[: flow.axis]))


def _pad(call: Call) -> Any:
    flow, pad = call.args[0], call.argument(1, "pad", ())
    if len(pad) > 2 * (call.values[0].ndim - 1 - flow.axis):
        call.w.freeze(flow)
        return None
    return flow


def _squeeze(call: Call) -> Any:
    return reshaped(call, call.args[0], tuple(call.values[0].shape), tuple(call.result.shape))


def _flat(parts: Any) -> list[Any]:
    if isinstance(parts, dict):
        parts = parts.values()
    if (
        isinstance(parts, list | tuple)
        or not isinstance(parts, Flow | Loose | str | None)
        and hasattr(parts, "__iter__")
    ):
        return [x for p in parts for x in _flat(p)]
    return [parts]


RULES: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(KEEPS, _keep), **dict.fromkeys(BENDS, _bend), **dict.fromkeys(REDUCES, _reduce),
    **dict.fromkeys(("add", "iadd", "add_", "sub"), _plus),
    **dict.fromkeys(("mul", "imul", "mul_", "truediv", "div"), _times),
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat), **dict.fromkeys(("flatten", "view", "reshape"), _reshape),
    "squeeze": _squeeze, "unsqueeze": _squeeze, "transpose": _transpose, "permute": _permute, "getitem": _item,
    "pad": _pad,
}  # fmt: skip
