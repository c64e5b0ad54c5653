"""The command line as a stranger's script sees it: exit codes, one JSON document, one line of error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nets
import numpy as np
import pytest

from whosenet import cli, errors

EXE = [sys.executable, "-c", "import sys; from whosenet.cli import main; sys.argv[0] = 'whosenet'; main()"]


class Answer:
    """What a command left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        def refuse(word: str) -> None:
            raise AssertionError(f"{word} in JSON")

        return json.loads(self.out, parse_constant=refuse)


@pytest.fixture
def whosenet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """whosenet("find", ...) in this process (a new one costs seconds)."""

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["whosenet", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
            sys.exit(0)
        got = capsys.readouterr()
        code = stopped.value.code
        assert "Traceback" not in got.err
        return Answer(code if isinstance(code, int) else int(bool(code)), got.out, got.err)

    return call


@pytest.fixture
def hub(tmp_path: Path, whosenet) -> Path:  # type: ignore[no-untyped-def]
    for i in range(4):
        nets.save(tmp_path / "hub" / f"m{i}.safetensors", nets.net(i))
    assert whosenet("add", tmp_path / "lib", tmp_path / "hub", "--jobs", 1, "--licence", "MIT").code == 0
    nets.save(tmp_path / "copy.safetensors", nets.noisy(nets.net(2), 0.05))
    nets.save(tmp_path / "stranger.safetensors", nets.net(50))
    return tmp_path


def test_hash(whosenet, hub: Path) -> None:  # type: ignore[no-untyped-def]
    good, bad = hub / "copy.safetensors", hub / "missing.pt"
    (row, error) = whosenet("hash", good, bad, "--json").json
    assert row["path"] == str(good) and len(row["code"]) * 4 == row["bits"] and row["tensors"] == 4
    assert error == {"path": str(bad), "error": error["error"]} and "missing.pt" in error["error"]
    text = whosenet("hash", good, bad)
    assert text.code == 0 and text.out.startswith("nts/") and text.err.count("\n") == 1
    assert whosenet("hash", good, "--method", "nts/1(bits=64)", "--json").json[0]["bits"] == 64
    assert whosenet("hash", good, "--method", "null", "--json").json[0]["method"].startswith("null/")


def test_add(whosenet, hub: Path) -> None:  # type: ignore[no-untyped-def]
    (hub / "hub" / "broken.safetensors").write_bytes(b"\xff" * 64)
    answer = whosenet("add", hub / "lib", hub / "hub", "--jobs", 1, "--json")
    assert answer.code == 0
    assert {k: answer.json[k] for k in ("added", "updated", "unchanged")} == {"added": 0, "updated": 0, "unchanged": 4}
    assert [set(f) for f in answer.json["failed"]] == [{"path", "error"}]
    nothing = whosenet("add", hub / "other", hub / "hub" / "broken.safetensors", "--json")
    assert nothing.code == 3 and nothing.out == "" and "broken.safetensors" in nothing.err
    assert whosenet("add", hub / "lib", hub / "hub").out.startswith("0 added, 0 updated, 4 unchanged, 1 failed")


def test_find(whosenet, hub: Path) -> None:  # type: ignore[no-untyped-def]
    answer = whosenet("find", hub / "copy.safetensors", "--library", hub / "lib", "--json", "--verify")
    best = answer.json["matches"][0]
    assert best["path"].endswith("m2.safetensors") and best["verdict"] == "derived" and best["licence"] == "MIT"
    assert (
        best["p_value"] < 1e-6 and best["log10_p"] > best["pair_log10_p"] and best["comparison"]["verdict"] == "derived"
    )
    assert answer.json["searched"] == 4 and answer.json["alpha"] == 1e-6
    several = whosenet("find", hub / "copy.safetensors", hub / "no.pt", "--library", hub / "lib", "--json").json
    assert len(several) == 2 and "error" in several[1]
    table = whosenet("find", hub / "copy.safetensors", "--library", hub / "lib")
    assert "m2.safetensors" in table.out and "derived" in table.out and "MIT" in table.out


def test_fail_on(whosenet, hub: Path) -> None:  # type: ignore[no-untyped-def]
    options = ("--library", hub / "lib", "--fail-on", "derived", "--json")
    found = whosenet("find", hub / "copy.safetensors", *options)
    assert found.code not in (0, 1, 2, 3, 4, 5, 6, 7) and found.json["matches"]
    assert whosenet("find", hub / "stranger.safetensors", *options).code == 0
    assert whosenet("find", hub / "copy.safetensors", "--library", hub / "lib", "--fail-on", "x").code == 2


def test_list_and_remove(whosenet, hub: Path) -> None:  # type: ignore[no-untyped-def]
    names = [row["name"] for row in whosenet("list", hub / "lib", "--json").json]
    assert names == [f"hub/m{i}.safetensors" for i in range(4)]
    unknown = whosenet("remove", hub / "lib", names[0], "nobody", "--json")
    assert unknown.code == 4 and "nobody" in unknown.err and len(whosenet("list", hub / "lib", "--json").json) == 4
    assert whosenet("remove", hub / "lib", *names[:2], "--json").json == {"removed": 2}
    assert [row["name"] for row in whosenet("list", hub / "lib", "--json").json] == names[2:]
    assert names[2] in whosenet("list", hub / "lib").out


def test_compare(whosenet, hub: Path) -> None:  # type: ignore[no-untyped-def]
    original, copy = hub / "hub" / "m2.safetensors", hub / "copy.safetensors"
    found = whosenet("compare", original, copy, "--json").json
    assert (
        found["verdict"] == "derived" and found["coverage"] == 1 and found["relation"] == ["fine-tune", "shared-start"]
    )
    assert {"a", "b", "log10_p", "similarity", "note"} <= set(found["tensors"][0])
    assert found["p_value"] == 0 or found["p_value"] < 1e-6
    other = whosenet("compare", original, hub / "stranger.safetensors", "--alpha", "1e-3", "--json").json
    assert other["verdict"] == "independent" and other["alpha"] == 1e-3
    based = whosenet("compare", original, copy, "--base", original, "--json")
    assert based.code == 0 and based.json["verdict"] != "derived"
    text = whosenet("compare", original, copy).out
    assert "derived" in text and "fine-tune" in text and "conv2.weight" in text


def test_methods(whosenet) -> None:  # type: ignore[no-untyped-def]
    known = whosenet("methods", "--json").json
    assert {"nts", "null"} <= set(known["hash"]) and {"safetensors", "onnx"} <= set(known["format"])
    assert "nts" in whosenet("methods").out


ERRORS = {
    "no verb": (["frobnicate"], 2),
    "no such option": (["hash", "{a}", "--colour"], 2),
    "one file to compare": (["compare", "{a}"], 2),
    "alpha of zero": (["compare", "{a}", "{a}", "--alpha", "0"], 2),
    "alpha over one": (["find", "{a}", "--library", "{lib}", "--alpha", "2"], 2),
    "alpha not a number": (["find", "{a}", "--library", "{lib}", "--alpha", "nan"], 2),
    "top of zero": (["find", "{a}", "--library", "{lib}", "--top", "0"], 2),
    "unknown method": (["hash", "{a}", "--method", "nope"], 2),
    "version to rehash": (["hash", "{a}", "--method", "nts/999"], 2),
    "parameter of a wrong type": (["hash", "{a}", "--method", "nts/1(bits=x)"], 2),
    "missing": (["hash", "{missing}"], 3),
    "missing to compare": (["compare", "{a}", "{missing}"], 3),
    "missing suspect": (["find", "{missing}", "--library", "{lib}"], 3),
    "missing base": (["find", "{a}", "--library", "{lib}", "--base", "{missing}"], 3),
    "a folder of many": (["hash", "{hub}"], 3),
    "no format": (["hash", "{text}"], 3),
    "no library": (["find", "{a}", "--library", "{missing}"], 4),
    "a file for a library": (["list", "{a}"], 4),
    "another folder for a library": (["add", "{hub}", "{a}"], 4),
    "nothing to remove": (["remove", "{lib}", "nobody"], 4),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_one_line_with_their_exit_code(case: str, whosenet, hub: Path) -> None:  # type: ignore[no-untyped-def]
    (hub / "text.txt").write_text("hello, this is no model at all")
    places = {"a": hub / "copy.safetensors", "lib": hub / "lib", "missing": hub / "missing.pt", "hub": hub / "hub",
              "text": hub / "text.txt"}  # fmt: skip
    arguments, code = ERRORS[case]
    got = whosenet(*(a.format(**places) for a in arguments), "--json")
    assert (got.code, got.out) == (code, "") and got.err.strip()
    if code > 2:
        assert got.err.startswith("whosenet: ") and got.err.count("\n") == 1


def test_a_missing_extra_names_its_install_line(whosenet, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    (hub / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(2000))
    monkeypatch.setitem(sys.modules, "h5py", None)
    got = whosenet("hash", hub / "m.h5")
    assert got.code == 6 and "pip install 'whosenet[keras]'" in got.err


def test_every_error_has_the_exit_code_of_the_table() -> None:
    table = {"UsageError": 2, "UnreadableInput": 3, "UnknownFormat": 3, "MalformedFile": 3, "TooFewWeights": 3}
    table |= {"LibraryError": 4, "SuspectUnreachable": 5, "MissingExtra": 6, "Refused": 7, "WhosenetError": 1}
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.WhosenetError)]
    assert {c.__name__: c.exit_code for c in classes} == table


HOSTILE = ["[/]", "[bold", "a\x1b[31mred", "line\nbreak", "\u202egnp", "quote'\"\\", "naïve 模型"]


@pytest.mark.parametrize("name", HOSTILE)
def test_odd_names_pass_through_everything(name: str, whosenet, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model = {f"{name} {k}": v for k, v in nets.net(1).items()}
    path = nets.save(tmp_path / "hub" / f"{name.replace('/', '|')}.safetensors", model)
    for verb in (["add", tmp_path / "lib", path, "--note", name], ["list", tmp_path / "lib"], ["hash", path],
                 ["find", path, "--library", tmp_path / "lib"], ["compare", path, path]):  # fmt: skip
        got, document = whosenet(*verb), whosenet(*verb, "--json")
        assert got.code == document.code == 0 and document.json is not None
        assert "\x1b[31m" not in got.out + got.err and "\u202e" not in got.out


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = os.fsencode(
        nets.save(tmp_path / "x.safetensors", nets.net(1)).rename(tmp_path / os.fsdecode(b"\xff.safetensors"))
    )
    lib = os.fsencode(tmp_path / "lib")
    done = _run("add", lib, path, "--jobs", "1", "--json")
    assert done.code == 0 and done.json["added"] == 1
    assert _run("list", lib).code == 0


def test_nan_and_infinity_are_null(whosenet, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    a, b = nets.net(1), nets.net(2)
    for model in (a, b):
        model["conv1.weight"][:] = np.nan
        model["conv2.weight"][0] = np.inf
    paths = [nets.save(tmp_path / f"{i}.safetensors", m) for i, m in enumerate((a, b))]
    assert whosenet("compare", *paths, "--json").json["verdict"] != "derived"
    assert whosenet("compare", paths[0], paths[0], "--json").json is not None
    assert whosenet("hash", *paths, "--json").json


def _run(*arguments: str | bytes, **options: Any) -> Answer:
    done = subprocess.run([*EXE, *arguments], capture_output=True, timeout=120, check=False, **options)
    assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


HELP = """
import sys
from whosenet.cli import main
sys.argv = ["whosenet", "--help"]
try:
    main()
except SystemExit:
    print([m for m in ("torch", "numba", "scipy", "faiss", "numpy", "h5py") if m in sys.modules])
"""


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]" and "compare" in done.stdout


def test_hashing_imports_no_torch(tmp_path: Path) -> None:
    path = nets.save(tmp_path / "a.safetensors", nets.net(1))
    code = f"import sys; from whosenet.find import hash_file; hash_file({str(path)!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    path = nets.save(tmp_path / "a.safetensors", nets.net(1))
    command = " ".join([f"'{EXE[0]}'", "-c", f'"{EXE[2]}"', "hash", *[str(path)] * 300, "| head -c 10"])
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr and "Error" not in done.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_loses_nothing(jobs: str, tmp_path: Path) -> None:
    """The signal a terminal sends to the whole group, in the middle of adding: one line, exit 130, work kept."""
    big = {"w": (600, 700), "v": (700, 800)}
    for i in range(120):
        nets.save(tmp_path / "hub" / f"m{i:02}.safetensors", nets.net(i, big))
    lib = tmp_path / "lib"
    often = EXE[2].replace("import sys;", "import sys, whosenet.finding.add as a; a.BATCH = 2;")
    command = [*EXE[:2], often, "add", str(lib), str(tmp_path / "hub"), "--jobs", jobs]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not _rows(lib) and running.poll() is None:
            time.sleep(0.05)
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "Traceback" not in err and "goes on from there" in err
    again = _run("add", str(lib), str(tmp_path / "hub"), "--jobs", "1", "--json").json
    assert again["unchanged"] >= 1 and again["added"] + again["unchanged"] == 120


def _rows(lib: Path) -> int:
    from whosenet.errors import LibraryError
    from whosenet.library import ScanLibrary

    try:
        with ScanLibrary(lib) as opened:
            return len(opened)
    except LibraryError:
        return 0
