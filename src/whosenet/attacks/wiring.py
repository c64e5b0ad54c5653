"""Which entries of which tensors belong to one hidden unit: what can be permuted, rescaled or widened, and how.

The network's graph (torch.fx) is run once on a few images while every value carries labels for its channels. Adding two
values says that their channels are the same units, a convolution makes new ones, what is not understood fixes the units
that go in. So the answer may be too cautious, and who edits still compares the answers before and after.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from whosenet.attacks.atoms import Atoms, Ids
from whosenet.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from whosenet.attacks.attention import Heads


TROUBLE = (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError, KeyError, IndexError)
"""What tracing code that depends on values raises."""


@dataclass(frozen=True)
class Flow:
    """The labels of one value: along `axis`, int64 [channels] as units that move, and as units that scale."""

    axis: int
    unit: Ids
    scale: Ids


@dataclass(frozen=True)
class Place:
    """One axis of one tensor of the network, indexed by hidden units."""

    tensor: torch.Tensor = field(repr=False)
    axis: int
    unit: Ids
    """int64 [length of the axis]."""
    powers: tuple[tuple[Ids, int], ...]
    """Entries are multiplied by scale ** power for each of these, when units are scaled."""
    role: str
    """in, out, through: whether a layer reads, makes or passes on these units. A depthwise one passes them on."""


@dataclass(frozen=True)
class Norm:
    """A batch norm: what comes in may have been scaled, what goes out may be."""

    module: nn.Module = field(repr=False)
    unit: Ids
    scale_in: Ids
    scale_out: Ids


@dataclass
class Wiring:
    """All places, batch norms and attentions of a network, and the units they speak of."""

    units: Atoms = field(default_factory=Atoms)
    scales: Atoms = field(default_factory=Atoms)
    wires: list[Ids] = field(default_factory=list)
    """The units each layer makes, in the order they were first run."""
    places: list[Place] = field(default_factory=list)
    norms: list[Norm] = field(default_factory=list)
    heads: list[Heads] = field(default_factory=list)
    summed: list[Ids] = field(default_factory=list)
    """Units over which something takes a mean: there must not be more of them."""
    _seen: dict[tuple[int, int], Place] = field(default_factory=dict)

    def wire(self, count: int, axis: int) -> Flow:
        """New units."""
        self.wires.append(self.units.fresh(count))
        return Flow(axis, self.wires[-1], self.scales.fresh(count))

    def place(self, tensor: torch.Tensor, axis: int, unit: Ids, powers: tuple[tuple[Ids, int], ...], role: str) -> None:
        """A tensor that is used twice (tied weights, a layer run twice) moves with both, and is not scaled."""
        found = self._seen.get((id(tensor), axis))
        if found is None:
            made = Place(tensor, axis, unit, powers, role)
            self._seen[id(tensor), axis] = made
            self.places.append(made)
        else:
            self.units.unite(found.unit, unit)
            for ids, _ in (*found.powers, *powers):
                self.scales.fix(ids)

    def freeze(self, *flows: Any) -> None:
        """Nothing of these may be moved or scaled."""
        for flow in flows:
            if isinstance(flow, Flow):
                self.units.fix(flow.unit)
                self.scales.fix(flow.scale)

    def groups(self) -> list[Ids]:
        """Units that may change places with each other: free, and made and read by the same layers."""
        makers: dict[int, list[int]] = {}
        for number, wire in enumerate(self.wires):
            for root in self.units.roots(wire).tolist():
                makers.setdefault(root, []).append(number)
        alike: dict[tuple[int, ...], list[int]] = {}
        for root, numbers in makers.items():
            if len(set(numbers)) == len(numbers):
                alike.setdefault(tuple(numbers), []).append(root)
        found = [np.array(roots, np.int64) for roots in alike.values()]
        return [g[~self.units.fixed(g)] for g in found if len(g[~self.units.fixed(g)]) > 1]

    def free_scales(self) -> Ids:
        """Representatives of all units that may be scaled."""
        named = [ids for p in self.places for ids, _ in p.powers] + [n.scale_in for n in self.norms]
        every = np.unique(self.scales.roots(np.concatenate(named))) if named else np.zeros(0, np.int64)
        return every[~self.scales.fixed(every)]


def traced(module: nn.Module) -> Any:
    """The torch.fx graph of `module`, attentions kept whole. Raises UsageError if its code cannot be traced."""
    from torch import fx

    from whosenet.attacks.attention import is_attention

    # beforehand: while tracing, a module's weights are not at hand
    whole = {m for m in module.modules() if is_attention(m)}

    class Tracer(fx.Tracer):  # type: ignore[misc]
        def is_leaf_module(self, m: nn.Module, name: str) -> bool:
            return m in whole or bool(super().is_leaf_module(m, name))

    with _explained(module):
        return Tracer().trace(module.eval())


def wiring(module: nn.Module, example: torch.Tensor) -> Wiring:
    """Trace `module` (evaluation mode) on `example`. Raises UsageError if its code cannot be traced."""
    import torch
    from torch import fx

    from whosenet.attacks.wiring_rules import follow

    made = Wiring()
    labels: dict[Any, Any] = {}

    class Labels(fx.Interpreter):  # type: ignore[misc]
        def run_node(self, n: fx.Node) -> Any:
            result = super().run_node(n)
            labels[n] = follow(made, module, n, labels, self.env, result)
            return result

    graph = traced(module)
    with _explained(module), torch.inference_mode():
        Labels(fx.GraphModule(module, graph), garbage_collect_values=False).run(example)
    return made


@contextmanager
def _explained(module: nn.Module) -> Iterator[None]:
    try:
        yield
    except TROUBLE as error:
        why = f"{type(error).__name__}: {str(error)[:160]}"
        raise UsageError(
            f"{type(module).__name__} cannot be traced ({why}); this attack must know its graph"
        ) from error
