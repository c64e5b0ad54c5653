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


def _body(save) -> bytes:  # type: ignore[no-untyped-def]
    out = io.BytesIO()
    save(out, a=np.arange(60, dtype=np.float32).reshape(5, 12), b=np.asfortranarray(np.ones((3, 4))), c=np.int8(3))
    return out.getvalue()


BODIES = {"stored": _body(np.savez), "deflated": _body(np.savez_compressed)}


@settings(max_examples=250, deadline=None)
@given(kind=st.sampled_from(sorted(BODIES)), changes=edits(), keep=st.sampled_from([1.0, 1.0, 1.0, 0.99, 0.5]))
def test_damage(tmp_path_factory: pytest.TempPathFactory, kind: str, changes: list[Edit], keep: float) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(damaged(BODIES[kind], changes, keep))
    refused(path)


def _npy(header: str, data: bytes = bytes(64)) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


@pytest.mark.parametrize(
    "body",
    [
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b"{" * 40,
        b"\x93NUMPY\x09\x00\x10\x00" + b" " * 40,
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }"),
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4), }"),
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99, 99), }"),
        _npy("{'descr': '<f4', 'fortran_order': False, }"),
        _npy("{'descr': '<f4', 'fortran_order': __import__('os').abort(), 'shape': (2, 2), }"),
        _npy("{'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }"),
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1, " * 40 + "), }"),
        _npy("(" * 9000),
    ],
)
def test_broken_arrays(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(body)
    assert refused(tmp_path / "a.npy")


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    objects = np.array([Trap()], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    assert "pickled" in refused(tmp_path / "a.npy") and not (tmp_path / "ran").exists()


def test_zip_bomb_that_tells_the_truth_is_read_in_little_memory(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "m.npz", w=np.zeros((1 << 14, 1 << 11), np.float32))
    assert (tmp_path / "m.npz").stat().st_size < 1 << 18
    assert not refused(tmp_path / "m.npz")


def test_member_that_claims_more_than_deflate_can_give(tmp_path: Path) -> None:
    body = bytearray(BODIES["deflated"])
    at = body.index(b"PK\x01\x02")
    body[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFFF0)
    (tmp_path / "m.npz").write_bytes(body)
    assert "claims" in refused(tmp_path / "m.npz")


def test_wrong_compression(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"))
    assert "oddly compressed" in refused(tmp_path / "m.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for shape in ("2, 3", "4, 4"):
            archive.writestr("a.npy", _npy(f"{{'descr': '<f4', 'fortran_order': True, 'shape': ({shape}), }}"))
    assert not refused(tmp_path / "m.npz")
