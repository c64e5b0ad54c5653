"""What goes wrong on disk: one line with the way out, exit code 4, nothing acknowledged lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from whosenet.errors import LibraryError, UsageError
from whosenet.library import ScanLibrary, changes, compact, record, segments

from .samples import make_entry


def check_all_there(path: Path, count: int) -> None:
    """Models 0 .. count - 1, by the record and by the scan."""
    with ScanLibrary(path) as library:
        assert sorted(e.path for e in library.entries()) == sorted(f"/models/m{i}/w.bin" for i in range(count))
        found = library.search([make_entry(i).codes[0] for i in range(count)], 1)
        assert [(h.distance, h.entry.path) for [h] in found] == [(0, f"/models/m{i}/w.bin") for i in range(count)]


def one_line(error: pytest.ExceptionInfo[LibraryError], library: Path) -> str:
    text = str(error.value)
    assert "\n" not in text and text.startswith(f"{library}: ") and error.value.exit_code == 4
    return text


def code_file(library: Path) -> Path:
    (file,) = (library / "codes").iterdir()
    return file


@pytest.mark.parametrize(("header", "words"), [
    ('{"kind": "photo-album", "version": 1}', "not a library of codes"),
    ('{"kind": "whosenet-library", "version": 2}', "pip install -U whosenet"),
    ('{"kind": "whosenet-library"}', "library.json is damaged"),
    ("[" * 100_000, "library.json is damaged"),
    ("\0\1", "library.json is damaged"),
])  # fmt: skip
def test_foreign_and_newer_headers(library: ScanLibrary, header: str, words: str) -> None:
    library.close()
    (library.path / "library.json").write_text(header)
    for create in (False, True):
        with pytest.raises(LibraryError, match=words) as error:
            ScanLibrary(library.path, create=create)
        one_line(error, library.path)


def test_no_library_there(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="is no library; make one with: whosenet add"):
        ScanLibrary(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(LibraryError, match=r"holds other files \('holiday.jpg'"):
        ScanLibrary(tmp_path, create=True)
    assert [file.name for file in tmp_path.iterdir()] == ["holiday.jpg"]
    with pytest.raises(LibraryError, match="is a file"):
        ScanLibrary(tmp_path / "holiday.jpg", create=True)


def test_half_made_libraries_are_finished(library: ScanLibrary) -> None:
    library.close()
    (library.path / "library.json").unlink()
    with ScanLibrary(library.path, create=True) as again:
        assert again.add([make_entry(0)]).added == 1
    assert json.loads((library.path / "library.json").read_text()) == {"kind": "whosenet-library", "version": 1}


@pytest.mark.parametrize("damage", ["garbage", "middle", "missing", "foreign"])
def test_damaged_record(library: ScanLibrary, damage: str) -> None:
    library.add([make_entry(i, note="n" * 500) for i in range(200)])
    library.close()
    file = library.path / "record.sqlite"
    if damage == "garbage":
        file.write_bytes(b"not a database" * 1000)
    elif damage == "middle":
        data = bytearray(file.read_bytes())
        data[4096:] = os.urandom(len(data) - 4096)
        file.write_bytes(data)
    else:
        file.unlink()
        if damage == "foreign":
            sqlite3.connect(file).execute("CREATE TABLE photos (id)").connection.close()
    with (
        pytest.raises(LibraryError, match="record.sqlite is damaged; restore") as error,
        ScanLibrary(library.path) as opened,
    ):
        opened.search(make_entry(0).codes, 1)
    one_line(error, library.path)


@pytest.mark.parametrize("damage", ["missing", "short", "zeros", "tail"])
def test_code_files_rebuild_from_the_record(library: ScanLibrary, damage: str) -> None:
    library.add([make_entry(i) for i in range(100)])
    library.close()
    file = code_file(library.path)
    good = file.read_bytes()
    spoilt = {"missing": b"", "short": good[:333], "zeros": bytes(800), "tail": good[:-8] + bytes(8)}[damage]
    file.write_bytes(spoilt)
    if damage == "missing":
        file.unlink()
    check_all_there(library.path, 100)
    assert file.read_bytes() == good
    file.write_bytes(spoilt)
    with ScanLibrary(library.path) as again:
        if damage in ("missing", "short"):
            again.add([make_entry(100)])
        assert again.check() == (damage in ("zeros", "tail"))
    check_all_there(library.path, 101 if damage in ("missing", "short") else 100)


@pytest.mark.parametrize("damage", ["DELETE FROM codes WHERE row = 3", "UPDATE codes SET data = x'00' WHERE row = 3"])
def test_a_record_that_lost_codes_is_damaged(library: ScanLibrary, damage: str) -> None:
    library.add([make_entry(i) for i in range(10)])
    library._record.db.execute(damage)
    with pytest.raises(LibraryError, match="record.sqlite is damaged"):
        library.search([make_entry(0).codes[0]], 10)


def test_leavings_of_a_killed_writer_do_no_harm(library: ScanLibrary) -> None:
    library.add([make_entry(i) for i in range(5)])
    with code_file(library.path).open("ab") as file:
        file.write(make_entry(5).codes[0].data + b"half")
    assert library.search(make_entry(5).codes, 1)[0][0].distance > 0
    library.add([make_entry(i) for i in range(5, 8)])
    library.close()
    check_all_there(library.path, 8)


@pytest.mark.parametrize("step", ["append", "commit"])
def test_disk_full_while_adding(library: ScanLibrary, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library.add([make_entry(i) for i in range(3)])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with (
        monkeypatch.context() as patch,
        pytest.raises(LibraryError, match="the disk is full; this change was not made") as error,
    ):
        if step == "append":
            patch.setattr(segments.os, "fsync", full)
        else:
            library._record.db.execute("PRAGMA max_page_count = 1")
        library.add([make_entry(i, note="x" * 5000) for i in range(3, 60)])
    one_line(error, library.path)
    library._record.db.execute(f"PRAGMA max_page_count = {1 << 30}")
    assert len(library) == 3
    library.add([make_entry(i) for i in range(3, 6)])
    library.close()
    check_all_there(library.path, 6)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    call = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    try:
        mounted = subprocess.run(call, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting needs rights this user has not")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_really_full_disk(small_disk: Path) -> None:
    path, count, ballast = small_disk / "library", 0, small_disk / "ballast"
    ballast.write_bytes(bytes(500_000))
    with ScanLibrary(path, create=True) as library:
        with pytest.raises(LibraryError, match="disk") as error:
            while True:
                library.add([make_entry(i, note="x" * 300) for i in range(count, count + 50)])
                count += 50
        one_line(error, path)
        assert count >= 100 and len(library) == count
        assert library.search(make_entry(7).codes, 1)[0][0].distance == 0
        ballast.unlink()
        library.add([make_entry(i) for i in range(count, count + 50)])
    check_all_there(path, count + 50)


def test_a_read_only_disk(small_disk: Path) -> None:
    path = small_disk / "library"
    with ScanLibrary(path, create=True) as library:
        library.add([make_entry(i) for i in range(5)])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    check_all_there(path, 5)
    with (
        ScanLibrary(path) as library,
        pytest.raises(LibraryError, match="cannot be written; give your user write access") as error,
    ):
        library.add([make_entry(9)])
    one_line(error, path)


def test_a_library_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(LibraryError, match="cannot be written; give your user write access"):
        ScanLibrary(tmp_path / "new", create=True)


def test_a_writer_that_holds_the_lock(library: ScanLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    library.add([make_entry(0)])
    with ScanLibrary(library.path) as other, other._record.change():
        assert library.search(make_entry(0).codes, 1)[0][0].distance == 0  # readers go on
        library._record.patience = 0.05
        with pytest.raises(LibraryError, match="another process has been writing to it for too long") as error:
            library.add([make_entry(1)])
        one_line(error, library.path)
    assert library.add([make_entry(1)]).added == 1


def test_the_log_stays_bounded(library: ScanLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    wal = library.path / "record.sqlite-wal"
    library.add([make_entry(0)])
    assert wal.stat().st_size > 0
    monkeypatch.setattr(record, "WAL_LIMIT", 20_000)
    with ScanLibrary(library.path) as other, other._record.snapshot():
        other._record.count()
        monkeypatch.setattr(record, "TRIM_PATIENCE", 0.01)
        library.add([make_entry(i) for i in range(1, 20)])  # the reader holds it: it grows, and adding goes on
        assert wal.stat().st_size > 20_000
    library.add([make_entry(99)])
    assert wal.stat().st_size == 0 and len(library) == 21


def test_a_reader_keeps_its_snapshot(library: ScanLibrary) -> None:
    library.add([make_entry(0)])
    with ScanLibrary(library.path) as other:
        with other._record.snapshot():
            assert other._record.count() == 1
            library.add([make_entry(1)])
            library.remove(["m0/w.bin"])
            assert other._record.find("name", "m0/w.bin") and other._record.count() == 1
        assert other.get("m0/w.bin") is None and len(other) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_told_to_open_its_own(library: ScanLibrary) -> None:
    library.add([make_entry(0)])
    child = os.fork()
    if child == 0:
        try:
            library.search(make_entry(0).codes, 1)
        except UsageError:
            os._exit(17)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(real: Callable[..., object]) -> Callable[..., None]:
    def call(*arguments: object) -> None:
        real(*arguments)
        die()

    return call


STEPS = {
    "before the codes are written": (segments, "append", die),
    "before they are on disk": (segments.os, "fsync", die),
    "after they are written": (segments, "append", after(segments.append)),
    "before the rows are counted": (changes.Change, "finish", die),
    "before the commit": (record.Record, "_commit", die),
    "after the commit": (record.Record, "_commit", after(record.Record._commit)),
    "compacting": (compact, "_sweep", die),
    "compacting, file written": (segments, "rebuild", after(segments.rebuild)),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_every_step(library: ScanLibrary, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library.add([make_entry(i) for i in range(5)])
    library.close()
    child = os.fork()
    if child == 0:
        compact.MIN_DEAD, compact.DEAD_SHARE = (0, 0.0) if "compacting" in step else (10**9, 1.0)
        opened = ScanLibrary(library.path)
        setattr(*STEPS[step])
        opened.add([make_entry(i) for i in range(5, 9)])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    committed = 9 if "compacting" in step or step == "after the commit" else 5
    check_all_there(library.path, committed)
    with ScanLibrary(library.path) as again:
        again.add([make_entry(i) for i in range(5, 20)])
        assert again.check() == 0
    check_all_there(library.path, 20)
