"""Bad files through the command line: one printable line, the right exit code, nothing run, nothing on stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from whosenet import cli

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
import bad_files  # noqa: E402

QUICK = [case for case in bad_files.CASES if case.quick and not case.as_nobody]


@pytest.fixture
def whosenet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """whosenet("hash", path) runs the command here; its exit code, stdout and stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["whosenet", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        told = capsys.readouterr()
        return int(stopped.value.code or 0), told.out, told.err

    return call


def one_line(text: str) -> bool:
    """One line (beside notes on what a reader left out), and nothing in it that a terminal would obey."""
    lines = [line for line in text.splitlines() if not line.startswith("whosenet: note: ")]
    return len(lines) == 1 and all(c.isprintable() for c in text.replace("\n", ""))


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
@pytest.mark.filterwarnings("default::whosenet.errors.WhosenetWarning")
def test_a_bad_file_is_refused_in_one_line(whosenet, tmp_path: Path, case: bad_files.Case) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "files"
    folder.mkdir()
    path = case.make(folder)
    code, out, err = whosenet("hash", path)
    assert not (folder / bad_files.MARKER).exists()
    if case.good:
        assert (code, err) == (0, "") and one_line(out)
        assert json.loads(whosenet("hash", "--json", path)[1])[0]["code"]
    else:
        assert (code, out) == (3, "") and one_line(err) and "files/" in err
        assert whosenet("hash", "--json", path)[:2] == (3, "")


@pytest.mark.parametrize("name", ["truncated: m.safetensors", "pickle that runs code: torch zip", "no such file"])
def test_every_verb_refuses_it_alike(whosenet, tmp_path: Path, name: str) -> None:  # type: ignore[no-untyped-def]
    case = next(case for case in QUICK if case.name == name)
    (tmp_path / "files").mkdir()
    path, good = case.make(tmp_path / "files"), bad_files.good_safetensors(tmp_path / "good.safetensors")
    assert whosenet("add", tmp_path / "library", good)[0] == 0
    for call in (["add", tmp_path / "library", path], ["find", path, "--library", tmp_path / "library"]):
        code, out, err = whosenet(*call)
        assert (code, out) == (3, "") and one_line(err) and path.name in err
    assert len(json.loads(whosenet("list", "--json", tmp_path / "library")[1])) == 1


def test_tables_of_hostile_names_stay_tables(whosenet, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = bad_files.nasty_tensors(tmp_path)
    code, out, err = whosenet("compare", path, path)
    assert (code, err) == (0, "") and all(c.isprintable() or c == "\n" for c in out) and "[/bold]" in out


def test_a_library_that_is_none(whosenet, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    good = bad_files.good_safetensors(tmp_path / "good.safetensors")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter").write_text("dear")
    for folder in (good, tmp_path / "home"):
        for call in (["list", folder], ["add", folder, good], ["find", good, "--library", folder]):
            code, out, err = whosenet(*call)
            assert (code, out) == (4, "") and one_line(err) and folder.name in err
    assert [p.name for p in (tmp_path / "home").iterdir()] == ["letter"]
