"""Every tensor another, every answer the same."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.attacks.laundered import NETS, PIXELS, change, launder, network, untouched  # noqa: E402
from whosenet.attacks.permute import Permute  # noqa: E402
from whosenet.attacks.wiring import wiring  # noqa: E402
from whosenet.errors import UsageError  # noqa: E402
from whosenet.networks.images import as_tensor  # noqa: E402


@pytest.mark.parametrize("kind", NETS)
def test_the_answers_stay_and_every_tensor_moves(kind: str) -> None:
    outcome = launder("permute", kind)
    assert change(kind, outcome) < 1e-5
    assert not untouched(kind, outcome)


@pytest.mark.parametrize("kind", NETS)
def test_the_numbers_are_the_same_numbers(kind: str) -> None:
    before, after = network(kind).module.state_dict(), launder("permute", kind).module.state_dict()
    for name, tensor in before.items():
        assert torch.equal(tensor.flatten().sort().values, after[name].flatten().sort().values), name


def test_the_seed_decides() -> None:
    digests = [launder("permute", "plain", seed=s).module.first.weight for s in (1, 1, 2)]
    assert torch.equal(digests[0], digests[1]) and not torch.equal(digests[0], digests[2])


def test_a_share_moves_a_share() -> None:
    before, after = network("plain").module.first.weight, launder("permute", "plain", share=0.3).module.first.weight
    rows = {tuple(r.sort().values.tolist()) for r in before}
    assert {tuple(r.sort().values.tolist()) for r in after} == rows
    stays = sum(bool(torch.equal(a.sort().values, b.sort().values)) for a, b in zip(before, after, strict=True))
    assert 13 <= stays < 20


@pytest.mark.parametrize("kind", NETS)
def test_the_answer_and_the_pixels_keep_their_places(kind: str) -> None:
    found = wiring(network(kind).module, as_tensor(PIXELS.x[:2]))
    last = found.wires[-1]
    assert found.units.fixed(last).all() and found.scales.fixed(found.scales.roots(found.places[-1].powers[0][0])).all()


def test_a_share_that_means_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="share"):
        launder("permute", "plain", share=0)


class Decides(torch.nn.Module):
    """What it computes depends on its numbers: no graph shows it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = torch.nn.Linear(768, 8), torch.nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x.flatten(1))
        return self.head(x) if x.sum() > 0 else -self.head(x)


class Hides(Decides):
    """Treats its units by their place, in a way no rule knows: their order is fixed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cumsum(self.first(x.flatten(1)), 1))


@pytest.mark.parametrize(("net", "why"), [(Decides, "cannot be traced"), (Hides, "no hidden units")])
def test_what_cannot_be_followed_is_refused(net: type[torch.nn.Module], why: str) -> None:
    from whosenet.networks.spec import Network, Spec, digest_of

    module = net().eval()
    with pytest.raises(UsageError, match=why):
        Permute().run(Network(module, digest_of(module), Spec("x", "y", None), net), PIXELS, held_out=PIXELS)
