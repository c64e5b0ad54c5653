"""Half this, half that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from whosenet.attacks.base import Outcome  # noqa: E402
from whosenet.errors import UnreadableInput, UsageError  # noqa: E402
from whosenet.networks.save import save_weights  # noqa: E402
from whosenet.networks.spec import Network  # noqa: E402

Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def other(owner: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of the owner's architecture, every weight the owner's plus one."""
    module = owner.build()
    module.load_state_dict({n: t + 1 for n, t in owner.module.state_dict().items()})
    return save_weights(module, tmp_path_factory.mktemp("other") / "other.safetensors")


def test_a_soup_is_the_mean(attack: Run, owner: Network, other: Path) -> None:
    made = attack("merge", other=str(other), share=0.25).module.state_dict()
    assert torch.allclose(made["head.weight"], owner.module.state_dict()["head.weight"] + 0.75)


def test_task_arithmetic_adds_what_the_other_learnt(attack: Run, owner: Network, other: Path) -> None:
    made = attack("merge", other=str(other), mode="task", scale=0.5).module.state_dict()
    assert torch.allclose(made["head.weight"], owner.module.state_dict()["head.weight"] + 0.5, atol=1e-6)
    base = attack("merge", other=str(other), base=str(other), mode="task").module.state_dict()
    assert torch.equal(base["head.weight"], owner.module.state_dict()["head.weight"])


def test_by_itself_it_merges_with_a_tuned_copy_and_keeps_the_skill(attack: Run, owner: Network) -> None:
    outcome = attack("merge")
    assert outcome.digest != owner.digest
    assert outcome.accuracy_after > outcome.accuracy_before - 0.1


def test_weights_of_another_architecture_are_refused(attack: Run, tmp_path: Path) -> None:
    path = save_weights(torch.nn.Linear(2, 2), tmp_path / "x.safetensors")
    with pytest.raises(UnreadableInput, match="does not fit"):
        attack("merge", other=str(path))
    with pytest.raises(UsageError, match="mode is one of"):
        attack("merge", mode="stir")
