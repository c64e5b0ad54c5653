"""Transcripts of `verify`, honest and hostile, judged again without torch and without asking."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from judging.test_marks import CLASSES, evidence, layout, marked
from whosenet.errors import MalformedFile
from whosenet.judging.rejudge import about_a_mark, rejudge
from whosenet.questions.transcript import Transcript

SHOWN = layout()
TWICE = {part: [[v, v] for v in values] for part, values in SHOWN.document().items() if part != "carriers"}
DEEPER: list[dict[str, Any]] = [{"targets": TWICE["targets"]}, {p: TWICE[p] for p in ("patterns", "labels")}, TWICE]
"""Parts with a second axis that fit each other."""


def transcript(mark: Any = None, rules: dict[str, Any] | None = None, asked: int | None = None) -> Transcript:
    whole = len(SHOWN.labels)
    rows = np.arange(whole if asked is None else asked)
    head = {"parameters": {"mark": SHOWN.document() if mark is None else mark}, "expected": [0] * whole,
            "rules": {"alpha": 1e-6, "tried": 1} if rules is None else rules}  # fmt: skip
    return Transcript(head, evidence(SHOWN.labels, marked(SHOWN)).take(rows), tuple(rows.tolist()), "0" * 64)


def test_it_is_judged_by_the_rules_fixed_before_asking() -> None:
    found = rejudge(transcript(), "t")
    assert found.verdict == "derived" and found.alpha == 1e-6 and not found.partial
    assert rejudge(transcript(), "t", alpha=1e-30).verdict == "inconclusive"
    assert rejudge(transcript(rules={"tried": 100}), "t").log10_p == pytest.approx(found.log10_p + 2)


def test_a_transcript_that_was_cut_pays_for_it() -> None:
    assert rejudge(transcript(asked=len(SHOWN.labels) - 1), "t").partial


@pytest.mark.parametrize(
    "mark", [{}, [], "x", 7, {**SHOWN.document(), "carriers": 10**9}, {**SHOWN.document(), "targets": [CLASSES] * 4},
             *({**SHOWN.document(), **deeper} for deeper in DEEPER),
             {**SHOWN.document(), "patterns": [0]}, {**SHOWN.document(), "patterns": [2**80] * len(SHOWN.labels)}],
)  # fmt: skip
def test_marks_that_make_no_sense(mark: Any) -> None:
    with pytest.raises(MalformedFile, match="mark"):
        rejudge(transcript(mark), Path("t.jsonl"))


@pytest.mark.parametrize("tried", [0, -5, 10**30, 1.5, True, "9", None, [1]])
def test_numbers_of_keys_that_are_none(tried: Any) -> None:
    with pytest.raises(MalformedFile, match="tried"):
        rejudge(transcript(rules={"tried": tried}), "t")


def test_a_probe_is_not_taken_for_a_mark() -> None:
    assert about_a_mark(transcript())
    for parameters in ({}, [], None, "mark"):
        assert not about_a_mark(replace(transcript(), header={"parameters": parameters}))


@pytest.mark.parametrize("alpha", [1, 2, 1.0, 0.51, float("inf"), float("nan"), 0, 0.0, -1, 10**400, True, "x", None])
def test_alphas_that_are_no_rate(alpha: Any) -> None:
    """At an alpha of 1 anybody would be `derived`."""
    with pytest.raises(MalformedFile, match="alpha"):
        rejudge(transcript(rules={"alpha": alpha}), "t")
    assert rejudge(transcript(rules={"alpha": alpha}), "t", alpha=1e-6).alpha == 1e-6
    assert rejudge(transcript(rules={"alpha": 0.5}), "t").alpha == 0.5
