"""Laws of every detector, found by walking the registry."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from tests.detectors.conftest import World
from whosenet import registry
from whosenet.detectors.base import Detector, ImageDetector
from whosenet.errors import UsageError

FAST = {"steps": 20, "overlays": 8, "onto": 6, "epochs": 1, "most": 60}
IMAGES = [name for name, cls in registry.plugins("detector").items() if issubclass(cls, ImageDetector)]
MODELS = [name for name in registry.names("detector") if name not in IMAGES]
every = pytest.mark.parametrize("name", registry.names("detector"))


def made(name: str, seed: int = 0) -> Any:
    cls = registry.load("detector", name)
    return cls(seed=seed, **{key: value for key, value in FAST.items() if key in cls.defaults()})


def scored(name: str, world: World) -> Any:
    if name in MODELS:
        return made(name).score_model(world.marked, world.clean[:40], 4)
    return made(name).score_images(world.marked, world.triggers[:12], world.clean[:40])


@every
def test_it_says_what_it_is(name: str) -> None:
    cls = registry.load("detector", name)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) and cls.name == name and issubclass(cls, Detector)
    assert cls.looks_at == ("model" if name in MODELS else "images") and len(str(cls.__doc__).split()) > 5
    with pytest.raises(UsageError, match="no parameter 'nonsense'"):
        cls(nonsense=1)


@every
def test_the_same_seed_gives_the_same_scores_and_nothing_is_touched(name: str, world: World) -> None:
    before = [t.clone() for t in world.marked.state_dict().values()]
    flags, generator = [p.requires_grad for p in world.marked.parameters()], torch.get_rng_state()
    once = scored(name, world)
    torch.manual_seed(7), np.random.seed(7)
    assert (np.asarray(once) == np.asarray(scored(name, world))).all()
    torch.set_rng_state(generator)
    assert all((a == b).all() for a, b in zip(before, world.marked.state_dict().values(), strict=True))
    assert flags == [p.requires_grad for p in world.marked.parameters()]
    assert np.isfinite(once).all() and np.asarray(once).dtype == np.float64


@pytest.mark.parametrize("name", IMAGES)
def test_grey_images_and_none(name: str, world: World) -> None:
    grey = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 14 * 14, 3)).eval()
    clean = world.clean[:40, ..., :1]
    assert made(name).score_images(grey, clean[:5], clean).shape == (5,)
    assert made(name).score_images(grey, clean[:0], clean).shape == (0,)


@pytest.mark.parametrize("name", IMAGES)
def test_images_of_two_sizes_are_refused(name: str, world: World) -> None:
    with pytest.raises(UsageError, match="one size"):
        made(name).score_images(world.marked, world.triggers[:2], world.clean[:5, :8])


@pytest.mark.parametrize("name", MODELS)
def test_a_model_without_enough_classes_is_refused(name: str, world: World) -> None:
    with pytest.raises(UsageError, match="3 classes"):
        made(name).score_model(world.marked, world.clean, 2)
