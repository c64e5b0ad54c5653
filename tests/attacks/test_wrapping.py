"""Networks behind a change keep the owner's weights and are written with the change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from whosenet import registry
from whosenet.attacks import folder, transforms
from whosenet.attacks.base import Outcome
from whosenet.attacks.wrapping import Wrapping
from whosenet.errors import UsageError
from whosenet.networks.images import Images, as_tensor
from whosenet.networks.predict import logits
from whosenet.networks.spec import Network, load_network

Run = Callable[..., Outcome]
NAMES = [name for name, cls in registry.plugins("attack").items() if issubclass(cls, Wrapping)]
every = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def kornia() -> None:
    pytest.importorskip("kornia")


def test_they_are_all_here() -> None:
    inputs = ["blur", "jpeg", "median", "noise", "quantise", "resize", "resize-pad"]
    assert sorted(NAMES) == [f"input-{name}" for name in inputs] + ["label-only", "round-probabilities"]


@every
def test_the_weights_are_the_owners(attack: Run, owner: Network, name: str) -> None:
    outcome = attack(name)
    assert outcome.digest == owner.digest
    assert outcome.accuracy_after > 0.5, "stripes two pixels wide suffer, and are still told apart"


@every
def test_answers_change_and_survive_the_folder(attack: Run, owner: Network, thief: Images, tmp_path: Path,
                                               name: str) -> None:  # fmt: skip
    outcome = attack(name, seed=5)
    copy = load_network(folder.write(outcome, owner, tmp_path))
    answers = logits(copy.module, thief.x[:50])
    assert (answers == logits(outcome.module, thief.x[:50])).all()
    assert (answers != logits(owner.module, thief.x[:50])).any()


@pytest.mark.parametrize("name", ["input-noise", "input-resize-pad"])
def test_the_seed_decides(attack: Run, thief: Images, name: str) -> None:
    once, again, other = (logits(attack(name, seed=s).module, thief.x[:9]) for s in (1, 1, 2))
    assert (once == again).all() and (once != other).any()


def test_changes_can_stand_one_behind_the_other(attack: Run, owner: Network, thief: Images, tmp_path: Path) -> None:
    first = load_network(folder.write(attack("input-quantise", bits=2), owner, tmp_path / "first"))
    outcome = registry.load("attack", "label-only")().run(first, thief)
    copy = load_network(folder.write(outcome, first, tmp_path / "second"))
    expected = transforms.TopOnly()(owner.module(transforms.Quantise(2)(as_tensor(thief.x[:20])))).numpy()
    assert (logits(copy.module, thief.x[:20]) == expected).all()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("input-jpeg", {"quality": 0}), ("input-jpeg", {"quality": 96}), ("input-blur", {"sigma": 0.0}),
        ("input-blur", {"sigma": float("nan")}), ("input-median", {"size": 4}), ("input-noise", {"sigma": -0.1}),
        ("input-resize-pad", {"smallest": 0.0}), ("input-quantise", {"bits": 0}),
        ("round-probabilities", {"digits": 0}),
    ],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(attack: Run, name: str, wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot be done as"):
        attack(name, **wrong)
