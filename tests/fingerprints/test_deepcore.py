"""Core points: deep inside a class for the owner and its copies, outside it for others."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from fingerprints import small
from whosenet.errors import UsageError
from whosenet.fingerprints import ascent, deepcore, rehearsal, views
from whosenet.fingerprints.ascent import Goal, Turns
from whosenet.fingerprints.base import Fingerprint
from whosenet.networks.predict import logits
from whosenet.networks.spec import digest_of
from whosenet.questions.queryset import QuerySet

QUICK: dict[str, Any] = {"steps": 40, "epsilon": 128.0, "pool": 1.0}


@cache
def made(references: int = 3, positives: bool = True, **settings: Any) -> QuerySet:
    method: Fingerprint = deepcore.DeepCore(**{**QUICK, **settings})
    mine = [small.network(m) for m in _rehearsed()] if positives else []
    return method.make(small.owner(), small.images(), small.twins()[:references], points=30, positives=mine)


@cache
def _rehearsed() -> list[torch.nn.Module]:
    return list(rehearsal.copies(small.owner().module, [small.build], small.images(), count=2, size=500, epochs=10,
                                 mirror=False, seed=0, on_step=lambda done, total: None))  # fmt: skip


def agreement(questions: QuerySet, net: Any) -> float:
    points = questions.images[~questions.control]
    return float((logits(net.module, points).argmax(1) == questions.expected[~questions.control]).mean())


def test_points_lie_further_inside_their_class_than_clean_images() -> None:
    plain = made(0, False, attract=0.0, shadows=0, epsilon=0.0, target="own")
    deep, clean = (_margin(logits(small.owner().module, x)) for x in (plain.images[~plain.control], small.images().x))
    assert np.median(deep) > 2 * np.median(clean)


def _margin(said: np.ndarray) -> np.ndarray:
    top = np.sort(said, 1)
    return top[:, -1] - top[:, -2]


def test_copies_agree_and_twins_that_chose_nothing_do_not() -> None:
    twins = [agreement(made(), n) for n in small.twins()[3:]]
    copies = [agreement(made(), n) for n in (small.tuned(), small.extracted())]
    assert min(copies) > max(twins), (copies, twins)


def test_who_chooses_is_heard() -> None:
    references = [agreement(made(), n) for n in small.twins()[:3]]
    copies = [agreement(made(), small.network(m)) for m in _rehearsed()]
    assert min(copies) > 0.7 and np.mean(references) < 0.2, (copies, references)


def test_no_pixel_moves_further_than_epsilon() -> None:
    near = made(epsilon=64.0, target="own", transforms=False)
    clean = small.images().x.astype(int)
    for point in near.images[~near.control].astype(int):
        assert np.abs(clean - point).max((1, 2, 3)).min() <= 64


def test_every_other_class_is_a_target_in_turn() -> None:
    said = np.eye(4, dtype=np.float32)[np.repeat(np.arange(4), 6)]
    targets = deepcore._targets(said, "other")
    pairs = {(a, b) for a, b in zip(said.argmax(1).tolist(), targets.tolist(), strict=True)}
    assert pairs == {(a, b) for a in range(4) for b in range(4) if a != b}
    assert (np.bincount(targets) == 6).all()
    assert (deepcore._targets(said, "own") == said.argmax(1)).all()


@pytest.mark.parametrize("objective", ["margin", "confidence"])
def test_the_loss_falls_where_the_owner_agrees_and_the_reference_does_not(objective: str) -> None:
    class Fixed(torch.nn.Module):
        def __init__(self, *said: float) -> None:
            super().__init__()
            self.said = torch.tensor([said])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.said.expand(len(x), -1)

    x, target, draws = torch.zeros(1, 1, 2, 2), torch.tensor([1]), torch.Generator().manual_seed(0)
    sure, unsure = Fixed(0, 5, 0), Fixed(0, 1, 0)
    loss = {
        (o, r): float(Goal(a, (), (b,), objective=objective).loss(x, target, Turns(0, draws), Turns(1, draws)))
        for o, a in (("sure", sure), ("unsure", unsure))
        for r, b in (("sure", sure), ("unsure", unsure))
    }
    assert loss["sure", "unsure"] < min(loss["unsure", "unsure"], loss["sure", "sure"])
    assert all(np.isfinite(v) for v in loss.values())
    copies = [
        float(Goal(sure, (c,), objective=objective).loss(x, target, Turns(1, draws), Turns(0, draws)))
        for c in (sure, unsure)
    ]
    assert copies[0] < copies[1]


def test_who_is_furthest_from_its_goal_is_asked_in_every_step() -> None:
    turns = Turns(6, torch.Generator().manual_seed(0))
    first = [row for _ in range(40) for row in _told(turns, {row: float(row == 4) for row in range(6)})]
    assert set(first) == set(range(6)), "all have their turn"
    for _ in range(10):
        assert _told(turns, {row: float(row == 4) for row in range(6)})[0] == 4
    assert len(turns.next()) == ascent.PER_STEP
    assert Turns(0, torch.Generator()).next() == []


def _told(turns: Turns, losses: dict[int, float]) -> list[int]:
    rows = turns.next()
    for row in rows:
        turns.tell(row, losses[row])
    return rows


def test_margin_is_the_target_minus_the_best_other() -> None:
    said = torch.tensor([[1.0, 4.0, 3.0], [9.0, -1.0, 2.0]])
    assert ascent.margin(said, torch.tensor([1, 2])).tolist() == [1.0, -7.0]


def test_it_trains_copies_itself_unless_it_is_given_some(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    genuine = rehearsal.copies

    def spied(*args: Any, **settings: Any) -> Any:
        asked.append(settings["count"])
        return genuine(*args, **settings)

    monkeypatch.setattr(rehearsal, "copies", spied)
    steps: list[tuple[int, int]] = []
    method = deepcore.DeepCore(**QUICK, shadows=2, shadow_epochs=1)
    method.make(small.owner(), small.images(), points=10, on_step=lambda *s: steps.append(s))
    method.make(small.owner(), small.images(), points=10, positives=[small.tuned()])
    deepcore.DeepCore(**QUICK, attract=0.0).make(small.owner(), small.images(), points=10)
    assert asked == [2]
    trained = steps[: steps.index((deepcore.TRAINING, 100)) + 1]
    assert trained == sorted(trained)
    assert steps[-1] == (100, 100)


def test_a_copy_is_a_new_network_that_learned_from_the_owner() -> None:
    a, b = _rehearsed()
    clean = small.images(seed=8)
    said = logits(small.owner().module, clean.x).argmax(1)
    assert digest_of(a) != digest_of(b)
    assert all((logits(m, clean.x).argmax(1) == said).mean() > 0.6 for m in (a, b))


def test_images_without_a_mirror_image_are_not_mirrored() -> None:
    class Left(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            half = x.shape[3] // 2
            return torch.stack([x[..., :half].mean((1, 2, 3)), x[..., half:].mean((1, 2, 3))], 1)

    assert views.minds_mirrors(Left(), small.images().x[:50])
    assert not views.minds_mirrors(torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()),
                                   small.images().x[:50])  # fmt: skip


@pytest.mark.parametrize("size", [(7, 5), (12, 12), (64, 48)])
def test_views_and_blur_keep_the_shape_and_pass_gradients(size: tuple[int, int]) -> None:
    x = torch.rand(3, 3, *size, requires_grad=True)
    draws = torch.Generator().manual_seed(1)
    for _ in range(8):
        seen = views.seen(x, draws, mirror=True)
        (gradient,) = torch.autograd.grad(seen.sum(), x)
        assert seen.shape == x.shape and gradient.abs().sum() > 0
    flat = views.blurred(torch.ones(1, 3, *size), 5)
    assert torch.allclose(flat, torch.ones_like(flat), atol=1e-5)


@pytest.mark.parametrize("wrong", [{"objective": "depth"}, {"start": "grey"}, {"target": "all"}, {"steps": 0},
                                   {"smooth": 4}, {"epsilon": -1.0}, {"pool": 0.5}, {"softness": 0.0}])  # fmt: skip
def test_settings_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        deepcore.DeepCore(**wrong)
