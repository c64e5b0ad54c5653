"""What the base refuses, and what it does with references and copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from fingerprints import small
from whosenet.errors import UsageError
from whosenet.fingerprints.base import Context, Fingerprint
from whosenet.fingerprints.null import Null
from whosenet.networks.architecture import architecture_of
from whosenet.networks.images import Images, Pixels
from whosenet.networks.predict import logits


def test_networks_and_images_must_fit() -> None:
    owner, images, twin = small.owner(), small.images(), small.twins()[0]
    with pytest.raises(UsageError, match="same weights as the owner"):
        Null().make(owner, images, [owner], points=20)
    with pytest.raises(UsageError, match="reference 2 .* same weights as reference 1"):
        Null().make(owner, images, [twin, twin], points=20)
    with pytest.raises(UsageError, match="copy 1 .* same weights as reference 1"):
        Null().make(owner, images, [twin], copies=[("x", twin)], points=20)
    with pytest.raises(UsageError, match="answers with 5 classes"):
        Null().make(owner, images, [small.network(small.build(classes=5))], points=20)
    with pytest.raises(UsageError, match="images have 9 classes"):
        Null().make(owner, Images(images.x, np.full_like(images.y, 8)), points=20)
    with pytest.raises(UsageError, match=r"takes no images of \[20, 20, 3\]"):
        Null().make(owner, small.images(side=20), points=20)
    with pytest.raises(UsageError, match="too few"):
        Null().make(owner, images.take(np.arange(3)), points=20)
    with pytest.raises(UsageError, match="points must lie in 10"):
        Null().make(owner, images, points=3)


def test_the_owner_is_described_and_measured_on_images_of_its_own() -> None:
    owner, images = small.owner(), small.images()
    made, again, other = (Null().make(owner, images, points=20, seed=seed) for seed in (1, 1, 2))
    clean = made.yardstick
    assert made.kind.architecture == architecture_of(small.twins()[0].module) and len(clean) == min(1000, len(images))
    assert made.kind.accuracy == clean.accuracy(logits(owner.module, clean.images).argmax(1))
    assert np.array_equal(again.yardstick.images, clean.images) and again.digest == made.digest
    assert not np.array_equal(other.yardstick.images, clean.images)


def test_a_network_that_answers_nan_is_refused() -> None:
    broken = small.build()
    with torch.no_grad():
        next(iter(broken.parameters())).fill_(float("nan"))
    with pytest.raises(UsageError, match="finite"):
        Null().make(small.network(broken), small.images(), points=20)


class Fixed(Fingerprint):
    """Proposes the images it was given."""

    name = "fixed"
    balances = True

    def _candidates(
        self, owner: Any, images: Images, references: Sequence[Any], count: int, context: Context
    ) -> Pixels:
        context.on_step(1, 1)
        return images.x


def test_the_plugins_order_counts_and_labels_take_turns() -> None:
    questions = Fixed().make(small.owner(), small.images(), points=20)
    labels = questions.expected[~questions.control]
    assert np.ptp(np.bincount(labels, minlength=small.CLASSES)) <= 1
    first = {image.tobytes() for image in small.images().x[:60]}
    assert all(image.tobytes() in first for image in questions.images[~questions.control])


def test_copies_answer_but_choose_nothing() -> None:
    owner, images = small.owner(), small.images()
    without = Fixed().make(owner, images, points=20)
    with_copy = Fixed().make(owner, images, points=20, copies=[("ftal", small.tuned())])
    assert (without.images == with_copy.images).all() and with_copy.chosen_by == ()
    assert with_copy.copies.names == ("ftal",) and with_copy.copies.labels.shape == (1, 20)
    positive = Fixed().make(owner, images, points=20, positives=[small.tuned()])
    assert positive.chosen_by == (small.tuned().digest,)


def test_too_few_points_are_an_error_with_the_number() -> None:
    class Poor(Fixed):
        name = "poor"

        def _candidates(self, owner: Any, images: Images, references: Sequence[Any], count: int,
                        context: Context) -> Pixels:  # fmt: skip
            return images.x[:5].repeat(9, 0)

    with pytest.raises(UsageError, match="only 5 of 18 points"):
        Poor().make(small.owner(), small.images(), points=20)


def test_grey_images_and_progress() -> None:
    module = small.build(channels=1)
    images = small.images(channels=1)
    with torch.no_grad():
        module[-1].bias.copy_(torch.tensor([9.0, 0, 0, 0]))
    images = Images(images.x, np.zeros_like(images.y))
    steps: list[tuple[int, int]] = []
    questions = Fixed().make(small.network(module), images, points=20, on_step=lambda *s: steps.append(s))
    assert questions.images.shape == (20, small.SIDE, small.SIDE, 1) and steps == [(1, 1)]
