"""What the calls in a PyTorch pickle mean: storages and strided tensors over them, and where in the object they hang.

Source: torch/_utils.py (the `_rebuild_*` functions), torch/serialization.py (persistent ids), torch/jit/_pickle.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

from whosenet.errors import MalformedFile
from whosenet.weights.base import MAX_NAME, MAX_RANK
from whosenet.weights.unpickle import Global, Opaque, key

DTYPES: dict[str, Any] = {
    "float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn, "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8_e5m2": ml_dtypes.float8_e5m2, "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float8_e8m0fnu": ml_dtypes.float8_e8m0fnu,
    "int64": np.int64, "int32": np.int32, "int16": np.int16, "int8": np.int8,
    "uint64": np.uint64, "uint32": np.uint32, "uint16": np.uint16, "uint8": np.uint8, "bool": np.bool_,
    "qint8": np.int8, "quint8": np.uint8, "qint32": np.int32,
}  # fmt: skip
STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
    "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "Untyped": "uint8",
    "ComplexDouble": "complex128", "ComplexFloat": "complex64", "QInt8": "qint8", "QUInt8": "quint8",
    "QInt32": "qint32", "QUInt4x2": "quint4x2", "QUInt2x4": "quint2x4",
}  # fmt: skip
LIMIT = 1 << 50
MAX_NODES = 500_000
MAX_DEPTH = 200
MAX_NAMES = 1 << 27
"""Objects visited, nesting and characters of names, since shared objects let a small pickle describe a huge tree."""


@dataclass(frozen=True)
class StorageRef:
    """A named run of `numel` elements; `start` elements into the record `key` (views of old legacy files)."""

    dtype: str
    key: str
    numel: int
    start: int = 0


@dataclass(frozen=True)
class Quantizer:
    """value = scale * (stored - zero_point); per channel along `axis`, or one for the tensor (axis None)."""

    scale: Any
    zero_point: Any
    axis: int | None = None


@dataclass(frozen=True, eq=False)
class TensorRef:
    """A strided view of a storage, in elements of `dtype`; a tensor that is no such view has no storage."""

    storage: StorageRef | None
    dtype: str
    offset: int = 0
    shape: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    quantizer: Quantizer | None = None


def storage(identity: Any) -> Any:
    """The meaning of a persistent id: ('storage', type, key, location, numel[, view]) or ('module', class, ...)."""
    if not isinstance(identity, tuple) or not identity or identity[0] not in ("storage", b"storage"):
        return identity[1] if isinstance(identity, tuple) and len(identity) > 1 else Opaque("persistent id")
    kind, record = identity[1], _text(identity[2])
    if not isinstance(record, (str, int)):
        raise ValueError("a storage without a name")
    name = kind.name if isinstance(kind, Global) else ""
    dtype = STORAGES.get(name.removesuffix("Storage"), name or "unknown")
    ref = StorageRef(dtype, str(record)[:MAX_NAME], _count(identity[4]))
    view = identity[5] if len(identity) > 5 else None
    return ref if view is None else replace(ref, start=_count(view[1]), numel=_count(view[2]))


def reduce(kind: Any, args: Any) -> Any:
    """The meaning of calling `kind`, or an Opaque."""
    if not isinstance(args, tuple):
        args = ()
    name = str(kind) if isinstance(kind, Global) else ""
    if name in ("torch._tensor._rebuild_from_type_v2", "torch._tensor._rebuild_from_type") and len(args) > 2:
        kind, args = args[0], args[2]
        name = str(kind) if isinstance(kind, Global) and isinstance(args, tuple) else ""
    if name in _MEANING:
        return _MEANING[name](*args)
    return TensorRef(None, name.rpartition(".")[2]) if name.startswith("torch._utils._rebuild_") else Opaque(kind, args)


def _tensor(store: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> TensorRef:
    if not isinstance(store, StorageRef):
        raise ValueError("a tensor over something that is no storage")
    dims, steps = _counts(shape), _counts(stride)
    if len(dims) != len(steps):
        raise ValueError("shape and stride of a tensor differ in length")
    return TensorRef(store, store.dtype, _count(offset), dims, steps)


def _tensor_v3(store: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, kind: Any, *_: Any) -> Any:
    dtype = kind.name if isinstance(kind, Global) else "unknown"
    return replace(_tensor(store, offset, shape, stride), dtype=dtype)


def _quantized(store: Any, offset: Any, shape: Any, stride: Any, scheme: Any, *_: Any) -> TensorRef:
    axis = _count(scheme[3]) if len(scheme) > 3 else None
    return replace(_tensor(store, offset, shape, stride), quantizer=Quantizer(scheme[1], scheme[2], axis))


def _mapping(*args: Any) -> dict[Any, Any]:
    pairs = args[-1] if args else []
    if isinstance(pairs, dict):
        return dict(pairs)
    return {key(k): v for k, v in pairs} if isinstance(pairs, list) else {}


def _first(value: Any, *_: Any) -> Any:
    return value


_MEANING: dict[str, Any] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_qtensor": _quantized,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch.Size": _first,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": _mapping,
    "__builtin__.dict": _mapping,
    "builtins.dict": _mapping,
    "__builtin__.set": _first,
    "builtins.set": _first,
    "torch.jit._pickle.restore_type_tag": _first,
    "torch.jit._pickle.build_tensorlist": _first,
    "torch.jit._pickle.build_intlist": _first,
}


def named_tensors(root: Any, file: str) -> Iterator[tuple[str, TensorRef]]:
    """Every tensor under `root` by its dotted name, in file order; optimiser state is left out.

    A tensor or module that hangs in two places comes twice (as in state_dict); cycles are cut.
    """
    stack: list[tuple[str, Any, int]] = [("", root, 0)]
    path: list[int] = []
    nodes = names = 0
    while stack:
        name, node, depth = stack.pop()
        del path[depth:]
        nodes, names = nodes + 1, names + len(name)
        if nodes > MAX_NODES or depth > MAX_DEPTH or names > MAX_NAMES:
            raise MalformedFile(file, "holds objects nested too deep or too often to be a model; refused")
        if isinstance(node, TensorRef):
            yield name, node
        elif id(node) not in path:
            path.append(id(node))
            children = [(k, v) for k, v in _children(node) if isinstance(v, (TensorRef, Opaque, dict, list, tuple))]
            if len(stack) + len(children) > MAX_NODES:
                raise MalformedFile(file, f"holds over {MAX_NODES} objects; refused")
            stack.extend((_join(name, k), v, depth + 1) for k, v in reversed(children))


def _join(prefix: str, key: Any) -> str:
    text = str(_text(key))[:MAX_NAME] if isinstance(key, (str, bytes, int)) else "?"
    return f"{prefix}.{text}"[:MAX_NAME] if prefix else text


def _children(node: Any) -> list[tuple[Any, Any]]:
    if isinstance(node, (list, tuple)):
        return list(enumerate(node))
    if isinstance(node, dict):
        return _entries(node)
    parts = node.state if isinstance(node.state, tuple) else (node.state,)
    state = [part for part in parts if isinstance(part, dict)]
    for part in state:
        if "_parameters" in part and "_modules" in part:
            return _module(part)
    return [*_entries(node.items), *enumerate(node.elements), *(pair for part in state for pair in _entries(part))]


def _entries(items: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """The entries of a dict; none for an optimiser's, without `module.` for those of a DataParallel state_dict."""
    if "state" in items and "param_groups" in items:
        return []
    if items and all(isinstance(k, str) and k.startswith("module.") for k in items):
        return [(k.removeprefix("module."), v) for k, v in items.items()]
    return list(items.items())


def _module(state: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """What state_dict() would list of a pickled nn.Module: parameters, persistent buffers, children."""
    passing = state.get("_non_persistent_buffers_set")
    skipped = {k for k in passing if isinstance(k, str)} if isinstance(passing, list) else set()
    tables = [state.get(part) for part in ("_parameters", "_buffers", "_modules")]
    return [(k, v) for table in tables if isinstance(table, dict) for k, v in table.items() if k not in skipped]


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < LIMIT:
        raise ValueError("a size, stride or offset out of range")
    return int(value)


def _counts(values: Any) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or len(values) > MAX_RANK:
        raise ValueError(f"a tensor of no shape, or of more than {MAX_RANK} axes")
    return tuple(_count(v) for v in values)
