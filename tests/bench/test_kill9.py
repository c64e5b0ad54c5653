"""A small run of bench/kill9.py: processes that add, update, remove and search, killed with SIGKILL."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_nothing_acknowledged_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    monkeypatch.delitem(sys.modules, "record", raising=False)
    import kill9

    rounds = [kill9.run_round(tmp_path, number, adders=2, longest=0.5, start="fork") for number in range(3)]
    for done in rounds:
        bad = {key: done[key] for key in ("lost", "wrong", "unfound", "unknown", "files_rebuilt", "corrupt", "crashed")}
        assert not any(bad.values()), bad
    assert rounds[-1]["acknowledged"] > 20
    complaints = [line for line in (tmp_path / "reader").read_text().splitlines() if line != "searched"]
    assert complaints == []
