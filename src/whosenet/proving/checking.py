"""Are the questions of a transcript those of a key? For a judge who has a copy of it, and the images."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from whosenet.errors import UsageError
from whosenet.files import canonical
from whosenet.keys.key import Key
from whosenet.networks.images import Images
from whosenet.proving.plan import Plan, shares
from whosenet.proving.questions import questions, watermark_of
from whosenet.proving.tracing import set_aside
from whosenet.proving.verifying import looks
from whosenet.questions.answers import empty_stack
from whosenet.questions.transcript import OF_THE_RUN, Transcript, header

SAID = (*OF_THE_RUN, "suspect", "rules")
"""Of a header, what no key decides: it is what the file says."""


def check(found: Transcript, key: Key, images: Images) -> None:
    """Derive the whole header anew: patterns, covers, order, labels and targets. Raises UsageError if it is another.

    `images`: all of D; of a `trace`, too. The rules (alpha, keys tried) remain what the file says, but not fewer looks
    than the questions themselves show.
    """
    head = found.header
    if head.get("owner") != key.commitment:
        raise UsageError(
            f"the transcript is about the commitment {str(head.get('owner'))[:16]}, this key's is "
            f"{key.commitment[:16]}; give the key of that commitment"
        )
    psnr = head["parameters"].get("psnr")
    strength = None if psnr is None else float(psnr)
    _check_rules(found.rules, key, strength)
    anew = questions(key, _asked_with(images, head), images.classes, _plan(head, found.rules, key), psnr=strength)
    nobody = empty_stack(len(anew), anew.classes)
    wanted = json.loads(canonical(header(anew, nobody, "", {})))
    others = [part for part, value in wanted.items() if part not in SAID and head.get(part) != value]
    if others:
        raise UsageError(
            f"these are not the questions that the key asks about these images ({', '.join(others)} differ): the "
            "images are others, the transcript was changed, or another version of whosenet made it (its header says "
            "which)"
        )


def _asked_with(images: Images, head: dict[str, Any]) -> Images:
    """`trace` sets some of the images aside before it verifies."""
    if images.digest != head.get("data"):
        fresh, _ = set_aside(images)
        return fresh if fresh.digest == head.get("data") else images
    return images


def _check_rules(rules: dict[str, Any], key: Key, psnr: float | None) -> None:
    tried, alone = rules.get("tried"), rules.get("labels_only")
    if type(tried) is not int or type(alone) is not bool or tried < looks(key, psnr, 1):
        raise UsageError("the transcript does not say how often was looked (tried, labels_only), or too few times")


def _plan(head: dict[str, Any], rules: dict[str, Any], key: Key) -> Plan:
    """How many questions of each kind there were: as the file says, since versions share a budget in other ways, if it
    is one of the ways to share the budget that was declared.

    Raises UsageError for what no version asks.
    """
    carriers = watermark_of(key).carriers
    try:
        shown = np.array(head["parameters"]["mark"]["patterns"], np.int64)
        if shown.ndim != 1 or shown.max(initial=-1) >= len(shown):
            raise ValueError("more patterns than questions")
        times = np.bincount(shown[shown >= 0], minlength=1)
        asked = Plan(carriers, len(times) - carriers, int(times[0]), int((shown < 0).sum()))
        known = shares(carriers, int(rules["budget"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UsageError("the transcript has no layout of a mark") from error
    if len(set(times.tolist())) != 1 or asked not in known:
        raise UsageError("the questions are shared out as no version of whosenet shares the budget that was declared")
    return asked
