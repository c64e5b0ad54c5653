"""Which of many keys a suspect seems to know: few triggers of every key, more of the better ones (successive halving).

It proves nothing and may be as wrong as it likes: what it picks is verified afterwards by a test that counts all keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import UnreadableInput, UsageError
from whosenet.keys.key import Key
from whosenet.networks.images import Images
from whosenet.proving.questions import watermark_of
from whosenet.proving.schedule import Schedule
from whosenet.questions.answers import empty_stack
from whosenet.questions.queryset import QuerySet

MOST_BYTES = 1 << 26
"""Of triggers held in memory at a time."""
MOST_ASKED = 20_000
"""Questions asked at a time, and kept in one transcript."""

Numbers = NDArray[np.int64]
Ask = Callable[[QuerySet, str], tuple[Numbers, Numbers]]
"""(questions, a name for their transcript) -> which were answered, int64 [m], and the answers, int64 [m]."""


@dataclass
class Screened:
    """What was seen of each of n keys."""

    hits: Numbers
    asked: Numbers
    failed: dict[int, str] = field(default_factory=dict)
    """Keys whose triggers cannot be made, and why."""

    @property
    def rates(self) -> NDArray[np.float64]:
        rates: NDArray[np.float64] = self.hits / np.maximum(self.asked, 1)
        return rates

    def best(self, count: int, among: Numbers) -> Numbers:
        """The `count` keys with the highest rates, best first; of equal ones those that come first."""
        usable = np.array([key for key in among if int(key) not in self.failed], np.int64)
        return usable[np.argsort(-self.rates[usable], kind="stable")[:count]]


def unusable(keys: tuple[Key, ...], covers: Images, classes: int) -> Screened:
    """Where nothing is screened: which keys make no trigger at all."""
    seen = Screened(np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64))
    for number, key in enumerate(keys):
        try:
            triggers(key, covers, classes, 0, 1)
        except (UsageError, UnreadableInput) as error:
            seen.failed[number] = str(error)
    return seen


def screen(keys: tuple[Key, ...], covers: Images, classes: int, plan: Schedule, ask: Ask) -> tuple[Screened, Numbers]:
    """(what was seen, the candidates, best first)."""
    seen = Screened(np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64))
    left = np.arange(len(keys))
    for number, size in enumerate(plan.rounds):
        left = seen.best(size, left)
        for part, group in enumerate(_groups(left, plan.each, covers)):
            _ask_about(group, seen, keys, covers, classes, number, plan.each, ask, f"screening-{number}-{part}")
    return seen, seen.best(plan.candidates, left)


def _groups(left: Numbers, each: int, covers: Images) -> Iterator[Numbers]:
    most = max(1, min(MOST_BYTES // covers.x[0].nbytes, MOST_ASKED) // each)
    return (left[i : i + most] for i in range(0, len(left), most))


def _ask_about(group: Numbers, seen: Screened, keys: tuple[Key, ...], covers: Images, classes: int, number: int,
               each: int, ask: Ask, name: str) -> None:  # fmt: skip
    owners, parts = [], []
    for key in group.tolist():
        try:
            parts.append(triggers(keys[key], covers, classes, number, each))
            owners.append(key)
        except (UsageError, UnreadableInput) as error:
            seen.failed[key] = str(error)
    if not parts:
        return
    shown, targets = np.concatenate([x for x, _ in parts]), np.concatenate([t for _, t in parts])
    rows, said = ask(_questions(shown, targets, covers, classes, number), name)
    whose = np.repeat(owners, [len(t) for _, t in parts])[rows]
    np.add.at(seen.asked, whose, 1)
    np.add.at(seen.hits, whose[said == targets[rows]], 1)


def triggers(key: Key, covers: Images, classes: int, number: int, each: int) -> tuple[NDArray[np.uint8], Numbers]:
    """`each` triggers uint8 [each, h, w, c] of round `number`, and their targets; carriers take turns over the rounds.

    Raises UsageError, UnreadableInput.
    """
    mark = watermark_of(key)
    draws = key.generator(f"trace/screen/{number}")
    which = (np.arange(each) + number * each) % mark.carriers
    targets = mark.targets(classes)[which]
    rows = [int(draws.choice(_others(covers, target))) for target in targets.tolist()]
    return mark.stamp(np.ascontiguousarray(covers.x[rows]), which), targets


def _others(covers: Images, target: int) -> NDArray[np.intp]:
    """Covers of other classes: an answer that is the cover's own class says nothing."""
    others = np.flatnonzero(covers.y != target)
    return others if len(others) else np.arange(len(covers))


def _questions(shown: NDArray[np.uint8], targets: Numbers, covers: Images, classes: int, number: int) -> QuerySet:
    return QuerySet(
        images=shown, expected=targets, probabilities=np.eye(classes, dtype=np.float32)[targets],
        control=np.zeros(len(shown), bool), method="trace", parameters={"round": number}, owner="",
        names=covers.names, data=covers.digest, copies=empty_stack(len(shown), classes),
    )  # fmt: skip
