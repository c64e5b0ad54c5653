from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from damage import Edit, damaged, edits, refused
from hypothesis import given, settings
from hypothesis import strategies as st

h5py = pytest.importorskip("h5py")


def _model() -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["model_weights/a/kernel:0"] = np.arange(60, dtype=np.float32).reshape(5, 12)
        file.create_dataset("model_weights/b/kernel:0", data=np.ones((40, 8)), chunks=(8, 8), compression="gzip")
        file["optimizer_weights/m"] = np.ones(4)
    return out.getvalue()


MODEL = _model()


def _keras() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", MODEL)
    return out.getvalue()


BODIES = {"m.h5": MODEL, "m.keras": _keras()}


@settings(max_examples=250, deadline=None)
@given(name=st.sampled_from(sorted(BODIES)), changes=edits(), keep=st.sampled_from([1.0, 1.0, 1.0, 0.9, 0.3]))
def test_damage(tmp_path_factory: pytest.TempPathFactory, name: str, changes: list[Edit], keep: float) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged_{name}"
    path.write_bytes(damaged(BODIES[name], changes, keep))
    refused(path)


def test_truncations(tmp_path: Path) -> None:
    for length in (1, 8, 40, 96, len(MODEL) // 2, len(MODEL) - 1):
        (tmp_path / "m.h5").write_bytes(MODEL[:length])
        assert refused(tmp_path / "m.h5")


@pytest.mark.parametrize(("at", "block"), [(8, b"\x09"), (13, b"\x04"), (24, b"\x08"), (48, bytes(8))])
def test_superblocks_no_writer_makes(tmp_path: Path, at: int, block: bytes) -> None:
    """Version, width of addresses, base address, driver block."""
    (tmp_path / "m.h5").write_bytes(MODEL[:at] + block + MODEL[at + len(block) :])
    assert refused(tmp_path / "m.h5")


def test_data_in_other_files_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"\1" * 64)
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("w", (4, 4), np.float32, external=[(str(secret), 0, 64)])
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((4, 4), np.float32)
        layout[:] = h5py.VirtualSource("external.h5", "w", (4, 4))
        file.create_virtual_dataset("w", layout)
    assert "other files" in refused(tmp_path / "external.h5")
    assert "other files" in refused(tmp_path / "virtual.h5")


def test_filters_from_plugins_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((4, 4))
        plan.set_filter(32_015, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((4, 4))
        h5py.h5d.create(file.id, b"w", h5py.h5t.IEEE_F32LE, space, plan).write(
            h5py.h5s.ALL, h5py.h5s.ALL, np.ones((4, 4), np.float32)
        )
    assert "filters [32015]" in refused(tmp_path / "m.h5")


def test_numbers_claimed_but_not_stored(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("w", (1 << 19, 1 << 19), np.float32, chunks=(1024, 1024), compression="gzip")
    assert "stores 0" in refused(tmp_path / "m.h5")


def test_a_chunk_too_large_to_unpack(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("w", (4, 4), np.float32, chunks=(1 << 14, 1 << 14), maxshape=(None, None))
    assert "claims" in refused(tmp_path / "m.h5")


def test_groups_nested_deep_and_in_circles(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "deep.h5", "w") as file:
        group = file
        for _ in range(100):
            group = group.create_group("g")
        group["w"] = np.ones((2, 2))
    with h5py.File(tmp_path / "circle.h5", "w") as file:
        file["a/b/w"] = np.ones((2, 2))
        file["a/b/up"] = file["a"]
        file["a/b/root"] = h5py.SoftLink("/")
    assert "deep" in refused(tmp_path / "deep.h5")
    assert not refused(tmp_path / "circle.h5")


def test_keras_archive_without_weights_and_with_a_false_size(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "none.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    body = bytearray(BODIES["m.keras"])
    at = body.rindex(b"PK\x01\x02")
    body[at + 24 : at + 28] = struct.pack("<I", 0xF0000000)
    (tmp_path / "bomb.keras").write_bytes(body)
    assert "model.weights.h5" in refused(tmp_path / "none.keras")
    assert "claims" in refused(tmp_path / "bomb.keras")
