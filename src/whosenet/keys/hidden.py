"""Secret bytes that do not show themselves."""

from __future__ import annotations


class Hidden(bytes):
    """Bytes whose repr, str and format tell only their number: nothing in logs, tracebacks or printed locals.

    Computing with them (hashing, slicing, `.hex()`) is what they are for, and gives plain values again.
    """

    def __repr__(self) -> str:
        return f"<{len(self)} hidden bytes>"

    __str__ = __repr__

    def __format__(self, how: str) -> str:
        return format(repr(self), how)

    def __reduce_ex__(self, protocol: object) -> str | tuple[object, ...]:
        raise TypeError("secret bytes are not pickled; keys are kept by whosenet.keys.key.save")
