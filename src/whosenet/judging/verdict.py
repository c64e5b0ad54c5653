"""From evidence to one of three words, and the reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whosenet import thresholds
from whosenet.errors import UsageError
from whosenet.judging import controls, null, own_kind, population
from whosenet.judging.controls import Controls
from whosenet.judging.independence import independence_p
from whosenet.judging.judgement import Judgement
from whosenet.judging.own_kind import Shortage
from whosenet.judging.population import Scored
from whosenet.judging.references import references_needed
from whosenet.judging.sequential import anytime
from whosenet.questions.answers import NO_ANSWER
from whosenet.questions.evidence import Evidence
from whosenet.types import Verdict

LOG10 = math.log(10)
Finding = tuple[Verdict, str]


@dataclass(frozen=True, eq=False)
class Case:
    """All that the words depend on."""

    points: Evidence
    scored: Scored
    log_p: float
    conformal_p: float
    independence_p: float | None
    controls: Controls
    alpha: float
    needed: int | None
    """References still needed, None if no number of them would do."""
    null_trouble: str
    """Why the references cannot be the null; empty if nothing is wrong."""
    unlike: Shortage
    """What keeps the references from accusing anybody, though they may clear."""


def judge(evidence: Evidence, *, alpha: float = thresholds.PROBE_ALPHA, sequential: bool = False) -> Judgement:
    """The verdict on a suspect's answers. The same evidence always gets the same judgement.

    sequential: the probe was free to stop early, whether it did or not; p-values then hold at any stopping time.
    Raises UsageError if alpha is not within 0..1.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha must lie between 0 and 1, got {alpha}")
    points = evidence.points()
    found = population.all_scores(points)
    label = found["label"]
    if label is None:
        return _nothing(evidence, alpha, sequential)
    name, note = _deciding(evidence.score, found, sequential)
    scored = found[name] or label
    case = _case(evidence, points, scored, alpha, sequential)
    verdict, reason = _verdict(case)
    scores = {key: None if value is None else float(min(max(value.suspect, 0.0), 1.0)) for key, value in found.items()}
    return Judgement(
        verdict=verdict, p_value=math.exp(case.log_p), log10_p=case.log_p / LOG10, alpha=alpha,
        conformal_p=case.conformal_p, queries=len(evidence), scores=scores, references=len(points.references),
        references_needed=_needed(case, verdict),
        independence_p=case.independence_p,
        control_accuracy=case.controls.accuracy, reasons=tuple(r for r in (reason, note, *_remarks(case)) if r),
        score=name, sequential=sequential,
    )  # fmt: skip


def _needed(case: Case, verdict: Verdict) -> int:
    """Those of the owner's own kind only accuse, so a suspect that is cleared needs none of them."""
    own = 0 if verdict == "independent" else case.unlike.needed
    return max(case.needed or 0, thresholds.MIN_REFERENCES - len(case.points.references), own)


def _nothing(evidence: Evidence, alpha: float, sequential: bool) -> Judgement:
    return Judgement(
        verdict="inconclusive", p_value=1.0, log10_p=0.0, alpha=alpha, conformal_p=1.0, queries=len(evidence),
        scores=dict.fromkeys(population.NAMES), references=len(evidence.references), references_needed=0,
        independence_p=None, control_accuracy=controls.check(evidence).accuracy,
        reasons=("no point was asked, so there is nothing to judge; ask further",), sequential=sequential,
    )  # fmt: skip


def _deciding(declared: str, found: dict[str, Scored | None], sequential: bool) -> tuple[str, str]:
    """The score declared beforehand, or the label score where the suspect hides what that needs (also a fixed rule)."""
    if declared == "label":
        return "label", ""
    if sequential:
        return "label", "a probe that may stop early is judged by labels"
    if found.get(declared) is None:
        return "label", f"the {declared} score was to decide, but the suspect hides what it needs; labels decide"
    return declared, ""


def _case(evidence: Evidence, points: Evidence, scored: Scored, alpha: float, sequential: bool) -> Case:
    if sequential:
        now = anytime(points)
        log_p, conformal_p, independence = now.log_p, now.conformal_p, now.independence_p
    else:
        log_p, conformal_p = scored.log_as_reference(), scored.conformal_p()
        independence = independence_p(scored)
    return Case(points, scored, log_p if len(points.references) else 0.0, conformal_p, independence,
                controls.check(evidence), alpha, references_needed(scored, alpha),
                null.trouble(evidence.expected, evidence.owner, evidence.control, evidence.references),
                own_kind.shortage(evidence.kind, evidence.references))  # fmt: skip


def _verdict(case: Case) -> Finding:
    return _unfit(case) or _derived(case) or _independent(case)


def _unfit(case: Case) -> Finding | None:
    """Reasons not to judge at all."""
    suspect, have = case.points.suspect, len(case.points.references)
    if suspect.probabilities is not None and suspect.probabilities.shape[1] != case.points.classes:
        return "inconclusive", (f"the suspect has {suspect.probabilities.shape[1]} classes, the fingerprint "
                                f"{case.points.classes}: answers cannot be compared")  # fmt: skip
    answered = float((suspect.labels != NO_ANSWER).mean())
    if answered < thresholds.MIN_ANSWERED:
        return "inconclusive", f"only {answered:.0%} of the points have a valid answer; {_problems(case)}"
    if case.controls.broken:
        return "inconclusive", (f"the suspect gets {case.controls.right} of {case.controls.asked} clean control images "
                                f"right, honest models {case.controls.expected:.0%}: a broken or wrongly fed model "
                                "(normalisation, channel order, class order?)")  # fmt: skip
    if have < thresholds.MIN_REFERENCES:
        return "inconclusive", (f"{have} null references; a verdict needs at least {thresholds.MIN_REFERENCES} honest "
                                "models that chose no point (`whosenet twins` trains them)")  # fmt: skip
    if case.null_trouble:
        return "inconclusive", case.null_trouble
    return None


def _problems(case: Case) -> str:
    said = [p for p in case.points.suspect.problems if not p.startswith("note: ")]
    return "; ".join(said[:3]) or "the suspect gave no reason"


def _derived(case: Case) -> Finding | None:
    """Agreement beyond what honest models show: at alpha, above every reference unless they are very many, and only
    where enough of the references are what an innocent suspect would be."""
    floor = max(case.alpha, 1 / (1 + len(case.points.references)))
    if case.log_p > math.log(case.alpha) or case.conformal_p > floor * (1 + 1e-9):
        return None
    if case.unlike.why:
        return "inconclusive", (
            f"it agrees with the owner's model on {case.scored.suspect:.0%}, these references on "
            f"{_range(case.scored.references)}, but they accuse nobody: {case.unlike.why}"
        )
    return "derived", (f"it agrees with the owner's model on {case.scored.suspect:.0%}, honest models on "
                       f"{_range(case.scored.references)}: beyond chance at {case.alpha:g}")  # fmt: skip


def _independent(case: Case) -> Finding:
    """Cleared only with evidence: like honest models, and unlike the owner's own copies."""
    if case.log_p <= math.log(thresholds.INDEPENDENT_P):
        return "inconclusive", (f"it agrees more than most honest models (p = {math.exp(case.log_p):.2g}), but not "
                                f"beyond chance at {case.alpha:g}")  # fmt: skip
    if len(case.points.copies) < thresholds.MIN_COPIES or case.independence_p is None:
        return "inconclusive", (
            f"it agrees no more than honest models do, but {len(case.points.copies)} derived copies "
            f"of the owner's own making are too few to clear it (at least {thresholds.MIN_COPIES})"
        )
    if case.independence_p <= thresholds.COPY_P and case.controls.doubtful:
        return "inconclusive", (f"it agrees as honest models do, but gets {case.controls.right} of "
                                f"{case.controls.asked} clean control images right, honest models "
                                f"{case.controls.expected:.0%}: perhaps it is fed wrongly (normalisation, channel "
                                "order?), so it is not cleared")  # fmt: skip
    if case.independence_p <= thresholds.COPY_P:
        return "independent", (f"it agrees with the owner's model on {case.scored.suspect:.0%}, as honest models do "
                               f"({_range(case.scored.references)}); derived copies agree on "
                               f"{_range(case.scored.copies)}")  # fmt: skip
    return "inconclusive", (f"it agrees on {case.scored.suspect:.0%}, as honest models may "
                            f"({_range(case.scored.references)}), but so may derived copies "
                            f"({_range(case.scored.copies)})")  # fmt: skip


def _range(shares: object) -> str:
    values = np.asarray(shares, np.float64)
    return f"{values.min():.0%} to {values.max():.0%}" if len(values) else "nothing (there are none)"


def _remarks(case: Case) -> list[str]:
    """What else a reader should know."""
    remarks = []
    missing = int((case.points.suspect.labels == NO_ANSWER).sum())
    if missing:
        remarks.append(f"{missing} points have no valid answer; each counts against whatever verdict it could help")
    everybody = _agreed_by_all(case.points)
    if everybody:
        remarks.append(f"all references agree with the owner on {everybody} of {len(case.points)} points; those "
                       "prove nothing")  # fmt: skip
    if case.needed is None:
        remarks.append("honest models agree so much on these points that no number of references would show a typical "
                       "copy; make a fingerprint whose points divide them")  # fmt: skip
    elif case.needed and len(case.points.references) >= thresholds.MIN_REFERENCES:
        remarks.append(f"with about {case.needed} further references a typical copy would be found")
    if case.controls.asked == 0:
        remarks.append("no control images were asked, so a broken suspect cannot be told from an innocent one")
    return remarks


def _agreed_by_all(points: Evidence) -> int:
    if not len(points.references):
        return 0
    return int((points.references.labels == points.expected).all(0).sum())
