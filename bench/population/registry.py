"""The 25 light edits: name, parameters, and what they do to a parent."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from bench.population import edits, training
from bench.population.data import ImageSet
from bench.population.edits import State
from bench.population.nets import Classifier
from bench.population.training import Labelled


@dataclass(frozen=True)
class Case:
    """One parent being edited: its net (changed in place), its images, another image set, a seed, earlier copies."""

    net: Classifier
    images: ImageSet
    foreign: ImageSet
    lr: float
    seed: int
    earlier: Callable[[str], State]

    @property
    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


def keep(state: State, _: torch.Generator) -> State:
    return state


@dataclass(frozen=True)
class Edit:
    """`apply` changes the net and says what to measure it on (None: the parent's images); `store` shapes the file."""

    name: str
    apply: Callable[[Case], ImageSet | None]
    parameters: dict[str, Any] = field(default_factory=dict)
    store: Callable[[State, torch.Generator], State] = keep


def weights(name: str, function: Callable[..., object], **parameters: Any) -> Edit:
    def apply(case: Case) -> None:
        function(case.net, **parameters)

    return Edit(name, apply, parameters)


def noise(name: str, fraction: float) -> Edit:
    def apply(case: Case) -> None:
        edits.noise(case.net, case.generator, fraction=fraction)

    return Edit(name, apply, {"fraction_of_std": fraction})


def cast(name: str, dtype: torch.dtype) -> Edit:
    def store(state: State, _: torch.Generator) -> State:
        return {key: t.to(dtype) if t.is_floating_point() else t for key, t in state.items()}

    return Edit(name, lambda case: edits.cast(case.net, dtype=dtype), {"dtype": str(dtype)}, store)


def tune(name: str, *, samples: int, rate: float, part: str = "train") -> Edit:
    """Fine-tune all layers (FTAL) on `samples` images, from `rate` times the parent's peak learning rate to 0."""

    def apply(case: Case) -> None:
        data: Labelled = getattr(case.images, part)
        training.train(case.net, data, samples=samples, lr=rate * case.lr, seed=case.seed)

    return Edit(name, apply, {"layers": "all", "samples": samples, "lr_of_peak": rate, "images": part})


def tune_last(case: Case) -> None:
    """Fine-tune the last layer (FTLL) on features computed once."""
    x, y = case.images.train[0][:2000], case.images.train[1][:2000]
    with torch.no_grad():
        features = case.net.eval().features(x)
    training.train(case.net.head, (features, y), samples=6000, lr=case.lr, seed=case.seed)


def pruned_then_tuned(case: Case) -> None:
    """The pruned weights stay zero."""
    edits.prune_layers(case.net, fraction=0.5)
    kept = [(p, (p != 0).float()) for p in edits.kernels(case.net)]

    @torch.no_grad()
    def mask() -> None:
        for p, ones in kept:
            p *= ones

    lr = 0.05 * case.lr
    training.train(case.net, case.images.train, samples=1280, lr=lr, seed=case.seed, after_step=mask)


def transfer(case: Case) -> ImageSet:
    edits.new_head(case.net, case.foreign.classes, case.generator)
    training.train(case.net, case.foreign.train, samples=5120, lr=0.3 * case.lr, seed=case.seed)
    return case.foreign


def fold_or_rescale(case: Case) -> None:
    if edits.fold(case.net) == 0:
        edits.rescale(case.net, case.generator)


EDITS = [
    noise("noise-1", 0.01),
    noise("noise-5", 0.05),
    noise("noise-10", 0.10),
    weights("prune-30", edits.prune_layers, fraction=0.3),
    weights("prune-50", edits.prune_layers, fraction=0.5),
    weights("prune-70", edits.prune_layers, fraction=0.7),
    weights("prune-global-50", edits.prune_global, fraction=0.5),
    Edit("prune-50-tuned", pruned_then_tuned, {"fraction": 0.5, "samples": 1280, "lr_of_peak": 0.05}),
    weights("int8-tensor", edits.quantise, bits=8, per_channel=False),
    weights("int8-channel", edits.quantise, bits=8, per_channel=True),
    weights("int4-channel", edits.quantise, bits=4, per_channel=True),
    cast("fp16", torch.float16),
    cast("bf16", torch.bfloat16),
    Edit("ftll", tune_last, {"layers": "last", "samples": 6000, "lr_of_peak": 1.0}),
    tune("ftal-low", samples=640, rate=0.01),
    tune("ftal-long", samples=3072, rate=1.0),
    tune("ftal-10x", samples=1280, rate=0.5),
    tune("ftal-unseen", samples=1536, rate=0.05, part="other"),
    Edit("head-new", lambda case: edits.new_head(case.net, case.images.classes, case.generator)),
    Edit("transfer", transfer, {"samples": 5120, "lr_of_peak": 0.3}),
    Edit("soup", lambda case: edits.average(case.net, case.earlier("ftal-long")), {"with": "ftal-long", "share": 0.5}),
    Edit(
        "lora-4",
        lambda case: edits.low_rank(case.net, case.earlier("ftal-unseen"), rank=4),
        {"rank": 4, "of": "ftal-unseen"},
    ),
    Edit("fold-or-rescale", fold_or_rescale),
    Edit("resave", lambda case: None, {"kernels": "HWIO", "dense": "[in, out]"}, edits.resave),
    weights("shrink", edits.shrink, factor=0.9, clip=0.001),
]
BY_NAME = {edit.name: edit for edit in EDITS}
