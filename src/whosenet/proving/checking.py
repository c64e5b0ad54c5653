"""Are the questions of a transcript those of a key? For a judge who has a copy of it, and the images."""

from __future__ import annotations

from typing import Any

import numpy as np

from whosenet.errors import UsageError
from whosenet.keys.key import Key
from whosenet.networks.images import Images
from whosenet.proving.plan import Plan
from whosenet.proving.questions import questions, watermark_of
from whosenet.questions.transcript import Transcript


def check(found: Transcript, key: Key, images: Images) -> None:
    """Derive all questions anew: patterns, covers, order and targets. Raises UsageError if they are others."""
    head = found.header
    if head.get("owner") != key.commitment:
        raise UsageError(
            f"the transcript is about the commitment {str(head.get('owner'))[:16]}, this key's is {key.commitment[:16]}"
        )
    psnr = head["parameters"].get("psnr")
    anew = questions(key, images, images.classes, _plan(head, key), psnr=None if psnr is None else float(psnr))
    if anew.digest != head.get("fingerprint"):
        raise UsageError(
            "these are not the questions that the key asks about these images: the images differ, the transcript was "
            "changed, or another version of whosenet made it (its header says which)"
        )


def _plan(head: dict[str, Any], key: Key) -> Plan:
    """How many questions of each kind there were: as the file says, since versions share a budget in other ways.

    Raises UsageError for what no version asks.
    """
    try:
        shown = np.array(head["parameters"]["mark"]["patterns"], np.int64)
        if shown.ndim != 1 or shown.max(initial=-1) >= len(shown):
            raise ValueError("more patterns than questions")
        times = np.bincount(shown[shown >= 0], minlength=1)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UsageError("the transcript has no layout of a mark") from error
    carriers = watermark_of(key).carriers
    if len(times) < carriers or len(set(times.tolist())) != 1 or not times[0]:
        raise UsageError("not every pattern was to be asked about equally often, which no version of whosenet does")
    return Plan(carriers, len(times) - carriers, int(times[0]), int((shown < 0).sum()))
