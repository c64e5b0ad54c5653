"""The questions of `verify`: triggers, decoys and clean covers, derived from the key, as a QuerySet like any other."""

from __future__ import annotations

import numpy as np

from whosenet import registry
from whosenet.errors import UsageError
from whosenet.judging.marks import Layout
from whosenet.keys.key import Key
from whosenet.networks.images import Images, split
from whosenet.proving.plan import Plan
from whosenet.questions.answers import empty_stack
from whosenet.questions.queryset import QuerySet
from whosenet.watermarks.base import Numbers, Watermark

HELD_OUT = 0.2
"""Share of the owner's images that no embedding sees, by each image's digest under the key."""

FEWEST = 5


def watermark_of(key: Key, psnr: float | None = None) -> Watermark:
    """The watermark the key was minted for, at `psnr` decibels instead of the key's own."""
    found = registry.load("watermark", str(key.method.get("watermark", "deephiding")))
    made: Watermark = found(key, strength=psnr)
    return made


def parted(images: Images, key: Key) -> tuple[Images, Images]:
    """(for embedding, held out): which is which follows from the key and the image, whatever file it comes in."""
    kept, held = split(images, HELD_OUT, salt=key.derive("held-out", 16).hex())
    if len(kept) < FEWEST or len(held) < FEWEST:
        raise UsageError(
            f"{len(images)} images are too few: about a fifth is held out as covers ({len(held)}), and there must be "
            f"{FEWEST} of these, and of the others"
        )
    if images.classes < 2:
        raise UsageError("all images are of one class, and a mark leads from one to another; give at least two classes")
    return kept, held


def questions(key: Key, images: Images, classes: int, plan: Plan, *, psnr: float | None = None) -> QuerySet:
    """`images`: all of D; only those held out become covers. Order, covers and patterns are derived from the key.

    All patterns, carriers and decoys, are shown on the same covers: what a cover does to the suspect (a wrong label, a
    picture between two classes), it does under all of them, and no choice of images favours the key's. `psnr`: carriers
    and decoys at another strength than the key's; the chance of a false claim stays what it is.
    """
    mark, (_, held) = watermark_of(key, psnr), parted(images, key)
    draws = key.generator("verify/covers")
    number, rows = _crossed(plan, draws.permutation(len(held)))
    order = draws.permutation(len(number))
    number, rows = number[order], rows[order]
    covers, labels = np.ascontiguousarray(held.x[rows]), held.y[rows]
    shown = covers.copy()
    shown[number >= 0] = mark.stamp(covers[number >= 0], number[number >= 0])
    targets = mark.targets(classes)
    carrier = (number >= 0) & (number < plan.carriers)
    expected = np.where(carrier, targets[np.where(carrier, number, 0)], labels)
    layout = Layout(plan.carriers, number, labels, targets)
    method = {"mark": layout.document(), "key": dict(key.method), **({} if psnr is None else {"psnr": psnr})}
    return QuerySet(
        images=shown, expected=expected, probabilities=np.eye(classes, dtype=np.float32)[expected], control=number < 0,
        method=mark.name, parameters=method, owner=key.commitment,
        names=images.names, data=images.digest, copies=empty_stack(len(expected), classes),
    )  # fmt: skip


def _crossed(plan: Plan, lot: Numbers) -> tuple[Numbers, Numbers]:
    """(pattern, or -1 for none; row of the cover) of every question, int64 [n] each; `lot`: all rows, shuffled.

    Images come twice only where there are too few: clean covers are others than those with patterns.
    """
    patterns = plan.carriers + plan.decoys
    shown, rest = np.resize(lot, plan.covers), lot[plan.covers :]
    clean = np.resize(rest if len(rest) else lot, plan.clean)
    number = np.concatenate([np.full(plan.clean, -1), np.repeat(np.arange(patterns), plan.covers)])
    return number, np.concatenate([clean, np.tile(shown, patterns)])
