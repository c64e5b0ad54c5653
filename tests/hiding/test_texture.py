"""Patterns are stronger where a cover is busy, and as strong as ever over the whole image."""

from __future__ import annotations

import numpy as np
import pytest

from whosenet.hiding.texture import weights

DRAWS = np.random.default_rng(0)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_strength_of_a_pattern_stays_the_same(channels: int) -> None:
    found = weights(DRAWS.integers(0, 256, (5, 24, 16, channels), dtype=np.uint8))
    assert found.shape == (5, 24, 16, 1) and found.dtype == np.float32
    assert (found**2).mean((1, 2, 3)) == pytest.approx(1, abs=1e-5)


def test_a_flat_image_is_weighted_alike_everywhere() -> None:
    assert weights(np.full((1, 16, 16, 3), 77, np.uint8)) == pytest.approx(1)


def test_busy_places_bear_more() -> None:
    covers = np.full((1, 32, 32, 3), 128, np.uint8)
    covers[:, :, 16:] = DRAWS.integers(0, 256, (1, 32, 16, 3))
    found = weights(covers)[0, :, :, 0]
    assert found[:, 22:].min() > 2 * found[:, :10].max()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_mean_of_channels_is_exact(channels: int) -> None:
    """Marks embedded before are asked for by the same bytes."""
    from whosenet.hiding.texture import _grey

    covers = DRAWS.integers(0, 256, (9, 40, 40, channels), dtype=np.uint8)
    assert np.array_equal(_grey(covers), covers.mean(3, dtype=np.float32))
