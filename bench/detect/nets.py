"""The nets that detectors look at: small ResNets on CIFAR-10, each marked by another method, kept once trained.

Baselines are taught to the unmarked net of the PROVE population with the same seed, in EPOCHS on half of the owner's
images. The population's own marked nets are `deephiding-population`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from bench.prove_population.build import ProveStore, key_for, mark_for
from bench.prove_population.variants import PSNR
from bench.test_population import data
from whosenet import registry
from whosenet.errors import UnreadableInput
from whosenet.keys.key import Key, mint
from whosenet.marking.fit import fit, planned
from whosenet.marking.recipe import TEMPERATURE, Recipe
from whosenet.marking.views import ask
from whosenet.networks.save import save_weights
from whosenet.networks.spec import load_weights
from whosenet.watermarks.base import Watermark

CLASSES, EPOCHS, RATE, SHARE, SETTLED = 10, 4, 0.03, 0.2, 0.2
PATTERNS = {"adi": 32}
"""Patterns a key; 4 unless told. Adi's images are many by design, the others' triggers are many by their covers."""
POPULATION = "deephiding-population"
SHAPED = "spectrum-shaped"
"""Patterns with the spectrum of photographs; their net is the ablation's."""
STRENGTHS = {"deephiding": PSNR, POPULATION: PSNR, "deephiding-36": 36.0, "deephiding-38": 38.0, "deephiding-40": 40.0}
KINDS = {POPULATION: "marked", "unmarked": "unmarked", SHAPED: f"marked.{SHAPED}"}
"""Labels whose nets the population has."""


@dataclass(frozen=True)
class Subject:
    """A method under a name of the bench's own: `deephiding-40` is deephiding at 40 dB, `unmarked` is none."""

    label: str
    seed: int

    @property
    def method(self) -> str:
        return self.label.split("-")[0]

    def mark(self, other: int = 0) -> Watermark:
        """By the seed's own key, or by another key of the same method."""
        if self.label == POPULATION and not other:
            return mark_for(key_for("cifar10", "resnet", self.seed, {"psnr": PSNR}))
        if self.label == SHAPED:
            return mark_for(key_for("cifar10", "resnet", self.seed + 100 * other, {"watermark": SHAPED}))
        made: Watermark = registry.load("watermark", self.method)(_key(self, other), strength=STRENGTHS.get(self.label))
        return made


def _key(subject: Subject, other: int) -> Key:
    secret = np.random.default_rng([subject.seed, other, 77]).bytes(32)
    method = {"watermark": subject.method, "patterns": PATTERNS.get(subject.method, 4)}
    return mint(f"Owner {subject.seed}.{other}", method=method, secret=secret, signing=secret)


def which(subject: Subject, root: Path | None = None) -> str:
    """`label/seed`, and for a net of the population (which may be built anew) the beginning of its digest."""
    kind = KINDS.get(subject.label)
    record = ProveStore(root).records().get(f"cifar10.resnet.{subject.seed}.{kind}") if kind else None
    return f"{subject.label}/{subject.seed}" + (f"/{record['digest'][:8]}" if record else "")


def net(subject: Subject, root: Path | None = None) -> nn.Module | None:
    """From the store, or trained and put there (ten seconds of one free core). None if the population has it not yet."""
    store = ProveStore(root)
    known = store.records()
    if subject.label in KINDS:
        wanted = f"cifar10.resnet.{subject.seed}.{KINDS[subject.label]}"
        return store.load(known[wanted]).eval() if wanted in known else None
    module = store.load(known[f"cifar10.resnet.{subject.seed}.unmarked"])
    kept = store.root / "detect" / f"{subject.label}.{subject.seed}{_pair(subject)}.safetensors"
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        load_weights(module, str(kept))
    except UnreadableInput:
        _mark(module, subject, kept)
    return module.eval()


def _mark(module: nn.Module, subject: Subject, kept: Path) -> None:
    recipe = Recipe(epochs=EPOCHS, lr=RATE, share=SHARE, settled=SETTLED, seed=subject.seed, temperature=TEMPERATURE)
    images = data.splits("cifar10")["half-a"]
    checkpoint = kept.with_suffix(".checkpoint")
    said = ask(module, images, planned(recipe, len(images)))
    fit(module, images, subject.mark(), CLASSES, recipe, said=said, checkpoint=checkpoint)
    save_weights(module, kept)
    checkpoint.unlink(missing_ok=True)


def _pair(subject: Subject) -> str:
    """A net is marked by one hiding pair; another pair, another net."""
    return f".{subject.mark().pair.digest[:8]}" if subject.method == "deephiding" else ""
