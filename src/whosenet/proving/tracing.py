"""`whosenet trace`: which licensee's copy is this? All keys are tried on one suspect, and all are corrected for.

Two stages. Screening asks about a few triggers of every key and picks at most four. These are verified, with fresh
covers and with decoys, at alpha divided by the number of ALL keys. Why screening cannot bias this: every key has one
verification, fixed before the first question by the key, the images, the number of keys, alpha and the budget. Had all
of them been run, the chance that any key has a p-value under alpha / keys in a model made without it would be at most
alpha (union bound, whatever depends on what); running only some of them can only lower it. That a key was picked
because its patterns hit by chance does not matter for that reason alone; fresh covers keep one lucky cover from
counting twice, but could not make up for trying many keys without the correction.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whosenet import thresholds
from whosenet.errors import UnreadableInput, UsageError
from whosenet.judging.marks import ASSUMPTIONS, MarkJudgement
from whosenet.keys.key import Key
from whosenet.networks.images import Images, split
from whosenet.proving.keyring import Keyring
from whosenet.proving.questions import watermark_of
from whosenet.proving.schedule import Schedule, schedule, verification
from whosenet.proving.screening import Ask, Numbers, Screened, screen, unusable
from whosenet.proving.verifying import verify
from whosenet.questions.queryset import QuerySet
from whosenet.questions.recording import recording
from whosenet.suspects.base import Suspect
from whosenet.suspects.reply import Tally
from whosenet.types import Verdict

OnStage = Callable[[str, int, int], None]
SET_ASIDE = 256
"""Images that screening alone uses, at most ..."""
SHARE = 0.1
"""... and at most this share of them."""
FEWEST = 5
"""... but not fewer: one cover that hits by chance would speak for many keys."""
WORTH = 1 / 3
"""A key is verified only if its triggers hit at least so often, in rates of the best key's."""
FOLDER = "another folder with --transcripts"


@dataclass(frozen=True)
class Candidate:
    """A key that was verified."""

    identity: str
    commitment: str
    judgement: MarkJudgement
    """Corrected for all keys; made from questions of the second stage alone."""
    screened: float
    """Share (0..1) of its triggers that hit while screening; 0 where nothing was screened."""
    transcript: Path | None


@dataclass(frozen=True)
class Traced:
    verdict: Verdict
    licensees: tuple[str, ...]
    """Whose marks are in the suspect; nobody is named who is not `derived`."""
    log10_p: float
    """Of the best key, corrected for all; 0 where none was worth verifying."""
    alpha: float
    keys: int
    """Tried; those that failed later are counted, too."""
    queries: int
    """Images the suspect looked at in both stages, repeats included."""
    candidates: tuple[Candidate, ...]
    """The most likely first."""
    failed: tuple[tuple[str, str], ...]
    """Key files, or identities of keys, that could not be tried, and why."""
    schedule: Schedule
    reasons: tuple[str, ...]
    problems: tuple[str, ...] = ()
    """What was wrong with answers."""
    assumptions: str = ASSUMPTIONS

    @property
    def commitments(self) -> tuple[str, ...]:
        """Of the keys that were found."""
        return tuple(c.commitment for c in self.candidates if c.judgement.verdict == "derived")


def trace(suspect: Suspect, ring: Keyring, images: Images, *, alpha: float = thresholds.VERIFY_ALPHA,
          budget: int | None = None, labels_only: bool = False, transcripts: str | Path | None = None,
          on_stage: OnStage | None = None) -> Traced:  # fmt: skip
    """Ask at most `budget` questions (default: what the number of keys and alpha take) and name who is found.

    `transcripts`: a folder that keeps every answer; the same call goes on from it. Raises UsageError (nothing was
    asked), SuspectUnreachable (the transcripts keep what was answered).
    """
    return _Trace(suspect, ring, images, alpha, budget, labels_only, transcripts, on_stage).run()


class _Trace:
    """Run once."""

    def __init__(self, suspect: Suspect, ring: Keyring, images: Images, alpha: float, budget: int | None,
                 labels_only: bool, transcripts: str | Path | None, on_stage: OnStage | None) -> None:  # fmt: skip
        self.suspect, self.images, self.alpha, self.labels_only = suspect, images, alpha, labels_only
        self.keys, self.failed = usable(ring)
        self.fresh, self.pool = set_aside(images)
        self.kept = None if transcripts is None else Path(transcripts)
        self.on_stage = on_stage or (lambda *_: None)
        self.tried = len(self.keys)
        carriers = min(watermark_of(key).carriers for key in self.keys)
        self.log10_alpha = math.log10(alpha / self.tried)
        self.schedule = schedule(self.tried, carriers, images.classes, self.log10_alpha, budget)
        self.queries = 0
        self.problems: dict[str, None] = {}

    def run(self) -> Traced:
        if self.schedule.rounds:
            seen, picked = screen(self.keys, self.pool, self.images.classes, self.schedule, self._asking())
            chosen = worth(seen, picked)
        else:
            seen = unusable(self.keys, self.pool, self.images.classes)
            chosen = np.array([i for i in range(self.tried) if i not in seen.failed], np.int64)
        found = self._candidates(chosen, seen)
        return self._answer(found, tuple((self.keys[i].identity, why) for i, why in seen.failed.items()))

    def _asking(self) -> Ask:
        def ask(asked: QuerySet, name: str) -> tuple[Numbers, Numbers]:
            rules = {"alpha": self.alpha, "labels_only": self.labels_only, "keys": self.tried, "budget": len(asked)}
            with recording(self._path(name), asked, self.suspect.describe(), rules, elsewhere=FOLDER) as kept:
                answers = self.suspect.ask(
                    asked.images, classes=asked.classes, names=asked.names, budget=len(asked), transcript=kept,
                    labels_only=self.labels_only, on_step=self._screening(self.queries),
                )  # fmt: skip
            self._count(answers.tally, answers.problems)
            return answers.rows, answers.labels

        return ask

    def _candidates(self, chosen: Numbers, seen: Screened) -> list[Candidate]:
        """One that cannot be verified must not hide the others. Raises UsageError if none can."""
        found, why = [], ""
        for place, number in enumerate(chosen.tolist()):
            try:
                found.append(self._verified(number, place, len(chosen), seen))
            except (UsageError, UnreadableInput) as error:
                why = seen.failed[number] = str(error)
        if why and not found:
            raise UsageError(f"none of {len(chosen)} candidates can be verified: {why}")
        return found

    def _verified(self, number: int, place: int, of: int, seen: Screened) -> Candidate:
        key, path = self.keys[number], self._path(self.keys[number].commitment[:16])
        budget = verification(watermark_of(key).carriers, self.images.classes, self.log10_alpha)
        step = self.on_stage
        found = verify(
            self.suspect, key, self.fresh, alpha=self.alpha, budget=budget, tried=self.tried,
            labels_only=self.labels_only, transcript=path,
            on_step=lambda done, total: step(f"verifying candidate {place + 1} of {of}", done, total),
        )  # fmt: skip
        self._count(found.tally, found.problems)
        return Candidate(key.identity, key.commitment, found.judgement, float(seen.rates[number]), path)

    def _answer(self, found: list[Candidate], failed: tuple[tuple[str, str], ...]) -> Traced:
        ranked = tuple(sorted(found, key=lambda c: (c.judgement.log10_p, -c.screened)))
        named = tuple(dict.fromkeys(c.identity for c in ranked if c.judgement.verdict == "derived"))
        log10_p = min((c.judgement.log10_p for c in ranked), default=0.0)
        verdict: Verdict = "derived" if named else "inconclusive"
        return Traced(verdict, named, log10_p, self.alpha, self.tried, self.queries, ranked, self.failed + failed,
                      self.schedule, reasons(named, ranked, self.tried), tuple(self.problems))  # fmt: skip

    def _count(self, tally: Tally, problems: tuple[str, ...]) -> None:
        self.queries += tally.spent + tally.resumed
        self.problems |= dict.fromkeys(problems)

    def _screening(self, before: int) -> Callable[[int, int], None]:
        return lambda done, _: self.on_stage("screening", before + done, self.schedule.screening)

    def _path(self, name: str) -> Path | None:
        return None if self.kept is None else self.kept / f"{name}.transcript.jsonl"


def usable(ring: Keyring) -> tuple[tuple[Key, ...], tuple[tuple[str, str], ...]]:
    """(keys whose watermark is known, failed). Raises UsageError if none is."""
    keys, failed = [], list(ring.failed)
    for key in ring.keys:
        try:
            if watermark_of(key).carriers:
                keys.append(key)
        except (UsageError, UnreadableInput) as error:
            failed.append((key.identity, str(error)))
    if not keys:
        raise UsageError(f"none of {len(ring.keys)} keys can be tried: {failed[-1][1]}")
    return tuple(keys), tuple(failed)


def set_aside(images: Images) -> tuple[Images, Images]:
    """(for verifying, for screening), by each image's digest. Raises UsageError."""
    fresh, pool = split(images, min(SHARE, SET_ASIDE / max(1, len(images))), salt="trace/screening")
    if len(pool) < FEWEST or len(np.unique(pool.y)) < 2:
        raise UsageError(f"{len(images)} images are too few to trace with; give some hundreds of several classes")
    # the last class may be missing in a part, so that the number of classes is the whole set's
    return Images(fresh.x, fresh.y, images.names), Images(pool.x, pool.y, images.names)


def worth(seen: Screened, picked: Numbers) -> Numbers:
    """Those of the picked keys, best first, that hit at all and not far less often than the best."""
    rates = seen.rates[picked]
    kept: Numbers = picked[(rates > 0) & (rates >= WORTH * rates.max(initial=0.0))]
    return kept


def reasons(named: tuple[str, ...], found: tuple[Candidate, ...], keys: int) -> tuple[str, ...]:
    if len(named) > 1:
        return (f"the marks of {len(named)} licensees are in it, each beyond chance by itself: their copies were put "
                "together, or one of them marked again",)  # fmt: skip
    if named:
        return (f"of {keys} keys, this one answers beyond chance and no other does",)
    looked = f"the likeliest {len(found)} of {keys} keys were verified, and none answers beyond chance"
    none = f"no trigger of any of {keys} keys hit while screening, so none was worth verifying"
    return (looked if found else none,
            "this clears nobody: a copy may have lost its mark, or be of a licensee whose key is not here")  # fmt: skip
