"""Are the questions of a transcript those of a key? For a judge who has a copy of it, and the images."""

from __future__ import annotations

import math

from whosenet import thresholds
from whosenet.errors import UsageError
from whosenet.keys.key import Key
from whosenet.networks.images import Images
from whosenet.proving.plan import plan
from whosenet.proving.questions import questions, watermark_of
from whosenet.questions.transcript import Transcript


def check(found: Transcript, key: Key, images: Images) -> None:
    """Derive all questions anew: patterns, covers, order and targets. Raises UsageError if they are others."""
    rules, head = found.rules, found.header
    if head.get("owner") != key.commitment:
        raise UsageError(
            f"the transcript is about the commitment {str(head.get('owner'))[:16]}, this key's is {key.commitment[:16]}"
        )
    alpha, tried = (rules.get(n, usual) for n, usual in (("alpha", thresholds.VERIFY_ALPHA), ("tried", 1)))
    psnr = head["parameters"].get("psnr")
    chosen = plan(
        watermark_of(key).carriers, images.classes, int(rules.get("budget") or thresholds.VERIFY_BUDGET),
        math.log10(alpha / tried),
    )  # fmt: skip
    anew = questions(key, images, images.classes, chosen, psnr=None if psnr is None else float(psnr))
    if anew.digest != head.get("fingerprint"):
        raise UsageError(
            "these are not the questions that the key asks about these images: the images differ, the transcript was "
            "changed, or another version of whosenet made it (its header says which)"
        )
