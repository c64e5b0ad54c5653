"""Fewer layers, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.attacks.laundered import PIXELS, launder  # noqa: E402
from whosenet.attacks import folder  # noqa: E402
from whosenet.attacks.base import Outcome  # noqa: E402
from whosenet.attacks.depth import Cut  # noqa: E402
from whosenet.errors import UsageError  # noqa: E402
from whosenet.networks.images import Images  # noqa: E402
from whosenet.networks.predict import logits  # noqa: E402
from whosenet.networks.spec import Network, load_network  # noqa: E402

Run = Callable[..., Outcome]


def test_the_least_missed_block_is_skipped() -> None:
    module = launder("depth-cut", "residual", epochs=0, part="blocks").module
    gone = [n for n, m in module.named_modules() if isinstance(m, Cut)]
    assert len(gone) == 1 and gone[0] in ("blocks.0", "blocks.1"), "the third block changes the width"
    assert not any(n.startswith(gone[0]) for n in module.state_dict())


def test_more_blocks_than_there_are_is_said() -> None:
    with pytest.raises(UsageError, match="no 9 blocks"):
        launder("depth-cut", "residual", epochs=0, part="blocks", count=9)


def test_the_end_is_cut_and_a_new_head_fitted(attack: Run, owner: Network, thief: Images, tmp_path: Path) -> None:
    outcome = attack("depth-cut", part="last", epochs=0)
    assert "network.last.0.weight" not in outcome.module.state_dict(), "what comes later is gone from the weights"
    assert torch.equal(outcome.module.state_dict()["network.stem.0.weight"], owner.module.state_dict()["stem.0.weight"])
    assert outcome.accuracy_after > 0.4, "four classes: the features alone still know something"
    copy = load_network(str(folder.write(outcome, owner, tmp_path)))
    assert np.array_equal(logits(copy.module, PIXELS.x), logits(outcome.module, PIXELS.x))


def test_tuning_afterwards_helps(attack: Run) -> None:
    assert attack("depth-cut", part="last", epochs=2).accuracy_after > 0.6


@pytest.mark.parametrize("wrong", [{"part": "middle"}, {"count": 0}])
def test_parameters_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="part is one of"):
        launder("depth-cut", "residual", **wrong)
