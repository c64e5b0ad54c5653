"""`whosenet keygen`: two files or none, and nothing secret on the terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whosenet import cli
from whosenet.errors import MissingExtra, UnreadableInput, UsageError
from whosenet.keys import keygen as room
from whosenet.keys.key import load, load_public
from whosenet.keys.keygen import keygen

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["whosenet", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
            sys.exit(0)
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err  # type: ignore[arg-type]

    return call


def private(key: Path) -> list[str]:
    found = load(key)
    return [found.secret.hex(), found.signing.hex()]


def test_json(run: Run, tmp_path: Path) -> None:
    code, out, err = run("keygen", "--owner", "Acme  Ltd", "-o", "k", "--note", "beta", "--json")
    said, key, public = json.loads(out), load(tmp_path / "k"), load_public(tmp_path / "k.pub")
    assert (code, err) == (0, "")
    assert said == {
        "identity": "Acme Ltd", "commitment": key.commitment, "public_key": key.public_key.hex(), "key": "k",
        "public": "k.pub",
    }  # fmt: skip
    assert public == key.public and key.note == "beta" and len(key.created) == 10
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    assert not any(part in out for part in private(tmp_path / "k"))


def test_for_people(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("keygen", "--owner", "Acme", "-o", "k")
    assert code == 0 and load(tmp_path / "k").commitment in out and "k.pub" in out
    assert not any(part in out for part in private(tmp_path / "k"))


def test_the_method_that_is_to_be_bound(tmp_path: Path) -> None:
    key = keygen("Acme", tmp_path / "k", method={"watermark": "deephiding", "hiding": "ab" * 32})
    assert load_public(tmp_path / "k.pub").method == key.method == {"watermark": "deephiding", "hiding": "ab" * 32}


@pytest.mark.parametrize("there", ["k", "k.pub"])
def test_nothing_is_overwritten(run: Run, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    code, out, err = run("keygen", "--owner", "Acme", "-o", "k")
    assert code == 2 and out == "" and "exists" in err and len(err.splitlines()) == 1
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {there: "mine"}


@pytest.mark.parametrize("owner", ["", "  ", "a\nb", "a\x1b[31m", "safe\N{RIGHT-TO-LEFT OVERRIDE}exe", "x" * 501])
def test_no_such_identity(run: Run, tmp_path: Path, owner: str) -> None:
    code, _, err = run("keygen", "--owner", owner, "-o", "k")
    assert code == 2 and "identity" in err and not list(tmp_path.iterdir())


def test_a_logo_from_a_file(tmp_path: Path) -> None:
    half = np.zeros((300, 600, 4), np.uint8)
    half[:, :300] = (200, 10, 30, 255)
    Image.fromarray(half).save(tmp_path / "logo.png")
    logo = keygen("Acme", tmp_path / "k", logo=tmp_path / "logo.png").logo
    assert logo is not None and logo.shape == (128, 256, 3)
    assert logo[64, 10].tolist() == [200, 10, 30] and logo[64, 250].tolist() == [255, 255, 255]


@pytest.mark.parametrize("name", ["missing.png", "text.png", "cut.png", "drawing.eps", "bomb.png"])
def test_a_logo_that_is_none(tmp_path: Path, name: str) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:900])
    (tmp_path / "drawing.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    if name == "bomb.png":
        Image.new("1", (9000, 9000)).save(tmp_path / name)
    with pytest.raises(UnreadableInput, match=name):
        keygen("Acme", tmp_path / "k", logo=tmp_path / name)
    assert not list(tmp_path.glob("k*"))


def test_both_files_or_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise UsageError("k.pub cannot be written (No space left on device)")

    monkeypatch.setattr(room, "save_public", full)
    with pytest.raises(UsageError, match="No space"):
        keygen("Acme", tmp_path / "k")
    assert not list(tmp_path.iterdir())


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [m for m in sys.modules if m.startswith("cryptography.hazmat.primitives")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtra, match=r"whosenet\[prove\]") as error:
        keygen("Acme", tmp_path / "k")
    assert error.value.exit_code == 6 and not list(tmp_path.iterdir())


def test_keys_need_neither_torch_nor_the_extra_to_be_imported() -> None:
    program = (
        "import sys; import whosenet.cli, whosenet.keys.keygen, whosenet.keys.identity_code; "
        "print([m for m in ('torch', 'cryptography', 'reedsolo', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
