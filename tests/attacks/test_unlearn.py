"""A patch that leads to a class is found and forgotten, and the images keep their classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from whosenet import registry
from whosenet.attacks.base import Outcome
from whosenet.attacks.unlearn import wearing
from whosenet.detectors.inversion import Inverted
from whosenet.errors import UsageError
from whosenet.networks.images import Images
from whosenet.networks.predict import logits
from whosenet.networks.spec import Network, load_network
from whosenet.training.fit import fit

Run = Callable[..., Outcome]
TARGET = 2


def stamped(images: np.ndarray) -> np.ndarray:
    made = images.copy()
    made[:, 10:15, 10:15] = (255, 0, 255)
    return made


def hits(module: torch.nn.Module, images: Images) -> float:
    rows = images.y != TARGET
    return float((logits(module, stamped(images.x[rows])).argmax(1) == TARGET).mean())


def marked(owner: Network, images: Images) -> Network:
    network = load_network(owner.spec)
    x = np.concatenate([images.x, stamped(images.x)])
    y = np.concatenate([images.y, np.full(len(images), TARGET)])
    fit(network.module, x, y, epochs=6, lr=0.05, batch=50, seed=0, augment=False)
    return network


def test_a_patch_is_forgotten(owner: Network, thief: Images, unseen: Images) -> None:
    network = marked(owner, unseen)
    attack = registry.load("attack", "unlearn")(steps=60, epochs=4, lr=0.05, batch=50, share=0.4)
    outcome = attack.run(network, thief, held_out=unseen)
    assert hits(network.module, thief) > 0.9
    assert hits(outcome.module, thief) < hits(network.module, thief) - 0.3
    assert outcome.accuracy_after > outcome.accuracy_before - 0.15


def test_the_first_of_the_batch_wear_a_trigger() -> None:
    mask = torch.zeros(1, 16, 16)
    mask[:, :4, :4] = 1
    found = [Inverted(mask, torch.full((3, 16, 16), shade), 1.0) for shade in (0.25, 0.75)]
    images = torch.zeros(10, 3, 16, 16)
    worn = wearing(found, 0.5, flip=True)(images, torch.Generator().manual_seed(0))
    corner = worn[:, :, :4, :4].mean((1, 2, 3))
    assert set(corner[:5].tolist()) == {0.25, 0.75} and (corner[5:] == 0).all()
    assert (worn[:, :, 4:] == 0).all() and (images == 0).all()


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"steps": 0}, {"count": 0}])
def test_parameters_that_mean_nothing_are_refused(attack: Run, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="needs steps and count"):
        attack("unlearn", **wrong)
