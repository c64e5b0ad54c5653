"""References that are not what an innocent suspect would be accuse nobody, and the judge says what is lacking."""

from __future__ import annotations

from dataclasses import replace

import pytest

from judging.worlds import LIKE_OWNER, evidence, spread
from whosenet.judging import Judgement, judge, own_kind
from whosenet.questions.answers import UNKNOWN, Kind
from whosenet.questions.evidence import Evidence

OTHER, NO_MODULE = Kind("another", 0.9), Kind()


def of_kinds(kinds: list[Kind], suspect: float = 1.0) -> Evidence:
    """A copy of the owner's, and references of these kinds that agree on a few points only."""
    whole = evidence(suspect, spread(0.1, 0.05, len(kinds)))
    return replace(whole, references=replace(whole.references, kinds=tuple(kinds)))


def judged(kinds: list[Kind], suspect: float = 1.0) -> Judgement:
    return judge(of_kinds(kinds, suspect))


@pytest.mark.parametrize("other", [OTHER, NO_MODULE, Kind("the owner's", None)])
def test_ten_references_of_the_owners_own_architecture_accuse_and_nine_do_not(other: Kind) -> None:
    enough, short = judged([LIKE_OWNER] * 10 + [other] * 14), judged([LIKE_OWNER] * 9 + [other] * 15)
    assert enough.verdict == "derived" and enough.references_needed == 0
    assert short.verdict == "inconclusive" and short.references_needed == 1
    assert short.p_value == enough.p_value < 1e-3 and "9 of the 24 references" in short.reasons[0]


def test_references_that_are_not_like_the_owner_may_clear() -> None:
    found = judged([OTHER] * 24, suspect=0.1)
    assert found.verdict == "independent" and found.references_needed == 0


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.85, "derived"), (0.84, "derived"), (0.83, "inconclusive")])
def test_references_must_be_about_as_good_as_the_owner(accuracy: float, verdict: str) -> None:
    found = judged([Kind("the owner's", accuracy)] * 12 + [Kind("another", 0.95)] * 12)
    assert found.verdict == verdict
    assert verdict == "derived" or (found.references_needed == 10 and "get 83% of the clean images" in found.reasons[0])


def test_weak_references_beside_ten_good_ones_do_no_harm() -> None:
    good, weak = Kind("the owner's", 0.9), Kind("the owner's", 0.5)
    assert judged([good] * 10 + [weak] * 14).verdict == "derived"
    found = judged([good] * 7 + [weak] * 14)
    assert found.verdict == "inconclusive" and found.references_needed == 3


def test_better_references_are_welcome() -> None:
    assert judged([Kind("the owner's", 1.0)] * 12).verdict == "derived"


def test_a_fingerprint_that_says_nothing_of_its_owner_accuses_nobody() -> None:
    for kind in (UNKNOWN, Kind("the owner's", None), Kind("", 0.9)):
        found = judge(replace(of_kinds([LIKE_OWNER] * 24), kind=kind))
        assert found.verdict == "inconclusive" and "make the fingerprint again" in found.reasons[0]
        assert found.references_needed == 0


def test_who_may_stop_at_will_is_held_to_the_same() -> None:
    assert judge(of_kinds([LIKE_OWNER] * 24), sequential=True).verdict == "derived"
    assert judge(of_kinds([OTHER] * 24), sequential=True).verdict == "inconclusive"


def test_no_references_at_all() -> None:
    whole = of_kinds([LIKE_OWNER])
    assert own_kind.shortage(LIKE_OWNER, whole.references.models(slice(0, 0))).needed == 10
