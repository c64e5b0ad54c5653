"""Derived copies of the published networks: every attack once, kept in the bench's cache with its recipe and accuracy.

python -m bench.real_nets.copies [OWNER ...]     # makes what is missing, the cheap ones first; stop and start it at will
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from bench.population.index import default_root
from bench.real_nets.convert import NETS, OWNERS, network
from bench.test_population import data
from bench.test_population import nets as students
from whosenet import registry
from whosenet.files import replaced
from whosenet.networks.images import Images
from whosenet.networks.save import save_weights
from whosenet.networks.spec import Network, Spec, load_network

STUDENT = Spec(str(Path(students.__file__).resolve()), "vgg", None)
FEW, ALL = 5_000, 20_000
"""Images a thief has for tuning and for training a student (of the thief's split, which no net of ours has seen)."""


@dataclass(frozen=True)
class Recipe:
    attack: str
    parameters: dict[str, Any] = field(default_factory=dict)
    images: int = FEW
    student: Spec | None = None


RECIPES = {
    "int8": Recipe("int8"),
    "int4": Recipe("int4"),
    "noise-10": Recipe("noise", {"share": 0.1}),
    "prune-50": Recipe("prune-magnitude", {"share": 0.5}),
    "prune-70": Recipe("prune-magnitude", {"share": 0.7}),
    "prune-70-tuned": Recipe("prune-magnitude", {"share": 0.7, "epochs": 1, "lr": 0.01}),
    "ftal": Recipe("ftal", {"epochs": 2, "lr": 0.01}),
    "rtal": Recipe("rtal", {"epochs": 3, "lr": 0.02}),
    "adversarial-training": Recipe("adversarial-training", {"epochs": 1, "lr": 0.01}),
    "extract-label": Recipe("extract-label", {"epochs": 8, "lr": 0.05}, ALL, STUDENT),
    "distil": Recipe("distil", {"epochs": 8, "lr": 0.05}, ALL, STUDENT),
}
"""Cheap ones first. A student has another architecture than every owner: asking these owners is what costs."""


@dataclass(frozen=True)
class Copy:
    owner: str
    label: str
    digest: str
    spec: str
    accuracy: float
    seconds: float

    def network(self) -> Network:
        return load_network(self.spec)


def copy(owner: str, label: str, cache: Path | None = None) -> Copy | None:
    """The stored copy, if it was made by the recipe of today."""
    note = _folder(owner, label, cache) / "copy.json"
    if not note.is_file():
        return None
    about = json.loads(note.read_text())
    if about.pop("recipe") != _recipe(label):
        return None
    return Copy(**about, spec=str(_code(owner, label).with_weights(note.with_name("weights.safetensors"))))


def made(owner: str, label: str, thief: Images, held_out: Images, cache: Path | None = None) -> Copy:
    """The stored copy, or a new one; the line that says it is complete is written last."""
    found = copy(owner, label, cache)
    if found is not None:
        return found
    recipe, folder = RECIPES[label], _folder(owner, label, cache)
    given = {"architecture": str(recipe.student)} if recipe.student else {}
    attack = registry.load("attack", recipe.attack)(**recipe.parameters, **given)
    began = time.process_time()
    outcome = attack.run(
        network(owner, cache), thief.take(np.arange(min(recipe.images, len(thief)))), seed=1, held_out=held_out
    )
    save_weights(outcome.module, folder / "weights.safetensors")
    about = {
        "owner": owner, "label": label, "digest": outcome.digest, "accuracy": round(outcome.accuracy_after, 4),
        "seconds": round(time.process_time() - began, 1), "recipe": _recipe(label),
    }  # fmt: skip
    replaced(folder / "copy.json", lambda file: file.write(json.dumps(about, indent=1).encode()))
    result = copy(owner, label, cache)
    assert result is not None
    return result


def _folder(owner: str, label: str, cache: Path | None) -> Path:
    return (cache or default_root()) / "real" / owner / label


def _code(owner: str, label: str) -> Spec:
    return RECIPES[label].student or NETS[owner].code


def _recipe(label: str) -> dict[str, Any]:
    recipe = RECIPES[label]
    student = recipe.student.factory if recipe.student else None
    return {"attack": recipe.attack, "parameters": recipe.parameters, "images": recipe.images, "student": student}


def main() -> None:
    parts = data.splits("cifar10")
    for label in RECIPES:
        for owner in sys.argv[1:] or OWNERS:
            known = copy(owner, label) is not None
            one = made(owner, label, parts["thief"], parts["eval"].take(np.arange(1000)))
            print(
                f"{owner} {label}: accuracy {one.accuracy:.3f}, {one.seconds:.0f} s" + (" (kept)" if known else ""),
                flush=True,
            )


if __name__ == "__main__":
    main()
