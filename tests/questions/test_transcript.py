"""The transcript: nothing answered is lost, nothing in it can be changed unnoticed, and it is all a judge needs."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from asked import answers, questions, stack

from whosenet.errors import MalformedFile, UnreadableInput, UsageError
from whosenet.questions import transcript
from whosenet.questions.answers import UNKNOWN, Answers, Kind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with transcript.Writer(tmp_path / "t", questions(), stack(2), "suspect") as writer:
        writer.append([0, 1, 2], answers([0, 1, 2]))
        writer.append([3, 4], answers([3, 4]))
    return tmp_path / "t"


def test_it_holds_all_that_a_judge_needs(path: Path) -> None:
    asked, found = questions(), transcript.read(path)
    e = found.evidence
    assert found.asked == (0, 1, 2, 3, 4) and len(e) == 5
    assert np.array_equal(e.expected, asked.expected[:5]) and np.array_equal(e.control, asked.control[:5])
    assert np.allclose(e.owner, asked.probabilities[:5], rtol=1e-5)
    assert np.array_equal(e.suspect.labels, answers([0, 1, 2, 3, 4]).labels)
    assert e.references.digests == stack(2).digests and np.array_equal(e.references.labels, stack(2).labels[:, :5])
    assert np.allclose(e.copies.probabilities, asked.copies.probabilities[:, :5], rtol=1e-5)


def test_it_says_what_the_owner_and_the_references_are(tmp_path: Path) -> None:
    kinds = (Kind("a", 0.9), Kind("", None))
    asked = replace(questions(), parameters={"seed": 1, **Kind("a", 0.95).document()})
    transcript.Writer(tmp_path / "t", asked, replace(stack(2), kinds=kinds), "suspect").close()
    found = transcript.read(tmp_path / "t").evidence
    assert found.kind == Kind("a", 0.95) and found.references.kinds == kinds
    assert found.points().take(slice(0, 1)).kind == found.kind and found.references.models([1]).kinds == kinds[1:]


def test_an_older_transcript_says_nothing_of_that_and_still_reads(path: Path) -> None:
    found = transcript.read(path).evidence
    assert "architecture" not in path.read_text() and found.kind == UNKNOWN
    assert [found.references.kind(i) for i in range(2)] == [UNKNOWN] * 2


def test_hidden_probabilities_stay_hidden(tmp_path: Path) -> None:
    with transcript.Writer(tmp_path / "t", questions(), stack(2), "s") as writer:
        writer.append([0, 1], Answers(np.array([2, -1]), None, ("no answer",)))
    found = transcript.read(tmp_path / "t").evidence.suspect
    assert found.probabilities is None and found.labels.tolist() == [2, -1] and found.problems == ("no answer",)


def test_it_goes_on_after_a_kill_in_the_middle_of_a_line(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with transcript.Writer(path, questions(), stack(2), "suspect") as writer:
        assert sorted(writer.answered) == [0, 1, 2, 3]
        writer.append([4], answers([4]))
    assert transcript.read(path).asked == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("other", [
    (questions(2), stack(2), "suspect"), (questions(), stack(3), "suspect"), (questions(), stack(2), "another"),
])  # fmt: skip
def test_another_trial_needs_another_file(path: Path, other: tuple) -> None:
    before = path.read_bytes()
    with pytest.raises(UsageError, match="--transcript"):
        transcript.Writer(path, *other)
    assert path.read_bytes() == before


def test_a_changed_answer_is_noticed(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    for number in range(len(lines) - 1):
        line = json.loads(lines[number])
        line["extra"] = 1
        changed = [*lines[:number], json.dumps(line).encode() + b"\n", *lines[number + 1 :]]
        path.write_bytes(b"".join(changed))
        with pytest.raises(MalformedFile, match=f"line {number + 2} does not follow"):
            transcript.read(path)


def test_a_dropped_line_is_noticed(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2] + lines[-1:]))
    with pytest.raises(MalformedFile):
        transcript.read(path)


def test_asking_twice_is_noticed(tmp_path: Path) -> None:
    with transcript.Writer(tmp_path / "t", questions(), stack(2), "s") as writer:
        writer.append([0], answers([0]))
        writer.append([0], answers([1]))
    with pytest.raises(MalformedFile, match="no sense"):
        transcript.read(tmp_path / "t")


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}\n", b"[]\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n", b'{"before":1}\n']
)
def test_hostile_bytes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(UnreadableInput):
        transcript.read(tmp_path / "t")


def test_it_says_when_and_with_what_it_was_made(path: Path) -> None:
    head = transcript.read(path).header
    assert head["started"].endswith("+00:00") and head["data"] == questions().data
    assert {"whosenet", "python", "numpy"} <= set(head["made_by"])


@pytest.mark.parametrize(("budget", "answered", "fixed"), [(None, 5, False), (5, 5, True), (4, 5, False)])
def test_it_tells_whether_the_number_of_questions_was_fixed(
    tmp_path: Path, budget: int | None, answered: int, fixed: bool
) -> None:
    rows = list(range(answered))
    with transcript.Writer(tmp_path / "t", questions(), stack(2), "s", rules={"budget": budget}) as writer:
        writer.append(rows, answers(rows))
    assert transcript.read(tmp_path / "t").fixed_beforehand is fixed
    with transcript.Writer(tmp_path / "t", questions(), stack(2), "s", rules={"budget": 9}) as writer:
        assert len(writer.answered) == answered


@pytest.mark.parametrize("rules", ["x", None, {"alpha": "x"}, {"budget": [1]}])
def test_rules_that_are_none(path: Path, rules: object) -> None:
    head = json.loads(path.read_bytes().splitlines()[0])
    data = (json.dumps({**head, "rules": rules}) + "\n").encode()
    path.write_bytes(data)
    with pytest.raises(MalformedFile, match="rules"):
        transcript.read(path)


def test_it_is_for_its_owner_alone(path: Path) -> None:
    """It holds a key's targets."""
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_regular_file_is_neither_read_nor_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in ("/dev/zero", "/dev/full", tmp_path / "pipe", tmp_path):
        with pytest.raises(UnreadableInput, match="no regular file"):
            transcript.read(place)
        with pytest.raises(UnreadableInput, match="no regular file"):
            transcript.Writer(place, questions(), stack(2), "suspect")


def test_a_transcript_that_grows_is_read_as_far_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    early = path.stat()
    with transcript.Writer(path, questions(), stack(2), "suspect") as writer:
        writer.append([5], answers([5]))
    monkeypatch.setattr(Path, "stat", lambda _: early)
    assert transcript.read(path).asked == (0, 1, 2, 3, 4)
