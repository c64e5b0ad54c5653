"""Plans keep to their budget and can reach alpha where anything can."""

from __future__ import annotations

import pytest

from whosenet.errors import UsageError
from whosenet.judging.chance import floor_log10
from whosenet.proving.plan import COVERS, plan


@pytest.mark.parametrize("carriers", [1, 4, 8])
@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("budget", [40, 100, 200, 1000])
def test_within_the_budget(carriers: int, classes: int, budget: int) -> None:
    found = plan(carriers, classes, budget, -6)
    assert found.questions <= budget and found.decoys >= 0 and COVERS[1] <= found.covers <= COVERS[0]


@pytest.mark.parametrize("classes", [2, 4, 10, 43, 1000])
def test_the_default_budget_can_reach_the_default_alpha(classes: int) -> None:
    found = plan(4, classes, 200, -6)
    assert floor_log10(found.carriers + found.decoys, classes, found.carriers) <= -6


def test_the_budget_it_asks_for_is_enough() -> None:
    with pytest.raises(UsageError) as raised:
        plan(8, 10, 20, -6)
    plan(8, 10, int(str(raised.value).rsplit(" ", 1)[1]), -6)
