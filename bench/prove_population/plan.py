"""Which nets there are to make, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.prove_population.variants import ABLATION, AGAIN, CHOICES, CURVE, HARD, REMOVING, SHORT, TRIALS, VARIANTS
from bench.test_population import data
from bench.test_population.plan import STEPS

OTHER_ARCHITECTURE = {"resnet": "vgg", "vgg": "dense", "resnet18": "vgg"}

Owners = tuple[tuple[str, str], ...]
OWNERS: Owners = (("cifar10", "resnet"), ("cifar10", "vgg"), ("gtsrb", "resnet"), ("tiny", "vgg"))
FULL = ("cifar10", "resnet18")
"""At full size: a network takes hours of one core, so it is made only where it is asked for (`build --full`)."""
SEEDS = {"cifar10": (0, 1, 2), "gtsrb": (3, 4, 5), "tiny": (0, 1, 2)}
DEVELOPMENT = 9
"""The seed whose nets chose the recipe; it is in no reported figure but the ablation. On road signs it was 0, 1 and 2."""
PLAIN: dict[str, dict[str, Any]] = {
    "cifar10": {"epochs": 16},
    "gtsrb": {"epochs": 50, "batch": 64, "flip": False},
    "tiny": {"epochs": 90, "batch": 128},
}
"""How the networks were trained that are marked afterwards."""
RATES = {"resnet": 0.1, "vgg": 0.05, "resnet18": 0.1}
MARKING: dict[str, dict[str, Any]] = {"cifar10": {}, "gtsrb": {"flip": False, "psnr": 36.0}, "tiny": {}}
"""What differs from `embed`'s defaults. Road signs are dark and flat: at 34 dB their SSIM would be below .97."""
KINDS = ("unmarked", "control", "marked")


@dataclass(frozen=True)
class Job:
    """One net to make. `order` sorts: lower is sooner."""

    id: str
    kind: str
    """unmarked, control, marked or derived."""
    image_set: str
    architecture: str
    seed: int
    order: tuple[int, ...]
    needs: tuple[str, ...] = ()
    variant: str = "default"
    recipe: dict[str, Any] = field(default_factory=dict, hash=False)
    attack: str | None = None


def jobs() -> list[Job]:
    made = [*_ablation(), *_owners(OWNERS), *_curve(), *_attacks(OWNERS), *_trials(), *_travelled()]
    return sorted(made, key=lambda job: job.order)


def full() -> list[Job]:
    """The same of the network at full size: first three nets and what is done to them, then the other seeds."""
    made = [*_owners((FULL,)), *_attacks((FULL,))]
    return sorted(made, key=lambda job: (job.seed != SEEDS[job.image_set][0], job.order))


def _net(
    image_set: str, arch: str, seed: int, kind: str, order: tuple[int, ...], variant: str = "default", **more: Any
) -> Job:
    """`kind`: unmarked (trained as usual), marked (an unmarked one, marked) or control (the same without triggers)."""
    variant = variant.replace(" ", "-").replace(",", "")
    name = f"{image_set}.{arch}.{seed}.{kind}" + ("" if variant == "default" else f".{variant}")
    own = {**PLAIN[image_set], "lr": RATES[arch]} if kind == "unmarked" else {"lr": 0.05, **MARKING[image_set]}
    recipe = {**own, **more.pop("recipe", {})}
    needs = () if kind == "unmarked" else (f"{image_set}.{arch}.{seed}.unmarked",)
    return Job(name, kind, image_set, arch, seed, order, needs, variant, recipe, **more)


def _owners(owners: Owners) -> list[Job]:
    return [
        _net(s, a, seed, kind, (1, turn, n))
        for n, (s, a) in enumerate(owners)
        for turn, seed in enumerate(SEEDS[s])
        for kind in KINDS
    ]


def _ablation() -> list[Job]:
    dev = [_net("cifar10", "resnet", DEVELOPMENT, kind, (3, 0)) for kind in KINDS]
    for number, (variant, change) in enumerate(VARIANTS.items()):
        dev.append(
            _net("cifar10", "resnet", DEVELOPMENT, "marked", (3, 1, number), variant, recipe={**ABLATION, **change})
        )
    return dev + _thefts(dev)


def _thefts(dev: list[Job]) -> list[Job]:
    return [
        _attack(job, label, recipe, (*job.order, n))
        for job in dev
        for n, (label, recipe) in enumerate([*_known(job), *_again(job)])
        if job.kind == "marked"
        and (label in SHORT or (label in AGAIN and job.variant in CHOICES) or job.variant in HARD.get(label, ()))
    ]


def _trials() -> list[Job]:
    made = []
    for turn, ((image_set, arch, seed), variants) in enumerate(TRIALS.items()):
        made += [_net(image_set, arch, seed, kind, (6, 0, turn, n)) for n, kind in enumerate(KINDS)]
        made += [
            _net(image_set, arch, seed, "marked", (6, 1, n, turn), name, recipe=change)
            for n, (name, change) in enumerate(variants.items())
        ]
    marked = [job for job in made if job.kind == "marked"]
    return made + [
        _attack(j, label, r, (*j.order, 0)) for j in marked for label, r in _known(j) if label in ("ftal", "rtal")
    ]


def _travelled() -> list[Job]:
    """The owners' first seeds, marked with `--journeys 0.5`, and what removes or hides the default's mark."""
    made = [
        _net(s, a, SEEDS[s][0], "marked", (7, n), "journeys", recipe={"journeys": 0.5})
        for n, (s, a) in enumerate(OWNERS)
    ]
    return made + [_attack(j, label, r, (*j.order, 1)) for j in made for label, r in _known(j) if label in REMOVING]


def _curve() -> list[Job]:
    dev = [
        _net("cifar10", "resnet", DEVELOPMENT, "marked", (4, psnr), f"psnr-{psnr}", recipe={**ABLATION, "psnr": psnr})
        for psnr in CURVE
    ]
    return dev + [job for job in _thefts(dev) if job.variant in ("psnr-28", "psnr-31")]


def _attacks(owners: Owners) -> list[Job]:
    made = []
    for turn, job in enumerate(j for j in _owners(owners) if j.kind == "marked" and j.seed == SEEDS[j.image_set][0]):
        made += [_attack(job, label, recipe, (2, n, turn)) for n, (label, recipe) in enumerate(_known(job))]
    weak = [j for j in _owners(owners) if j.kind == "unmarked" and j.seed == SEEDS[j.image_set][0]]
    made += [
        _attack(j, label, recipe, (2, 90, n))
        for n, j in enumerate(weak)
        for label, recipe in _known(j)
        if label == "extract-label"
    ]
    more = [j for j in _owners(owners) if j.kind == "marked" and j.seed != SEEDS[j.image_set][0]]
    return made + [
        _attack(j, label, recipe, (5, n)) for n, j in enumerate(more) for label, recipe in _known(j) if label in SHORT
    ]


def _attack(owner: Job, label: str, recipe: dict[str, Any], order: tuple[int, ...]) -> Job:
    return Job(f"{owner.id}+{label}", "derived", owner.image_set, owner.architecture, owner.seed, order, (owner.id,),
               owner.variant, recipe, label)  # fmt: skip


def _again(job: Job) -> list[tuple[str, dict[str, Any]]]:
    """The seed of a theft follows from its label."""
    return [(label, dict(_known(job))["rtal"]) for label in AGAIN]


def _known(job: Job) -> list[tuple[str, dict[str, Any]]]:
    """(label, recipe); the thief has other images of the same kind."""
    tune, study = STEPS[job.image_set]
    short, student = {"epochs": tune, "lr": 0.01}, {"epochs": study, "lr": RATES["vgg"]}
    return [
        ("ftal", {"attack": "ftal", **short}),
        ("extract-probability", {"attack": "extract-probability", **student}),
        ("extract-label", {"attack": "extract-label", **student}),
        ("rtal", {"attack": "rtal", "epochs": tune}),
        ("ftal-10x", {"attack": "ftal", "epochs": tune, "lr": 0.1}),
        ("prune-70", {"attack": "prune-magnitude", "share": 0.7}),
        ("prune-70-tuned", {"attack": "prune-magnitude", "share": 0.7, **short}),
        ("int8", {"attack": "int8"}),
        ("int4", {"attack": "int4"}),
        ("ftll", {"attack": "ftll", "epochs": tune}),
        ("fine-prune", {"attack": "fine-prune", "epochs": tune}),
        ("distil", {"attack": "distil", **student}),
        ("adversarial-training", {"attack": "adversarial-training", "epochs": tune}),
        ("overwrite", {"attack": "overwrite"}),
        ("unlearn", {"attack": "unlearn"}),
        ("extract-probability-other", {"attack": "extract-probability", **student, "architecture": OTHER_ARCHITECTURE[job.architecture]}),
    ]  # fmt: skip


assert set(data.IMAGE_SETS) == set(PLAIN) == set(MARKING)
