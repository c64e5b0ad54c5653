"""A signature of what a network is: neither its weights nor its names, but its shapes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from whosenet.networks.architecture import architecture_of  # noqa: E402


def test_weights_and_names_do_not_count_and_shapes_do() -> None:
    first, second = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    named = nn.ModuleDict({"norm": nn.BatchNorm1d(4), "head": nn.Linear(3, 4)})
    assert architecture_of(first) == architecture_of(second) == architecture_of(named)
    wider, deeper = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5)), nn.Sequential(*first, nn.Linear(4, 4))
    unlike = [wider, deeper, nn.Sequential(nn.Linear(3, 4)), nn.Linear(4, 3)]
    assert len({architecture_of(net) for net in (first, *unlike)}) == 5
