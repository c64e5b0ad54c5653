"""Hidden units that say nothing: layers get wider, answers stay."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.attacks.atoms import Ids
from whosenet.attacks.base import Attack, Context
from whosenet.attacks.permute import permute
from whosenet.attacks.reshape import reshape
from whosenet.attacks.same import LARGEST, answers, check_same, difference
from whosenet.attacks.wiring import TROUBLE, Place, Wiring, wiring
from whosenet.errors import UsageError
from whosenet.networks.images import Images

if TYPE_CHECKING:
    import torch
    from torch import nn

KINDS = ("mixed", "zero", "split", "cancel")
Share = NDArray[np.float64]
NOISE = 0.1


class DummyNeurons(Attack):
    """Every hidden layer gets a `share` of further units that change nothing, and its units another order.

    `zero`: a unit like another, whose outgoing weights are zero. `split`: a unit twice, its outgoing weights shared
    out. `cancel`: two equal units with opposite outgoing weights. `mixed`: a third each. Source: Chen et al., Net2Net,
    ICLR 2016 (split); the others are its obvious kin. Deviations: copied units carry 10 % noise of their own where
    that does not show. Streams that a norm averages over stay as wide as they are. The answers stay the same up
    to rounding, which is checked on the images.
    """

    name = "dummy-neurons"
    family = "laundering"
    changes_factory = True

    def _run(self, module: nn.Module, images: Images, context: Context, *, share: float = 0.25, what: str = "mixed",
             shuffle: bool = True) -> nn.Module:  # fmt: skip
        if not 0 < share <= 1 or what not in KINDS:
            raise UsageError(
                f"{self.name}: share lies in 0..1 and what is one of {', '.join(KINDS)}, got {share} {what}"
            )
        example, before = answers(module, images)
        draws = np.random.default_rng(context.seed)
        module = _widened(module, example, before, draws, share, what)
        if shuffle:
            permute(module, wiring(module, example[:2]), draws)
        check_same(self.name, module, example, before)
        context.on_step(1, 1)
        return module


def _widened(module: nn.Module, example: torch.Tensor, before: torch.Tensor, draws: np.random.Generator, share: float,
             kind: str) -> nn.Module:  # fmt: skip
    """All groups at once; if the network's code spells out a width, one by one, and that one is left as it is."""
    every = range(len(_widenable(wiring(module, example[:2]))))
    try:
        made = module
        for number in every:
            made = _wider(made, example, number, draws, share, kind)
        if difference(made, example, before) <= LARGEST and every:
            return made
    except (*TROUBLE, UsageError):
        pass
    made = module
    for number in every:
        try:
            trial = _wider(made, example, number, draws, share, kind)
            made = trial if difference(trial, example, before) <= LARGEST else made
        except (*TROUBLE, UsageError):
            continue
    if made is module:
        raise UsageError(f"{type(module).__name__} has no hidden layer that can be widened")
    return made


def _wider(module: nn.Module, example: torch.Tensor, number: int, draws: np.random.Generator, share: float,
           kind: str) -> nn.Module:  # fmt: skip
    trial = copy.deepcopy(module)
    widen(trial, wiring(trial, example[:2]), number, draws, share, kind)
    return trial


def _widenable(found: Wiring) -> list[Ids]:
    """Groups of units, in the order they are made, whose mean nobody takes."""
    summed = np.concatenate([found.units.roots(ids) for ids in found.summed] or [np.zeros(0, np.int64)])
    return [g for g in found.groups() if not np.isin(g, summed).any()]


@dataclass(frozen=True)
class Extra:
    """Units to add behind `group`, each like one of its units."""

    group: Ids
    like: Ids
    """int64 [new]: whose incoming weights they get."""
    out: Share
    """float64 [new]: what of its outgoing weights ..."""
    left: dict[int, float]
    """... and what is left of them to the unit itself."""
    noise: Ids
    """int64 [new]: incoming weights get the noise of this number; -1 for none."""


def widen(module: nn.Module, found: Wiring, number: int, draws: np.random.Generator, share: float, kind: str) -> None:
    """Add units to one group of `_widenable`, in place."""
    group = _widenable(found)[number]
    extra = _planned(group, max(1, round(share * len(group))), draws, kind)
    names = {id(t): n for n, t in module.state_dict(keep_vars=True).items()}
    for place in [p for p in found.places if np.isin(found.units.roots(p.unit), group).any()]:
        _grow(module, names[id(place.tensor)], place, found.units.roots(place.unit), extra, draws)


def _planned(group: Ids, count: int, draws: np.random.Generator, kind: str) -> Extra:
    kinds = KINDS[1:] if kind == "mixed" else (kind,)
    left = dict.fromkeys(group.tolist(), 1.0)
    like: list[int] = []
    out: list[float] = []
    noise: list[int] = []
    while len(like) < count:
        unit, what = int(draws.choice(group)), kinds[len(like) % len(kinds)]
        part = {"zero": 0.0, "split": left[unit] * draws.uniform(0.2, 0.8), "cancel": draws.uniform(0.5, 1.5)}[what]
        left[unit] -= part if what == "split" else 0.0
        parts = [part, -part] if what == "cancel" else [part]
        noise += [-1 if what == "split" else len(like)] * len(parts)
        like += [unit] * len(parts)
        out += parts
    return Extra(group, np.array(like), np.array(out), left, np.array(noise))


def _grow(module: nn.Module, name: str, place: Place, units: Ids, extra: Extra, draws: np.random.Generator) -> None:
    """One axis of one tensor: the new entries stand behind the group's last, several together behind a flattening."""
    import torch

    at = {u: np.flatnonzero(units == u) for u in extra.left}
    each = len(at[int(extra.group[0])])
    end = int(max(a.max() for a in at.values())) + 1
    order = np.concatenate([np.arange(end), *(at[u] for u in extra.like.tolist()), np.arange(end, len(units))])
    old = place.tensor.detach().clone()
    where, _, leaf = name.rpartition(".")
    reshape(module, {name: tuple(len(order) if k == place.axis else n for k, n in enumerate(old.shape))})
    values = old.index_select(place.axis, torch.from_numpy(order)).double().movedim(place.axis, 0)
    new = slice(end, end + each * len(extra.like))
    if place.role == "in":
        times = np.array([extra.left.get(u, 1.0) for u in units[order].tolist()])
        times[new] = np.repeat(extra.out, each)
        values = values * torch.from_numpy(times).reshape(-1, *[1] * (values.ndim - 1))
    elif place.role == "out":
        values[new] *= _noise(extra, tuple(values.shape[1:]), draws)
    with torch.no_grad():
        getattr(module.get_submodule(where), leaf).copy_(values.movedim(0, place.axis))


def _noise(extra: Extra, shape: tuple[int, ...], draws: np.random.Generator) -> torch.Tensor:
    """float64 [new, ...] around one: units with one number have the same."""
    import torch

    drawn = {n: 1 + NOISE * draws.standard_normal(shape) for n in np.unique(extra.noise).tolist()}
    return torch.from_numpy(np.stack([np.ones(shape) if n < 0 else drawn[n] for n in extra.noise.tolist()]))
