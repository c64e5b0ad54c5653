"""Bad input through the real command line: every case in processes of their own, with little memory and little time.

Each file goes through hash in a fresh interpreter, then hash --json, add, find --json and compare, each in a process
forked from one that has imported whosenet (a second saved each time); then libraries that are full, read-only, foreign
or damaged. Asked each time: the right exit code, one printable line on stderr that names the file and a way out, valid
JSON or nothing on stdout, nothing executed, memory and time bounded, nothing acknowledged lost.
Usage: python bench/find_bad_input.py [--only TEXT]. As root it also tests missing permissions and a full disk (tmpfs).
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import unicodedata
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import bad_files
import record

ADDRESS_SPACE, CPU_SECONDS, TIMEOUT, NOBODY = 4 << 30, 20, 90, 65534
MAX_RESIDENT = 1 << 30
"""Bytes of virtual memory, seconds of CPU, seconds until killed, a user without rights, bytes held at most."""
WHOSENET = [sys.executable, "-c", "from whosenet.cli import main; main()"]
PRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that must not reach a terminal: control, format, surrogate, line and paragraph separators."""


@dataclass
class Ran:
    command: list[str]
    code: int
    stdout: str
    stderr: str
    seconds: float
    resident: int
    cpu: float
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, fault: str) -> Ran:
        if not holds:
            self.faults.append(fault)
        return self


def run(*arguments: str | Path, nobody: bool = False, file_size: int | None = None, fresh: bool = False) -> Ran:
    """One whosenet process under limits. Output that is no UTF-8 shows up as surrogates, and so as a fault."""
    command = [str(a) for a in arguments]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            _child(command, out.fileno(), err.fileno(), nobody, file_size, fresh)
        code, resident, cpu = _wait(pid, start + TIMEOUT)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read(1 << 20).decode("utf-8", "surrogateescape"))
    return Ran(command, code, *texts, time.perf_counter() - start, resident * 1024, cpu)


def _child(command: list[str], out: int, err: int, nobody: bool, file_size: int | None, fresh: bool) -> NoReturn:
    """Take the limits and become whosenet; never returns."""
    code = 1
    try:
        for number, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
            os.dup2(number, target)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        if file_size:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
        if nobody and os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        if fresh:
            os.execv(WHOSENET[0], [*WHOSENET, *command])
        sys.argv = ["whosenet", *command]
        from whosenet.cli import main

        main()
        code = 0
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    except BaseException:  # noqa: BLE001 (as the interpreter does at top level)
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _wait(child: int, deadline: float) -> tuple[int, int, float]:
    """Exit code (-9 after the deadline), peak resident kilobytes, seconds of CPU."""
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss, usage.ru_utime + usage.ru_stime
        if time.perf_counter() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)


def made_apart(make: Callable[[Path], Path], folder: Path) -> Path:
    """`make(folder)` in a process of its own: torch and onnx stay out of the one the others are forked from."""
    pid = os.fork()
    if pid == 0:
        try:
            (folder.parent / "path").write_bytes(os.fsencode(make(folder)))
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    path = Path(os.fsdecode((folder.parent / "path").read_bytes()))
    (folder.parent / "path").unlink()
    return path


def refused(ran: Ran, codes: set[int], *names: str) -> Ran:
    """What every refusal must look like. `names`: one of them has to stand in the line."""
    sane(ran).expect(ran.code in codes, f"exit code {ran.code}, not {sorted(codes)}")
    lines = _lines(ran)
    ran.expect(len(lines) == 1 and ran.stderr.endswith("\n"), f"{len(lines)} lines on stderr")
    ran.expect(not ran.stdout, "something on stdout")
    ran.expect(any(name in ran.stderr for name in names), "the file is not named")
    ran.expect(any(mark in ran.stderr for mark in (";", ": whosenet ", "known:")), "no way out")
    return ran.expect(len(ran.stderr) < 1200 + max(map(len, ran.command)), "a very long line")


def accepted(ran: Ran, codes: frozenset[int] = frozenset({0})) -> Ran:
    sane(ran).expect(ran.code in codes, f"exit code {ran.code}, not {sorted(codes)}")
    return ran.expect(not _lines(ran), "something on stderr")


def _lines(ran: Ran) -> list[str]:
    """What stderr says, without the notes of a reader (one line each) on what it left out."""
    return [line for line in ran.stderr.splitlines() if not line.startswith("whosenet: note: ")]


def sane(ran: Ran) -> Ran:
    """What must hold of every process, whatever it was asked."""
    ran.expect("Traceback" not in ran.stderr and "Warning" not in ran.stderr, "a traceback or a Python warning")
    ran.expect(ran.code >= 0, f"killed by signal {-ran.code} after {ran.seconds:.0f} s")
    raw = {c for c in (ran.stdout + ran.stderr) if c != "\n" and unicodedata.category(c) in PRINTABLE}
    ran.expect(not raw, f"raw control characters: {sorted(map(ascii, raw))}")
    ran.expect(ran.cpu < CPU_SECONDS, f"{ran.cpu:.0f} s of CPU")
    ran.expect(ran.resident < MAX_RESIDENT, f"{ran.resident >> 20} MB held")
    if "--json" in ran.command and ran.stdout:
        try:
            json.loads(ran.stdout)
        except ValueError:
            ran.expect(False, "stdout is no JSON")
    return ran


def shown(path: Path) -> list[str]:
    """How a message may write a path: as it is, or with what does not print escaped."""
    name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    plain = "".join(c if c.isprintable() else "\0" for c in name).replace("\ufffd", "\0")
    return [max(plain.split("\0"), key=len)[:60]]


def verbs(path: Path, new: Path, library: Path) -> list[list[Any]]:
    found = ["find", "--json", path, "--library", library]
    return [["hash", path], ["hash", "--json", path], ["add", new, path], found, ["compare", path, path]]


def file_case(case: bad_files.Case, base: Path, library: Path) -> list[Ran]:
    folder = base / "files"
    folder.mkdir()
    path = made_apart(case.make, folder)
    base.chmod(0o777)
    names = [*shown(path), f"{path.parent.name}/"]  # a shard or a data file may be what is wrong
    runs = []
    for arguments in verbs(path, base / "new-library", library):
        ran = run(*arguments, nobody=case.as_nobody, fresh=arguments == ["hash", path] and not case.as_nobody)
        # a folder given to `add` is walked, and no model in it is no error; what is readable, but too little for a
        # code, can still be compared
        walked = arguments[0] == "add" and os.path.isdir(path)  # noqa: PTH112 (no error for odd paths)
        little = arguments[0] == "compare" and "too few trained weights" in runs[0].stderr
        if case.good or ((walked or little) and ran.code == 0):
            accepted(ran)
        else:
            refused(ran, {3}, *names)
        ran.expect(not (folder / bad_files.MARKER).exists(), "a payload ran")
        runs.append(ran)
    return runs


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


def preload(folder: Path) -> Path:
    """A library of three models, made in this process: what the verbs import, the forked processes then have."""
    from whosenet.cli import app

    library = folder / "known"
    models = [bad_files.good_safetensors(folder / f"{n}.safetensors", seed=100 * n) for n in range(1, 4)]
    calls = [["add", library, *models], ["find", models[0], "--library", library], ["list", library],
             ["hash", "--json", models[0]], ["compare", models[0], models[1]]]  # fmt: skip
    for call in calls:
        with redirect_stdout(io.StringIO()):
            app([str(a) for a in call], standalone_mode=False)
    importlib.import_module("h5py")
    return library


def measure(name: str, call: Callable[[Path], list[Ran]]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        base = Path(made) / "work"
        base.mkdir()
        Path(made).chmod(0o755)
        runs = call(base)
        for path in base.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
    faults = [f"{' '.join(r.command)[:60]}: {f}" for r in runs for f in r.faults]
    line = next((r.stderr.strip() for r in runs if r.stderr), "").replace(str(base) + "/", "").replace("files/", "")
    return {"case": name, "processes": len(runs), "codes": sorted({r.code for r in runs}), "faults": faults,
            "resident_bytes": max((r.resident for r in runs), default=0), "line": line[:400],
            "cpu_seconds": max((r.cpu for r in runs), default=0.0),
            "runs": [{"command": r.command[:2], "code": r.code, "seconds": r.seconds, "cpu_seconds": r.cpu,
                      "resident": r.resident, "stderr": r.stderr[:500]} for r in runs]}  # fmt: skip


def tables(rows: list[dict[str, Any]]) -> str:
    ran = [row for row in rows if row["processes"]]
    without = ", ".join(row["case"] for row in rows if not row["processes"]) or "none"
    passed = sum(not row["faults"] for row in ran)
    note = (
        f"{passed} of {len(ran)} cases pass in all respects ({100 * passed / len(ran):.0f} %), "
        f"{sum(row['processes'] for row in ran)} processes, each with {ADDRESS_SPACE >> 30} GB of address space and "
        f"{CPU_SECONDS} s of CPU. Not possible here: {without}."
    )
    cells = [[_cell(r["case"]), "yes" if not r["faults"] else f"NO: {_cell(r['faults'][0])}",
              ", ".join(map(str, r["codes"])), r["cpu_seconds"], r["resident_bytes"] >> 20, _cell(r["line"])]
             for r in ran]  # fmt: skip
    head = ["case", "pass", "exit codes", "slowest, CPU s", "peak resident, MB", "what stderr says (first verb)"]
    return f"# Bad input\n\n{note}\n\n{record.table(head, cells)}"


def _cell(text: str) -> str:
    shorter = text if len(text) < 220 else f"{text[:140]} ... {text[-70:]}"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shorter).replace("|", "\\|").replace("<", "\\<")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name holds this; writes no results")
    arguments = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    rows = []
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        library = preload(Path(made))
        calls = {case.name: lambda base, case=case: file_case(case, base, library) for case in bad_files.CASES}
        calls |= {name: lambda base, call=call: call(base, library) for name, call in LIBRARY_CASES.items()}
        for name, call in calls.items():
            if arguments.only in name:
                rows.append(measure(name, call))
                print(
                    f"{rows[-1]['cpu_seconds']:6.1f} s  {'ok' if not rows[-1]['faults'] else 'NO'}  {name}", flush=True
                )
                for fault in rows[-1]["faults"]:
                    print(f"          {fault!a}", flush=True)
    if not arguments.only:
        record.write("find_bad_input", rows, tables(rows), seed=bad_files.SEED)
    sys.exit(any(row["faults"] for row in rows))


if __name__ == "__main__":
    main()
