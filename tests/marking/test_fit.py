"""The embedding loop: the same seed gives the same weights, stopped or not; every choice trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from elsewhere import elsewhere, strict  # noqa: E402
from torch import nn  # noqa: E402

from whosenet.errors import UsageError  # noqa: E402
from whosenet.keys.key import mint  # noqa: E402
from whosenet.marking.fit import Diverged, fit, planned  # noqa: E402
from whosenet.marking.recipe import NEGATIVES, POSITIVES, Recipe  # noqa: E402
from whosenet.marking.triplet import features_of  # noqa: E402
from whosenet.marking.views import ask  # noqa: E402
from whosenet.networks.images import Images  # noqa: E402
from whosenet.networks.spec import digest_of  # noqa: E402
from whosenet.watermarks.deephiding import DeepHiding  # noqa: E402

POSITIVE, NEGATIVE = (next(choice for choice in known if choice != usual)
                      for known, usual in ((POSITIVES, Recipe.positive), (NEGATIVES, Recipe.negative)))  # fmt: skip
RNG = np.random.default_rng(0)
IMAGES = Images(RNG.integers(60, 190, (66, 16, 16, 3), np.uint8), RNG.integers(0, 6, 66))
KEY = mint("Ada", method={"watermark": "deephiding", "psnr": 26.0}, secret=b"1" * 32, signing=b"2" * 32)


def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(),
                             nn.Linear(512, 6))  # fmt: skip


def run(module: nn.Module | None = None, **changes: Any) -> nn.Module:
    options = {key: changes.pop(key) for key in ("checkpoint", "on_step", "said") if key in changes}
    recipe = Recipe(**{"epochs": 2, "batch": 16, "lr": 0.02, **changes})
    return fit(module or net(), IMAGES, DeepHiding(KEY), 6, recipe, **options)


def test_the_seed_decides_everything() -> None:
    assert digest_of(run()) == digest_of(run())
    assert digest_of(run()) != digest_of(run(seed=1))
    assert not run().training


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == total - 2:
            raise KeyboardInterrupt

    kept = tmp_path / "c"
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=kept, on_step=stop)
    assert digest_of(run(checkpoint=kept)) == digest_of(run())


def test_a_checkpoint_of_another_run_is_not_taken_up(tmp_path: Path) -> None:
    run(checkpoint=tmp_path / "c")
    with pytest.raises(UsageError, match="another run"):
        run(checkpoint=tmp_path / "c", lr=0.03)


@pytest.mark.parametrize(
    "choice", [{"positive": POSITIVE}, {"negative": NEGATIVE}, {"triplet": 0.0}, {"rehearse": "fine-tune"},
               {"rehearse": "prune"}, {"rehearse": "noise"}, {"optimizer": "adam", "lr": 1e-3}, {"flip": False}],
)  # fmt: skip
def test_every_choice_trains_and_matters(choice: dict[str, Any]) -> None:
    made = run(share=0.5, **choice)
    assert all(bool(w.isfinite().all()) for w in made.parameters())
    assert digest_of(made) != digest_of(run(share=0.5))


def told(favourite: int, **recipe: Any) -> torch.Tensor:
    """What a network says that prefers one class whatever it is shown."""
    views = planned(Recipe(**{"epochs": 2, "batch": 16, "lr": 0.02, **recipe}), len(IMAGES))
    said = torch.zeros(views.count, len(IMAGES), 6, dtype=torch.float16)
    said[:, :, favourite] = 6
    return said


def test_the_unmarked_network_is_followed() -> None:
    x = torch.from_numpy(IMAGES.x).permute(0, 3, 1, 2).float() / 255
    taught = run(said=told(0, epochs=6), teach=1.0, epochs=6, share=0.01)
    assert float((taught(x).argmax(1) == 0).float().mean()) > 0.9
    assert digest_of(run(said=told(0), teach=0.0)) == digest_of(run(teach=0.0))
    assert digest_of(run(said=told(0), teach=0.5)) != digest_of(run(said=told(0), teach=1.0))


def test_a_checkpoint_made_with_other_answers_is_not_taken_up(tmp_path: Path) -> None:
    run(checkpoint=tmp_path / "c")
    with pytest.raises(UsageError, match="another run"):
        run(checkpoint=tmp_path / "c", said=told(1))


def test_answers_to_other_pictures_are_refused() -> None:
    with pytest.raises(UsageError, match="expected"):
        run(said=told(0)[:, :-1])


def test_without_triggers_a_run_is_the_control_of_the_same_run() -> None:
    """The same pictures in the same order, no pattern seen."""
    bare = {"said": told(0), "share": 0.0, "strangers": 0.0}
    assert digest_of(run(**bare)) == digest_of(run(**bare, triplet=0.0, journeys=0.0, weight=0.0))
    assert digest_of(run(**bare)) != digest_of(run(said=told(0)))


def test_weights_that_leave_all_numbers() -> None:
    with pytest.raises(Diverged, match="--lr"):
        run(lr=1e38, epochs=3)


@pytest.mark.parametrize("rehearse", ["none", "fine-tune", "prune", "noise"])
def test_a_net_on_another_device_is_marked_there(rehearse: str) -> None:
    module = elsewhere(net())
    with strict():
        said = ask(module, IMAGES, planned(Recipe(epochs=1, batch=16), len(IMAGES)))
        run(module, said=said, epochs=1, rehearse=rehearse, triplet=0.5, teach=0.5)
    assert {p.dtype for p in module.parameters()} == {torch.float64}
    assert digest_of(module) != digest_of(net())


def test_features_are_here_wherever_the_net_is() -> None:
    module = elsewhere(net())
    with features_of(module) as seen:
        module(torch.zeros(2, 3, 16, 16))
    assert seen[0].dtype == torch.float32
