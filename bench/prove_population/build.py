"""Make the PROVE population: `python -m bench.prove_population.build`, in as many processes as there are cores.

Kill them at any time; what is stored is never made again. `--full --device cuda` makes ResNet-18 at full size, its
control, its mark and what thieves make of them, on an accelerator.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.population.index import CHECKOUT
from bench.prove_population import plan
from bench.prove_population.keys import key_of
from bench.prove_population.plan import Job
from bench.prove_population.spectra import SPECTRA
from bench.test_population import data, nets
from bench.test_population.plan import factory_name
from bench.test_population.store import NETS, Record, TestStore
from whosenet import registry
from whosenet.attacks import folder
from whosenet.errors import UsageError
from whosenet.keys.key import Key
from whosenet.marking.control import control
from whosenet.marking.fit import fit, planned
from whosenet.marking.recipe import Recipe
from whosenet.marking.views import ask
from whosenet.networks.place import checked, elsewhere, place
from whosenet.networks.predict import accuracy
from whosenet.networks.spec import Network, digest_of, fresh
from whosenet.proving.questions import parted, watermark_of
from whosenet.watermarks.base import Watermark

KEY_PARTS = ("patterns", "psnr", "watermark")


class ProveStore(TestStore):
    """As TestStore, in a folder of its own."""

    def __init__(self, root: Path | None = None) -> None:
        super().__init__(root)
        self.root = self.cache / "prove"


def key_for(image_set: str, architecture: str, seed: int, recipe: dict[str, Any]) -> Key:
    return key_of(f"{image_set}.{architecture}.{seed}", **{k: v for k, v in recipe.items() if k in KEY_PARTS})


def mark_for(key: Key) -> Watermark:
    own = SPECTRA.get(str(key.method["watermark"]))
    return own(key) if own else watermark_of(key)


def recipe_of(job_recipe: dict[str, Any], seed: int) -> Recipe:
    return Recipe(seed=seed, **{k: v for k, v in job_recipe.items() if k not in (*KEY_PARTS, "from")})


def make(store: ProveStore, job: Job, device: str = "cpu") -> Record:
    return _derived(store, job, device) if job.kind == "derived" else _trained(store, job, device)


def _trained(store: ProveStore, job: Job, device: str) -> Record:
    """Marked nets and their controls begin with the same unmarked net, and see the same pictures in the same order (a
    fifth of the images is held out); a control sees no pattern."""
    images = store.images(job.image_set)["owner"]
    key = key_for(job.image_set, job.architecture, job.seed, job.recipe)
    kept, _ = parted(images, key)
    recipe = recipe_of(job.recipe, job.seed)
    began = time.process_time()
    if job.kind == "unmarked":
        module = control(place(_start(job).to(memory_format=torch.channels_last), device), kept, recipe)
    else:
        recipe = replace(recipe, share=0.0, strangers=0.0) if job.kind == "control" else recipe
        unmarked = place(store.load(store.records()[job.needs[0]]), device)
        said = ask(unmarked, kept, planned(recipe, len(kept))) if recipe.teach else None
        module = place(_start(job), device) if "from" in job.recipe else unmarked
        fit(module, kept, mark_for(key), images.classes, recipe, said=said)
    seconds = time.process_time() - began
    return store.add(_record(store, job, module, seconds), module)


def _start(job: Job) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 + job.seed)
        return nets.build(job.architecture, job.image_set, data.CLASSES[job.image_set])


def _record(store: ProveStore, job: Job, module: nn.Module, seconds: float) -> Record:
    return {
        "id": job.id, "kind": job.kind, "image_set": job.image_set, "architecture": job.architecture, "seed": job.seed,
        "variant": job.variant, "recipe": job.recipe, "attack": job.attack, "parent": job.needs[0] if job.needs else None,
        "accuracy": round(accuracy(module, store.images(job.image_set)["test"]), 5), "digest": digest_of(module),
        "seconds": round(seconds, 1), "code": NETS, "factory": factory_name(job.image_set, job.architecture), **elsewhere(module),
    }  # fmt: skip


def _derived(store: ProveStore, job: Job, device: str) -> Record:
    """The thief has other images of the same kind; accuracies are on the test set."""
    network = store.network(store.records()[job.needs[0]])
    parts = store.images(job.image_set)
    settings = {k: v for k, v in job.recipe.items() if k != "attack"}
    found = registry.load("attack", job.recipe["attack"])
    known = found.defaults()
    network = _placed(network, device if "epochs" in known else "cpu")
    if "architecture" in settings:
        settings["architecture"] = f"{CHECKOUT / NETS}:{factory_name(job.image_set, settings['architecture'])}"
    if job.image_set == "gtsrb" and "flip" in known:
        settings["flip"] = False
    seed = int(hashlib.sha256(job.id.encode()).hexdigest()[:8], 16)
    began = time.process_time()
    outcome = found(**settings).run(network, parts["thief"], seed=seed, held_out=parts["eval"])
    seconds = time.process_time() - began
    spec = folder.write(outcome, copy.copy(network), store.root / job.id) if "architecture" not in settings else None
    record = _record(store, job, outcome.module, seconds)
    if spec is None:
        return store.add({**record, "factory": settings["architecture"].rpartition(":")[2]}, outcome.module)
    return store.append({**record, "factory": spec.factory})


def _placed(network: Network, device: str) -> Network:
    """And so are the thief's fresh networks of the same kind."""
    module, spec = place(network.module, device), network.spec
    return replace(network, module=module, build=lambda: place(fresh(spec), device))


def available(job: Job) -> bool:
    try:
        return job.kind != "derived" or bool(registry.load("attack", job.recipe["attack"]))
    except UsageError:
        return False


def work(store: ProveStore, jobs: Sequence[Job], until: float, device: str = "cpu") -> None:
    """Take the first job that is free and whose parent is there, until none is left."""
    failed: set[str] = set()
    while time.time() < until:
        done = store.records()
        left = [j for j in jobs if j.id not in done and j.id not in failed]
        ready = [j for j in left if all(need in done for need in j.needs)]
        if not any(_taken(store, job, failed, device) for job in ready):
            if not left or not ready:
                return
            time.sleep(2)


def _taken(store: ProveStore, job: Job, failed: set[str], device: str) -> bool:
    with store.claimed(job.id) as mine:
        if not mine or job.id in store.records():
            return False
        try:
            record = make(store, job, device)
            print(
                f"{time.strftime('%H:%M:%S')} {job.id} accuracy {record['accuracy']} {record['seconds']} s",
                file=sys.stderr,
                flush=True,
            )
        except Exception as error:  # noqa: BLE001
            failed.add(job.id)
            print(f"FAILED {job.id}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="jobs whose id contains this")
    parser.add_argument("--hours", type=float, default=float("inf"), help="start no new net after this long")
    parser.add_argument("--full", action="store_true", help="the networks at full size, in place of the others")
    parser.add_argument("--device", default="cpu", help="where to train: cpu, cuda")
    asked = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    jobs = [j for j in (plan.full() if asked.full else plan.jobs()) if asked.only in j.id and available(j)]
    checked(asked.device)
    work(ProveStore(), jobs, time.time() + 3600 * asked.hours, asked.device)


if __name__ == "__main__":
    main()
