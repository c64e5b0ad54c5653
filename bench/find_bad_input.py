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
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import bad_files
import record
from bad_libraries import LIBRARY_CASES
from limited import ADDRESS_SPACE, CPU_SECONDS, Ran, accepted, made_apart, refused, run


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


def placeless(rows: Any) -> Any:
    """The rows without the random folders they were made in."""
    folder = re.escape(tempfile.gettempdir()) + r"/tmp[a-z0-9_]{8}(/work)?"
    return json.loads(re.sub(folder, "TEMP", json.dumps(record.plain(rows))))


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
        record.write("find_bad_input", placeless(rows), tables(rows), seed=bad_files.SEED)
    sys.exit(any(row["faults"] for row in rows))


if __name__ == "__main__":
    main()
