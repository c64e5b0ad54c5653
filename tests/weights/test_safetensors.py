from __future__ import annotations

import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from whosenet.errors import UnreadableInput, WhosenetWarning
from whosenet.weights import open_weights

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")
SHARED = Path(__file__).resolve().parents[2] / "../shared/models"
DTYPES = [
    "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2",
    "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool",
]  # fmt: skip


def test_every_dtype_as_the_reference_wrote_it(tmp_path: Path) -> None:
    values = torch.arange(24).reshape(4, 6)
    tensors = {name: values.to(getattr(torch, name)) for name in DTYPES}
    safetensors_torch.save_file(tensors, tmp_path / "m.safetensors", {"format": "pt"})
    with open_weights(tmp_path / "m.safetensors") as weights:
        assert {t.dtype for t in weights.tensors} == set(DTYPES) and weights.format == "safetensors"
        for tensor in weights.tensors:
            truth = tensors[tensor.name].to(torch.float32).numpy()
            np.testing.assert_array_equal(tensor.read(), truth)
            np.testing.assert_array_equal(tensor.read(1, 3), truth[1:3])
            assert tensor.trained == ("float" in tensor.name)


def write(path: Path, dtype: str, shape: list[int], data: bytes) -> Path:
    header = json.dumps({"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


@pytest.mark.parametrize("shape", [[4, 6], [3, 2, 4], [8, 3], [2, 5], [10]])
def test_four_bit_floats_are_unpacked_low_half_first(tmp_path: Path, shape: list[int]) -> None:
    codes = np.arange(np.prod(shape)).astype(np.uint8) % 16
    packed = (codes[::2] | codes[1::2] << 4).tobytes()
    truth = codes.view(ml_dtypes.float4_e2m1fn).astype(np.float32).reshape(shape)
    with open_weights(write(tmp_path / "m.safetensors", "F4", shape, packed)) as weights:
        (tensor,) = weights.tensors
        np.testing.assert_array_equal(tensor.read(), truth)
        for row in range(shape[0]):
            np.testing.assert_array_equal(tensor.read(row, row + 1), truth[row : row + 1])


def test_block_scales_are_read_and_are_no_weights(tmp_path: Path) -> None:
    with open_weights(write(tmp_path / "m.safetensors", "F8_E8M0", [2, 2], bytes([127, 128, 126, 0]))) as weights:
        (tensor,) = weights.tensors
        np.testing.assert_allclose(tensor.read(), [[1, 2], [0.5, 2.0**-127]])
        assert not tensor.trained


@pytest.mark.parametrize("dtype", ["F6_E2M3", "C64", "F3_NEXT_YEAR"])
def test_types_of_no_number_here_are_left_out_aloud(tmp_path: Path, dtype: str) -> None:
    path = write(tmp_path / "m.safetensors", dtype, [8], bytes(6))
    with pytest.warns(WhosenetWarning, match=f"left out 1 tensors.*{dtype}"):
        assert not open_weights(path).tensors


def test_an_odd_header_length_still_gives_aligned_arrays(tmp_path: Path) -> None:
    for pad in range(8):
        header = json.dumps({"w": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}}).encode() + b" " * pad
        path = tmp_path / "m.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header + np.array([1.0, 2.0]).tobytes())
        with open_weights(path) as weights:
            assert weights.tensors[0].raw().flags.aligned
            np.testing.assert_array_equal(weights.tensors[0].raw(), [1, 2])


def shards(folder: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    state = {f"layer.{i}": rng.normal(size=(3, 4)).astype(np.float32) for i in range(5)}
    where = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(state)}
    for file in set(where.values()):
        part = {k: torch.from_numpy(v) for k, v in state.items() if where[k] == file}
        safetensors_torch.save_file(part, folder / file)
    index = {"metadata": {"total_size": 240}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return state


@pytest.mark.parametrize("name", ["model.safetensors.index.json", ""])
def test_shards_are_one_model(tmp_path: Path, name: str) -> None:
    state = shards(tmp_path)
    with open_weights(tmp_path / name) as weights:
        assert weights.format == "safetensors" and weights.parameters == 60
        assert {t.name for t in weights.tensors} == set(state)
        assert all(np.array_equal(t.read(), state[t.name]) for t in weights.tensors)
        assert weights.size == sum(p.stat().st_size for p in tmp_path.iterdir())


def test_shards_behind_links_as_in_a_hub_cache(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    shards(tmp_path / "blobs")
    (tmp_path / "snapshot").mkdir()
    for path in (tmp_path / "blobs").iterdir():
        (tmp_path / "snapshot" / path.name).symlink_to(path)
    with open_weights(tmp_path / "snapshot") as weights:
        assert len(weights.tensors) == 5


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    shards(tmp_path)
    (tmp_path / "model-1.safetensors").unlink()
    with pytest.raises(UnreadableInput, match=r"model-1\.safetensors.*No such file"):
        open_weights(tmp_path / "model.safetensors.index.json")


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs the real weight files")
@pytest.mark.parametrize("path", sorted(SHARED.rglob("*.safetensors")), ids=lambda p: p.name)
def test_real_files(path: Path) -> None:
    truth = safetensors_torch.load_file(path)
    with open_weights(path) as weights:
        assert {t.name for t in weights.tensors} == set(truth)
        for tensor in weights.tensors:
            np.testing.assert_array_equal(tensor.read(), truth[tensor.name].float().numpy().reshape(tensor.shape))
