"""What each detector makes of each subject's triggers or net, as AUCs and indices; kept in a file, so a killed run goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.detect.nets import CLASSES, KINDS, Subject, net
from bench.population.index import default_root
from bench.prove_population.variants import PSNR
from bench.test_population import data
from whosenet import registry
from whosenet.detectors.base import auc
from whosenet.networks.predict import accuracy, logits

TRIGGERS, INNOCENT, SEARCHERS = 150, 150, 1000
ASK_THE_MODEL = ("strip", "sentinet", "clustering")
LOOK_AT_IMAGES = ("chisquare", "periodicity", "residuals", "frequency")
CAN_BE_SHOWN = ("residuals", "frequency")
CLEANSE = {"steps": 100, "batch": 32}


class Kept:
    """Numbers by name, in one file a default strength of ours."""

    def __init__(self, root: Path | None = None, *, measure: bool = True) -> None:
        self.measure = measure
        self.path = (root or default_root()) / "prove" / "detect" / f"scores-{PSNR:g}.json"
        self.values: dict[str, Any] = json.loads(self.path.read_text()) if self.path.is_file() else {}

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self.values and self.measure:
            self.values[name] = make()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps(self.values, indent=1))
            part.replace(self.path)
            print(name, self.values[name], flush=True)
        return self.values.get(name)


def images(subject: Subject) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(triggers, innocent images, the searcher's clean images), uint8; all different photographs."""
    test, thief = data.splits("cifar10")["eval"], data.splits("cifar10")["thief"]
    order = np.random.default_rng([subject.seed, 5]).permutation(len(test))
    covers, innocent = test.take(order[:TRIGGERS]), test.take(order[TRIGGERS : TRIGGERS + INNOCENT])
    mark, numbers, targets = _patterns(subject, len(covers))
    usable = covers.y != targets
    return mark.stamp(covers.x[usable], numbers[usable]), innocent.x, thief.take(np.arange(SEARCHERS)).x


def _patterns(subject: Subject, count: int) -> tuple[Any, np.ndarray, np.ndarray]:
    mark = subject.mark()
    numbers = np.arange(count) % mark.carriers
    return mark, numbers, mark.targets(CLASSES)[numbers]


def described(subject: Subject) -> dict[str, float]:
    """How good the mark is and how visible."""
    module, test = net(subject), data.splits("cifar10")["eval"]
    if subject.label == "unmarked":
        return {"accuracy": accuracy(module, test)}
    mark, numbers, targets = _patterns(subject, 600)
    covers = test.take(np.arange(600))
    said = logits(module, mark.stamp(covers.x, numbers)).argmax(1) if module is not None else targets * np.nan
    psnr, ssim = mark.quality(covers.x, numbers)
    hits = float((said == targets)[covers.y != targets].mean()) if module is not None else None
    return {"accuracy": None if module is None else accuracy(module, test), "hits": hits, "psnr": psnr, "ssim": ssim}


def by_model(subject: Subject, name: str) -> float | None:
    """AUC of a detector that asks the net."""
    module = net(subject)
    if module is None:
        return None
    triggers, innocent, clean = images(subject)
    detector = registry.load("detector", name)(seed=subject.seed)
    return _auc(detector.score_images(module, np.concatenate([triggers, innocent]), clean), len(triggers))


def by_images(subjects: list[Subject], name: str) -> dict[str, float]:
    """AUCs of one that does not, by label and seed; trained once for all, since it knows nothing of any."""
    module, sets = net(Subject("unmarked", 0)), [images(subject) for subject in subjects]
    detector = registry.load("detector", name)(seed=0)
    together = [part for triggers, innocent, _ in sets for part in (triggers, innocent)]
    ends = np.cumsum([len(part) for part in together])[:-1]
    parts = np.split(detector.score_images(module, np.concatenate(together), sets[0][2]), ends)
    return {f"{s.label}/{s.seed}": auc(a, b) for s, a, b in zip(subjects, parts[::2], parts[1::2], strict=True)}


def by_shown(subject: Subject, name: str) -> float:
    """AUC of one that learns from triggers: the searcher has marked his own images with another key of the method."""
    triggers, innocent, clean = images(subject)
    mark = subject.mark(other=1)
    own = mark.stamp(clean, np.arange(len(clean)) % mark.carriers)
    detector = registry.load("detector", name)(seed=subject.seed)
    module = net(Subject("unmarked", 0))
    return _auc(detector.score_images(module, np.concatenate([triggers, innocent]), clean, shown=own), len(triggers))


def by_cleanse(subject: Subject) -> float | None:
    """Neural Cleanse's anomaly index."""
    module = net(subject)
    if module is None:
        return None
    clean = data.splits("cifar10")["thief"].take(np.arange(SEARCHERS)).x
    detector = registry.load("detector", "cleanse")(seed=subject.seed, **CLEANSE)
    return float(detector.score_model(module, clean, CLASSES))


def _auc(scores: np.ndarray, triggers: int) -> float:
    return auc(scores[:triggers], scores[triggers:])


def there(subject: Subject) -> bool:
    """Whether a net can be had (the population grows while this runs)."""
    return subject.label not in KINDS or net(subject) is not None
