"""`whosenet demo` exits with an error when a verdict is wrong, and prints one JSON document when asked."""

import json
import sys
from pathlib import Path

import pytest

from whosenet import cli, demo


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
