"""Calls that make no sense, and libraries that are full, read-only, foreign or damaged."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bad_files
from limited import Ran, accepted, refused, run, sane


def usage_errors(base: Path, library: Path) -> list[Ran]:
    good = bad_files.good_safetensors(base / "good.safetensors")
    wrong = [["hash", good, "--method", "nonsense"], ["hash", good, "--method", "nts/1(bits=7)"],
             ["hash", good, "--method", "nts/1(bits=x)"], ["find", good, "--library", library, "--alpha", "5"],
             ["find", good, "--library", library, "--fail-on", "x"],
             ["compare", good, good, "--alpha", "nan"]]  # fmt: skip
    runs = [sane(run(*arguments)) for arguments in wrong]
    for ran in runs:
        ran.expect(ran.code == 2 and len(ran.stderr.splitlines()) == 1, f"exit code {ran.code}, or not one line")
    return runs


LIBRARY_CASES: dict[str, Callable[[Path, Path], list[Ran]]] = {"usage errors": usage_errors}


def library_case(name: str) -> Callable[[Callable[[Path, Path], list[Ran]]], Callable[[Path, Path], list[Ran]]]:
    def keep(call: Callable[[Path, Path], list[Ran]]) -> Callable[[Path, Path], list[Ran]]:
        LIBRARY_CASES[name] = call
        return call

    return keep


def asked(library: Path, suspect: Path, **how: Any) -> list[Ran]:
    """The three verbs that read or write a library, none of which can work."""
    calls = [["list", library], ["find", suspect, "--library", library], ["add", library, suspect]]
    calls += [["remove", library, "x"], ["find", "--json", suspect, "--library", library]]
    return [refused(run(*call, **how), {4}, library.name) for call in calls]


def holds(library: Path, count: int) -> list[Ran]:
    """`list` and `find` see exactly so many models, each found at distance 0 by its own file."""
    listed = accepted(run("list", "--json", library))
    rows = json.loads(listed.stdout or "[]")
    listed.expect(len(rows) == count, f"{len(rows)} models there, not {count}")
    runs = [listed]
    if rows:
        found = accepted(run("find", "--json", rows[0]["path"], "--library", library))
        matches = json.loads(found.stdout or '{"matches": []}')["matches"]
        runs.append(found.expect(bool(matches) and matches[0]["distance"] == 0, "an acknowledged model is not found"))
    return runs


@library_case("disk full while adding: tmpfs")
def full_disk(base: Path, _: Path) -> list[Ran]:
    disk = base / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True)
    if done.returncode:
        return []
    try:
        return _filled(base, disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _filled(base: Path, disk: Path) -> list[Ran]:
    library = disk / "library"
    first, second = (bad_files.good_safetensors(base / f"{n}.safetensors", seed=n) for n in (10, 20))
    runs = [accepted(run("add", library, first))]
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    runs.append(refused(run("add", library, second), {4}, "library"))
    runs.append(refused(run("add", "--json", library, second), {4}, "library"))
    runs += holds(library, 1)
    filler.unlink()
    return [*runs, accepted(run("add", library, second)), *holds(library, 2)]


@library_case("disk full while adding: no file may grow (RLIMIT_FSIZE)")
def limited(base: Path, _: Path) -> list[Ran]:
    library = base / "library"
    first, second = (bad_files.good_safetensors(base / f"{n}.safetensors", seed=n) for n in (10, 20))
    runs = [accepted(run("add", library, first))]
    runs.append(refused(run("add", library, second, file_size=4096), {4}, "library"))
    runs += holds(library, 1)
    return [*runs, accepted(run("add", library, second)), *holds(library, 2)]


@library_case("disk full before there is a library")
def full_from_the_start(base: Path, _: Path) -> list[Ran]:
    good = bad_files.good_safetensors(base / "good.safetensors")
    runs = [refused(run("add", base / "library", good, file_size=1024), {4}, "library")]
    return [*runs, accepted(run("add", base / "library", good)), *holds(base / "library", 1)]


@library_case("read-only library folder")
def read_only(base: Path, _: Path) -> list[Ran]:
    library = base / "library"
    first, second = (bad_files.good_safetensors(base / f"{n}.safetensors", seed=n) for n in (10, 20))
    runs = [accepted(run("add", library, first))]
    for path in [library, *library.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    runs.append(refused(run("add", library, second, nobody=True), {4}, "library"))
    runs.append(accepted(run("list", library, nobody=True)))
    runs.append(accepted(run("find", first, "--library", library, nobody=True)))
    return [*runs, *holds(library, 1)]


@library_case("library folder without permission")
def no_entry(base: Path, _: Path) -> list[Ran]:
    good = bad_files.good_safetensors(base / "good.safetensors")
    runs = [accepted(run("add", base / "library", good))]
    (base / "library").chmod(0)
    return [*runs, *asked(base / "library", good, nobody=True)]


@library_case("library that is a file")
def a_file(base: Path, _: Path) -> list[Ran]:
    good = bad_files.good_safetensors(base / "good.safetensors")
    return asked(good, good)


@library_case("library that is somebody's folder")
def foreign(base: Path, _: Path) -> list[Ran]:
    (base / "home").mkdir()
    (base / "home/letter.txt").write_text("dear")
    runs = asked(base / "home", bad_files.good_safetensors(base / "good.safetensors"))
    runs[0].expect([p.name for p in (base / "home").iterdir()] == ["letter.txt"], "the folder was changed")
    return runs


@library_case("library of another kind")
def other_kind(base: Path, _: Path) -> list[Ran]:
    (base / "library").mkdir()
    (base / "library/library.json").write_text('{"kind": "cook\x1b[31mbooks", "version": 1}')
    return asked(base / "library", bad_files.good_safetensors(base / "good.safetensors"))


def _damage(name: str, file: str, body: bytes | None) -> None:
    @library_case(f"damaged library: {name}")
    def call(base: Path, _: Path) -> list[Ran]:
        good, library = bad_files.good_safetensors(base / "good.safetensors"), base / "library"
        runs = [accepted(run("add", library, good))]
        for path in library.glob(file):
            path.unlink() if body is None else path.write_bytes(body)
        return runs + (holds(library, 1) if file.startswith("codes") else asked(library, good))


_damage("record of garbage", "record.sqlite", b"garbage" * 999)
_damage("record empty", "record.sqlite", b"")
_damage("record missing", "record.sqlite", None)
_damage("header of garbage", "library.json", b"\xff garbage")
_damage("header nested deep", "library.json", b"[" * 60_000)
_damage("codes of garbage (rebuilt)", "codes/*", b"garbage" * 999)
_damage("codes empty (rebuilt)", "codes/*", b"")
_damage("codes missing (rebuilt)", "codes/*", None)


@library_case("one bad file among good ones")
def among(base: Path, _: Path) -> list[Ran]:
    (base / "models").mkdir()
    for n in range(3):
        bad_files.good_safetensors(base / f"models/{n}.safetensors", seed=10 * n)
    (base / "models/bad.safetensors").write_bytes(b"garbage" * 9)
    ran = sane(run("add", base / "library", base / "models"))
    ran.expect(ran.code == 0 and ran.stdout == "3 added, 0 updated, 0 unchanged, 1 failed\n", "not three added")
    ran.expect(len(ran.stderr.splitlines()) == 1 and "bad.safetensors" in ran.stderr, "the bad one is not named")
    return [ran, *holds(base / "library", 3)]
