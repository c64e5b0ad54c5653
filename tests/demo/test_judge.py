"""The demo may not flatter: each way of being wrong is called wrong."""

import pytest

from whosenet.demo import holds
from whosenet.demo.story import Truth, judge
from whosenet.verify.compare import Comparison


def compared(verdict: str, *relation: str) -> Comparison:
    return Comparison(
        verdict=verdict,  # type: ignore[arg-type]
        log10_p=-9.0,
        alpha=1e-6,
        relation=list(relation),
        coverage=1.0,
        tensors=[],
        cosine=None,
        m_eff=None,
        reason="",
    )


@pytest.mark.parametrize(
    ("truth", "accused", "comparison", "verdict", "outcome"),
    [
        ("copy", ["ours"], compared("derived", "pruned"), "copy", "right"),
        ("copy", [], compared("derived"), "copy", "wrong"),
        ("copy", ["ours"], compared("independent"), "stranger", "wrong"),
        ("copy", ["ours", "theirs"], compared("derived"), "copy", "wrong"),
        ("copy", ["theirs"], compared("derived"), "copy", "wrong"),
        ("copy", ["ours"], compared("derived", "fine-tune", "shared-start"), "shared-start", "right"),
        ("twin", [], compared("independent"), "stranger", "right"),
        ("twin", [], compared("inconclusive"), "undecided", "undecided"),
        ("twin", [], compared("derived"), "copy", "wrong"),
        ("twin", ["ours"], compared("independent"), "stranger", "wrong"),
        ("twin", ["theirs"], compared("independent"), "stranger", "wrong"),
        ("shared-start", ["ours"], compared("derived", "fine-tune", "shared-start"), "shared-start", "right"),
        ("shared-start", ["ours"], compared("derived", "fine-tune"), "copy", "wrong"),
        ("shared-start", ["theirs"], compared("derived", "shared-start"), "shared-start", "wrong"),
    ],
)
def test_judge(truth: Truth, accused: list[str], comparison: Comparison, verdict: str, outcome: str) -> None:
    assert judge(truth, "ours", accused, comparison) == (verdict, outcome)


def test_one_wrong_verdict_or_one_accused_stranger_fails_the_demo() -> None:
    right, wrong = {"suspects": [{"outcome": "right"}]}, {"suspects": [{"outcome": "right"}, {"outcome": "wrong"}]}
    good = {"counts": {"independent_accused": 0, "derived_found": 3, "derived": 3}}
    accused = {"counts": {"independent_accused": 1, "derived_found": 3, "derived": 3}}
    missed = {"counts": {"independent_accused": 0, "derived_found": 2, "derived": 3}}
    assert holds(right, None) and holds(right, good)
    assert not any((holds(wrong, None), holds(wrong, good), holds(right, accused), holds(right, missed)))
