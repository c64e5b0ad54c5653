"""A pickle read as data: the opcodes are walked, nothing is imported, nothing is called.

A pickle is a program for a stack machine. Here the machine builds plain containers; a class or function it names
becomes an inert `Global`, the result of calling one an inert `Opaque` unless the reader's `reduce` gives it a meaning.
Source: CPython's Lib/pickletools.py (every opcode, what it takes from the stack and leaves there).

Deviations from pickle: sets become lists, a dict key that is no plain scalar becomes an `Opaque` (hashing what a
stranger nested a million deep would overflow the stack), and opcodes that only copyreg or out-of-band buffers need are
refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from whosenet.errors import MalformedFile

MAX_PICKLE = 1 << 26
MAX_OPS = 10_000_000
"""Bytes and opcodes of one pickle: 64 MB name some 400,000 tensors; every opcode makes at most one small object."""


@dataclass(frozen=True)
class Global:
    """A class or function the file names. It is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Opaque:
    """What calling a `Global` would have made: its arguments, the state and items put into it afterwards."""

    __slots__ = ("args", "elements", "items", "kind", "state")

    def __init__(self, kind: object, args: Any = ()) -> None:
        self.kind, self.args = kind, args
        self.state: Any = None
        self.items: dict[Any, Any] = {}
        self.elements: list[Any] = []


Reduce = Callable[[Any, Any], Any]
"""(callable, arguments) -> the meaning of the call, by a whitelist of the caller's."""


def walk(file: BinaryIO, name: str, reduce: Reduce, persistent: Callable[[Any], Any]) -> Any:
    """The object of the next pickle in `file`, which is left just behind it. MalformedFile on anything else."""
    machine = _Machine(reduce, persistent)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(cast(BinaryIO, _Bounded(file)))):
            if opcode.name == "STOP":
                return machine.stack.pop()
            if count > MAX_OPS:
                raise ValueError(f"over {MAX_OPS} opcodes")
            machine.step(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        why = f"its pickle is damaged or over a limit ({type(error).__name__}: {str(error)[:120]}); fetch it again"
        raise MalformedFile(name, why) from error
    raise MalformedFile(name, "its pickle has no end; fetch it again")


class _Bounded:
    """The file as pickletools reads it, except that no length it claims is believed beyond MAX_PICKLE bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, MAX_PICKLE

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise ValueError(f"over {MAX_PICKLE} bytes")
        return self._file.read(size)

    def readline(self) -> bytes:
        line = self._file.readline(min(self._left, 1 << 16))
        self._left -= len(line)
        return line


class _Machine:
    """Stack, marks and memo. Each method is one opcode, or the family of those that differ in encoding only."""

    def __init__(self, reduce: Reduce, persistent: Callable[[Any], Any]) -> None:
        self._reduce, self._persistent = reduce, persistent
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in _PUSH:
            self.stack.append(argument)
        elif opcode in _FIXED:
            self.stack.append(_FIXED[opcode]())
        elif opcode in _METHODS:
            _METHODS[opcode](self, argument)
        elif opcode not in ("PROTO", "FRAME"):
            raise ValueError(f"opcode {opcode} has no place in a weight file")

    def _marked(self) -> list[Any]:
        items, self.stack = self.stack, self._below.pop()
        return items

    def mark(self, _: Any) -> None:
        self._below.append(self.stack)
        self.stack = []

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._marked()

    def pop_mark(self, _: Any) -> None:
        self._marked()

    def dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def put(self, index: int) -> None:
        if not 0 <= index <= MAX_OPS:
            raise ValueError("memo index out of range")
        self._memo[index] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self._memo[index])

    def list_(self, _: Any) -> None:
        items = self._marked()
        self.stack.append(items)

    def tuple_(self, _: Any) -> None:
        items = self._marked()
        self.stack.append(tuple(items))

    def tuple1(self, _: Any) -> None:
        self.stack[-1:] = [(self.stack[-1],)]

    def tuple2(self, _: Any) -> None:
        self.stack[-2:] = [(self.stack[-2], self.stack[-1])]

    def tuple3(self, _: Any) -> None:
        self.stack[-3:] = [(self.stack[-3], self.stack[-2], self.stack[-1])]

    def dict_(self, _: Any) -> None:
        items = self._marked()
        self.stack.append({})
        self._put_items(items)

    def append(self, _: Any) -> None:
        self._extend([self.stack.pop()])

    def appends(self, _: Any) -> None:
        self._extend(self._marked())

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        (target.elements if isinstance(target, Opaque) else target).extend(items)

    def setitem(self, _: Any) -> None:
        value = self.stack.pop()
        self._put_items([self.stack.pop(), value])

    def setitems(self, _: Any) -> None:
        self._put_items(self._marked())

    def _put_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        into: dict[Any, Any] = target.items if isinstance(target, Opaque) else target
        into.update((key(k), v) for k, v in zip(items[::2], items[1::2], strict=True))

    def global_(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(Global(module, name))

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a global is named by no text")
        self.stack.append(Global(module, name))

    def reduce(self, _: Any) -> None:
        args = self.stack.pop()
        self.stack.append(self._reduce(self.stack.pop(), args))

    def newobj_ex(self, _: Any) -> None:
        self.stack.pop()
        self.reduce(None)

    def inst(self, argument: str) -> None:
        args = tuple(self._marked())
        self.global_(argument)
        self.stack.append(self._reduce(self.stack.pop(), args))

    def obj(self, _: Any) -> None:
        kind, *args = self._marked()
        self.stack.append(self._reduce(kind, tuple(args)))

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Opaque):
            self.stack[-1].state = state

    def binpersid(self, _: Any) -> None:
        self.stack.append(self._persistent(self.stack.pop()))

    def persid(self, argument: str) -> None:
        self.stack.append(self._persistent(argument))


def key(value: Any) -> Any:
    """`value` as a dict key that hashes in bounded time: plain scalars as they are, all else inert."""
    if value is None or isinstance(value, (str, bytes, bool, float, Global, Opaque)):
        return value
    return value if isinstance(value, int) and abs(value) < 1 << 60 else Opaque("key", value)


_PUSH = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_FIXED: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_SET": list,
}  # fmt: skip
_METHODS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark, "POP": _Machine.pop, "POP_MARK": _Machine.pop_mark, "DUP": _Machine.dup,
    "PUT": _Machine.put, "BINPUT": _Machine.put, "LONG_BINPUT": _Machine.put, "MEMOIZE": _Machine.memoize,
    "GET": _Machine.get, "BINGET": _Machine.get, "LONG_BINGET": _Machine.get,
    "LIST": _Machine.list_, "FROZENSET": _Machine.list_, "TUPLE": _Machine.tuple_, "DICT": _Machine.dict_,
    "TUPLE1": _Machine.tuple1, "TUPLE2": _Machine.tuple2, "TUPLE3": _Machine.tuple3,
    "APPEND": _Machine.append, "APPENDS": _Machine.appends, "ADDITEMS": _Machine.appends,
    "SETITEM": _Machine.setitem, "SETITEMS": _Machine.setitems,
    "GLOBAL": _Machine.global_, "STACK_GLOBAL": _Machine.stack_global, "INST": _Machine.inst, "OBJ": _Machine.obj,
    "REDUCE": _Machine.reduce, "NEWOBJ": _Machine.reduce, "NEWOBJ_EX": _Machine.newobj_ex, "BUILD": _Machine.build,
    "BINPERSID": _Machine.binpersid, "PERSID": _Machine.persid,
}  # fmt: skip
