"""A hash method: features of a model's tensors, made into a code. The plugin computes, this base measures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from whosenet.errors import TooFewWeights, UsageError
from whosenet.hashes import chance
from whosenet.hashes.canonical import Shape, heaviest, why_left_out
from whosenet.hashes.code import Code
from whosenet.weights.base import Tensor, Weights

MIN_LOG10_P = -9.0
"""A file is refused only if even distance 0 could not reach this."""


@dataclass
class Features:
    """Standardised features by canonical shape: tensors of one shape are added, so order and names do not matter."""

    parts: dict[Shape, NDArray[np.float64]] = field(default_factory=dict)
    counts: dict[Shape, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    tensors: int = 0
    seen: set[bytes] = field(default_factory=set, repr=False)

    def add(self, shape: Shape, values: NDArray[np.float64]) -> bool:
        """Add one tensor; False if it is the same as one already there (tied weights, one table stored twice)."""
        content = blake3(f"{shape}".encode() + values.tobytes()).digest()
        if content in self.seen:
            return False
        self.seen.add(content)
        self.parts[shape] = self.parts[shape] + values if shape in self.parts else values
        self.counts[shape] = self.counts.get(shape, 0) + 1
        self.tensors += 1
        return True


class Hash(ABC):
    """`name` and `version` go into every code's signature with all parameters; change the version when codes change."""

    name: ClassVar[str]
    version: ClassVar[int]
    defaults: ClassVar[dict[str, Any]]
    """Every parameter with its default. Parameters at their default do not show in the signature."""
    ignores_rearranging: ClassVar[bool] = False
    """Whether permuting and positively rescaling hidden units changes no bit (tests/conformance)."""

    def __init__(self, **parameters: Any) -> None:
        unknown = set(parameters) - set(self.defaults)
        if unknown:
            raise UsageError(f"{self.name} has no parameter {sorted(unknown)}; it has {sorted(self.defaults)}")
        self.parameters = {**self.defaults, **parameters}
        self.check()

    def check(self) -> None:  # noqa: B027 (a method without parameters has nothing to check)
        """Raise UsageError for parameters out of range."""

    @property
    def signature(self) -> str:
        changed = {k: v for k, v in sorted(self.parameters.items()) if v != self.defaults[k]}
        inside = ",".join(f"{k}={v}" for k, v in changed.items())
        return f"{self.name}/{self.version}" + (f"({inside})" if inside else "")

    @abstractmethod
    def tensor_features(self, tensor: Tensor) -> tuple[Shape, NDArray[np.float64]] | str:
        """The canonical shape and standardised features (any array shape) of one tensor, or why it has none."""

    @abstractmethod
    def encode(self, features: Features) -> NDArray[np.bool_]:
        """The bits, bool [bits]."""

    @abstractmethod
    def effective(self, features: Features) -> float:
        """m_eff: how many independent features the code stands on."""

    def features(self, weights: Weights) -> Features:
        return self.collected(weights, self.tensor_features)

    def collected(
        self, weights: Weights, each: Callable[[Tensor], tuple[Shape, NDArray[np.float64]] | str]
    ) -> Features:
        """What `each` says of the tensors that may speak."""
        out = Features()
        looked_at, beyond = heaviest(weights.tensors)
        out.left_out |= {t.name: "beyond the largest tensors" for t in beyond}
        for tensor in looked_at:
            got = why_left_out(tensor) or each(tensor)
            if isinstance(got, str):
                out.left_out[tensor.name] = got
            elif not out.add(*got):
                out.left_out[tensor.name] = "the same as another tensor"
        return out

    def code(self, weights: Weights) -> Code:
        """The code of a model. Raises TooFewWeights when no distance of it could ever be evidence."""
        return self.code_of(self.features(weights), weights.name)

    def code_of(self, features: Features, name: str) -> Code:
        """The code of features already computed; `name` is what an error calls the model."""
        m_eff = round(self.effective(features), 1) if features.parts else 0.0
        bits = int(self.parameters.get("bits", 256))
        if m_eff < 2 or chance.log10_p(0, bits, m_eff) > MIN_LOG10_P:
            raise TooFewWeights(name, _too_few(features, m_eff))
        return Code(self.signature, np.packbits(self.encode(features)).tobytes(), m_eff)


def _too_few(features: Features, m_eff: float) -> str:
    reasons = ", ".join(sorted(set(features.left_out.values()))) or "nothing left out"
    return (
        f"holds too few trained weights for a code ({features.tensors} tensors used, m_eff {m_eff:.0f}; "
        f"left out: {reasons}); compare it with a candidate directly: whosenet compare A B"
    )


def parse_signature(signature: str) -> Hash:
    """The hash that made a code, from its signature. Raises UsageError when this version cannot make it."""
    from whosenet import registry

    head, _, inside = signature.partition("(")
    name, _, version = head.partition("/")
    cls = registry.load("hash", name)
    if version != str(cls.version):
        raise UsageError(f"codes of {head} need rehashing: this version makes {name}/{cls.version}; add the files anew")
    made = {}
    for item in filter(None, inside.rstrip(")").split(",")):
        key, _, value = item.partition("=")
        if key not in cls.defaults:
            raise UsageError(f"{name} has no parameter {key!r}; it has {sorted(cls.defaults)}")
        try:
            made[key] = type(cls.defaults[key])(value)
        except ValueError as error:
            raise UsageError(f"{name}: {key}={value!r} is no {type(cls.defaults[key]).__name__}") from error
    hasher: Hash = cls(**made)
    return hasher
