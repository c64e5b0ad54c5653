from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from judging.worlds import CLASSES, evidence, spread
from whosenet.errors import UsageError
from whosenet.judging import judge
from whosenet.questions.answers import Answers

HONEST = spread(0.5, 0.15, 12)


def test_a_copy_is_derived():
    found = judge(evidence(0.98, HONEST))
    assert found.verdict == "derived" and found.p_value <= 1e-3 and found.log10_p == pytest.approx(
        np.log10(found.p_value))  # fmt: skip
    assert found.queries == 66 and found.references == 12 and found.references_needed == 0
    assert found.control_accuracy == 1.0 and found.alpha == 1e-3


@pytest.mark.parametrize("rate", [0.3, 0.4, 0.5])
def test_an_honest_twin_is_independent(rate: float):
    found = judge(evidence(rate, HONEST))
    assert found.verdict == "independent" and found.p_value > 0.01
    assert found.independence_p is not None and found.independence_p <= 0.02


def test_what_lies_between_is_inconclusive():
    assert judge(evidence(0.75, HONEST)).verdict == "inconclusive"


def test_without_copies_nobody_is_cleared():
    found = judge(evidence(0.4, HONEST, copies=()))
    assert found.verdict == "inconclusive" and found.independence_p is None
    assert "too few to clear" in found.reasons[0]
    assert judge(evidence(0.4, HONEST, copies=(1.0, 0.9, 0.9))).verdict == "inconclusive"


def test_weak_copies_keep_an_innocent_from_being_cleared():
    """A distilled copy agrees on little, and gentle copies must not outvote it."""
    found = judge(evidence(0.4, HONEST, copies=(1, 1, 1, 1, 1, 1, 0.5, 0.45)))
    assert found.verdict == "inconclusive" and "so may derived copies" in found.reasons[0]


@pytest.mark.parametrize("count", [0, 1, 5, 9])
def test_too_few_references(count: int):
    found = judge(evidence(1.0, HONEST[:count]))
    assert found.verdict == "inconclusive" and found.references_needed >= 10 - count
    assert str(count) in found.reasons[0] and 0 < found.p_value <= 1 and found.conformal_p >= 1 / (count + 1)


def test_wide_references_ask_for_more():
    found = judge(evidence(0.9, spread(0.5, 0.2, 10), copies=[0.93] * 6))
    assert found.verdict == "inconclusive" and found.references_needed > 0
    assert any("further references" in r for r in found.reasons)


def test_points_that_everybody_agrees_on_prove_nothing():
    found = judge(evidence(1.0, [1.0] * 20))
    assert found.verdict == "inconclusive" and found.p_value > 0.5
    assert any("prove nothing" in r for r in found.reasons) and any("divide them" in r for r in found.reasons)


def test_never_derived_at_or_below_a_reference():
    rates = [0.1] * 30 + [0.9]
    assert judge(evidence(0.9, rates), alpha=0.02).verdict != "derived"


def test_a_broken_suspect_is_not_accused():
    found = judge(evidence(1.0, HONEST, control_accuracy=0.1))
    assert found.verdict == "inconclusive" and "normalisation" in found.reasons[0]
    assert found.control_accuracy == pytest.approx(0.17, abs=0.01)


def test_a_broken_suspect_is_not_cleared():
    assert judge(evidence(0.1, HONEST, control_accuracy=0.0)).verdict == "inconclusive"


def test_a_doubtful_suspect_is_not_cleared():
    """A copy that is fed wrongly may answer like a stranger, and still know most of the controls."""
    found = judge(evidence(0.4, HONEST, controls=10, control_accuracy=0.8))
    assert found.verdict == "inconclusive" and "perhaps it is fed wrongly" in found.reasons[0]
    assert judge(evidence(0.4, HONEST, controls=10, control_accuracy=0.9)).verdict == "independent"
    assert judge(evidence(0.98, HONEST, controls=10, control_accuracy=0.8)).verdict == "derived"


def test_one_wrong_control_is_no_failure():
    assert judge(evidence(0.98, HONEST, control_accuracy=5 / 6)).verdict == "derived"


def test_missing_answers_count_against_either_verdict():
    whole = evidence(1.0, HONEST)
    labels = whole.suspect.labels.copy()
    labels[6:16] = -1
    some = judge(whole.against(Answers(labels, whole.suspect.probabilities, ("time-out",))))
    assert some.p_value > judge(whole).p_value and any("no valid answer" in r for r in some.reasons)
    labels[6:26] = -1
    many = judge(whole.against(Answers(labels, None, ("time-out",))))
    assert many.verdict == "inconclusive" and "time-out" in many.reasons[0]


def test_silence_clears_nobody():
    """A copy that keeps silent where it would agree gains nothing."""
    whole = evidence(1.0, HONEST, points=100, controls=10)
    labels = whole.suspect.labels.copy()
    labels[10:30] = -1
    assert judge(whole.against(Answers(labels, None))).verdict != "independent"


def test_other_class_count():
    whole = evidence(1.0, HONEST)
    other = Answers(whole.suspect.labels, np.full((66, CLASSES + 3), 1 / (CLASSES + 3), np.float32))
    found = judge(whole.against(other))
    assert found.verdict == "inconclusive" and "13 classes" in found.reasons[0]


def test_nothing_asked():
    assert judge(evidence(1.0, HONEST).take(slice(0, 6))).verdict == "inconclusive"
    assert judge(evidence(1.0, HONEST).take(slice(0, 0))).verdict == "inconclusive"


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, float("nan")])
def test_alpha_is_checked(alpha: float):
    with pytest.raises(UsageError):
        judge(evidence(1.0, HONEST), alpha=alpha)


def test_labels_alone_are_enough():
    whole = evidence(0.98, HONEST)
    found = judge(whole.against(Answers(whole.suspect.labels, None)))
    assert found.verdict == "derived" and found.scores["probability"] is None
    assert found.scores["label"] is not None and found.scores["cluster"] is not None


@pytest.mark.parametrize("score", ["probability", "cluster"])
def test_another_score_may_be_declared(score: str):
    declared = replace(evidence(0.98, HONEST), score=score)
    found = judge(declared)
    assert found.score == score and found.verdict == "derived"
    honest = judge(replace(evidence(0.45, HONEST), score=score))
    assert honest.verdict != "derived" and honest.p_value > 0.05


def test_a_hidden_score_falls_back_to_labels():
    whole = replace(evidence(0.98, HONEST), score="probability")
    found = judge(whole.against(Answers(whole.suspect.labels, None)))
    assert found.score == "label" and any("hides" in r for r in found.reasons)


def test_json_without_nan_and_the_same_twice():
    first, second = judge(evidence(0.98, HONEST)), judge(evidence(0.98, HONEST))
    assert first == second
    json.dumps(asdict(first), allow_nan=False)
    for rates in ([], HONEST):
        json.dumps(asdict(judge(evidence(0.5, rates, copies=()))), allow_nan=False)
