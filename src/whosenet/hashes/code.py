"""A code: the perceptual hash of one model, with all that is needed to compare it honestly."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from whosenet.errors import UsageError
from whosenet.hashes import chance

TEXT = re.compile(r"(?P<signature>[a-z0-9_]+/\d+(?:\([^()]*\))?)@(?P<m>\d+(?:\.\d+)?):(?P<hex>(?:[0-9a-f]{2})+)")


@dataclass(frozen=True)
class Code:
    """`signature` names method, version and every parameter: only codes with the same one can be subtracted."""

    signature: str
    data: bytes
    m_eff: float
    """Effective number of independent features behind the code: its error rate follows from it."""

    @property
    def bits(self) -> int:
        return 8 * len(self.data)

    @property
    def hex(self) -> str:
        return self.data.hex()

    def __sub__(self, other: Code) -> int:
        """Hamming distance in bits. Raises UsageError for codes of different methods or parameters."""
        self._check(other)
        return (int.from_bytes(self.data) ^ int.from_bytes(other.data)).bit_count()

    def log10_p(self, other: Code) -> float:
        """log10 of the chance that an unrelated model comes as near to this one as `other` does."""
        return chance.log10_p(self - other, self.bits, joint_m_eff(self.m_eff, other.m_eff))

    def __str__(self) -> str:
        return f"{self.signature}@{self.m_eff:.1f}:{self.hex}"

    @classmethod
    def parse(cls, text: str) -> Code:
        """The inverse of str(). Raises UsageError."""
        match = TEXT.fullmatch(text.strip())
        if not match:
            raise UsageError(f"not a code: {text[:60]!r}; expected METHOD/VERSION(PARAMETERS)@M_EFF:HEX")
        return cls(match["signature"], bytes.fromhex(match["hex"]), float(match["m"]))

    def _check(self, other: Code) -> None:
        if (self.signature, self.bits) != (other.signature, other.bits):
            raise UsageError(
                f"codes of {self.signature} ({self.bits} bits) and {other.signature} ({other.bits} bits) differ in kind"
            )


def joint_m_eff(a: float, b: float) -> float:
    """Effective dimensions of a pair: the geometric mean, a lower bound whatever the two share (Cauchy-Schwarz)."""
    return math.sqrt(a * b)
