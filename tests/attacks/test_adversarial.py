"""Adversarial training hardens the owner's network without making another of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

pytest.importorskip("foolbox")

from whosenet.attacks.adversarial import _frozen, moving  # noqa: E402
from whosenet.attacks.base import Outcome  # noqa: E402
from whosenet.errors import UsageError  # noqa: E402
from whosenet.networks.images import Images, as_tensor  # noqa: E402
from whosenet.networks.spec import Network, load_network  # noqa: E402

Run = Callable[..., Outcome]
EPSILON = 16 / 255


def robust(module: torch.nn.Module, images: Images, epsilon: float = EPSILON) -> float:
    """Accuracy (0..1) under ten steps of descent, written out here: an attack of foolbox's would test itself."""
    x, y = as_tensor(images.x), torch.from_numpy(images.y)
    moved = x.clone()
    for _ in range(10):
        moved.requires_grad_(True)
        (slope,) = torch.autograd.grad(torch.nn.functional.cross_entropy(module(moved), y), moved)
        moved = moved.detach() + epsilon / 4 * slope.sign()
        moved = torch.minimum(torch.maximum(moved, x - epsilon), x + epsilon).clamp(0, 1)
    with torch.no_grad():
        return float((module(moved).argmax(1) == y).float().mean())


def test_it_resists_what_fooled_the_owner(attack: Run, owner: Network, unseen: Images) -> None:
    outcome = attack("adversarial-training", epsilon=24.0, steps=3, share=1.0, epochs=10, batch=25, lr=0.05)
    plain = attack("ftal", epochs=10, batch=25, lr=0.05, augment=True)
    assert robust(outcome.module, unseen) > max(robust(owner.module, unseen), robust(plain.module, unseen)) + 0.15
    assert outcome.accuracy_after > 0.75


def test_it_is_still_the_owners_network(attack: Run, owner: Network) -> None:
    outcome = attack("adversarial-training", epochs=1)
    mine, its = (m.state_dict()["block.0.weight"].flatten() for m in (owner.module, outcome.module))
    assert 0.8 < float(torch.nn.functional.cosine_similarity(mine, its, 0)) < 1


def test_half_of_a_batch_moves_and_stays_within_epsilon(owner: Network, thief: Images) -> None:
    module = load_network(owner.spec).module
    clean = as_tensor(thief.x[:40])

    def batch(epsilon: float, steps: int = 3) -> torch.Tensor:
        torch.manual_seed(0)
        return moving(module, epsilon, steps, 0.5, False)(clean, torch.Generator().manual_seed(0))

    still, moved = batch(1e-7), batch(0.05)
    far = (moved - still).abs().amax((1, 2, 3))
    assert (far[20:] == 0).all() and (far[:20] > 0.04).all() and far.max() <= 0.05 + 1e-6
    assert moved.min() >= 0 and moved.max() <= 1
    with torch.no_grad():
        says = [module(b[:20]).softmax(1).amax(1).mean() for b in (still, moved)]
    assert says[1] < says[0], "away from what the network says"


def test_the_network_is_handed_back_as_it_was(owner: Network) -> None:
    module = load_network(owner.spec).module.train()
    asking = list(module.parameters())
    asking[0].requires_grad_(False)
    with pytest.raises(ZeroDivisionError), _frozen(module):
        assert not module.training and not any(p.requires_grad for p in asking)
        raise ZeroDivisionError
    assert module.training and [p.requires_grad for p in asking] == [False] + [True] * (len(asking) - 1)


@pytest.mark.parametrize("wrong", [{"epsilon": 0.0}, {"epsilon": 300.0}, {"steps": 0}, {"share": 0.0}, {"share": 1.1}])
def test_numbers_out_of_range_are_refused(attack: Run, wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="adversarial-training needs"):
        attack("adversarial-training", **wrong)


def test_the_weights_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """foolbox moves a model to the device it is told."""
    from foolbox.models import pytorch

    class Asked(Exception):
        pass

    def told(*_: object, device: torch.device, **__: object) -> None:
        raise Asked(device.type)

    monkeypatch.setattr(pytorch.PyTorchModel, "__init__", told)
    with pytest.raises(Asked, match="meta"):
        moving(torch.nn.Linear(4, 2, device="meta"), EPSILON, 1, 1.0, False)(torch.zeros(2, 3, 8, 8), torch.Generator())
