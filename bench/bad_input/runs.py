"""One call of the command line in a process of its own, forked from one that has imported everything (torch takes
seconds) or fresh, and what it left behind."""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whosenet.errors import WhosenetError

SECONDS = 300
"""A call that takes longer has hung."""


@dataclass
class Ran:
    arguments: list[str]
    code: int
    out: str
    err: str
    wrong: list[str] = field(default_factory=list)

    @property
    def document(self) -> dict[str, Any]:
        """The JSON on stdout; empty if there is none. Raises ValueError if it is no JSON, or holds NaN."""

        def refuse(word: str) -> None:
            raise ValueError(f"{word} in JSON")

        found = json.loads(self.out, parse_constant=refuse) if self.out else {}
        return found if isinstance(found, dict) else {"list": found}

    def expect(self, right: bool, what: str) -> None:
        if not right:
            self.wrong.append(what)


def warm(*arguments: object) -> None:
    """The same call in this process: what it imports, the forked ones have then."""
    from whosenet.cli.app import app

    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), suppress(WhosenetError):
        app([str(a) for a in arguments], standalone_mode=False)


def run(*arguments: object, killed_when: Callable[[], bool] | None = None) -> Ran:
    """Forked. `killed_when`: SIGKILL as soon as this is true."""
    given = [str(a) for a in arguments]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            _child(given, out.fileno(), err.fileno())
        code = _wait(child, killed_when)
        out.seek(0)
        err.seek(0)
        return Ran(given, code, out.read(), err.read())


def _child(arguments: list[str], out: int, err: int) -> None:
    os.dup2(out, 1)
    os.dup2(err, 2)
    signal.alarm(SECONDS)
    code = 1
    try:
        from whosenet.cli import main

        sys.argv = ["whosenet", *arguments]
        main()
        code = 0
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else int(bool(stopped.code))
    except BaseException:  # noqa: BLE001 (what the interpreter would do, without the parent's handlers)
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int, killed_when: Callable[[], bool] | None) -> int:
    while killed_when:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if killed_when():
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fresh(*arguments: object) -> Ran:
    """By the installed command, with nothing imported before."""
    command = [str(Path(sys.executable).with_name("whosenet")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    return Ran([str(a) for a in arguments], done.returncode, done.stdout, done.stderr)
