"""A transcript that is open while questions are asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.questions.asked import questions
from whosenet.errors import UsageError
from whosenet.questions.recording import recording


def test_without_a_path_nothing_is_kept() -> None:
    with recording(None, questions(), "a suspect", {}) as kept:
        assert kept is None


def test_it_is_there_before_anything_is_asked_and_closed_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "new" / "transcript.jsonl"
    with recording(path, questions(), "a suspect", {"alpha": 0.5}) as kept:
        assert kept is not None and path.stat().st_size > 0
    with pytest.raises(ValueError, match="closed"):
        kept._file.write(b"more")


def test_a_path_that_cannot_be_written_says_what_to_name_instead(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UsageError, match="cannot be written.*or name another door"),
        recording(tmp_path / "file" / "t.jsonl", questions(), "a suspect", {}, elsewhere="another door"),
    ):
        pass


def test_a_disk_that_fills_up_while_asking_is_told_alike(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No space left"), recording(tmp_path / "t", questions(), "a suspect", {}):
        raise OSError(28, "No space left on device")
