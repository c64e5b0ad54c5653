"""The hiding pair: patterns are universal, unit strength and periodic; what is hidden is read; files are checked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from whosenet import files  # noqa: E402
from whosenet.errors import MalformedFile, UnreadableInput, UsageError  # noqa: E402
from whosenet.hiding import pair, place  # noqa: E402
from whosenet.hiding.journey import KINDS, rounded, travel  # noqa: E402
from whosenet.hiding.texture import weights  # noqa: E402
from whosenet.hiding.train import Recipe, train  # noqa: E402

BITS = np.random.default_rng(0).integers(0, 2, (3, 60), np.uint8)


def covers(count: int = 12, side: int = 64) -> np.ndarray:
    """Smooth pictures with some noise."""
    rng = np.random.default_rng(1)
    slopes = np.linspace(-1, 1, side)
    waves = rng.normal(0, 40, (count, 1, 1, 3)) * slopes[:, None, None] + 30 * np.sin(4 * slopes)[None, :, None]
    return np.clip(128 + waves + rng.normal(0, 5, (count, side, side, 3)), 0, 255).astype(np.uint8)


def test_patterns_are_periodic_of_unit_strength_and_unlike() -> None:
    made = pair.load().pattern(BITS, 20, 35)
    assert made.shape == (3, 3, 20, 35) and made.dtype == np.float32
    whole = pair.load().pattern(BITS, 16, 16)
    assert (made[:, :, :8, :8] == made[:, :, 8:16, 24:32]).all()
    assert np.sqrt((whole**2).mean((1, 2, 3))) == pytest.approx(1, abs=1e-3)
    assert abs(np.corrcoef(whole.reshape(3, -1)) - np.eye(3)).max() < 0.5


def test_what_is_hidden_is_read() -> None:
    made, given = pair.load(), covers()
    bits = np.random.default_rng(2).integers(0, 2, (12, 60), np.uint8)
    strength = 255 * 10 ** (-34 / 20)
    carriers = given + made.pattern(bits, 64, 64).transpose(0, 2, 3, 1) * strength * weights(given)
    read = made.read(carriers.round().clip(0, 255).astype(np.uint8), 60)
    assert ((read > 0) == bits).mean() > 0.99
    assert 0.35 < ((made.read(given, 60) > 0) == bits).mean() < 0.65


def test_every_place_where_tiles_may_begin() -> None:
    made, image = pair.load(), covers(2)
    shifted = made.read_shifted(image, 60)
    assert shifted.shape == (64, 2, 60) and np.allclose(shifted[0], made.read(image, 60), atol=1e-4)


def test_strength_goes_where_a_picture_is_busy() -> None:
    half = np.full((1, 32, 32, 3), 128, np.uint8)
    half[:, :, 16:] = np.random.default_rng(0).integers(0, 255, (1, 32, 16, 3), np.uint8)
    found = weights(half)
    assert found[0, :, 20:].mean() > 2 * found[0, :, :12].mean()
    assert (found**2).mean() == pytest.approx(1, abs=1e-3)
    assert weights(np.full((1, 9, 9, 1), 7, np.uint8)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_journey_keeps_images_images(kind: str) -> None:
    given = torch.from_numpy(covers(4, 32)).permute(0, 3, 1, 2).float() / 255
    images = rounded(given + 0.02).requires_grad_(True)
    sent = travel(images, given, kind, torch.Generator().manual_seed(0))
    assert sent.shape == images.shape and float(sent.detach().min()) >= -0.05 and float(sent.detach().max()) <= 1.05
    sent.sum().backward()
    assert images.grad is not None


def tiny(tmp_path: Path, name: str = "p.hiding", **changes: Any) -> str:
    recipe = Recipe(**{"steps": 3, "batch": 4, "width": 4, "reveal_width": 4, **changes})
    return train(recipe, [covers(8, 24)], tmp_path / name)


def test_training_follows_from_the_seed_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tiny(tmp_path)
    monkeypatch.setattr("whosenet.hiding.train.KEPT_EVERY", 1)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    recipe = Recipe(steps=3, batch=4, width=4, reveal_width=4)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, [covers(8, 24)], tmp_path / "again.hiding", on_step=stop)
    assert not (tmp_path / "again.hiding").exists()
    assert train(recipe, [covers(8, 24)], tmp_path / "again.hiding") == whole == place.digest(tmp_path / "p.hiding")
    assert tiny(tmp_path, "other.hiding", seed=1) != whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.hiding", "other.hiding", "p.hiding"]


def test_images_smaller_than_a_tile(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="smaller than one tile"):
        train(Recipe(steps=1), [covers(4, 7)], tmp_path / "p.hiding")
    with pytest.raises(UsageError, match="smaller than one tile"):
        pair.load().read(covers(1, 7), 60)


def test_files_that_are_no_pair(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="hiding pair"):
        pair.load(tmp_path / "none.hiding")
    (tmp_path / "noise.hiding").write_bytes(b"\xff" * 99)
    with pytest.raises(MalformedFile):
        pair.load(tmp_path / "noise.hiding")


@pytest.mark.parametrize(
    "wanted", ["a\0b", "x" * 256, "x" * 5000, "\ud800", "/dev/zero", "/dev/full", ".", "", "../shipped/tile8"]
)
def test_pairs_that_only_a_stranger_would_ask_for(wanted: str) -> None:
    for act in (pair.load, place.digest):
        with pytest.raises(UnreadableInput) as refused:
            act(wanted)
        assert len(str(refused.value)) < 500


def test_a_pair_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.hiding")
    with pytest.raises(UnreadableInput, match="no regular file"):
        pair.load(tmp_path / "p.hiding")


@pytest.mark.parametrize(
    "change",
    [{"tile": 10**9}, {"width": 0}, {"depth": 60}, {"tile": "x"}, {"tile": 12}, {"reveal_width": 1 << 40}, None],
)
def test_pairs_that_make_no_sense(tmp_path: Path, change: dict[str, Any] | None) -> None:
    tiny(tmp_path, steps=1)
    found = files.read(tmp_path / "p.hiding", place.KIND, place.VERSION)
    header = {} if change is None else {"config": {**found.header["config"], **change}}
    files.write(tmp_path / "bad.hiding", place.KIND, place.VERSION, header, found.arrays)
    with pytest.raises(MalformedFile, match="makes no sense"):
        pair.load(tmp_path / "bad.hiding")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    tiny(tmp_path, steps=1)
    found = files.read(tmp_path / "p.hiding", place.KIND, place.VERSION)
    arrays = {name: array.copy() for name, array in found.arrays.items()}
    arrays["hide.last.bias"][0] = value
    files.write(tmp_path / "bad.hiding", place.KIND, place.VERSION, found.header, arrays)
    with pytest.raises(MalformedFile, match="no numbers"):
        pair.load(tmp_path / "bad.hiding")


def test_digests_are_told_without_torch() -> None:
    import subprocess
    import sys

    code = ("import sys; from whosenet.proving.minting import method; print(len(method()['hiding'])); "
            "assert 'torch' not in sys.modules")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "64", done.stderr


def test_loading_leaves_random_numbers_alone() -> None:
    """Else dropout would differ between a run that loads the pair and one that has it already."""
    before = torch.random.get_rng_state()
    pair._load(place.SHIPPED)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_shipped_pair_makes_the_patterns_it_made_at_its_release() -> None:
    """Marks in released networks can only be found with the very patterns they were taught."""
    known = np.array(json.loads((Path(__file__).parent / "golden_tile.json").read_text()), np.float32)
    assert np.abs(pair.load().pattern(BITS[:1], 8, 8)[0] - known).max() < 0.01
    assert pair.load().digest == "001eb4a59f855421321071eb62e67c80fae4eedd4bedd1b1226bd29d6b55f80a"
