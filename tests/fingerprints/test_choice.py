"""Which candidates become points, which images controls, and in what order they are asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints import small
from whosenet.errors import UsageError
from whosenet.fingerprints import choice
from whosenet.networks.images import Images
from whosenet.networks.predict import logits


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 60))
def test_classes_take_turns_and_the_best_of_a_class_comes_first(classes: list[int], count: int) -> None:
    labels = np.array(classes)
    rank = np.random.default_rng(len(classes)).random(len(classes))
    rows = choice.balanced(labels, rank, count)
    assert len(set(rows.tolist())) == min(count, len(classes))
    for k in set(classes):
        mine = rows[labels[rows] == k]
        assert mine.tolist() == sorted(np.flatnonzero(labels == k), key=lambda r: rank[r])[: len(mine)]
        others = max((int((labels[rows] == o).sum()) for o in set(classes)), default=0)
        assert len(mine) >= min(others - 1, int((labels == k).sum()))


@given(st.integers(2, 30), st.integers(1, 10))
def test_controls_are_spread_evenly_and_one_comes_first(points: int, controls: int) -> None:
    controls = min(controls, points)
    order = choice.interleaved(np.random.default_rng(points).permutation(points), controls)
    assert sorted(order.tolist()) == list(range(points + controls))
    places = np.flatnonzero(order < controls)
    assert places[0] == 0 and np.ptp(np.diff([*places, points + controls])) <= 1


def test_probability_counts_beside_agreement() -> None:
    references = np.array([[[0.9, 0.1], [0.4, 0.6], [0.1, 0.9]], [[0.8, 0.2], [0.6, 0.4], [0.2, 0.8]]], np.float32)
    said, nobody = np.array([0, 0, 0]), np.zeros((0, 3, 2), np.float32)
    assert choice.by_contrast(said, references, nobody).tolist() == [2, 1, 0]
    assert choice.by_contrast(said, nobody, references).tolist() == [0, 1, 2]
    assert choice.by_contrast(said, references, references).tolist() == [0, 1, 2], "no contrast: as they came"


def test_a_kind_of_its_own_is_not_sacrificed_to_the_mean() -> None:
    """Nine references agree on points 0-9 and one on 10-19; by the mean, only the latter would be taken."""
    agree = np.zeros((10, 20))
    agree[:9, :10], agree[9, 10:] = 1, 1
    references = np.stack([agree, 1 - agree], 2).astype(np.float32)
    first = choice.by_contrast(np.zeros(20, np.int64), references, np.zeros((0, 20, 2), np.float32)).argsort()[:10]
    assert 2 <= (first < 10).sum() <= 8


def test_controls_need_images_that_are_answered_rightly() -> None:
    images = small.images()
    said = [logits(n.module, images.x) for n in (small.owner(), *small.twins()[:2])]
    chosen, rows = choice.controls(images, said, 8)
    assert np.bincount(chosen.y, minlength=small.CLASSES).tolist() == [2] * small.CLASSES
    assert all((s.argmax(1)[rows] == chosen.y).all() for s in said)
    with pytest.raises(UsageError, match="belong together"):
        choice.controls(images, [np.roll(s, 1, axis=1) * 10 for s in said], 300)


def test_every_image_once_in_order() -> None:
    x = np.arange(4, dtype=np.uint8)[[2, 0, 2, 1, 0]].reshape(5, 1, 1, 1)
    assert choice.distinct(x).ravel().tolist() == [2, 0, 1]


def test_large_images_make_a_short_yardstick() -> None:
    large = Images(np.zeros((5, 2500, 2500, 3), np.uint8), np.arange(5))
    assert len(choice.yardstick(large, 0)) == (1 << 26) // (2500 * 2500 * 3) == 3
    assert sorted(choice.yardstick(large.take(np.arange(1)), 0).truth) == [0]
