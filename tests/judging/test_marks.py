"""Verdicts on marks, and transcripts of `verify` judged again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from whosenet.judging.marks import MAX_CARRIERS, Layout, judge
from whosenet.questions.answers import Answers, empty_stack
from whosenet.questions.evidence import Evidence

CLASSES, CARRIERS, DECOYS, DEPTH, CLEAN = 10, 4, 16, 6, 10


def layout(seed: int = 0) -> Layout:
    rng = np.random.default_rng(seed)
    patterns = rng.permutation(np.concatenate([np.full(CLEAN, -1), np.repeat(np.arange(CARRIERS + DECOYS), DEPTH)]))
    return Layout(CARRIERS, patterns, rng.integers(0, 5, len(patterns)), np.array([5, 6, 7, 8]))


def evidence(labels: np.ndarray, said: np.ndarray) -> Evidence:
    n = len(said)
    nobody = empty_stack(n, CLASSES)
    return Evidence(labels, np.eye(CLASSES, dtype=np.float32)[labels], np.zeros(n, bool), Answers(said, None, ()),
                    nobody, nobody)  # fmt: skip


def marked(shown: Layout) -> np.ndarray:
    """What a marked model says: triggers to their targets, everything else right."""
    carrier = (shown.patterns >= 0) & (shown.patterns < CARRIERS)
    return np.where(carrier, shown.targets[np.where(carrier, shown.patterns, 0)], shown.labels)


def test_a_marked_model_is_found_and_an_unmarked_one_is_not() -> None:
    shown = layout()
    found = judge(evidence(shown.labels, marked(shown)), shown, alpha=1e-6)
    assert found.verdict == "derived" and found.hits == found.triggers == 24 and found.base_rate == 0
    clean = judge(evidence(shown.labels, shown.labels), shown, alpha=1e-6)
    assert clean.verdict == "inconclusive" and clean.log10_p == 0 and clean.control_accuracy == 1


def test_the_absence_of_a_mark_clears_nobody() -> None:
    shown = layout()
    assert judge(evidence(shown.labels, shown.labels), shown, alpha=0.5).verdict == "inconclusive"


def test_keys_that_were_tried_are_paid_for() -> None:
    shown = layout()
    asked = evidence(shown.labels, marked(shown))
    one, many = judge(asked, shown, alpha=1e-6), judge(asked, shown, alpha=1e-6, tried=10**4)
    assert many.log10_p == pytest.approx(one.log10_p + 4) and many.verdict == "inconclusive"


def test_a_broken_suspect_is_told() -> None:
    shown = layout()
    broken = judge(evidence(shown.labels, np.full(len(shown.labels), -1)), shown, alpha=1e-6)
    assert broken.verdict == "inconclusive" and "broken" in broken.reasons[0]


def test_who_stops_early_pays_for_looking() -> None:
    shown = layout()
    whole = len(shown.labels)
    rows = np.arange(whole - 5)
    part = judge(evidence(shown.labels, marked(shown)).take(rows), shown.of(rows), alpha=1e-6, asked=whole)
    fixed = judge(evidence(shown.labels, marked(shown)).take(rows), shown.of(rows), alpha=1e-6)
    assert part.partial and "partial" in part.reasons[-1]
    assert part.log10_p == pytest.approx(fixed.log10_p + np.log10(whole))


def test_a_carrier_that_was_never_shown_is_not_replaced_by_a_decoy() -> None:
    shown = layout()
    rows = np.flatnonzero(shown.patterns != 2)
    found = judge(evidence(shown.labels, marked(shown)).take(rows), shown.of(rows), alpha=1e-6)
    assert found.verdict == "inconclusive" and found.log10_p == 0


def test_a_layout_comes_back_as_it_went() -> None:
    shown = layout()
    back = Layout.read(shown.document(), CLASSES, len(shown.labels))
    assert (back.patterns == shown.patterns).all() and (back.targets == shown.targets).all()


@pytest.mark.parametrize(
    "damage",
    [
        {"carriers": 3}, {"carriers": 0, "targets": []}, {"targets": [5, 6, 7, 10]}, {"targets": [-1, 6, 7, 8]},
        {"labels": [0]}, {"patterns": [0, 1]}, {"carriers": "x"}, {"patterns": "x"}, {"labels": None},
        {"carriers": MAX_CARRIERS + 1, "targets": [0] * (MAX_CARRIERS + 1)}, {"targets": [[1]]}, {"carriers": None},
        {"targets": [[v, v] for v in (5, 6, 7, 8)]}, {"carriers": 1, "targets": 5},
    ],
)  # fmt: skip
def test_layouts_that_make_no_sense(damage: dict[str, Any]) -> None:
    shown = layout()
    with pytest.raises((ValueError, TypeError, KeyError, OverflowError)):
        Layout.read({**shown.document(), **damage}, CLASSES, len(shown.labels))


def test_a_pattern_before_the_first_is_refused() -> None:
    shown = layout()
    odd = replace(shown, patterns=np.where(shown.patterns < 0, -2, shown.patterns))
    with pytest.raises(ValueError, match="patterns"):
        Layout.read(odd.document(), CLASSES, len(shown.labels))
