"""A module elsewhere (tests/elsewhere.py): images go there, answers and gradients come back, and no loop knows."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from elsewhere import elsewhere, strict  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from whosenet.errors import UsageError  # noqa: E402
from whosenet.networks import place  # noqa: E402
from whosenet.networks.predict import logits  # noqa: E402
from whosenet.training.fit import fit  # noqa: E402

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(24) % 3


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(144, 3)
    )


def test_the_stand_in_fails_without_being_moved() -> None:
    with pytest.raises(RuntimeError):
        net().double()(torch.zeros(1, 3, 8, 8))
    with strict(), pytest.raises(AssertionError, match="add"):
        torch.zeros(2) + torch.zeros(2).double()


def test_it_answers_as_it_would_here() -> None:
    assert logits(elsewhere(net()), PIXELS) == pytest.approx(logits(net(), PIXELS), abs=1e-5)
    assert logits(copy.deepcopy(elsewhere(net())), PIXELS).dtype == np.float32


def test_gradients_come_back_to_the_images() -> None:
    x = torch.rand(4, 3, 8, 8, requires_grad=True)
    elsewhere(net())(x).sum().backward()
    assert x.grad is not None and x.grad.dtype == torch.float32 and bool(x.grad.abs().sum() > 0)


def test_it_is_trained_by_the_loop_of_the_attacks() -> None:
    with strict():
        module = fit(elsewhere(net()), PIXELS, LABELS, epochs=8, lr=0.05, seed=1, batch=8, bf16=False)
    said = torch.from_numpy(logits(module, PIXELS))
    assert F.cross_entropy(said, torch.from_numpy(LABELS)) < F.cross_entropy(
        torch.from_numpy(logits(net(), PIXELS)), torch.from_numpy(LABELS)
    )
    assert {p.dtype for p in module.parameters()} == {torch.float64}


def test_the_cpu_is_no_other_place() -> None:
    module = place.place(net(), "cpu")
    assert not module._forward_hooks and not module._forward_pre_hooks


@pytest.mark.parametrize("device", ["nowhere", "meta", "cuda:99", "hpu", ""])
def test_a_device_that_is_not_there_is_an_error(device: str) -> None:
    with pytest.raises(UsageError, match="device"):
        place.place(net(), device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator here")
def test_on_an_accelerator() -> None:
    module = place.place(net(), "cuda")
    assert logits(module, PIXELS) == pytest.approx(logits(net(), PIXELS), abs=1e-2)
    fit(module, PIXELS, LABELS, epochs=1, lr=0.05, seed=1, batch=8)
    assert {p.device.type for p in module.parameters()} == {"cuda"}
