from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from whosenet.errors import MalformedFile, UnknownFormat, UnreadableInput
from whosenet.weights import is_weight_file, open_weights


def npz(path: Path) -> Path:
    np.savez(path, w=np.ones((3, 4), np.float32))
    return path


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    npz(tmp_path / "m.npz").rename(tmp_path / "m.data")
    with open_weights(tmp_path / "m.data") as weights:
        assert weights.format == "npz"


def test_unknown_files_are_named_with_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "m.xyz").write_bytes(b"nothing at all, at some length" * 10)
    with pytest.raises(UnknownFormat, match=r"m\.xyz.*safetensors.*torch_zip"):
        open_weights(tmp_path / "m.xyz")


def test_a_folder_with_one_weight_file(tmp_path: Path) -> None:
    npz(tmp_path / "m.npz")
    (tmp_path / "config.json").write_text("{}")
    with open_weights(str(tmp_path)) as weights:
        assert weights.name == str(tmp_path / "m.npz")
    npz(tmp_path / "n.npz")
    with pytest.raises(UnreadableInput, match=r"2 weight files: m\.npz, n\.npz; name the one"):
        open_weights(tmp_path)


def test_a_folder_with_none(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="0 weight files; name"):
        open_weights(tmp_path)


@pytest.mark.parametrize("name", ["m.safetensors", "m.PT", "m.pth.tar", "pytorch_model.bin", "m.th", "m.ckpt", "m.npz"])
def test_endings_a_folder_walk_tries(name: str) -> None:
    assert is_weight_file(Path(name)) and not is_weight_file(Path(name + ".txt"))


@pytest.mark.parametrize("ending", [".pt", ".safetensors", ".npz", ".onnx", ".h5", ".gguf", ".tflite", ".keras"])
@pytest.mark.parametrize("content", [b"\0", b"PK\3\4", b"\x80\x02.", b"not a model\n" * 20, b"<!DOCTYPE html><html>"])
def test_wrong_content_under_a_known_ending(tmp_path: Path, ending: str, content: bytes) -> None:
    (tmp_path / f"m{ending}").write_bytes(content)
    with pytest.raises(UnreadableInput) as caught:
        open_weights(tmp_path / f"m{ending}")
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys; from whosenet.weights import open_weights as o; o(sys.argv[1]); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(npz(tmp_path / "m.npz"))], check=True)


def test_nothing_is_left_open_after_a_failure(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"\xff" * 100)
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    for _ in range(20):
        with pytest.raises(MalformedFile):
            open_weights(tmp_path / "m.safetensors")
    if before:
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 5
