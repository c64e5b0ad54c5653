from __future__ import annotations

import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from whosenet.weights import open_weights

h5py = pytest.importorskip("h5py")
SHARED = Path(__file__).resolve().parents[2] / "../shared/models"
RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(3, 3, 4, 8)).astype(np.float32)
DENSE = RNG.normal(size=(70, 6)).astype(np.float64)


def _legacy(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["model_weights/conv/conv/kernel:0"] = KERNEL
        file["model_weights/dense/dense/kernel:0"] = DENSE
        file["model_weights/dense/dense/count:0"] = np.int64(3)
        file["model_weights/top_level_model_weights/names"] = [b"a", b"b"]
        file["optimizer_weights/Adam/m:0"] = KERNEL


def test_legacy_file_without_the_optimiser(tmp_path: Path) -> None:
    _legacy(tmp_path / "m.h5")
    with open_weights(tmp_path / "m.h5") as weights:
        found = {t.name: t for t in weights.tensors}
        assert weights.format == "keras" and weights.parameters == KERNEL.size + DENSE.size
        np.testing.assert_array_equal(found["model_weights/conv/conv/kernel:0"].read(), KERNEL)
        np.testing.assert_array_equal(found["model_weights/dense/dense/kernel:0"].raw(60, 65), DENSE[60:65])
        assert not found["model_weights/dense/dense/count:0"].trained


@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf"}])
def test_compressed_and_chunked(tmp_path: Path, options: dict[str, object]) -> None:
    with h5py.File(tmp_path / "m.hdf5", "w") as file:
        file.create_dataset("w", data=DENSE, chunks=(8, 6), **options)
    with open_weights(tmp_path / "m.hdf5") as weights:
        np.testing.assert_array_equal(np.concatenate(list(weights.tensors[0].chunks(60))), DENSE)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_keras_archive(tmp_path: Path, method: int) -> None:
    inner = tmp_path / "model.weights.h5"
    with h5py.File(inner, "w") as file:
        file["layers/dense/vars/0"] = DENSE
        file["optimizer/vars/0"] = DENSE
    with zipfile.ZipFile(tmp_path / "m.keras", "w", method) as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
        archive.write(inner, "model.weights.h5")
    with open_weights(tmp_path / "m.keras") as weights:
        (tensor,) = weights.tensors
        assert tensor.name == "layers/dense/vars/0"
        np.testing.assert_array_equal(tensor.raw(), DENSE)


def test_bfloat16_and_links(tmp_path: Path) -> None:
    numbers = DENSE.astype(ml_dtypes.bfloat16)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("a/w", data=numbers.view("V2"))
        file["a/same"] = file["a/w"]
        file["a/soft"] = h5py.SoftLink("/a")
        file["a/cycle"] = file["a"]
        file["a/outside"] = h5py.ExternalLink("other.h5", "/w")
    with open_weights(tmp_path / "m.h5") as weights:
        (tensor,) = weights.tensors
        assert tensor.dtype == "bfloat16" and tensor.trained
        np.testing.assert_array_equal(tensor.read(3, 9), numbers[3:9].astype(np.float32))


REAL = sorted(file for ending in ("*.h5", "*.hdf5") for file in SHARED.glob(f"**/{ending}"))


def _stored(path: Path) -> int:
    """Numbers of all datasets but the optimiser's, counted by h5py."""
    sizes: list[int] = []
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                sizes.append(item.size)
                if isinstance(item, h5py.Dataset) and not name.startswith("optimizer") and item.dtype.kind == "f"
                else None
            )
        )
    return sum(sizes)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs the real weight files")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_files(path: Path) -> None:
    with open_weights(path) as weights:
        assert weights.parameters == _stored(path) > 5_000
        assert all(np.isfinite(t.read()).all() for t in weights.tensors)
