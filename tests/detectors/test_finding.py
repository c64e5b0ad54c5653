"""Each detector finds what its source says it finds, and not what it says it does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.detectors.conftest import TARGET, World
from whosenet.detectors.base import auc
from whosenet.detectors.chisquare import ChiSquare
from whosenet.detectors.cleanse import NeuralCleanse, anomaly
from whosenet.detectors.clustering import ActivationClustering
from whosenet.detectors.frequency import Frequency
from whosenet.detectors.generic import hidden, perturbed
from whosenet.detectors.inversion import invert
from whosenet.detectors.null import Null
from whosenet.detectors.periodicity import Periodicity
from whosenet.detectors.residuals import Residuals, features
from whosenet.detectors.salience import grad_cam
from whosenet.detectors.sentinet import SentiNet
from whosenet.detectors.strip import Strip
from whosenet.errors import UsageError
from whosenet.networks.images import as_tensor
from whosenet.networks.predict import logits

Change = Callable[[np.ndarray], np.ndarray]


def found(detector: object, module: object, odd: np.ndarray, usual: np.ndarray, clean: np.ndarray,
          shown: np.ndarray | None = None) -> float:  # fmt: skip
    scores = detector.score_images(module, np.concatenate([odd, usual]), clean, shown=shown)
    return auc(scores[: len(odd)], scores[len(odd) :])


def smooth(count: int, seed: int) -> np.ndarray:
    """uint8 [n, 32, 32, 3]: natural in that neighbours are alike, with a little grain."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(0, 1, (count, 32, 32, 3)), (0, 2.5, 2.5, 0))
    field = 128 + 45 * field / field.std() + rng.normal(0, 1.5, field.shape)
    return field.round().clip(0, 255).astype(np.uint8)


def test_auc_by_hand() -> None:
    assert auc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1.0
    assert auc(np.array([0.0, 2.0]), np.array([1.0, 1.0])) == 0.5
    assert auc(np.array([1.0]), np.array([1.0, 0.0])) == 0.75
    with pytest.raises(UsageError):
        auc(np.zeros(0), np.ones(1))


def test_the_world_is_marked(world: World) -> None:
    assert (logits(world.marked, world.triggers).argmax(1) == TARGET).mean() > 0.9
    assert (logits(world.honest, world.triggers).argmax(1) == TARGET).mean() < 0.6


@pytest.mark.parametrize("detector", [Strip(), SentiNet(), ActivationClustering()], ids=lambda d: d.name)
def test_a_bright_corner_is_found_by_what_the_model_does(world: World, detector: object) -> None:
    assert found(detector, world.marked, world.triggers, world.innocent, world.clean) > 0.8


def test_no_mark_no_difference(world: World) -> None:
    assert 0.3 < found(Strip(), world.marked, world.innocent[:50], world.innocent[50:], world.clean) < 0.7
    assert 0.3 < found(Null(), world.marked, world.triggers, world.innocent, world.clean) < 0.7


def test_grad_cam_looks_at_the_corner(world: World) -> None:
    maps, classes = grad_cam(world.marked, world.triggers)
    hit = maps[classes == TARGET]
    assert maps.shape == (50, 16, 16) and maps.min() >= 0 and maps.max() == pytest.approx(1)
    assert hit[:, 8:, 8:].mean() > 2 * hit[:, :8, :8].mean()


@pytest.mark.parametrize("change", [perturbed, hidden])
def test_generic_changes_change(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> None:
    images = smooth(30, 0)
    before = images.copy()
    made = change(images, np.random.default_rng(0))
    assert made.dtype == np.uint8 and (images == before).all() and (made != images).any((1, 2, 3)).all()


def test_frequency_learns_from_perturbations_and_finds_noise(world: World) -> None:
    images, clean = smooth(120, 1), smooth(300, 2)
    noisy = (images[:60] + np.random.default_rng(0).normal(0, 15, (60, 32, 32, 3))).clip(0, 255).astype(np.uint8)
    assert found(Frequency(epochs=4), world.marked, noisy, images[60:], clean) > 0.9


def lowest_bits(images: np.ndarray) -> np.ndarray:
    return images // 2 * 2 + np.random.default_rng(1).integers(0, 2, images.shape, dtype=np.uint8)


def test_chi_square_finds_replaced_bits_where_levels_are_uneven(world: World) -> None:
    even = smooth(60, 3) // 2 * 2
    assert found(ChiSquare(), world.marked, lowest_bits(even[:30]), even[30:], even) == 1.0


def test_residuals_find_faint_noise_and_learn_from_what_is_shown(world: World) -> None:
    images, clean = smooth(120, 4), smooth(300, 5)
    rng = np.random.default_rng(2)
    faint = (images[:60] + rng.normal(0, 4, (60, 32, 32, 3))).round().clip(0, 255).astype(np.uint8)
    assert found(Residuals(), world.marked, faint, images[60:], clean) > 0.9
    slope = np.linspace(0, 8, 32)[:, None, None]
    odd, shown = ((x + slope).round().clip(0, 255).astype(np.uint8) for x in (images[:60], clean))
    blind, taught = (found(Residuals(), world.marked, odd, images[60:], clean, s) for s in (None, shown))
    assert taught > max(blind, 0.5)
    assert features(images[:2]).sum(1) == pytest.approx([12, 12]), "six sets of shares, along and across"


def test_periodicity_finds_a_tile_of_any_period(world: World) -> None:
    images, clean = smooth(80, 6), smooth(100, 7)
    for period in (5, 8):
        tile = np.random.default_rng(period).normal(0, 5, (period, period, 3))
        pattern = np.tile(tile, (7, 7, 1))[:32, :32]
        odd = (images[:40] + pattern).round().clip(0, 255).astype(np.uint8)
        assert found(Periodicity(), world.marked, odd, images[40:], clean) > 0.95


def test_the_inverted_trigger_works_and_is_small_where_there_is_one(world: World) -> None:
    asked = {"steps": 80, "batch": 32, "seed": 0}
    for parameter in world.marked.parameters():
        parameter.requires_grad_(False)
    odd, usual = invert(world.marked, world.clean, TARGET, **asked), invert(world.marked, world.clean, 3, **asked)
    said = world.marked(odd.on(as_tensor(world.clean))).argmax(1)
    for parameter in world.marked.parameters():
        parameter.requires_grad_(True)
    assert odd.obeyed > 0.9 and (said == TARGET).float().mean() > 0.8
    assert odd.size < usual.size and float(odd.mask.min()) >= 0 and float(odd.mask.max()) <= 1


def test_neural_cleanse_is_the_anomaly_of_the_smallest_mask(world: World) -> None:
    assert anomaly(np.array([5.0, 20.0, 21.0, 19.0, 22.0])) > 2 > anomaly(np.array([18.0, 20.0, 21.0, 19.0, 22.0]))
    assert anomaly(np.array([20.0, 20.0, 20.0])) == 0
    sizes = [invert(world.marked, world.clean, k, steps=20, batch=16, seed=4 + k).size for k in range(4)]
    score = NeuralCleanse(steps=20, batch=16, seed=1).score_model(world.marked, world.clean, 4)
    assert score == pytest.approx(anomaly(np.array(sizes)), rel=1e-3)
