"""`embed`: the mark is there, the net given is untouched, and whatever goes wrong leaves nothing behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
from elsewhere import elsewhere, strict

from whosenet.errors import Refused, UnreadableInput, UsageError
from whosenet.proving import embedding
from whosenet.proving.embedding import embed
from whosenet.proving.measuring import Embedded, paired_z


def tried(made: small.World, out: Path, **changes: Any) -> Embedded:
    options = {"spec_text": made.spec, "key": small.key(), "data": made.data, "out": out, "recipe": small.recipe()}
    return embed(**{**options, **changes})  # type: ignore[arg-type]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def saved(folder: Path, name: str = "d.npz", **arrays: Any) -> Path:
    np.savez(folder / name, **arrays)
    return folder / name


def test_a_trained_net_is_marked_at_no_cost(made: small.World, marked: Any) -> None:
    found = marked.found
    assert found.marked and found.watermark_accuracy >= 0.95 and found.base_rate < 0.5
    assert found.decoy_rate <= 0.3
    assert found.clean_accuracy_after >= found.clean_accuracy_before - 0.02
    assert found.psnr == pytest.approx(small.STRONG, abs=0.5)


def test_the_net_given_is_not_changed_and_nothing_else_is_left(made: small.World, tmp_path: Path) -> None:
    before = (made.folder / "own.safetensors").read_bytes()
    tried(made, tmp_path / "o.safetensors", recipe=small.recipe(epochs=1, lr=1e-3))
    assert (made.folder / "own.safetensors").read_bytes() == before
    assert left(tmp_path) == ["o.safetensors"]


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(made: small.World, tmp_path: Path) -> None:
    short = small.recipe(epochs=3)
    tried(made, tmp_path / "whole.safetensors", recipe=short)

    def stop(what: str, done: int, total: int) -> None:
        if what == "marking" and done == 2 * total // 3 + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tried(made, tmp_path / "o.safetensors", recipe=short, on_stage=stop)
    assert not (tmp_path / "o.safetensors").exists()
    steps: list[int] = []
    tried(
        made,
        tmp_path / "o.safetensors",
        recipe=short,
        on_stage=lambda what, done, total: steps.append(done) if what == "marking" else None,
    )
    assert steps[0] > 1
    assert (tmp_path / "o.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert left(tmp_path) == ["o.safetensors", "whole.safetensors"]


def test_from_scratch_trains_the_network_first(made: small.World, tmp_path: Path) -> None:
    stages: list[str] = []
    found = tried(made, tmp_path / "o.safetensors", spec_text=f"{made.code}:small", from_scratch=True,
                  on_stage=lambda what, done, total: stages.append(what))  # fmt: skip
    assert found.marked and found.clean_accuracy_before > 0.8
    assert set(stages) == {"training the network", "asking the unmarked network", "marking"}
    assert left(tmp_path) == ["o.safetensors"]


def test_an_accuracy_that_collapses_is_refused(made: small.World, tmp_path: Path) -> None:
    before = (made.folder / "own.safetensors").read_bytes()
    with pytest.raises(Refused, match="nothing was written"):
        tried(made, tmp_path / "o.safetensors", recipe=small.recipe(epochs=2, weight_decay=20.0, lr=0.05))
    assert left(tmp_path) == [] and (made.folder / "own.safetensors").read_bytes() == before


def test_training_that_diverges_stops(made: small.World, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--lr"):
        tried(made, tmp_path / "o.safetensors", recipe=small.recipe(lr=1e38))
    assert left(tmp_path) == []


def test_a_full_disk_leaves_no_half_written_weights(
    made: small.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        tried(made, tmp_path / "o.safetensors", recipe=small.recipe(epochs=1, lr=1e-3))
    assert left(tmp_path) == []


def test_the_networks_own_weights_are_no_place_to_write(made: small.World, tmp_path: Path) -> None:
    (tmp_path / "link.safetensors").symlink_to(made.folder / "own.safetensors")
    for out in (made.folder / "own.safetensors", tmp_path / "link.safetensors"):
        with pytest.raises(UsageError, match="never changed"):
            tried(made, out)
    with pytest.raises(UsageError, match="safetensors"):
        tried(made, tmp_path / "o.pt")


def test_another_number_of_classes_is_said_before_any_training(made: small.World, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\[7\] outputs.*6 classes"):
        tried(made, tmp_path / "o.safetensors", spec_text=f"{made.code}:seven", from_scratch=True)
    x, y = small.images(200)
    few = saved(tmp_path, x=x, y=y % 3)
    with pytest.raises(UsageError, match="3 classes"):
        tried(made, tmp_path / "o.safetensors", data=few)


def test_names_of_classes_without_images_count(made: small.World, tmp_path: Path) -> None:
    x, y = small.images(300)
    named = saved(tmp_path, x=x, y=y % 3, names=np.array(list("abcdef")))
    tried(made, tmp_path / "o.safetensors", data=named, recipe=small.recipe(epochs=1, lr=1e-3))


@pytest.mark.parametrize("count", [1, 8])
def test_too_few_images(made: small.World, tmp_path: Path, count: int) -> None:
    x, y = small.images(count)
    with pytest.raises(UsageError, match="too few"):
        tried(made, tmp_path / "o.safetensors", data=saved(tmp_path, x=x, y=y))


def test_images_of_one_class_cannot_bear_a_mark(made: small.World, tmp_path: Path) -> None:
    x, y = small.images(100)
    with pytest.raises(UsageError, match="one class"):
        tried(made, tmp_path / "o.safetensors", data=saved(tmp_path, x=x, y=0 * y))


def test_images_the_network_cannot_take(made: small.World, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot take images"):
        tried(made, tmp_path / "o.safetensors", spec_text=f"{made.code}:rigid", from_scratch=True)


def test_images_smaller_than_a_tile(made: small.World, tmp_path: Path) -> None:
    x, y = small.images(200)
    with pytest.raises(UsageError, match="smaller than one tile"):
        tried(made, tmp_path / "o.safetensors", data=saved(tmp_path, x=x[:, :6, :6], y=y))


@pytest.mark.parametrize(("factory", "channels", "cut"), [("grey", 1, 16), ("small", 3, 13)])
def test_grey_images_and_odd_sizes(made: small.World, tmp_path: Path, factory: str, channels: int, cut: int) -> None:
    x, y = small.images(300, channels=channels)
    odd = saved(tmp_path, x=x[:, :cut], y=y)
    found = tried(made, tmp_path / "o.safetensors", spec_text=f"{made.code}:{factory}", data=odd, from_scratch=True,
                  recipe=small.recipe(epochs=1, lr=1e-4))  # fmt: skip
    assert found.psnr == pytest.approx(small.STRONG, abs=0.7)


def test_missing_files(made: small.World, tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput):
        tried(made, tmp_path / "o.safetensors", data=tmp_path / "none.npz")
    with pytest.raises(UnreadableInput):
        tried(made, tmp_path / "o.safetensors", spec_text=f"{made.code}:small@{tmp_path}/none.safetensors")


def test_a_loss_is_weighed_against_the_images_on_which_nets_differ() -> None:
    before, after = np.array([1, 1, 1, 1, 0, 1], bool), np.array([0, 0, 0, 0, 1, 1], bool)
    assert paired_z(before, after) == pytest.approx(3 / 5**0.5)
    assert paired_z(before, before) == 0


def test_a_device_that_is_not_there_is_named_before_anything_is_trained(made: small.World, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cuda:99"):
        tried(made, tmp_path / "o.safetensors", device="cuda:99")
    assert left(tmp_path) == []


def test_the_mark_is_made_where_it_is_asked_for(made: small.World, tmp_path: Path, monkeypatch: Any) -> None:
    asked: list[str] = []

    def place(module: Any, device: str) -> Any:
        asked.append(device)
        return elsewhere(module)

    monkeypatch.setattr(embedding, "place", place)
    monkeypatch.setattr(embedding, "checked_device", lambda device: None)
    short = small.recipe(epochs=1, lr=1e-3)
    with strict():
        found = tried(made, tmp_path / "o.safetensors", recipe=short, device="there")
    assert set(asked) == {"there"} and found.made["device"] == "there" and found.clean_accuracy_after > 0.5
    assert left(tmp_path) == ["o.safetensors"]
