"""`trigger` and `reveal`: identities are read from whole, cropped and grey carriers, and from nobody else's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small

from whosenet import cli
from whosenet.errors import MalformedFile, UnreadableInput, UsageError
from whosenet.hiding import place
from whosenet.keys.key import load
from whosenet.proving.minting import method
from whosenet.proving.pairing import train_pair
from whosenet.proving.pictures import carrier, revealed
from whosenet.proving.showing import reveal, trigger


def cover(side: int = 96, channels: int = 3, seed: int = 0) -> np.ndarray:
    """A smooth picture with some noise."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.linspace(0, 6, side))[:, None, None] + np.cos(np.linspace(0, 9, side))[None, :, None]
    return np.clip(120 + 40 * waves + rng.normal(0, 6, (side, side, channels)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("pattern", [0, 3])
def test_the_identity_is_read_from_a_carrier(pattern: int) -> None:
    shown = reveal(trigger(cover(), small.key(psnr=34), pattern)[None], small.key())
    assert shown.verified and shown.identity == "Ada" and shown.pattern == pattern and shown.log10_p < -6


@pytest.mark.parametrize(("down", "across"), [(1, 0), (3, 5), (7, 7)])
def test_it_is_read_from_a_cropped_carrier(down: int, across: int) -> None:
    key = small.key(psnr=30)
    cut = trigger(cover(), key, 1)[None, down:, across:]
    assert not reveal(cut, key, cropped=False).verified
    shown = reveal(cut, key)
    assert shown.verified and shown.pattern == 1


def test_nothing_is_read_from_clean_pictures_and_other_keys_carriers() -> None:
    for image, key in ((cover(), small.key()), (trigger(cover(), small.key("Bob")), small.key())):
        shown = reveal(image[None], key)
        assert not shown.verified and shown.identity is None


def test_searching_places_is_paid_for() -> None:
    stamped = trigger(cover(), small.key())[None]
    strict, searched = reveal(stamped, small.key(), cropped=False), reveal(stamped, small.key())
    assert searched.log10_p == pytest.approx(strict.log10_p + np.log10(2))


def test_a_carrier_cut_below_one_tile() -> None:
    with pytest.raises(UsageError, match="smaller than one tile"):
        reveal(cover()[None, :7, :50], small.key())
    with pytest.raises(UsageError, match="smaller than one tile"):
        trigger(cover()[:7], small.key())


def test_a_key_for_another_pair_and_one_that_hides_nothing() -> None:
    with pytest.raises(UsageError, match="minted for the hiding pair"):
        trigger(cover(), small.key(hiding="ab" * 32))
    with pytest.raises(UnreadableInput, match="hiding pair"):
        trigger(cover(), small.key(pair="elsewhere.hiding"))
    with pytest.raises(UsageError, match="hides no identity"):
        reveal(cover()[None], small.key(watermark="null"))
    with pytest.raises(UsageError, match="no watermark"):
        trigger(cover(), small.key(watermark="nonesuch"))


@pytest.mark.parametrize(
    "wrong", [{"patterns": 0}, {"patterns": "4"}, {"patterns": 10**9}, {"psnr": 1e9}, {"psnr": "x"}]
)
def test_keys_that_ask_for_nonsense(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected"):
        key = small.key(**wrong)
        reveal(trigger(cover(), key)[None], key)


def test_pictures_of_several_sizes(tmp_path: Path) -> None:
    from PIL import Image

    for side in (40, 48):
        Image.fromarray(cover(side)).save(tmp_path / f"{side}.png")
    with pytest.raises(UsageError, match="several sizes"):
        revealed([tmp_path / "40.png", tmp_path / "48.png"], small.key())
    with pytest.raises(UsageError, match="png"):
        carrier(tmp_path / "40.png", small.key(), tmp_path / "t.jpg", 0)
    (tmp_path / "bad.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(MalformedFile):
        revealed([tmp_path / "bad.png"], small.key())


def test_a_new_key_binds_the_pair_that_ships_and_reads_its_carriers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.fromarray(cover(64)).save("c.png")

    def said(*words: str) -> dict[str, Any]:
        cli.app([*words, "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]

    said("keygen", "--owner", "Ada", "-o", "k")
    assert load("k").method == method() and method()["hiding"] == place.digest()
    assert said("trigger", "c.png", "--key", "k", "-o", "t.png", "--pattern", "2")["psnr"] > 33
    assert said("reveal", "t.png", "--key", "k") | {"log10_p": 0} == {
        "identity": "Ada", "bit_errors": 0, "verified": True, "pattern": 2, "log10_p": 0,
    }  # fmt: skip
    assert said("reveal", "c.png", "--key", "k")["identity"] == ""


def test_a_pair_of_ones_own_is_trained_and_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = small.images(60)
    np.savez("d.npz", x=x, y=y)
    cli.app(["hide", "train", "--data", "d.npz", "-o", "own.hiding", "--steps", "2", "--json"], standalone_mode=False)
    trained = json.loads(capsys.readouterr().out)
    assert trained["digest"] == place.digest("own.hiding") and 0 <= trained["bit_accuracy"] <= 1
    cli.app(["keygen", "--owner", "Ada", "--pair", "own.hiding", "-o", "k", "--json"], standalone_mode=False)
    bound = load("k").method
    assert bound["pair"] == "own.hiding" and bound["hiding"] == trained["digest"]


def test_pairs_that_cannot_be_trained(tmp_path: Path) -> None:
    x, y = small.images(60)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    usual: dict[str, Any] = {"out": tmp_path / "p.hiding", "steps": 1, "tile": 8, "psnr": 36, "seed": 0}
    for wrong, said in (({"out": tmp_path / "p"}, "hiding"), ({"tile": 12}, "multiple of 8"), ({"tile": 24}, "tile")):
        with pytest.raises(UsageError, match=said):
            train_pair(tmp_path / "d.npz", **{**usual, **wrong})
