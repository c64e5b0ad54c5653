from __future__ import annotations

import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from whosenet.errors import UnreadableInput
from whosenet.weights import open_weights

gguf = pytest.importorskip("gguf")
RNG = np.random.default_rng(0)
TYPES = gguf.GGMLQuantizationType
QUANTISABLE = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0"]
BLOCK_ONLY = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "IQ2_XXS", "IQ3_S"]


def write(path: Path, *tensors: tuple[str, np.ndarray, object], endian: object = None) -> Path:
    writer = gguf.GGUFWriter(path, "llama", endianess=endian or gguf.GGUFEndian.LITTLE)
    writer.add_block_count(3)
    writer.add_token_list(["a", "bc", "d" * 100])
    writer.add_array("nested", [[1, 2], [3, 4]])
    for name, array, kind in tensors:
        writer.add_tensor(name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_plain_types_and_the_order_of_axes(tmp_path: Path) -> None:
    array = RNG.normal(size=(3, 5, 7)).astype(np.float32)
    table = np.arange(12, dtype=np.int32).reshape(3, 4)
    half = array.astype(np.float16)
    brain = array.astype(ml_dtypes.bfloat16)
    stored = brain.view(np.uint8).reshape(3, 5, 14)
    path = write(
        tmp_path / "m.gguf", ("f", array, None), ("h", half, None), ("b", stored, TYPES.BF16), ("t", table, None)
    )
    with open_weights(path) as weights:
        found = {t.name: t for t in weights.tensors}
        assert weights.format == "gguf" and not found["t"].trained
        assert [found[n].dtype for n in "fhb"] == ["float32", "float16", "bfloat16"]
        np.testing.assert_array_equal(found["f"].raw(1, 3), array[1:])
        np.testing.assert_array_equal(found["h"].raw(), half)
        np.testing.assert_array_equal(found["b"].raw(), brain)


@pytest.mark.parametrize("name", QUANTISABLE)
def test_blocks_come_out_near_what_went_in(tmp_path: Path, name: str) -> None:
    array = RNG.choice([-0.5, 0.0, 0.5], size=(6, 512)).astype(np.float32)
    quantised = gguf.quants.quantize(array, TYPES[name])
    with open_weights(write(tmp_path / "m.gguf", ("w", quantised, TYPES[name]))) as weights:
        (tensor,) = weights.tensors
        assert tensor.shape == (6, 512) and tensor.dtype == name.lower() and tensor.trained
        assert np.abs(tensor.read() - array).max() < 0.07
        np.testing.assert_array_equal(tensor.read(2, 5), tensor.read()[2:5])


@pytest.mark.parametrize("name", BLOCK_ONLY)
def test_blocks_read_in_parts_as_in_whole(tmp_path: Path, name: str) -> None:
    block, size = gguf.GGML_QUANT_SIZES[TYPES[name]]
    rows = RNG.integers(0, 60, size=(4, 512 // block * size), dtype=np.uint8)
    expected = gguf.quants.dequantize(rows, TYPES[name])
    with open_weights(write(tmp_path / "m.gguf", ("w", rows, TYPES[name]), ("bias", rows[0], TYPES[name]))) as weights:
        tensor, bias = weights.tensors
        np.testing.assert_array_equal(np.concatenate(list(tensor.chunks(512))), expected)
        np.testing.assert_array_equal(bias.read(250, 300), expected[0, 250:300])


def test_big_endian(tmp_path: Path) -> None:
    array = RNG.normal(size=(3, 4)).astype(np.float32)
    with open_weights(write(tmp_path / "m.gguf", ("w", array, None), endian=gguf.GGUFEndian.BIG)) as weights:
        np.testing.assert_array_equal(weights.tensors[0].raw(), array)


def test_version_1_counts_in_32_bits(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32)
    head = b"GGUF" + struct.pack("<III", 1, 1, 0) + struct.pack("<I", 1) + b"w"
    head += struct.pack("<IIIIQ", 2, 3, 2, 0, 0)
    (tmp_path / "m.gguf").write_bytes(head.ljust(-(-len(head) // 32) * 32, b"\0") + array.tobytes())
    with open_weights(tmp_path / "m.gguf") as weights:
        np.testing.assert_array_equal(weights.tensors[0].raw(), array.reshape(2, 3))


def test_a_type_the_package_does_not_know_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf", ("w", np.zeros((2, 32), np.float32), None))
    body = bytearray(path.read_bytes())
    at = body.index(struct.pack("<QQ", 32, 2)) + 16
    body[at : at + 4] = struct.pack("<I", 99)
    path.write_bytes(body)
    with pytest.raises(UnreadableInput, match="unknown type 99"):
        open_weights(path)


def test_the_first_file_of_a_split_model_stands_for_all(tmp_path: Path) -> None:
    arrays = [RNG.normal(size=(3, 4)).astype(np.float32) for _ in range(3)]
    for part, array in enumerate(arrays, 1):
        write(tmp_path / f"m-{part:05d}-of-00003.gguf", (f"w{part}", array, None))
    with open_weights(tmp_path / "m-00001-of-00003.gguf") as weights:
        assert [t.name for t in weights.tensors] == ["w1", "w2", "w3"]
        np.testing.assert_array_equal(weights.tensors[2].raw(), arrays[2])
        assert weights.size == sum(file.stat().st_size for file in tmp_path.iterdir())
    (tmp_path / "m-00002-of-00003.gguf").unlink()
    with pytest.raises(UnreadableInput, match="00002-of-00003"):
        open_weights(tmp_path / "m-00001-of-00003.gguf")
