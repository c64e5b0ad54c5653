"""The training loop: it learns, repeats itself, goes on after a kill, and leaves the world as it was."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from torch import nn  # noqa: E402

from whosenet.errors import MalformedFile, UsageError  # noqa: E402
from whosenet.training.augment import crop_and_flip, crop_only  # noqa: E402
from whosenet.training.fit import fit  # noqa: E402
from whosenet.training.rate import SCHEDULES, rate  # noqa: E402


def images(count: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Four classes told apart by the brightness of a channel: uint8 [n, 16, 16, 3]."""
    draws = np.random.default_rng(0)
    y = draws.integers(0, 4, count)
    x = draws.integers(0, 60, (count, 16, 16, 3))
    for channel in range(3):
        x[y == channel, :, :, channel] += 150
    return x.astype(np.uint8), y


def net(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        return nn.Sequential(*layers, nn.Dropout(0.1), nn.Linear(8, 4))


def state(module: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in module.state_dict().values()])


def right(module: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    with torch.no_grad():
        says = module(torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255).argmax(1).numpy()
    return float((says == y).mean())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("bf16", [False, True])
def test_it_learns(optimizer: str, bf16: bool) -> None:
    x, y = images()
    made = fit(net(), x, y, epochs=15, lr=0.05, batch=32, seed=0, optimizer=optimizer, bf16=bf16)
    assert not made.training
    assert right(made, x, y) > 0.9
    assert right(net(), x, y) < 0.7


def test_float_images_and_probabilities_train_as_well() -> None:
    x, y = images()
    floats = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255
    soft = np.eye(4, dtype=np.float32)[y] * 0.9 + 0.025
    made = fit(net(), floats, soft, epochs=15, lr=0.05, batch=32, seed=0, bf16=False)
    assert right(made, x, y) > 0.9
    same = fit(net(), x, soft, epochs=15, lr=0.05, batch=32, seed=0, bf16=False)
    torch.testing.assert_close(state(made), state(same))


def test_the_seed_decides_and_the_global_generator_stays() -> None:
    x, y = images()
    before = torch.random.get_rng_state()
    one, two, other = (state(fit(net(), x, y, epochs=2, lr=0.05, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(99)
    assert torch.equal(one, state(fit(net(), x, y, epochs=2, lr=0.05, seed=1)))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, optimizer: str) -> None:
    x, y = images()
    told = {"epochs": 4, "lr": 0.02, "batch": 32, "seed": 3, "optimizer": optimizer}
    whole = state(fit(net(), x, y, **told))

    def kill(done: int, total: int) -> None:
        if done == total // 2 + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(net(), x, y, **told, checkpoint=tmp_path / "c", on_step=kill)
    assert torch.equal(whole, state(fit(net(seed=7), x, y, **told, checkpoint=tmp_path / "c")))
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_checkpoint_of_another_run_or_a_broken_one_is_refused(tmp_path: Path) -> None:
    x, y = images(32)
    fit(net(), x, y, epochs=1, lr=0.02, seed=3, checkpoint=tmp_path / "c")
    with pytest.raises(UsageError, match=r"another run \(seed differ\)"):
        fit(net(), x, y, epochs=1, lr=0.02, seed=4, checkpoint=tmp_path / "c")
    with pytest.raises(MalformedFile, match="does not fit"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(768, 4)), x, y, epochs=1, lr=0.02, seed=3, checkpoint=tmp_path / "c")
    (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:-9])
    with pytest.raises(MalformedFile):
        fit(net(), x, y, epochs=1, lr=0.02, seed=3, checkpoint=tmp_path / "c")


def test_only_the_chosen_parameters_move_and_flags_come_back() -> None:
    x, y = images(32)
    module, start = net(), net()
    module[0].bias.requires_grad_(False)
    fit(module, x, y, epochs=2, lr=0.05, seed=0, parameters=module[-1].parameters(), keep_eval=True)
    moved = [
        n for (n, a), b in zip(module.state_dict().items(), start.state_dict().values(), strict=True) if not a.equal(b)
    ]
    assert moved == ["6.weight", "6.bias"]
    assert [p.requires_grad for p in module.parameters()] == [True, False, True, True, True, True]


def test_own_loss_own_augmentation_and_progress() -> None:
    x, y = images(33)
    shapes, steps = [], []

    def augment(batch: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        shapes.append(tuple(batch.shape))
        assert batch.min() >= 0 and batch.max() <= 1
        return batch + 0.01 * torch.rand(batch.shape, generator=draws)

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        assert logits.dtype == torch.float32
        return ((logits - targets) ** 2).mean()

    wanted = np.zeros((33, 4), np.float32)
    fit(
        net(),
        x,
        wanted,
        epochs=2,
        lr=0.01,
        batch=16,
        seed=0,
        augment=augment,
        loss=loss,
        on_step=lambda *s: steps.append(s),
    )
    assert shapes == [(16, 3, 16, 16)] * 4, "a last batch of one has no spread and is left out"
    assert steps == [(n, 4) for n in range(1, 5)]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"optimizer": "lion"}, "sgd, adam"), ({"schedule": "step"}, "one-cycle"), ({"batch": 0}, "batch"),
        ({"loss": "hinge"}, "cross-entropy"), ({"epochs": -1}, "epochs"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(told: dict[str, object], says: str) -> None:
    x, y = images(8)
    with pytest.raises(UsageError, match=says):
        fit(net(), x, y, **{"epochs": 1, "lr": 0.1, "seed": 0, **told})
    with pytest.raises(UsageError, match="targets"):
        fit(net(), x, y[:5], epochs=1, lr=0.1, seed=0)


def test_crops_stay_within_an_eighth_and_signs_are_not_mirrored() -> None:
    ramp = torch.arange(16).repeat(16, 1)
    batch = torch.stack([ramp, ramp.T]).repeat(200, 1, 1, 1)
    draws = torch.Generator().manual_seed(0)
    moved = crop_only(batch, draws)
    assert set((moved[:, 0, 8, 8] - 8).tolist()) == {-2, -1, 0, 1, 2}
    assert (moved[:, 0, 0].diff(dim=1)[:, 3:-3] == 1).all()
    assert moved.min() == 0 and moved.max() == 15
    slopes = crop_and_flip(batch, draws)[:, 0].diff(dim=2)[:, 8, 8]
    assert 0.3 < float((slopes == -1).float().mean()) < 0.7, "half of the images are mirrored"


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rates_stay_between_zero_and_the_peak(schedule: str) -> None:
    seen = [rate(schedule, 0.1, done / 100) for done in range(100)]
    assert max(seen) == pytest.approx(0.1) and min(seen) > 0
    assert schedule == "constant" or seen[-1] < 0.01
