"""Docs cannot lie: their commands and Python blocks are run, in order, in one empty folder a document.

Fenced blocks: `console` and `bash` run their lines that begin with `$ whosenet` and must exit 0 (or with N, where the
line ends in `# exit N`); a verdict shown below a command must be in what it really prints. `python` blocks run as they
are, with `>>>` as doctests, and share their names; so a document makes its own files first. A block after the line
`<!-- not run -->` is left out, and so is `whosenet demo`, which has tests of its own.
"""

from __future__ import annotations

import doctest
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [p for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if p.exists()]
FENCE = re.compile(r"^(?P<skip><!-- not run -->\s*\n)?```(?P<kind>\w+)[^\n]*\n(?P<text>.*?)^```\s*$", re.M | re.S)
VERDICT = re.compile(r"\b(derived|independent|inconclusive)\b")
EXIT = re.compile(r"#\s*exit (\d+)\s*$")


@dataclass(frozen=True)
class Command:
    line: str
    shown: str
    exit_code: int


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Kind and text of every block that is to be run."""
    for match in FENCE.finditer(text):
        if not match["skip"] and match["kind"] in ("console", "bash", "python"):
            yield match["kind"], match["text"]


def commands(block: str) -> Iterator[Command]:
    """`$ whosenet` lines (joined where they end in a backslash), each with the output shown below it."""
    joined = block.replace("\\\n", " ")
    for part in re.split(r"^\$ ", joined, flags=re.M)[1:]:
        line, _, shown = part.partition("\n")
        if line.startswith("whosenet") and not line.startswith("whosenet demo"):
            code = EXIT.search(line)
            yield Command(EXIT.sub("", line).strip(), shown, int(code[1]) if code else 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder in which `whosenet` is this checkout's."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    script = bin_ / "whosenet"
    script.write_text(f'#!{sys.executable}\nfrom whosenet.cli import main\nif __name__ == "__main__":\n    main()\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def run(text: str, name: str) -> int:
    """Run a document in the current folder; how many commands and Python blocks that were."""
    names: dict[str, object] = {"__name__": "__docs__"}
    count = 0
    for kind, block in blocks(text):
        if kind == "python":
            _python(block, names, name)
            count += 1
            continue
        for command in commands(block):
            _command(command)
            count += 1
    return count


def _python(block: str, names: dict[str, object], name: str) -> None:
    if ">>>" not in block:
        exec(compile(block, name, "exec"), names)  # noqa: S102 (our own documents)
        return
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=flags)
    test = doctest.DocTestParser().get_doctest(block, names, name, name, 0)
    said: list[str] = []
    runner.run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    assert not runner.failures, "".join(said)


def _command(command: Command) -> None:
    done = subprocess.run(["bash", "-c", command.line], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == command.exit_code, f"$ {command.line}\n{done.stdout}{done.stderr}"
    missing = set(VERDICT.findall(command.shown)) - set(VERDICT.findall(done.stdout + done.stderr))
    assert not missing, f"$ {command.line}\nshows {missing}, but says:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
@pytest.mark.usefixtures("folder")
def test_the_document_runs(path: Path) -> None:
    run(path.read_text(encoding="utf-8"), path.name)


SAMPLE = """
```python
import numpy as np
r = np.random.default_rng(0)
net = {"a": r.standard_normal((64, 48)).astype("f4"), "b": r.standard_normal((48, 64)).astype("f4"),
       "c": r.standard_normal((80, 48)).astype("f4")}
np.savez("mine.npz", **net)
np.savez("copy.npz", **{k: v + 0.01 for k, v in net.items()})
```
```console
$ pip install whosenet
$ whosenet compare mine.npz \\
    copy.npz
derived: SHOWN
$ whosenet hash missing.npz   # exit 3
```
```python
>>> from whosenet.find import hash_file
>>> a, b = (hash_file(f).codes[0] for f in ("mine.npz", "copy.npz"))
>>> a - b < 30
True
```
<!-- not run -->
```console
$ whosenet hash hf://nobody/nothing
```
"""


@pytest.mark.usefixtures("folder")
def test_this_runner_runs_what_it_should() -> None:
    assert run(SAMPLE, "sample") == 4


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("good", "bad"),
    [("derived: SHOWN", "independent: SHOWN"), ("# exit 3", ""), ("True", "False"), ("mine.npz \\", "no \\")],
)
def test_this_runner_can_fail(good: str, bad: str) -> None:
    with pytest.raises(AssertionError):
        run(SAMPLE.replace(good, bad), "sample")
