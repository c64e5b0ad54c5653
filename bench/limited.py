"""whosenet commands as processes with little memory, and what must hold of every one of them."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

ADDRESS_SPACE, CPU_SECONDS, TIMEOUT, NOBODY = 4 << 30, 20, 90, 65534
MAX_RESIDENT = 1 << 30
"""Bytes of virtual memory, seconds of CPU, seconds until killed, a user without rights, bytes held at most."""
WHOSENET = [sys.executable, "-c", "from whosenet.cli import main; main()"]
UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
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
    raw = {c for c in (ran.stdout + ran.stderr) if c != "\n" and unicodedata.category(c) in UNPRINTABLE}
    ran.expect(not raw, f"raw control characters: {sorted(map(ascii, raw))}")
    ran.expect(ran.cpu < CPU_SECONDS, f"{ran.cpu:.0f} s of CPU")
    ran.expect(ran.resident < MAX_RESIDENT, f"{ran.resident >> 20} MB held")
    if "--json" in ran.command and ran.stdout:
        try:
            json.loads(ran.stdout)
        except ValueError:
            ran.expect(False, "stdout is no JSON")
    return ran
