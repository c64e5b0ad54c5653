"""Key files from strangers: an UnreadableInput, quickly, and nothing secret in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import fixed, hides

from whosenet import files
from whosenet.errors import UnreadableInput
from whosenet.keys.key import KIND, VERSION, load, load_public, mint, save, save_public
from whosenet.keys.public import KIND as PUBLIC_KIND

OTHER = mint("x", secret=b"x" * 32, signing=b"y" * 32).public_key.hex()
Change = Callable[[dict[str, Any], dict[str, Any]], object]


def rewritten(folder: Path, change: Change) -> Path:
    """A key file with other contents and a digest that fits them."""
    path = save(fixed(logo=np.zeros((3, 3, 3), np.uint8)), folder / "k", force=True)
    found = files.read(path, KIND, VERSION)
    header, arrays = dict(found.header), dict(found.arrays)
    change(header, arrays)
    files.write(path, KIND, VERSION, header, arrays, private=True)
    return path


def u8(*shape: int) -> np.ndarray:
    return np.ones(shape, np.uint8)


@pytest.mark.parametrize("change", [
    lambda h, a: h.pop("identity"), lambda h, a: h.update(identity=["Acme"]), lambda h, a: h.update(identity="A\x00"),
    lambda h, a: h.update(identity="Acme "), lambda h, a: h.update(identity="x" * 10_000_00),
    lambda h, a: h.update(identity="Acme\N{RIGHT-TO-LEFT OVERRIDE}"), lambda h, a: h.update(identity="\ud800"),
    lambda h, a: h.update(identity="e\N{COMBINING ACUTE ACCENT}"), lambda h, a: h.update(identity="Other"),
    lambda h, a: h.update(method=[1]), lambda h, a: h.update(method="x"), lambda h, a: h.update(method={"patterns": 9}),
    lambda h, a: h.update(method=None), lambda h, a: h.update(commitment="0" * 64), lambda h, a: h.pop("commitment"),
    lambda h, a: h.update(created=7), lambda h, a: h.update(created="2026-99-99"), lambda h, a: h.update(note={}),
    lambda h, a: h.update(note="x" * 100_000), lambda h, a: h.update(licence_of=None),
    lambda h, a: a.pop("secret"), lambda h, a: a.update(secret=u8(31)), lambda h, a: a.update(secret=u8(0)),
    lambda h, a: a.update(secret=u8(2, 16)), lambda h, a: a.update(secret=np.ones(32, np.int64)),
    lambda h, a: a.update(secret=u8(32)), lambda h, a: a.update(signing=u8(32)), lambda h, a: a.update(signing=u8(33)),
    lambda h, a: a.update(public_key=u8(32)), lambda h, a: a.update(public_key=u8(0)),
    lambda h, a: a.update(logo=u8(257, 3, 3)), lambda h, a: a.update(logo=u8(3, 3)),
    lambda h, a: a.update(logo=u8(3, 3, 4)), lambda h, a: a.update(logo=u8(5)), lambda h, a: a.update(logo=u8()),
    lambda h, a: a.update(logo=np.ones((3, 3, 3), np.float32)), lambda h, a: a.update(logo=u8(0, 3, 3)),
    lambda h, a: a.update(logo=u8(3, 3, 3)), lambda h, a: a.pop("logo"), lambda h, a: a.update(logo=u8(700, 2000, 3)),
])  # fmt: skip
def test_contents_that_make_no_sense(tmp_path: Path, change: Change) -> None:
    path = rewritten(tmp_path, change)
    with pytest.raises(UnreadableInput) as error:
        load(path)
    assert len(str(error.value)) < 400 and hides(str(error.value))


def test_rewriting_alone_is_no_damage(tmp_path: Path) -> None:
    assert load(rewritten(tmp_path, lambda h, a: None)).identity == "Acme"


def test_devices_and_pipes_are_never_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in ("/dev/zero", "/dev/full", tmp_path / "pipe", tmp_path):
        for reader in (load, load_public):
            with pytest.raises(UnreadableInput, match="no regular file"):
                reader(place)


def test_other_files(tmp_path: Path) -> None:
    save(fixed(), tmp_path / "k")
    save_public(fixed(), tmp_path / "p")
    (tmp_path / "large").write_bytes(b"\0" * (5 << 20))
    (tmp_path / "empty").touch()
    for reader, other in ((load, "p"), (load_public, "k")):
        for name in (other, "large", "empty", "missing", "."):
            with pytest.raises(UnreadableInput):
                reader(tmp_path / name)
    with pytest.raises(UnreadableInput, match="'public-key' file, not a key"):
        load(tmp_path / "p")


@cache
def whole(public: bool) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        return (save_public(fixed(), path) if public else save(fixed(), path)).read_bytes()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), public=st.booleans())
def test_one_changed_byte_is_noticed(tmp_path: Path, place: float, flip: int, public: bool) -> None:
    path, data = tmp_path / "f", bytearray(whole(public))
    data[int(place * len(data))] ^= flip
    path.write_bytes(data)
    try:
        found = load_public(path) if public else load(path)
    except UnreadableInput as error:
        assert hides(str(error))
    else:  # a space for another, or the case of a hex digit: the same contents
        assert found.commitment == fixed().commitment


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_noticed(tmp_path: Path, share: float) -> None:
    path, data = tmp_path / "f", whole(public=False)
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UnreadableInput):
        load(path)


@pytest.mark.parametrize("change", [
    {"identity": "Other"}, {"public_key": OTHER}, {"commitment": "0" * 64}, {"signature": "00" * 64},
    {"created": "2020-01-01"}, {"method": {"patterns": 9}}, {"secret_digest": "0" * 64}, {"logo_digest": "0" * 64},
    {"signature": "00"}, {"signature": 7}, {"identity": None}, {"method": []}, {"public_key": "zz"},
    {"created": None}, {"identity": "A\N{ZERO WIDTH SPACE}"},
])  # fmt: skip
def test_a_public_key_that_its_owner_did_not_sign(tmp_path: Path, change: dict[str, Any]) -> None:
    path = save_public(fixed(), tmp_path / "p")
    header = files.read(path, PUBLIC_KIND, 1).header
    files.write(path, PUBLIC_KIND, 1, {**header, **change}, {})
    with pytest.raises(UnreadableInput, match="no sense"):
        load_public(path)


def test_nobody_publishes_my_key_under_his_name(tmp_path: Path) -> None:
    """Even with a commitment that fits: he cannot sign it."""
    from whosenet.keys.public import commitment

    path = save_public(fixed(), tmp_path / "p")
    head = files.read(path, PUBLIC_KIND, 1).header
    key = bytes.fromhex(head["public_key"])
    head |= {"identity": "Thief", "commitment": commitment("Thief", key, head["secret_digest"], "", head["method"])}
    files.write(path, PUBLIC_KIND, 1, head, {})
    with pytest.raises(UnreadableInput, match="not signed by the key it names"):
        load_public(path)
