"""The PROVE population at the smallest size that can fail: full-size networks by the same script, on another device."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("reedsolo")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from elsewhere import elsewhere, strict  # noqa: E402
from torch import nn  # noqa: E402

from bench.prove_population import build, plan  # noqa: E402
from bench.test_population import nets  # noqa: E402
from whosenet.networks.images import Images  # noqa: E402

COUNT = 80
NARROW = "from bench.test_population import nets\n\ndef resnet18():\n    return nets.resnet18(width=4)\n"
MADE = (*plan.KINDS, "ftal", "extract-probability", "fine-prune", "adversarial-training", "overwrite", "int8")
PLACED: list[str] = []
JOBS = {job.attack or job.kind: job for job in plan.full() if job.seed == 0}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[build.ProveStore]:
    """Noise in the shape of CIFAR-10, and a ResNet-18 a sixteenth as wide that computes elsewhere."""
    torch.set_num_threads(1)
    cache = tmp_path_factory.mktemp("cache")
    (cache / "nets.py").write_text(NARROW)
    draws = np.random.default_rng(0)
    images = Images(draws.integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8), np.arange(COUNT) % 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "place", _elsewhere)
        patch.setattr(build, "NETS", str(cache / "nets.py"))
        patch.setattr(nets.resnet18, "__defaults__", (10, 4, 32, False))
        patch.setattr(build.ProveStore, "images", lambda *_: dict.fromkeys(("owner", "thief", "test", "eval"), images))
        yield build.ProveStore(cache)


def _elsewhere(module: nn.Module, device: str) -> nn.Module:
    PLACED.append(device)
    return elsewhere(module) if device == "elsewhere" else module


def test_the_full_size_is_asked_for_by_name_alone() -> None:
    assert not [job for job in plan.jobs() if "resnet18" in job.id]
    assert {job.architecture for job in plan.full()} == {"resnet18"}
    assert {job.seed for job in plan.full()} == set(plan.SEEDS["cifar10"])
    assert set(plan.KINDS) < set(JOBS) and len(JOBS) > 15
    ids = [job.id for job in plan.full()]
    assert all(ids.index(need) < ids.index(job.id) for job in plan.full() for need in job.needs)


def test_it_has_the_size_of_a_resnet18() -> None:
    assert sum(p.numel() for p in nets.resnet18(width=64).parameters()) == pytest.approx(11.17e6, rel=0.01)


def test_nets_marks_and_thefts_are_made_and_kept(store: build.ProveStore) -> None:
    """One attack of each kind."""
    jobs = [quick(JOBS[name]) for name in MADE]
    with strict():
        build.work(store, jobs, float("inf"), "elsewhere")
    known = store.records()
    assert set(known) == {job.id for job in jobs}
    assert store.load(known["cifar10.resnet18.0.marked+ftal"]).training is False
    trained = [i for i in known if not i.endswith("+int8")]
    assert PLACED.count("elsewhere") >= len(trained) and PLACED.count("cpu") >= 1


def quick(job: plan.Job) -> plan.Job:
    short = {"epochs": 1, "batch": 40} if job.kind != "derived" else {"epochs": 1} if "epochs" in job.recipe else {}
    return replace(job, recipe={**job.recipe, **short})
