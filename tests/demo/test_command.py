"""`whosenet demo` exits with an error when a verdict is wrong, and prints one JSON document when asked."""

import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from whosenet import cli, demo
from whosenet.demo import table


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_exit_code(
    ok: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "run", lambda out, models: {"ok": ok, "report": str(out / "report.html")})
    monkeypatch.setattr(sys, "argv", ["whosenet", "demo", "--json", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    out, err = capsys.readouterr()
    assert stopped.value.code == code and json.loads(out)["ok"] is ok
    assert ("report.html" in err) is not ok


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_verdict_is_cut_off_on_any_terminal(width: int) -> None:
    row = {
        "suspect": "cnn-checkpoint.pt",
        "truth": "copy",
        "edit": "inside a PyTorch training checkpoint",
        "owner": "cnn-owner",
        "accuracy": 0.99,
        "verdict": "copy",
        "outcome": "wrong",
        "find": {"distance": 114, "bits": 256, "log10_p": -74.0},
        "compare": {"log10_p": -7601.0, "relation": ["export", "quantised"]},
    }
    console = Console(width=width)
    with console.capture() as text:
        console.print(table._suspects([row], width))
    [line] = [line for line in text.get().splitlines() if "cnn-checkpoint.pt" in line]
    assert all(word in line for word in ("114/256", "10⁻⁷⁴", "10⁻⁷⁶⁰¹", "copy of cnn-owner", "wrong"))
