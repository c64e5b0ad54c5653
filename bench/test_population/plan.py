"""Which nets there are to make, as data: every net has an id, what it needs, and a place in the order."""

from dataclasses import dataclass, field
from typing import Any

from bench.test_population import data

ARCHITECTURES = {"cifar10": ("resnet", "vgg", "dense"), "gtsrb": ("resnet",), "tiny": ("vgg",)}
TRAINING: dict[str, dict[str, Any]] = {
    "cifar10": {"epochs": 8, "lr": 0.1},
    "gtsrb": {"epochs": 10, "lr": 0.1, "batch": 64},
    "tiny": {"epochs": 30, "lr": 0.05},
}
RATES = {"resnet": 0.1, "vgg": 0.05, "dense": 0.1}
PUBLIC_EPOCHS = {"cifar10": 4, "gtsrb": 3, "tiny": 3}
SIBLING_EPOCHS = {"cifar10": 4, "gtsrb": 6, "tiny": 12}
COUNTS = {"cifar10": (12, 5, 21), "gtsrb": (10, 5, 4), "tiny": (10, 5, 4)}
"""Nets on all of the owner's images, on each half, and siblings from one public start, for each architecture."""
STEPS = {"cifar10": (2, 8), "gtsrb": (4, 20), "tiny": (6, 40)}
"""Epochs on the thief's images for fine-tuning and for training a student."""
OWNERS = {"cifar10": 2, "gtsrb": 2, "tiny": 2}


@dataclass(frozen=True)
class Job:
    """One net to make. `order` sorts: lower is sooner."""

    id: str
    kind: str
    """public (a start that siblings share, in no comparison), honest or derived."""
    image_set: str
    architecture: str
    seed: int
    part: str
    """The split it is trained on; for a derived net, what its thief has."""
    order: tuple[int, ...]
    cost: float
    """Expected share of a full honest training."""
    needs: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict, hash=False)
    attack: str | None = None

    @property
    def family(self) -> str:
        """full, half-a, half-b, sibling, public, or the attack's name."""
        return self.attack or self.id.split(".")[2]


def factory_name(image_set: str, architecture: str) -> str:
    """The no-argument factory in nets.py."""
    return architecture if image_set == "cifar10" else f"{architecture}_{image_set}"


def honest_jobs(image_set: str) -> list[Job]:
    """Public starts and honest nets of every architecture of an image set."""
    place = data.IMAGE_SETS.index(image_set)
    return [
        job for number, arch in enumerate(ARCHITECTURES[image_set]) for job in _honest(image_set, arch, place, number)
    ]


def _honest(image_set: str, arch: str, place: int, number: int) -> list[Job]:
    full, half, siblings = COUNTS[image_set]
    owners = OWNERS[image_set]
    public = f"{image_set}.{arch}.public.0"
    fit = {**TRAINING[image_set], "lr": RATES[arch]}
    # Features of other images serve traffic signs badly: their siblings move further from the shared start.
    gentle = 2 if image_set == "gtsrb" else 4
    short = {**fit, "epochs": SIBLING_EPOCHS[image_set], "lr": RATES[arch] / gentle}

    def job(family: str, seed: int, turn: int, share: float, recipe: dict[str, Any], **more: Any) -> Job:
        part = "owner" if family in ("full", "sibling") else family
        order = (turn, place, number, seed)
        kind = more.pop("kind", "honest")
        return Job(
            f"{image_set}.{arch}.{family}.{seed}",
            kind,
            image_set,
            arch,
            seed,
            part,
            order,
            share,
            recipe=recipe,
            **more,
        )

    start = {"epochs": PUBLIC_EPOCHS[image_set], "lr": RATES[arch]}
    jobs = [job("public", 0, 0, 0.4, start, kind="public")]
    jobs += [job("full", s, s if s < owners else s - owners + 2, 1.0, fit) for s in range(full)]
    jobs += [job(name, s, s + 2, 0.5, fit) for name in ("half-a", "half-b") for s in range(half)]
    share = short["epochs"] / fit["epochs"]
    return jobs + [job("sibling", s, s + 1, share, short, needs=(public,)) for s in range(siblings)]


FRESH = {
    "cifar10": ("dense.sibling.0", "resnet.full.2", "vgg.sibling.1", "dense.full.2", "resnet.sibling.2", "vgg.full.2"),
    "gtsrb": ("resnet.full.2",),
    "tiny": ("vgg.full.2",),
}
"""Owners attacked after the method's defaults were settled on those before them."""


def owner_ids(image_set: str, *, fresh: bool = False) -> list[str]:
    """Owners in the order in which they are attacked: seed 1 of each architecture, on CIFAR-10 siblings, the fresh ones.
    `fresh`: these only."""
    new = [f"{image_set}.{name}" for name in FRESH[image_set]]
    first = [f"{image_set}.{arch}.full.1" for arch in ARCHITECTURES[image_set]]
    siblings = ["cifar10.resnet.sibling.0", "cifar10.vgg.sibling.0"] if image_set == "cifar10" else []
    return new if fresh else [*first, *siblings, *new]


Attacks = list[tuple[str, float, dict[str, Any]]]


def attacks(image_set: str) -> Attacks:
    """(label, expected share of a full honest training, recipe). `other`: a student of another architecture;
    `other_domain`: it asks about the other two image sets; `part`: whose images, the thief's unless told."""
    tune, study = STEPS[image_set]
    short = {"epochs": tune, "lr": 0.01}
    student = {"epochs": study, "lr": RATES["vgg"]}
    every: Attacks = [
        ("ftal", 0.2, {"attack": "ftal", **short}),
        ("extract-label", 0.75, {"attack": "extract-label", **student}),
        ("prune-magnitude-50", 0.02, {"attack": "prune-magnitude", "share": 0.5}),
        ("distil", 0.8, {"attack": "distil", **student, "epochs": max(6, study * 2 // 3), "part": "owner"}),
        ("extract-probability", 0.75, {"attack": "extract-probability", **student}),
        ("adversarial-training", 0.5, {"attack": "adversarial-training", "epochs": tune}),
        ("rtal", 0.2, {"attack": "rtal", "epochs": tune}),
        ("ftll", 0.1, {"attack": "ftll", "epochs": tune}),
        ("rtll", 0.1, {"attack": "rtll", "epochs": tune}),
        ("prune-magnitude-70-tuned", 0.2, {"attack": "prune-magnitude", "share": 0.7, **short}),
        ("fine-prune", 0.2, {"attack": "fine-prune", "epochs": tune}),
        ("int8", 0.02, {"attack": "int8"}),
        ("int4", 0.02, {"attack": "int4"}),
        ("noise", 0.02, {"attack": "noise"}),
        ("extract-label-other", 0.75, {"attack": "extract-label", **student, "other": True}),
    ]
    if image_set != "cifar10":
        return every
    return every + [
        ("extract-probability-other", 0.75, {"attack": "extract-probability", **student, "other": True}),
        ("extract-probability-far", 0.75, {"attack": "extract-probability", **student, "other_domain": True}),
        ("prune-channels-30", 0.25, {"attack": "prune-channels", "share": 0.3, **short}),
        ("ftal-10x", 0.2, {"attack": "ftal", "epochs": tune, "lr": 0.1}),
        ("prune-magnitude-90-tuned", 0.2, {"attack": "prune-magnitude", "share": 0.9, **short}),
        ("prune-magnitude-30", 0.02, {"attack": "prune-magnitude", "share": 0.3}),
        ("prune-magnitude-70", 0.02, {"attack": "prune-magnitude", "share": 0.7}),
    ]


def derived_jobs(image_set: str) -> list[Job]:
    """Every attack on every owner: the first owner of each architecture amid the honest nets, the others after them."""
    place = data.IMAGE_SETS.index(image_set)
    count = len(ARCHITECTURES[image_set])
    jobs = []
    for turn, owner in enumerate(owner_ids(image_set)):
        architecture, family, seed = owner.split(".")[1:]
        first = 4 if turn < count else 10 + turn // count
        for number, (label, cost, recipe) in enumerate(attacks(image_set)):
            told = {key: value for key, value in recipe.items() if key != "part"}
            order = (first, place, turn, number)
            jobs.append(
                Job(f"{owner}+{label}", "derived", image_set, architecture, int(seed), recipe.get("part", "thief"),
                    order, cost, (owner,), told, label)
            )  # fmt: skip
    return jobs
