from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from whosenet.errors import MalformedFile, UnreadableInput
from whosenet.weights.source import LocalFile


def test_views_are_exact_and_read_only(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    source = LocalFile(tmp_path / "f")
    assert bytes(source.view(3, 4)) == b"3456" and source.view(0, 10).readonly
    for offset, length in ((0, 11), (10, 1), (-1, 2), (3, -1), (1 << 62, 1 << 62)):
        with pytest.raises(MalformedFile, match="ends too early"):
            source.view(offset, length)


def test_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    file = LocalFile(tmp_path / "f").file()
    assert file.read(3) == b"012" and file.seek(-2, os.SEEK_END) == 8 and file.read() == b"89" and file.read(5) == b""


def refused(path: Path, why: str) -> None:
    with pytest.raises(UnreadableInput, match=why) as caught:
        LocalFile(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "empty").touch()
    refused(tmp_path / "fifo", "not a regular file")
    refused(tmp_path / "a", "symbolic links")
    refused(tmp_path / "empty", "is empty")
    refused(tmp_path / "absent", "No such file")
    refused(tmp_path, "is a folder")
    refused(Path("/dev/zero"), "not a regular file")
    refused(tmp_path / ("n" * 300), "too long")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "f").chmod(0)
    refused(tmp_path / "f", "Permission denied.*rights")


def test_a_denied_open_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "f").write_bytes(b"x")
    monkeypatch.setattr(os, "open", deny)
    refused(tmp_path / "f", "Permission denied.*rights")


def test_a_file_cut_short_while_open_is_an_error_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(1 << 20))
    source = LocalFile(path)
    os.truncate(path, 100)
    with pytest.raises(MalformedFile, match="cut short"):
        np.frombuffer(source.view(1 << 19, 1 << 10), np.uint8).sum()


def test_siblings_stay_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("f", "g", "below/h"):
        (tmp_path / name).write_bytes(name.encode())
    source = LocalFile(tmp_path / "f")
    assert bytes(source.sibling("g").view(0, 1)) == b"g" and source.sibling("below/h").size == 7
    for name in ("../f", "/etc/passwd", "below/../../f", "", "a\\b", "\0", "."):
        with pytest.raises(UnreadableInput):
            source.sibling(name)
