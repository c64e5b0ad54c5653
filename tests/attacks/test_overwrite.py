"""The thief's own mark gets in, by a key that follows from the seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from whosenet import registry
from whosenet.attacks.base import Outcome
from whosenet.attacks.overwrite import thiefs_key
from whosenet.attacks.student import seed_for
from whosenet.errors import UsageError
from whosenet.networks.images import Images
from whosenet.networks.predict import logits
from whosenet.networks.spec import Network

pytest.importorskip("cryptography")
Run = Callable[..., Outcome]


def hits(module: object, unseen: Images, seed: int) -> float:
    """Share of the thief's triggers that lead to their targets, covers of the target class left out."""
    key = thiefs_key(seed_for("overwrite", seed), {"watermark": "content", "patterns": 1})
    mark = registry.load("watermark", "content")(key)
    numbers = np.zeros(len(unseen), np.int64)
    wanted = mark.targets(4)[numbers]
    said = logits(module, mark.stamp(unseen.x, numbers)).argmax(1)
    return float((said == wanted)[unseen.y != wanted].mean())


def test_the_second_mark_is_in(owner: Network, thief: Images, unseen: Images) -> None:
    attack = registry.load("attack", "overwrite")(watermark="content", patterns=1, epochs=20, lr=0.1, batch=20)
    outcome = attack.run(owner, thief, seed=3, held_out=unseen)
    assert hits(outcome.module, unseen, 3) > hits(owner.module, unseen, 3) + 0.3
    assert outcome.accuracy_after > outcome.accuracy_before - 0.2


def test_every_thief_has_his_own_key(owner: Network, thief: Images, unseen: Images) -> None:
    method = {"watermark": "content", "patterns": 2}
    assert thiefs_key(1, method).commitment == thiefs_key(1, method).commitment != thiefs_key(2, method).commitment


def test_an_unknown_watermark_is_refused(attack: Run) -> None:
    with pytest.raises(UsageError, match="no watermark called 'nonsense'"):
        attack("overwrite", watermark="nonsense")
