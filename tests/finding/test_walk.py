"""Which files of a folder are models."""

from __future__ import annotations

import os
from pathlib import Path

import nets

from whosenet.finding.walk import models


def test_models_in_sorted_order_each_once(tmp_path: Path) -> None:
    for name in ("b/z.safetensors", "b/a.onnx", "a.PT", "c/deep/er/x.gguf", "readme.md", "b/x.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [os.path.relpath(p, tmp_path) for p in models([tmp_path, tmp_path / "b", tmp_path / "a.PT"])]
    assert found == ["a.PT", "b/a.onnx", "b/z.safetensors", "c/deep/er/x.gguf"]


def test_what_is_named_is_tried_whatever_it_is_called(tmp_path: Path) -> None:
    assert list(models([tmp_path / "no such", "hf://org/name", "https://x/y.bin"])) == [
        str(tmp_path / "no such"), "hf://org/name", "https://x/y.bin"]  # fmt: skip


def test_shards_are_one_model(tmp_path: Path) -> None:
    index = nets.save_shards(tmp_path / "m", nets.net(1))
    alone = nets.save(tmp_path / "m" / "other.safetensors", nets.net(2))
    assert list(models([tmp_path])) == [str(index), str(alone)]


def test_a_broken_index_hides_nothing(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"weight_map": 3}', '{"weight_map": {"a": ["x"]}}', "[" * 100_000):
        (tmp_path / "m.safetensors.index.json").write_text(text)
        nets.save(tmp_path / "one.safetensors", nets.net(1))
        assert len(list(models([tmp_path]))) == 2


def test_a_symlink_loop_ends(tmp_path: Path) -> None:
    nets.save(tmp_path / "a" / "one.safetensors", nets.net(1))
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "self.safetensors").symlink_to(tmp_path / "self.safetensors")
    assert [Path(p).name for p in models([tmp_path])] == ["self.safetensors", "one.safetensors"]
