"""A callable behind a gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.guard.people import Clock, gate, shown
from whosenet.errors import Refused
from whosenet.guard.sessions import MOST_EACH, Sessions
from whosenet.guard.wrapper import Guarded


def test_only_who_was_let_in_is_answered_and_it_is_logged(tmp_path: Path) -> None:
    guarded = Guarded(lambda x, times=1: x * times, gate(log=tmp_path / "log"))
    with pytest.raises(Refused, match="token"):
        guarded("", 3)
    asked = guarded.challenge("one")
    given = shown(asked, 2)
    token = guarded.admit(given.carrier, asked, given.signature)
    assert guarded(token, 3, times=2) == 6
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [e["event"] for e in events] == ["admitted", "served"] and events[1]["identity"] == "Licensee 2"
    assert token not in (tmp_path / "log").read_text()


def test_a_stranger_gets_no_token() -> None:
    guarded = Guarded(lambda: 1, gate())
    asked = guarded.challenge("one")
    given = shown(asked, 8)
    with pytest.raises(Refused, match="nobody was let in: refused"):
        guarded.admit(given.carrier, asked, given.signature)


def test_tokens_expire_are_few_and_are_not_guessed() -> None:
    clock = Clock()
    sessions = Sessions(clock, seconds=10)
    token = sessions.open("A")
    assert sessions.whose(token) == "A" and sessions.whose(token[:-1]) is None and sessions.whose("x" * 10_000) is None
    clock.now += 10
    assert sessions.whose(token) is None
    tokens = [sessions.open("A") for _ in range(MOST_EACH + 1)]
    other = sessions.open("B")
    assert sessions.whose(tokens[0]) is None and all(sessions.whose(t) == "A" for t in tokens[1:])
    sessions.close(other)
    assert sessions.whose(other) is None


def test_nobody_is_served_unlogged(tmp_path: Path) -> None:
    guarded = Guarded(lambda: 1, gate(log=tmp_path / "a" / "log"))
    asked = guarded.challenge("one")
    given = shown(asked)
    token = guarded.admit(given.carrier, asked, given.signature)
    (tmp_path / "a" / "log").unlink()
    (tmp_path / "a").rmdir()
    with pytest.raises(Refused, match="log"):
        guarded(token)
