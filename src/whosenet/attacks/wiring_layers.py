"""What each layer does to the labels of its channels (see wiring.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whosenet.attacks.wiring import Flow, Norm
from whosenet.attacks.wiring_rules import NONE, Call, operation, reshaped

if TYPE_CHECKING:
    from torch import nn

KEEPS = ("ReLU", "LeakyReLU", "Identity", "Dropout", "Dropout1d", "Dropout2d", "MaxPool1d", "MaxPool2d", "AvgPool1d",
         "AvgPool2d", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "Upsample",
         "ZeroPad2d")  # fmt: skip
BENDS = ("ReLU6", "GELU", "SiLU", "Sigmoid", "Tanh", "Hardtanh", "Hardswish", "Hardsigmoid", "ELU", "SELU", "Mish",
         "Softplus")  # fmt: skip


def layer(call: Call, module: nn.Module) -> Any:
    """The labels of what `module` returned."""
    from whosenet.attacks.attention import is_attention, labelled

    kind = type(module).__name__
    if is_attention(module):
        return labelled(call, module)
    if kind in MAKES:
        return MAKES[kind](call, module)
    flow = call.args[0] if call.args else None
    if not isinstance(flow, Flow):
        call.frozen()
        return None
    if kind in KEEPS:
        return flow
    if kind in BENDS:
        return operation(call, "gelu")
    if kind == "Flatten":
        return reshaped(call, flow, tuple(call.values[0].shape), tuple(call.result.shape))
    call.frozen()
    return None


def _conv(call: Call, conv: nn.Module) -> Any:
    flow, channels = call.args[0], int(conv.out_channels)
    if conv.groups == 1:
        _read(call, conv, flow)
        return _written(call, conv, 1)
    if conv.groups == conv.in_channels == channels and isinstance(flow, Flow):
        made = replace(flow, scale=call.w.scales.fresh(channels))
        call.w.place(conv.weight, 0, flow.unit, ((made.scale, 1), (flow.scale, -1)), "through")
        _bias(call, conv, made)
        return made
    call.frozen()  # each group reads some units only
    made = _written(call, conv, 1)
    call.w.units.fix(made.unit)
    return made


def _linear(call: Call, linear: nn.Module) -> Any:
    flow = call.args[0]
    if isinstance(flow, Flow) and flow.axis != call.values[0].ndim - 1:
        call.frozen()
        flow = None
    _read(call, linear, flow)
    return _written(call, linear, call.result.ndim - 1)


def _read(call: Call, module: nn.Module, flow: Any) -> None:
    if isinstance(flow, Flow):
        call.w.place(module.weight, 1, flow.unit, ((flow.scale, -1),), "in")


def _written(call: Call, module: nn.Module, axis: int) -> Flow:
    made = call.w.wire(len(module.weight), axis)
    call.w.place(module.weight, 0, made.unit, ((made.scale, 1),), "out")
    _bias(call, module, made)
    return made


def _bias(call: Call, module: nn.Module, made: Flow) -> None:
    if getattr(module, "bias", None) is not None:
        call.w.place(module.bias, 0, made.unit, ((made.scale, 1),), "out")


def _batch_norm(call: Call, norm: nn.Module) -> Any:
    flow = call.args[0]
    if norm.running_mean is None or not isinstance(flow, Flow):
        call.frozen()
        return None
    made = replace(flow, scale=call.w.scales.fresh(len(flow.unit)))
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        if tensor is not None:
            call.w.place(tensor, 0, flow.unit, (), "through")
    if norm.weight is None:
        call.w.freeze(replace(flow, unit=NONE), replace(made, unit=NONE))
    call.w.norms.append(Norm(norm, flow.unit, flow.scale, made.scale))
    return made


def _layer_norm(call: Call, norm: nn.Module) -> Any:
    flow = call.args[0]
    if not isinstance(flow, Flow) or tuple(norm.normalized_shape) != (len(flow.unit),):
        call.frozen()
        return None
    call.w.scales.fix(flow.scale)
    call.w.summed.append(flow.unit)
    made = replace(flow, scale=call.w.scales.fresh(len(flow.unit)))
    if norm.weight is None:
        call.w.scales.fix(made.scale)
    else:
        call.w.place(norm.weight, 0, flow.unit, ((made.scale, 1),), "through")
    _bias(call, norm, made)
    return made


def _embedding(call: Call, table: nn.Module) -> Any:
    made = call.w.wire(int(table.embedding_dim), call.result.ndim - 1)
    call.w.place(table.weight, 1, made.unit, ((made.scale, 1),), "out")
    return made


MAKES: dict[str, Callable[[Call, Any], Any]] = {
    "Conv1d": _conv, "Conv2d": _conv, "Conv3d": _conv, "Linear": _linear, "BatchNorm1d": _batch_norm,
    "BatchNorm2d": _batch_norm, "BatchNorm3d": _batch_norm, "LayerNorm": _layer_norm, "RMSNorm": _layer_norm,
    "Embedding": _embedding,
}  # fmt: skip
