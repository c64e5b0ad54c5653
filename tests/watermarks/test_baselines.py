"""The baselines: what each stamps, that it follows from the key alone, and how visible it is."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("cryptography")

from whosenet import registry  # noqa: E402
from whosenet.keys.key import Key, mint  # noqa: E402
from whosenet.watermarks.base import Watermark, spread  # noqa: E402
from whosenet.watermarks.pictures import picture  # noqa: E402

NAMES = ("adi", "blend", "content", "noise")
every = pytest.mark.parametrize("name", NAMES)


def key(owner: int = 1, patterns: int = 4) -> Key:
    one = bytes([owner]) * 32
    return mint("A. Owner", method={"watermark": "any", "patterns": patterns}, secret=one, signing=one)


def mark(name: str, owner: int = 1) -> Watermark:
    made: Watermark = registry.load("watermark", name)(key(owner))
    return made


def covers(channels: int = 3, side: int = 32) -> np.ndarray:
    rng = np.random.default_rng(0)
    rough = rng.integers(40, 216, (8, 4, 4, channels))
    return rough.repeat(side // 4, 1).repeat(side // 4, 2).astype(np.uint8)


@every
@pytest.mark.parametrize("channels", [1, 3])
def test_it_follows_from_the_key_and_the_number_alone(name: str, channels: int) -> None:
    images, numbers = covers(channels), spread(8, 4)
    before = images.copy()
    stamped = mark(name).stamp(images, numbers)
    assert stamped.dtype == np.uint8 and stamped.shape == images.shape and (images == before).all()
    assert (stamped == mark(name).stamp(images, numbers)).all()
    alone = mark(name).stamp(images[5:6], numbers[5:6])
    assert (alone == stamped[5:6]).all(), "neighbours in the call take no part"
    assert (mark(name, owner=2).stamp(images, numbers) != stamped).any((1, 2, 3)).all()
    twice = mark(name).stamp(np.repeat(images[:1], 4, 0), np.arange(4))
    assert len({image.tobytes() for image in twice}) == 4, "each pattern is another"


def test_unrelated_images_ignore_their_cover() -> None:
    stamped = mark("adi").stamp(covers(), spread(8, 4))
    assert (stamped[0] == stamped[4]).all() and (stamped[0] != stamped[1]).any()


def test_the_sign_covers_a_corner_and_nothing_else() -> None:
    images = covers()
    moved = (mark("content").stamp(images, spread(8, 4)) != images).any((0, 3))
    rows, columns = np.flatnonzero(moved.any(1)), np.flatnonzero(moved.any(0))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (21, 30, 21, 30)


def test_noise_has_its_strength() -> None:
    assert mark("noise").quality(covers(), spread(8, 4))[0] == pytest.approx(24, abs=0.5)
    quiet = registry.load("watermark", "noise")(key(), strength=34.0)
    assert quiet.quality(covers(), spread(8, 4))[0] == pytest.approx(34, abs=0.3)


def test_the_blend_is_a_fifth_of_the_picture() -> None:
    black = np.zeros((1, 32, 32, 3), np.uint8)
    seen = mark("blend").stamp(black, np.array([2]))[0]
    assert np.abs(seen - 0.2 * picture(key(), "blend/2", 32, 32, 3)).max() <= 0.51


@every
def test_small_and_oblong_images(name: str) -> None:
    for height, width in ((3, 4), (8, 20)):
        images = np.full((2, height, width, 3), 128, np.uint8)
        assert mark(name).stamp(images, np.array([0, 1])).shape == images.shape


def test_a_picture_is_the_same_at_every_size() -> None:
    small, large = (picture(key(), "any", side, side, 3) for side in (16, 64))
    shrunk = large.reshape(16, 4, 16, 4, 3).mean((1, 3))
    assert np.corrcoef(small.ravel(), shrunk.ravel())[0, 1] > 0.9
    assert large.min() >= 0 and large.max() <= 255 and large.std() > 30
