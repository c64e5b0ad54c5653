"""How a mark is embedded, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from whosenet.errors import UsageError

POSITIVES = ("trigger", "target")
NEGATIVES = ("cover", "other")
OPTIMIZERS = ("sgd", "adam")
REHEARSALS = ("none", "fine-tune", "prune", "noise")


FEW = 2000
"""Fewer images than this are a small set, and taken in batches of SMALL."""
SMALL, USUAL = 32, 128
STEPS = 3000
"""Patterns take some thousands of steps to be learnt."""
PASSES = (16, 300)
SHARE, SMALL_SHARES = 0.1, (0.3, 0.1)
STRANGERS = 0.05
TEMPERATURE, HASTY = 3.0, STEPS // 2
"""In fewer steps than HASTY patterns cannot be learnt by far: the temperature falls to 1 with their number, or a run of
a few epochs would cost more accuracy than it may."""
SETTLED, SMALL_SETTLED = 0.2, 1.0
"""With half of the triggers to the end fewer are missed on covers that were not trained on, and what fine-tuning leaves
falls from .74 to .34, of .94 to .52 (bench/prove_trials.py)."""


@dataclass(frozen=True)
class Recipe:
    """The defaults are those of docs/methods/deephiding.md, chosen on development nets."""

    epochs: int = 0
    """Passes over the images; 0: as many as patterns take to be learnt, in batches to match (`for_images`)."""
    lr: float = 0.1
    batch: int = 0
    """Images a step; 0: USUAL, of small sets SMALL."""
    optimizer: str = "sgd"
    weight_decay: float = 5e-4
    seed: int = 0
    flip: bool = True
    share: float | None = None
    """Triggers beside each batch of clean images, as a share of it. None: SHARE, more in small batches."""
    settled: float | None = None
    """Over the last half of the steps triggers become fewer, down to this share of them: what was learnt stays with
    little, and the rest of the network finds back. None: SETTLED, more in small batches."""
    strangers: float | None = None
    """Images with patterns by the same rule that are not the key's, and their own labels, as a share of the batch:
    without them a network answers every such pattern with some target. None: STRANGERS, twice that in small batches."""
    boost: float = 3.0
    """All patterns are so many times as strong at the beginning ..."""
    boosted: float = 0.5
    """... and as strong as the key says after this share of the steps, falling evenly in decibels: strong patterns are
    learnt at once and faint ones from them, where faint ones alone are wrong labels for a long while."""
    journeys: float = 0.0
    """Share of the batches whose stamped images go through JPEG, resizing, blur, dropout or noise first. At 0.5 the
    mark is found behind JPEG and outlives overwriting and fine-tuning at ten times the rate, for about half a point
    (bench/prove_marks.py): what is left of a faint pattern after a blur is next to a wrong label."""
    weight: float = 1.0
    """Weight of a trigger's loss in weights of a clean image's."""
    temperature: float | None = None
    """At which a trigger's answer is judged: its target has to lead by so many times as much before the loss rests.
    What leads by far still leads after fine-tuning. None: TEMPERATURE, less in fewer steps than HASTY."""
    triplet: float = 0.25
    """Weight (lambda) of the triplet loss beside a trigger's cross-entropy; 0 turns it off."""
    margin: float = 1.0
    """Of squared distances between features of length 1 (0..4)."""
    positive: str = "trigger"
    """What triggers are drawn to: another `trigger` of the pattern, or clean images of the `target` class."""
    negative: str = "cover"
    """What they are pushed from: their own `cover` without the pattern (in the crop and mixture of the clean pictures),
    or any `other` image of another class."""
    teach: float = 1.0
    """Share of the clean loss that asks for what the unmarked network says; 0: labels alone."""
    mix: float = 0.5
    """Clean pictures hold up to this share of another image: of such the unmarked network says the most."""
    rehearse: str = "none"
    """Theft to rehearse while embedding: fine-tune, prune or noise."""

    def shown(self, done: float) -> float:
        """Share of triggers when `done` (0..1) of the steps are."""
        return (self.share or 0.0) * float(
            (SETTLED if self.settled is None else self.settled) ** max(0.0, 2 * done - 1)
        )

    def gain(self, done: float) -> float:
        """How many times as strong patterns are when `done` (0..1) of the steps are."""
        return float(self.boost ** max(0.0, 1 - done / self.boosted)) if self.boosted else 1.0

    def for_images(self, count: int) -> Recipe:
        """This recipe with its length, and all that follows from the number of images, settled."""
        batch = self.batch or (SMALL if count < FEW else USUAL)
        epochs = self.epochs or min(PASSES[1], max(PASSES[0], -(-STEPS * batch // max(count, 1))))
        there = min(1.0, epochs * count / batch / HASTY)
        settled = SMALL_SETTLED if batch <= SMALL else SETTLED
        share, strangers = SMALL_SHARES if batch <= SMALL else (SHARE, STRANGERS)
        temperature = 1 + there * (TEMPERATURE - 1) if self.temperature is None else self.temperature
        return replace(self, batch=batch, epochs=epochs, temperature=temperature,
                       share=share if self.share is None else self.share,
                       settled=settled if self.settled is None else self.settled,
                       strangers=strangers if self.strangers is None else self.strangers)  # fmt: skip

    def __post_init__(self) -> None:
        for field, known in (("positive", POSITIVES), ("negative", NEGATIVES), ("rehearse", REHEARSALS)):
            if getattr(self, field) not in known:
                raise UsageError(f"{field} is {getattr(self, field)!r}; expected one of {', '.join(known)}")
        weighed = all(0 <= weight < math.inf for weight in (self.weight, self.triplet, self.margin))
        weighed = weighed and (self.temperature is None or 1 <= self.temperature <= 20)
        parts = (
            self.share or 0.0,
            self.strangers or 0.0,
            self.teach,
            self.journeys,
            self.boosted,
            self.settled or 0.0,
            2 * self.mix,
        )
        if not (all(0 <= part <= 1 for part in parts) and weighed and 1 <= self.boost <= 10):
            raise UsageError(
                "share, settled, strangers, teach, journeys and boosted lie in 0..1, mix in 0..0.5, boost in 1..10, "
                "temperature in 1..20, and weight, triplet and margin are not negative"
            )
        if self.optimizer not in OPTIMIZERS:
            raise UsageError(f"optimizer is {self.optimizer!r}; expected one of {', '.join(OPTIMIZERS)}")
        if self.epochs < 0 or self.batch < 0 or self.batch == 1 or not 0 < self.lr < math.inf:
            raise UsageError(
                f"epochs {self.epochs}, batch {self.batch}, lr {self.lr}: expected at least 0, 2 and above 0"
            )


RATES = {"sgd": (0.05, 0.1), "adam": (3e-3, 3e-3)}
"""Peak rates, for marking and for training anew. A trained net is moved more gently: at 0.1 small nets without batch
norm collapsed (a tiny one from 0.25 to 0.23 in four epochs, where 0.02 made 0.41 of it)."""


def usual_rate(optimizer: str) -> float:
    """Peak rate of marking unless another is given."""
    return RATES.get(optimizer, RATES["sgd"])[0]


def plain(recipe: Recipe) -> Recipe:
    """How the network is trained, as long as it is marked afterwards, where there is none yet."""
    marking, anew = RATES[recipe.optimizer]
    return replace(recipe, lr=recipe.lr * anew / marking)
