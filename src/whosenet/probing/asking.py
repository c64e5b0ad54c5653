"""`whosenet probe`: put a fingerprint's questions to a suspect and judge its answers against honest references."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from whosenet import thresholds
from whosenet.errors import UsageError
from whosenet.judging import Judgement, judge, own_kind
from whosenet.judging.null import trouble
from whosenet.judging.sequential import Sequential
from whosenet.networks.architecture import architecture_of
from whosenet.networks.images import Pixels
from whosenet.networks.predict import probabilities
from whosenet.networks.spec import Network
from whosenet.questions.answers import Kind, Stack, empty_stack
from whosenet.questions.evidence import Evidence
from whosenet.questions.queryset import QuerySet
from whosenet.questions.recording import recording
from whosenet.suspects.base import Suspect
from whosenet.suspects.reply import Asked, Tally

OnStep = Callable[[int, int], None]
SEQUENTIAL_BATCH = 5
"""Questions between two looks at the evidence, when the probe may stop early."""
TOO_FEW = ("{} null references: whatever the suspect answers, the verdict will be inconclusive; at least "
           f"{thresholds.MIN_REFERENCES} are needed (`whosenet twins` trains them)")  # fmt: skip
MAX_HEADER = 1 << 28
"""Bytes of a transcript's first line."""


@dataclass(frozen=True)
class Probed:
    """A judgement and where its evidence lies."""

    judgement: Judgement
    evidence: Evidence
    tally: Tally
    transcript: Path | None
    sha256: str | None = None
    """Of the transcript's last line, and so of all of it."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    """alpha, sequential, labels_only, budget: what was fixed before asking."""
    partial: bool = False
    """Another number of questions was answered than had been decided."""


def check_null(questions: QuerySet, references: Sequence[Network], suspect: Suspect) -> None:
    """UsageError unless the references are honest nets that had no part in choosing the points and are not on trial."""
    for network in references:
        if network.digest in questions.chosen_by:
            raise UsageError(
                f"--reference {network.spec} chose points of this fingerprint, so it cannot be the null, too: "
                "nets that chose agree too little, and strangers would be accused; give others"
            )
        if network.digest == questions.owner:
            raise UsageError(f"--reference {network.spec} is the owner's own network; give independent ones")
        if network.digest in questions.copies.digests:
            raise UsageError(f"--reference {network.spec} is a derived copy kept in the fingerprint; give honest nets")
        if suspect.digest is not None and network.digest == suspect.digest:
            raise UsageError(f"--reference {network.spec} is the suspect itself; leave it out")


def ask_references(questions: QuerySet, references: Sequence[Network]) -> Stack:
    """What honest nets say of the questions. Raises UsageError if one has other classes."""
    if not references:
        return empty_stack(len(questions), questions.classes)
    stacked = np.stack([_said(network, questions, questions.images) for network in references])
    digests = tuple(network.digest for network in references)
    kinds = tuple(_kind(network, questions) for network in references)
    return Stack(digests, tuple(str(n.spec) for n in references), stacked.argmax(2).astype(np.int64), stacked, kinds)


def _kind(network: Network, questions: QuerySet) -> Kind:
    clean = questions.yardstick
    said = _said(network, questions, clean.images).argmax(1) if len(clean) else None
    return Kind(architecture_of(network.module), None if said is None else clean.accuracy(said))


def _said(network: Network, questions: QuerySet, images: Pixels) -> np.ndarray:
    try:
        found = probabilities(network.module, images)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        why = str(error).partition("\n")[0][:120]
        raise UsageError(f"--reference {network.spec} cannot take the fingerprint's images "
                         f"{list(questions.images.shape[1:])}: {why}") from error  # fmt: skip
    if found.shape[1] != questions.classes:
        raise UsageError(
            f"--reference {network.spec} has {found.shape[1]} classes, the fingerprint {questions.classes}"
        )
    return found


def probe(
    suspect: Suspect,
    questions: QuerySet,
    references: Sequence[Network] = (),
    *,
    alpha: float,
    budget: int | None = None,
    labels_only: bool = False,
    sequential: bool = False,
    transcript: str | Path | None = None,
    on_step: OnStep | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Probed:
    """Ask and judge. With `transcript` every answer is on the disk before the next is asked, and a stopped run goes on.

    `budget` is the most questions the suspect may be asked (controls and retries included); `sequential` stops as soon
    as the verdict is certain enough. `on_note` is told before the first question what will keep the verdict from being
    one. Raises UsageError, SuspectUnreachable (the transcript keeps what was answered).
    """
    check_null(questions, references, suspect)
    null = ask_references(questions, references)
    wrong = trouble(questions.expected, questions.probabilities, questions.control, null)
    if wrong:
        raise UsageError(f"--reference: {wrong}")
    watch = Sequential(questions, null, alpha=alpha) if sequential else None
    rules = {"alpha": alpha, "sequential": sequential, "labels_only": labels_only, "budget": budget}
    decided = min(first_budget(transcript, budget) or len(questions), len(questions))
    with recording(transcript, questions, suspect.describe(), rules, null=null) as kept:
        if on_note:
            _warn(null, questions, on_note)
        answers = suspect.ask(
            questions.images, classes=questions.classes, names=questions.names, budget=budget,
            labels_only=labels_only, transcript=kept, batch=SEQUENTIAL_BATCH if sequential else None, on_step=on_step,
            on_batch=None if watch is None else lambda rows, said: watch(said),
        )  # fmt: skip
    if not len(answers):
        raise UsageError("no question was asked, so there is nothing to judge; raise --budget")
    evidence = evidence_of(questions, null, answers)
    partial = not sequential and len(answers) != decided
    judgement = judge(evidence, alpha=alpha, sequential=sequential or partial)
    if partial:
        judgement = replace(judgement, reasons=(*judgement.reasons, partial_reason(len(answers), len(questions))))
    return Probed(judgement, evidence, answers.tally, Path(transcript) if transcript else None,
                  kept.sha256 if kept else None, rules, partial)  # fmt: skip


def _warn(null: Stack, questions: QuerySet, on_note: Callable[[str], None]) -> None:
    """What is known before the first question."""
    unlike = own_kind.shortage(questions.kind, null).why
    if len(null) < thresholds.MIN_REFERENCES:
        on_note(TOO_FEW.format(len(null)))
    elif unlike:
        on_note(f"whatever the suspect answers, the verdict will not be derived: {unlike}")


def partial_reason(asked: int, questions: int) -> str:
    """A fixed number of questions is a promise: who may stop, or go on, when it looks well, gets a smaller p-value."""
    return (f"partial: {asked} of {questions} questions were answered, not as many as decided beforehand, so this is "
            "judged as a probe that may stop at any time (ask on with the same command)")  # fmt: skip


def first_budget(transcript: str | Path | None, budget: int | None) -> int | None:
    """The budget decided before the first question: that of the transcript, if it was begun before."""
    if transcript is None or not Path(transcript).is_file():
        return budget
    try:
        with Path(transcript).open("rb") as file:
            said = json.loads(file.readline(MAX_HEADER))["rules"].get("budget")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return budget  # the writer says what is wrong with it
    return said if isinstance(said, int) else None


def evidence_of(questions: QuerySet, null: Stack, answers: Asked) -> Evidence:
    """The questions that were asked, with everybody's answers."""
    asked = questions.take(answers.rows)
    return Evidence(
        asked.expected, asked.probabilities, asked.control, answers, null.take(answers.rows), asked.copies,
        questions.score, questions.kind,
    )  # fmt: skip


def transcript_path(fingerprint: str | Path, suspect: str) -> Path:
    """Where the answers of a suspect on the network are kept unless another place is named."""
    short = hashlib.sha256(suspect.encode()).hexdigest()[:12]
    path = Path(fingerprint)
    return path.with_name(f"{path.name}.{short}.transcript.jsonl")
