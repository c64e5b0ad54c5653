"""Evidence is judged years later: what a key asks must come out of it as it did."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import small

from whosenet.files import canonical
from whosenet.networks.images import Images
from whosenet.proving.plan import Plan
from whosenet.proving.questions import questions


def counted() -> Images:
    """uint8 [400, 16, 16, 3] by arithmetic, so that no library's idea of chance is in them."""
    numbers = np.arange(400 * 16 * 16 * 3, dtype=np.uint64) * np.uint64(2654435761) % np.uint64(1 << 32)
    return Images((numbers >> np.uint64(24)).astype(np.uint8).reshape(400, 16, 16, 3), np.arange(400) % 6)


def test_old_keys_ask_the_same_questions() -> None:
    """Covers, their order, which pattern is on which, and the targets; NumPy promises none of its permutations.

    If this fails, keys that were published can no longer be verified with their old transcripts: mend the product.
    """
    document = questions(small.key(), counted(), 6, Plan(4, 6, 5, 10)).parameters["mark"]
    assert sha256(canonical(document).encode()).hexdigest() == (
        "f3891c1bbdae0a16294975bd8980adf51b5c0b825049394a991e7cc0f1eb706e"
    )


def test_a_judge_with_his_copy_of_the_key_finds_the_questions_of_the_transcript() -> None:
    plan = Plan(4, 6, 5, 10)
    owner, judge = (questions(k, counted(), 6, plan, psnr=24.0) for k in (small.key(), small.key().for_judge()))
    assert owner.digest == judge.digest and owner.owner == small.key().commitment
    for other in (
        questions(small.key(), counted(), 6, plan),
        questions(small.key("Bob"), counted(), 6, plan, psnr=24.0),
    ):
        assert other.digest != owner.digest
