"""A fingerprint file: whole or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from asked import questions

from whosenet import files
from whosenet.errors import MalformedFile, UnreadableInput
from whosenet.questions import queryset
from whosenet.questions.answers import Kind


def test_round_trip(tmp_path: Path) -> None:
    made = questions()
    digest = made.save(tmp_path / "f")
    found = queryset.load(tmp_path / "f")
    assert digest == made.digest == found.digest
    assert np.array_equal(found.images, made.images) and found.parameters == made.parameters
    assert found.copies.names == made.copies.names and found.chosen_by == made.chosen_by and found.classes == 4


def with_yardstick() -> queryset.QuerySet:
    x = np.random.default_rng(3).integers(0, 256, (5, 4, 4, 3), np.uint8)
    kind = {"seed": 1, **Kind("signature", 0.8).document()}
    return replace(questions(), parameters=kind, yardstick=queryset.Yardstick(x, np.array([0, 1, 2, 3, 0])))


def test_what_the_owner_is_and_the_yardstick_are_kept(tmp_path: Path) -> None:
    made = with_yardstick()
    digest = made.save(tmp_path / "f")
    found = queryset.load(tmp_path / "f")
    assert digest == made.digest == found.digest and found.kind == Kind("signature", 0.8)
    assert np.array_equal(found.yardstick.images, made.yardstick.images)
    assert found.yardstick.accuracy(np.array([0, 1, 2, 3, 1])) == 0.8
    assert found.take(slice(0, 3)).yardstick is found.yardstick


def test_files_from_before_the_yardstick_still_read_and_keep_their_digest(tmp_path: Path) -> None:
    digest = questions().save(tmp_path / "f")
    assert files.read(tmp_path / "f", queryset.KIND, queryset.VERSION).version == 1
    found = queryset.load(tmp_path / "f")
    assert found.digest == digest and found.kind == Kind() and not len(found.yardstick)
    with_yardstick().save(tmp_path / "g")
    assert files.read(tmp_path / "g", queryset.KIND, queryset.VERSION).version == 2


def test_every_field_is_in_the_digest() -> None:
    made = questions()
    others = [
        replace(made, owner="x"), replace(made, chosen_by=("x",)), replace(made, score="cluster"),
        replace(made, parameters={"seed": 2}), replace(made, control=~made.control), replace(made, method="other"),
        replace(made, expected=(made.expected + 1) % 4), replace(made, images=255 - made.images),
        replace(made, data="x"), replace(made, names=("a", "b", "c", "e")), with_yardstick(),
        replace(made, yardstick=with_yardstick().yardstick),
    ]  # fmt: skip
    assert len({made.digest, *(other.digest for other in others)}) == len(others) + 1


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    questions().save(tmp_path / "f")
    data = bytearray((tmp_path / "f").read_bytes())
    data[-5] ^= 1
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(UnreadableInput, match="changed"):
        queryset.load(tmp_path / "f")


@pytest.mark.parametrize("change", [
    {"expected": np.full(12, 9)}, {"expected": np.full(12, -1)},
    {"probabilities": np.full((12, 4), np.nan, np.float32)},
    {"control": np.zeros(11, bool)}, {"images": np.zeros((11, 4, 4, 3), np.uint8)}, {"score": "vibes"},
    {"parameters": {"architecture": 7}}, {"parameters": {"accuracy": 1.5}}, {"parameters": {"accuracy": "1"}},
    {"yardstick": queryset.Yardstick(np.zeros((2, 4, 4, 3), np.uint8), np.array([0, 4]))},
    {"yardstick": queryset.Yardstick(np.zeros((2, 4, 4, 3), np.uint8), np.array([0]))},
    {"yardstick": queryset.Yardstick(np.zeros((1, 5, 4, 3), np.uint8), np.array([0]))},
])  # fmt: skip
def test_files_that_make_no_sense(tmp_path: Path, change: dict[str, object]) -> None:
    replace(questions(), **change).save(tmp_path / "f")  # type: ignore[arg-type]
    with pytest.raises(MalformedFile, match="no sense"):
        queryset.load(tmp_path / "f")


def test_another_kind_of_file(tmp_path: Path) -> None:
    files.write(tmp_path / "f", "key", 1, {}, {})
    with pytest.raises(MalformedFile, match="'key' file"):
        queryset.load(tmp_path / "f")
