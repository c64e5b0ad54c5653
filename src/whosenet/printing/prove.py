"""PROVE's answers, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whosenet.hiding.strength import LOUD
from whosenet.keys.key import Key
from whosenet.keys.keygen import public_path
from whosenet.printing.console import STYLE, console, emit, p_text, plain
from whosenet.printing.console import shown as shown_text
from whosenet.questions.transcript import made_by, now

if TYPE_CHECKING:
    from whosenet.judging.marks import MarkJudgement
    from whosenet.proving.measuring import Embedded
    from whosenet.proving.pairing import Paired
    from whosenet.proving.showing import Shown
    from whosenet.proving.verifying import Verified
    from whosenet.questions.transcript import Transcript


def minted(key: Key, out: Path, *, as_json: bool) -> None:
    """Nothing of the private parts."""
    if as_json:
        emit({
            "identity": key.identity, "commitment": key.commitment, "public_key": key.public_key.hex(),
            "key": str(out), "public": str(public_path(out)),
        })  # fmt: skip
        return
    print(f"identity    {plain(key.identity)}")
    print(f"commitment  {key.commitment}")
    print(f"public key  {key.public_key.hex()}")
    print(f"key         {plain(str(out))}  (keep it secret, and a copy of it safe)")
    print(f"public      {plain(str(public_path(out)))}  (publish it before the model)")


def embedded(found: Embedded, out: Path, *, as_json: bool) -> None:
    if as_json:
        numbers = {k: v for k, v in asdict(found).items() if k != "spec"}
        emit({**numbers, "path": str(out), "spec": str(found.spec), "at": now(), "made_by": made_by()})
        return
    lost = found.clean_accuracy_before - found.clean_accuracy_after
    word = "marked" if found.marked else "NOT marked well enough"
    print(
        f"{word}: {found.watermark_accuracy:.1%} of the triggers lead to their targets ({found.base_rate:.1%} before, "
        f"{found.decoy_rate:.1%} of images by patterns of nobody's: the fewer the better)"
    )
    print(f"accuracy    {found.clean_accuracy_before:.3f} before, {found.clean_accuracy_after:.3f} after "
          f"({-100 * lost:+.2f} points, {found.images} images held out)")  # fmt: skip
    print(f"triggers    PSNR {found.psnr:.1f} dB, SSIM {found.ssim:.3f}")
    print(f"weights     {plain(str(found.spec))}")
    if not found.marked:
        print("            (`verify` may still find it; for a stronger mark give more --share or --epochs, or a --psnr "
              "that is lower when you mint the key)")  # fmt: skip


def verified(found: Verified, suspect: str, *, as_json: bool) -> None:
    j, shown = found.judgement, found.identity
    if as_json:
        emit({
            "suspect": suspect, **_judgement(j), "identity": shown.identity if shown else None,
            "bit_errors": shown.bit_errors if shown else None, "commitment": found.commitment,
            "identity_verified": shown.verified if shown else None,
            "identity_log10_p": shown.log10_p if shown else None, **found.asked, "at": now(), "made_by": made_by(),
            "problems": list(found.problems), "transcript": str(found.transcript) if found.transcript else None,
            "transcript_sha256": found.sha256,
        })  # fmt: skip
        return
    _say(j, suspect, found.problems)
    if shown is not None:
        print(f"  our questions (not the suspect's words) spell: {plain(shown.identity or 'nobody readable')} "
              f"({shown.bit_errors} of 60 bits wrong)")  # fmt: skip
    if j.verdict == "inconclusive" and (found.psnr or 0) > LOUD:
        print(f"  behind JPEG, or trained on hard, a copy may answer stronger patterns: --psnr {LOUD:g}, a second look")
    print(f"  commitment {found.commitment}")
    if found.transcript:
        print(f"  transcript {plain(str(found.transcript))} (sha256 of its last line {found.sha256})")
    print(f"  {j.assumptions}")


def _remarks(j: MarkJudgement, found: Transcript) -> tuple[str, ...]:
    declared = found.rules.get("alpha", j.alpha)
    return () if declared == j.alpha else (f"the transcript was begun with alpha {declared}, not {j.alpha:g}",)


def rejudged(j: MarkJudgement, found: Transcript, path: Path, *, checked: bool, as_json: bool) -> None:
    """`judge` of a transcript that `verify` kept; its owner is the key's commitment."""
    suspect, head = str(found.header.get("suspect")), found.header
    told = {n: v for n, v in head["parameters"].items() if n != "mark"}
    if as_json:
        emit({
            "transcript": str(path), "transcript_sha256": found.sha256, "suspect": suspect, **_judgement(j),
            "commitment": head.get("owner"), "checked": checked, "parameters": told,
            "problems": list(found.evidence.suspect.problems),
            **{key: head.get(key) for key in ("method", "fingerprint", "data", "started", "made_by", "rules")},
        })  # fmt: skip
        return
    _say(j, suspect, (*_remarks(j, found), *found.evidence.suspect.problems))
    print(f"  commitment {plain(str(head.get('owner')))}, begun {plain(str(head.get('started')))}")
    print(f"  transcript {plain(str(path))} (sha256 of its last line {found.sha256})")
    print("  questions and targets are those of the key, checked against it" if checked else
          "  questions and targets are what the file says; `judge --key --data` checks them")  # fmt: skip
    print(f"  {j.assumptions}")


def _judgement(j: MarkJudgement) -> dict[str, Any]:
    return {
        "verdict": j.verdict, "p_value": j.p_value, "log10_p": j.log10_p, "alpha": j.alpha, "hits": j.hits,
        "triggers": j.triggers, "queries": j.queries, "base_rate": j.base_rate, "tried": j.tried,
        "control_accuracy": j.control_accuracy, "labels_log10_p": j.labels_log10_p,
        "probabilities_log10_p": j.probabilities_log10_p, "partial": j.partial, "reasons": list(j.reasons),
        "assumptions": j.assumptions,
    }  # fmt: skip


def _say(j: MarkJudgement, suspect: str, problems: Sequence[str]) -> None:
    console().print(f"[{STYLE[j.verdict]}]{j.verdict}[/] p = {p_text(j.log10_p)} (alpha {j.alpha:g}), "
                    f"{j.queries} questions: {shown_text(suspect)}", highlight=False)  # fmt: skip
    for reason in (*j.reasons, *problems):
        print(f"  {plain(reason)}")


def paired(found: Paired, out: Path, *, as_json: bool) -> None:
    if as_json:
        emit({"path": str(out), **asdict(found)})
        return
    print(f"{plain(str(out))}: {found.bit_accuracy:.1%} of the bits read from one carrier ({found.images} held out), "
          f"PSNR {found.psnr:.1f} dB, SSIM {found.ssim:.3f}")  # fmt: skip
    print(f"digest {found.digest}  (`keygen --pair {plain(str(out))}` binds it to a key)")


def carried(out: Path, pattern: int, quality: tuple[float, float], *, as_json: bool) -> None:
    if as_json:
        emit({"path": str(out), "pattern": pattern, "psnr": quality[0], "ssim": quality[1]})
        return
    print(f"{plain(str(out))}: pattern {pattern}, PSNR {quality[0]:.1f} dB, SSIM {quality[1]:.3f}")


def revealed(found: Shown, *, as_json: bool) -> None:
    if as_json:
        emit({"identity": found.identity or "", "bit_errors": found.bit_errors, "verified": found.verified,
              "log10_p": found.log10_p, "pattern": found.pattern})  # fmt: skip
        return
    named = found.identity if found.verified else None
    print(f"identity    {plain(named) if named else 'not this key' if not found.identity else 'not surely this key'}")
    print(f"bit errors  {found.bit_errors} of 60 before correction; p = {p_text(found.log10_p)}")
