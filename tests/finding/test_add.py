"""add: many files in, whatever they are; stopped at any moment, it goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import nets
import pytest

from whosenet.errors import LibraryError
from whosenet.finding import hashing
from whosenet.finding.add import AddReport, Step, add
from whosenet.finding.pool import hash_all, hash_one
from whosenet.library import ScanLibrary
from whosenet.library import scan as scan_module
from whosenet.weights import Weights


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    for i in range(5):
        nets.save(tmp_path / "hub" / f"m{i}.safetensors", nets.net(i))
    return tmp_path / "hub"


def counts(report: AddReport) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, len(report.failed)


def test_added_then_unchanged_then_updated(tmp_path: Path, hub: Path) -> None:
    assert counts(add(tmp_path / "lib", [hub], jobs=1)) == (5, 0, 0, 0)
    assert counts(add(tmp_path / "lib", [hub], jobs=1)) == (0, 0, 5, 0)
    nets.save(hub / "m1.safetensors", nets.net(77))
    nets.save(hub / "new.safetensors", nets.net(78))
    assert counts(add(tmp_path / "lib", [hub], jobs=1)) == (1, 1, 4, 0)
    os.utime(hub / "m2.safetensors", ns=(5, 5))
    assert counts(add(tmp_path / "lib", [hub], jobs=1)) == (0, 0, 6, 0)


def test_unchanged_files_are_not_read(tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = nets.save_shards(hub / "sharded", nets.net(9))
    add(tmp_path / "lib", [hub], jobs=1)
    read: list[str] = []
    monkeypatch.setattr("whosenet.finding.pool.hash_one", lambda path, _: read.append(path) or f"{path}: read again")
    assert counts(add(tmp_path / "lib", [hub], jobs=1)) == (0, 0, 6, 0) and read == []
    nets.save(hub / "sharded" / "model-0.safetensors", {"conv1.weight": nets.net(10)["conv1.weight"]})
    add(tmp_path / "lib", [hub], jobs=1)
    assert read == [str(index)]


def test_bad_files_are_recorded_and_the_rest_goes_on(tmp_path: Path, hub: Path) -> None:
    (hub / "broken.safetensors").write_bytes(b"\xff" * 64)
    (hub / "empty.onnx").touch()
    nets.save(hub / "tiny.safetensors", {"w": nets.net(1)["fc.weight"][:2, :2]})
    os.mkfifo(hub / "fifo.pt")
    (hub / "dangling.bin").symlink_to(hub / "nowhere")
    (hub / "loop.npz").symlink_to(hub / "loop.npz")
    (hub / "folder.gguf").mkdir()
    report = add(tmp_path / "lib", [hub, tmp_path / "missing.pt"], jobs=1)
    assert report.added == 5
    assert {Path(f["path"]).name for f in report.failed} == {
        "broken.safetensors", "empty.onnx", "tiny.safetensors", "fifo.pt", "dangling.bin", "loop.npz",
        "missing.pt"}  # fmt: skip
    assert all(f["path"] in f["error"] and "\n" not in f["error"] for f in report.failed)
    assert counts(add(tmp_path / "lib", [hub], jobs=1))[:3] == (0, 0, 5)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_no_permission(tmp_path: Path, hub: Path) -> None:
    (hub / "m0.safetensors").chmod(0)
    report = add(tmp_path / "lib", [hub], jobs=1)
    assert report.added == 4 and "check the path and its rights" in report.failed[0]["error"]


def test_shards_are_one_model_with_the_bytes_of_all(tmp_path: Path) -> None:
    index = nets.save_shards(tmp_path / "m", nets.net(1))
    assert counts(add(tmp_path / "lib", [tmp_path / "m"], jobs=1)) == (1, 0, 0, 0)
    with ScanLibrary(tmp_path / "lib") as lib:
        (entry,) = lib.entries()
        assert entry.path == str(index) and entry.tensors == 4
        assert entry.bytes == sum(p.stat().st_size for p in (tmp_path / "m").iterdir())


def test_workers_find_the_same(tmp_path: Path, hub: Path) -> None:
    (hub / "broken.safetensors").write_bytes(b"\xff" * 64)
    one, two = add(tmp_path / "one", [hub], jobs=1), add(tmp_path / "two", [hub], jobs=2)
    assert counts(one) == counts(two) == (5, 0, 0, 1)
    with ScanLibrary(tmp_path / "one") as a, ScanLibrary(tmp_path / "two") as b:
        assert {e.path: e.codes for e in a.entries()} == {e.path: e.codes for e in b.entries()}


def test_stopped_in_the_middle_nothing_is_lost(tmp_path: Path, hub: Path) -> None:
    """Every model hashed before Ctrl-C is in the library; the next call does the rest only."""
    seen: list[Step] = []

    def stop(step: Step) -> None:
        seen.append(step)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(tmp_path / "lib", [hub], jobs=1, on_step=stop)
    with ScanLibrary(tmp_path / "lib") as lib:
        assert len(lib) == 3
    assert counts(add(tmp_path / "lib", [hub], jobs=1)) == (2, 0, 3, 0)


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(tmp_path / "lib", [hub], jobs=1)
    nets.save(hub / "one-more.safetensors", nets.net(88))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(scan_module.segments, "append", full)
        with pytest.raises(LibraryError, match="disk is full"):
            add(tmp_path / "lib", [hub], jobs=1)
    with ScanLibrary(tmp_path / "lib") as lib:
        assert len(lib) == 5
    assert counts(add(tmp_path / "lib", [hub], jobs=1)) == (1, 0, 5, 0)


def test_an_unforeseen_error_in_one_file_spares_the_others(
    tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = hashing.Hash.features

    def odd(self: hashing.Hash, weights: Weights) -> object:
        if weights.name.endswith("m2.safetensors"):
            raise OverflowError("nobody thought of this")
        return original(self, weights)

    monkeypatch.setattr(hashing.Hash, "features", odd)
    report = add(tmp_path / "lib", [hub], jobs=1)
    assert counts(report) == (4, 0, 0, 1) and "m2.safetensors" in report.failed[0]["error"]


def test_notes_are_kept_and_a_second_method_joins(tmp_path: Path, hub: Path) -> None:
    add(tmp_path / "lib", [hub], jobs=1, licence="MIT", note="ours")
    add(tmp_path / "lib", [hub], jobs=1, method="null")
    with ScanLibrary(tmp_path / "lib") as lib:
        entry = next(lib.entries())
        assert (entry.licence, entry.note) == ("MIT", "ours")
        assert sorted(c.signature.split("/")[0] for c in entry.codes) == ["invariant", "nts", "null"]


def test_every_file_is_told_once(tmp_path: Path, hub: Path) -> None:
    (hub / "broken.safetensors").write_bytes(b"\xff" * 64)
    for outcome in ("hashed", "unchanged"):
        steps: list[Step] = []
        add(tmp_path / "lib", [hub], jobs=1, on_step=steps.append)
        assert sorted(s.outcome for s in steps) == ["failed", *[outcome] * 5]


def test_two_at_once(tmp_path: Path, hub: Path) -> None:
    """Two processes filling one library with overlapping files."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=add, args=(tmp_path / "lib", [hub]), kwargs={"jobs": 1}) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0, 0]
    with ScanLibrary(tmp_path / "lib") as lib:
        assert len(lib) == 5


def test_a_file_that_ends_its_worker_is_named_and_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [nets.save(tmp_path / f"{i}.safetensors", nets.net(i)) for i in range(5)]
    monkeypatch.setenv("WHOSENET_TEST_KILLER", str(files[2]))
    monkeypatch.setattr("whosenet.finding.pool.hash_one", killer)
    found = dict(hash_all([str(f) for f in files], ["nts/1"], 2))
    assert set(found) == {str(f) for f in files}
    assert [p for p, r in found.items() if isinstance(r, str)] == [str(files[2])]


def killer(path: str, signature: str) -> object:
    if path == os.environ["WHOSENET_TEST_KILLER"]:
        os._exit(9)
    return hash_one(path, signature)
