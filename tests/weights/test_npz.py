from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from whosenet.errors import MalformedFile
from whosenet.weights import open_weights

SHARED = Path(__file__).resolve().parents[2] / "../shared/models"
RNG = np.random.default_rng(0)
ARRAYS = {
    "conv": RNG.normal(size=(3, 3, 4, 8)).astype(np.float32),
    "half": RNG.normal(size=(5, 7)).astype(np.float16),
    "big_endian": RNG.normal(size=(6, 2)).astype(">f8"),
    "fortran": np.asfortranarray(RNG.normal(size=(4, 5, 6)).astype(np.float32)),
    "fortran_too": np.asfortranarray(RNG.normal(size=(4, 6, 5))),
    "table": np.arange(12).reshape(3, 4),
    "scalar": np.float32(3.5),
    "empty": np.zeros((0, 4), np.float32),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_array_comes_out_as_numpy_reads_it(tmp_path: Path, save) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "m.npz"
    save(path, **ARRAYS)
    with open_weights(path) as weights:
        found = {t.name: t for t in weights.tensors}
        assert list(found) == list(ARRAYS) and weights.format == "npz"
        for name, expected in ARRAYS.items():
            np.testing.assert_array_equal(found[name].read(), np.atleast_1d(expected).astype(np.float32))
        assert not found["table"].trained and not found["scalar"].trained and found["fortran"].trained


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_in_any_order(tmp_path: Path, save) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "m.npz"
    save(path, **ARRAYS)
    with open_weights(path) as weights:
        for tensor in weights.tensors[:5]:
            for start, stop in [(2, 3), (0, 1), (1, 3), (0, 0)]:
                np.testing.assert_array_equal(tensor.raw(start, stop), ARRAYS[tensor.name][start:stop])
                assert tensor.raw(start, stop).flags.aligned and tensor.raw(start, stop).dtype.isnative


def test_stored_members_are_views_of_the_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", w=np.zeros((1000, 10), np.float32))
    with open_weights(tmp_path / "m.npz") as weights:
        assert not weights.tensors[0].raw().flags.owndata


def test_plain_npy_and_bfloat16(tmp_path: Path) -> None:
    array = RNG.normal(size=(4, 3)).astype(ml_dtypes.bfloat16)
    np.save(tmp_path / "w.npy", array)
    with open_weights(tmp_path / "w.npy") as weights:
        (tensor,) = weights.tensors
        assert tensor.dtype == "bfloat16" and tensor.trained
        np.testing.assert_array_equal(tensor.read(), array.astype(np.float32))


def test_object_arrays_are_left_out_and_alone_are_refused(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "both.npz", w=ARRAYS["conv"], o=objects)
    np.savez(tmp_path / "only.npz", o=objects)
    with open_weights(tmp_path / "both.npz") as weights:
        assert [t.name for t in weights.tensors] == ["w"]
    with pytest.raises(MalformedFile, match="pickled objects"):
        open_weights(tmp_path / "only.npz")


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs the real weight files")
@pytest.mark.parametrize(("name", "parameters"), [("pnet", 6_632), ("rnet", 100_178)])
def test_real_files(name: str, parameters: int) -> None:
    with open_weights(SHARED / "ipazc-mtcnn" / f"{name}.npz") as weights:
        assert weights.parameters == parameters
        assert all(np.isfinite(t.read()).all() for t in weights.tensors)
