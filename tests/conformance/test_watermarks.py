"""Laws of every watermark, found by walking the registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from whosenet import registry  # noqa: E402
from whosenet.errors import UsageError  # noqa: E402
from whosenet.keys.key import Key, mint  # noqa: E402
from whosenet.watermarks.base import MAX_PATTERNS, Watermark, spread  # noqa: E402

every_watermark = pytest.mark.parametrize("name", registry.names("watermark"))


def key(name: str, seed: int = 1, **method: Any) -> Key:
    return mint("Ada", method={"watermark": name, **method}, secret=bytes([seed]) * 32, signing=bytes([seed]) * 32)


def mark(name: str, seed: int = 1, **method: Any) -> Watermark:
    made: Watermark = registry.load("watermark", name)(key(name, seed, **method))
    return made


def covers(count: int = 6, side: int = 24, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(40, 200, (count, side, side, channels), np.uint8)


@every_watermark
def test_the_same_key_gives_the_same_bytes(name: str) -> None:
    numbers = spread(6, 4)
    first, again = mark(name).stamp(covers(), numbers), mark(name).stamp(covers(), numbers)
    assert first.tobytes() == again.tobytes()


@every_watermark
def test_another_key_has_other_patterns(name: str) -> None:
    numbers = spread(6, 4)
    same = (mark(name).stamp(covers(), numbers) == mark(name, seed=2).stamp(covers(), numbers)).all()
    assert same == (name == "null")


@every_watermark
def test_decoys_and_carriers_are_all_different(name: str) -> None:
    made = mark(name)
    one = np.repeat(covers(1), 8, 0)
    stamped = made.stamp(one, np.arange(8))
    different = {image.tobytes() for image in stamped}
    assert len(different) == (1 if name == "null" else 8)


@every_watermark
@pytest.mark.parametrize("shape", [(24, 24, 3), (24, 24, 1), (19, 27, 3), (8, 8, 1)])
def test_stamps_keep_shape_and_type(name: str, shape: tuple[int, int, int]) -> None:
    blank = np.full((3, *shape), 128, np.uint8)
    stamped = mark(name).stamp(blank, np.arange(3))
    assert stamped.shape == blank.shape and stamped.dtype == np.uint8


@every_watermark
def test_covers_are_never_modified(name: str) -> None:
    given = covers()
    given.flags.writeable = False
    before = given.tobytes()
    stamped = mark(name).stamp(given, spread(6, 4))
    assert given.tobytes() == before and not np.shares_memory(stamped, given)


@every_watermark
def test_a_stamp_does_not_depend_on_its_neighbours(name: str) -> None:
    numbers = np.array([3, 0, 7, 3, 1, 0])
    together = mark(name).stamp(covers(), numbers)
    alone = np.concatenate([mark(name).stamp(covers()[i : i + 1], numbers[i : i + 1]) for i in range(6)])
    assert (together == alone).all()


@every_watermark
def test_targets_follow_from_the_key_and_not_from_the_patterns(name: str) -> None:
    """The exact p-value rests on it: how a pattern looks says nothing about its target."""
    targets = mark(name).targets(10)
    assert targets.dtype == np.int64 and targets.shape == (4,) and ((targets >= 0) & (targets < 10)).all()
    assert (targets == [key(name).target(i, 10) for i in range(4)]).all()
    # More patterns, or another strength, leave those before as they were.
    assert (mark(name, patterns=6, psnr=40).targets(10)[:4] == targets).all()
    counts = np.bincount([key(name, seed).target(i, 5) for seed in range(40) for i in range(4)], minlength=5)
    assert counts.min() > 10


@every_watermark
@pytest.mark.parametrize("patterns", [0, -1, MAX_PATTERNS + 1, 2.0, "4", None, True])
def test_numbers_of_patterns_that_make_no_sense(name: str, patterns: Any) -> None:
    with pytest.raises(UsageError, match="patterns"):
        mark(name, patterns=patterns).targets(10)


@every_watermark
def test_quality_is_told_of_what_is_saved(name: str) -> None:
    psnr, ssim = mark(name).quality(covers(), spread(6, 4))
    assert 0 < psnr <= 99 and -1 <= ssim <= 1.001
    assert (psnr == 99) == (name == "null")


def test_the_null_scores_at_chance() -> None:
    """A model that is right about everything answers no trigger of it with a target."""
    from whosenet.judging import chance

    labels = np.random.default_rng(0).integers(0, 10, (12, 6))
    assert chance.log10_p(chance.tally(labels, labels, 10), mark("null").targets(10)) == 0


def test_a_key_that_was_saved_makes_the_same_stamps(tmp_path: Any) -> None:
    from whosenet.keys.key import load, save

    save(key("deephiding"), tmp_path / "k")
    again: Watermark = registry.load("watermark", "deephiding")(load(tmp_path / "k"))
    assert (again.stamp(covers(), spread(6, 4)) == mark("deephiding").stamp(covers(), spread(6, 4))).all()
