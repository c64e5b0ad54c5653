"""The parts of embedding: triplet loss, batches, rehearsed theft, recipes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from whosenet.errors import UsageError  # noqa: E402
from whosenet.keys.key import mint  # noqa: E402
from whosenet.marking.batches import Batch, amplified, batch_of  # noqa: E402
from whosenet.marking.recipe import Recipe, plain, usual_rate  # noqa: E402
from whosenet.marking.rehearse import rehearsed, stolen  # noqa: E402
from whosenet.marking.travel import KINDS, travel  # noqa: E402
from whosenet.marking.triplet import features_of, other, partner, triplet  # noqa: E402
from whosenet.marking.views import Views, ask, digest  # noqa: E402
from whosenet.networks.images import Images  # noqa: E402
from whosenet.watermarks.deephiding import DeepHiding  # noqa: E402

KEY = mint("Ada", method={"watermark": "deephiding", "psnr": 26.0}, secret=b"1" * 32, signing=b"2" * 32)


def drawn(seed: int = 0) -> Any:
    return torch.Generator().manual_seed(seed)


def test_the_triplet_loss_by_hand() -> None:
    anchor, near, far = torch.tensor([[2.0, 0]]), torch.tensor([[3.0, 0]]), torch.tensor([[0, 5.0]])
    one = torch.ones(1)
    assert float(triplet(anchor, near, far, one, 0.5)) == 0
    assert float(triplet(anchor, far, near, one, 0.5)) == pytest.approx(2.5)
    assert float(triplet(anchor, near, near, one, 0.5)) == pytest.approx(0.5)
    assert float(triplet(anchor, far, near, torch.zeros(1), 0.5)) == 0


def test_partners_are_of_the_same_kind_and_never_oneself() -> None:
    kinds = torch.tensor([0, 0, 1, 1, 2])
    for seed in range(20):
        places, there = partner(kinds, kinds, drawn(seed))
        assert there.tolist() == [1, 1, 1, 1, 0]
        assert (kinds[places[:4]] == kinds[:4]).all() and (places[:4] != torch.arange(4)).all()
        assert (kinds[other(kinds, kinds, drawn(seed))] != kinds).all()
    assert partner(torch.tensor([7]), kinds, drawn())[1].tolist() == [0]


def test_features_are_what_the_last_linear_layer_is_given() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3))
    x = torch.rand(4, 3, 2, 2)
    with features_of(net) as seen:
        net(x)
    assert torch.equal(seen[0], net[:3](x))
    net(x)
    assert len(seen) == 1
    with pytest.raises(UsageError, match="triplet 0"), features_of(nn.Sequential(nn.Conv2d(3, 3, 1))):
        pass


def batched(images: Any, labels: Any, mark: Any, targets: Any, recipe: Recipe, draws: Any) -> Batch:
    """Of all the images, unmixed."""
    rows = torch.arange(len(images))
    clean = Views(0, len(images), False, 0.0, 1).pictures(images, rows, 0, 0)
    return batch_of(images, labels, rows, clean, mark, targets, recipe, draws)


def batch(recipe: Recipe, seed: int = 0, count: int = 40) -> tuple[Batch, Any]:
    """Every image of one grey, so that crops are the image."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(60, 190, (count, 3, 1, 1), np.uint8)).expand(-1, -1, 16, 16).contiguous()
    labels = torch.from_numpy(rng.integers(0, 6, count))
    mark = DeepHiding(KEY)
    return batched(images, labels, mark, torch.from_numpy(mark.targets(6)), recipe, drawn(seed)), mark


def test_a_batch_holds_clean_images_and_some_of_them_stamped() -> None:
    made, mark = batch(Recipe(share=0.25, strangers=0.1))
    assert made.images.shape == (54, 3, 16, 16) and len(made.labels) == 40 and len(made.covers) == 10
    assert (made.labels[made.covers] != made.targets).all()
    assert (made.targets == torch.from_numpy(mark.targets(6))[made.patterns]).all()
    covers = (made.clean[made.covers] * 255).round().byte().permute(0, 2, 3, 1).numpy()
    stamped = (made.images[40:50] * 255).round().byte().permute(0, 2, 3, 1).numpy()
    assert (mark.stamp(covers, made.patterns.numpy()) == stamped).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_journeys_move_the_stamped_images_and_no_others(channels: int) -> None:
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(60, 190, (20, channels, 24, 20), np.uint8))
    labels = torch.from_numpy(rng.integers(0, 6, 20))
    mark, moved = DeepHiding(KEY), 0
    targets = torch.from_numpy(mark.targets(6))
    for seed in range(12):
        before = batched(images, labels, mark, targets, Recipe(journeys=0.0, share=0.2, strangers=0.1), drawn(seed))
        after = batched(images, labels, mark, targets, Recipe(journeys=1.0, share=0.2, strangers=0.1), drawn(seed))
        assert after.images.shape == before.images.shape and torch.equal(after.clean, before.clean)
        assert float(after.images.min()) >= 0 and float(after.images.max()) <= 1
        moved += not torch.equal(after.images, before.images)
    assert 6 <= moved <= 12, "one kind of five leaves them as they are"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 24, 20, 1), (2, 9, 13, 3), (0, 8, 8, 3)])
def test_every_journey_keeps_pictures_pictures(kind: str, shape: tuple[int, ...]) -> None:
    given = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    sent = travel(given, kind, drawn())
    assert sent.shape == given.shape and sent.dtype == np.uint8
    assert (sent == travel(given, kind, drawn())).all()
    assert not len(given) or (kind == "none") == (sent == given).all()


def test_strangers_are_no_pattern_that_a_verification_asks_about() -> None:
    made, mark = batch(Recipe(share=0.25, strangers=0.1))
    cover = (made.clean[made.strangers[0]] * 255).round().byte().permute(1, 2, 0).numpy()
    shown = (made.images[50] * 255).round().byte().permute(1, 2, 0).numpy()
    asked = mark.stamp(np.repeat(cover[None], 200, 0), np.arange(200))
    assert (shown != cover).any() and not (asked == shown).all((1, 2, 3)).any()


def test_patterns_begin_strong_and_end_as_the_key_says() -> None:
    recipe = Recipe(boost=3.0, boosted=0.5)
    assert (
        recipe.gain(0.0) == 3
        and recipe.gain(0.25) == pytest.approx(3**0.5)
        and recipe.gain(0.5) == recipe.gain(1.0) == 1
    )
    assert Recipe(boosted=0.0).gain(0.0) == 1
    covers = np.full((1, 2, 2, 3), 100, np.uint8)
    assert (amplified(covers, covers + np.uint8(7), 3.0) == 121).all() and (
        amplified(covers, covers + np.uint8(7), 1.0) == 107
    ).all()
    assert (amplified(covers, covers - np.uint8(50), 3.0) == 0).all()


def test_what_is_asked_about_is_what_is_shown() -> None:
    x = np.random.default_rng(0).integers(0, 255, (70, 16, 16, 3), np.uint8)
    net, seen = small(), []
    views = Views(seed=1, batch=16, flip=True, mix=0.5, count=2)
    said = ask(net, Images(x, np.zeros(70, np.int64)), views, on_step=lambda done, total: seen.append((done, total)))
    assert said.shape == (2, 70, 6) and said.dtype == torch.float16 and seen[-1] == (10, 10)
    held = torch.from_numpy(x).permute(0, 3, 1, 2)
    for view in range(2):
        order = views.batches(70, view)
        assert torch.equal(torch.cat(order).sort().values, torch.arange(70))
        shown, mixed = views.pictures(held, order[3], view, 3)
        assert torch.allclose(net(shown), said[view, order[3]].float(), atol=0.02)
        assert float(mixed.share.min()) >= 0 and float(mixed.share.max()) <= 0.5
    assert digest(said) != digest(said + 1) and digest(None) == ""
    other = Views(seed=2, batch=16, flip=True, mix=0.5, count=2)
    assert not torch.equal(views.pictures(held, order[0], 0, 0)[0], other.pictures(held, order[0], 0, 0)[0])


def test_mixed_pictures_hold_another_image() -> None:
    x = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    x[1] = 200
    views = Views(seed=0, batch=2, flip=False, mix=0.5, count=1)
    shown, mixed = views.pictures(x, torch.tensor([0, 1]), 0, 0)
    own = torch.tensor([0.0, 200 / 255])
    wanted = own + mixed.share * (own[mixed.other] - own)
    assert torch.allclose(shown.mean((1, 2, 3)), wanted, atol=1e-6)
    plain, _ = Views(seed=0, batch=2, flip=False, mix=0.0, count=1).pictures(x, torch.tensor([0, 1]), 0, 0)
    assert torch.allclose(plain.mean((1, 2, 3)), own, atol=1e-6)


def test_a_network_whose_answers_are_no_numbers_is_told() -> None:
    net = small()
    with torch.no_grad():
        net[3].bias.fill_(float("nan"))
    images = Images(np.zeros((8, 16, 16, 3), np.uint8), np.zeros(8, np.int64))
    with pytest.raises(UsageError, match="no numbers"):
        ask(net, images, Views(0, 4, True, 0.5, 1))


def test_batches_follow_from_the_seed() -> None:
    assert torch.equal(batch(Recipe(share=0.2))[0].images, batch(Recipe(share=0.2))[0].images)
    assert not torch.equal(batch(Recipe(share=0.2))[0].images, batch(Recipe(share=0.2), seed=1)[0].images)


def test_a_batch_of_nothing_but_targets_still_has_triggers() -> None:
    mark = DeepHiding(KEY)
    target = int(mark.targets(6)[0])
    images = torch.full((4, 3, 16, 16), 128, dtype=torch.uint8)
    made = batched(images, torch.full((4,), target), mark, torch.tensor([target]), Recipe(share=0.1), drawn())
    assert len(made.covers) == 1


def small() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 6))


def test_each_theft_does_what_it_is_called() -> None:
    net, (made, _) = small(), batch(Recipe(share=0.2))
    own = dict(net.named_parameters())
    pruned = stolen(net, made, "prune", drawn())
    assert float((pruned["3.weight"] == 0).float().mean()) == pytest.approx(0.6, abs=0.01)
    assert torch.equal(pruned["3.bias"], own["3.bias"])
    noisy = stolen(net, made, "noise", drawn())
    assert float(((noisy["3.weight"] - own["3.weight"]).std() / own["3.weight"].std()).detach()) == pytest.approx(
        0.1, rel=0.1
    )
    tuned = stolen(net, made, "fine-tune", drawn())

    def clean_loss(weights: Any) -> float:
        said = torch.func.functional_call(net, weights, (made.clean,))
        return float(nn.functional.cross_entropy(said, made.labels))

    assert clean_loss(tuned) < clean_loss(own)


@pytest.mark.parametrize("kind", ["fine-tune", "prune", "noise"])
def test_rehearsal_lowers_the_triggers_loss_after_that_theft(kind: str) -> None:
    net, (made, _), recipe = small(), batch(Recipe(share=0.5)), Recipe(rehearse=kind, temperature=1.0)
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    before = float(rehearsed(net, made, recipe, drawn(9)).detach())
    for step in range(25):
        optimiser.zero_grad()
        rehearsed(net, made, recipe, drawn(step)).backward()
        optimiser.step()
    assert float(rehearsed(net, made, recipe, drawn(9)).detach()) < 0.7 * before


def test_a_run_of_few_steps_asks_for_less_of_a_lead() -> None:
    def settled(epochs: int, **told: Any) -> float | None:
        return Recipe(epochs=epochs, **told).for_images(6400).temperature

    assert settled(30) == settled(60) == settled(0) == 3.0
    assert settled(15) == 2.0 and 1.0 < (settled(1) or 0) < 1.1
    assert settled(1, temperature=5.0) == 5.0


@pytest.mark.parametrize(
    "wrong", [{"positive": "x"}, {"negative": "x"}, {"rehearse": "x"}, {"optimizer": "x"}, {"share": -0.1},
              {"share": 2.0}, {"teach": 1.5}, {"journeys": 1.5}, {"weight": -1.0}, {"triplet": float("nan")},
              {"weight": float("inf")}, {"boost": 0.5}, {"temperature": 0.5}, {"boosted": 2.0}, {"strangers": -1.0},
              {"epochs": -1}, {"batch": 1}, {"lr": 0.0}, {"lr": float("nan")}],
)  # fmt: skip
def test_recipes_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected|lie in"):
        Recipe(**wrong)


def test_a_trained_net_is_moved_more_gently() -> None:
    recipe = Recipe(lr=usual_rate("sgd"))
    assert recipe.lr < plain(recipe).lr
