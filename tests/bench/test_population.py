"""The populations of the benches, at the smallest size that can fail."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from bench.population import data, edits, library, nets, parents, training, twins  # noqa: E402
from bench.population.index import Store  # noqa: E402
from bench.population.registry import EDITS  # noqa: E402


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A LeNet on digits, trained for a moment, and its copies."""
    store = Store(tmp_path_factory.mktemp("cache"))
    sets = {"digits": data.load("digits", store.root)}
    list(library.add_family(store, parents.Parent("lenet", "digits", 0, "dev"), sets, samples=6000))
    return store


def test_a_family_is_stored_once_and_survives_a_torn_line(family: Store) -> None:
    assert len(list(family.models(split="dev"))) == 1 + len(EDITS) == 26
    with (family.root / "index.jsonl").open("ab") as index:
        index.write(b'{"id": "torn')
    again = Store(family.root)
    assert again.records == family.records
    sets = {"digits": data.load("digits", family.root)}
    assert not list(library.add_family(again, parents.Parent("lenet", "digits", 0, "dev"), sets))
    extra = again.add({"id": "x", "population": "other"}, {"w": torch.ones(2)})
    assert Store(family.root).records["x"] == extra


def test_edits_change_what_they_say(family: Store) -> None:
    parent = Store.load(family.records["lenet.digits.0"])
    kernel = parent["features.0.weight"]
    copies = {r["edit"]: Store.load(r) for r in family.models() if r["edit"]}
    assert family.records["lenet.digits.0"]["accuracy"] > 0.5
    assert np.mean(copies["prune-50"]["features.0.weight"] == 0) == pytest.approx(0.5, abs=0.01)
    assert np.mean(copies["prune-50-tuned"]["features.0.weight"] == 0) == pytest.approx(0.5, abs=0.01)
    assert len(np.unique(copies["int4-channel"]["features.0.weight"][0])) <= 15
    assert len(np.unique(copies["int8-tensor"]["features.0.weight"])) <= 255
    np.testing.assert_array_equal(copies["head-new"]["features.0.weight"], kernel)
    np.testing.assert_array_equal(copies["ftll"]["features.0.weight"], kernel)
    assert any(v.shape == (5, 5, 3, 12) for v in copies["resave"].values())
    noise = copies["noise-10"]["features.0.weight"] - kernel
    assert noise.std() == pytest.approx(0.1 * kernel.std(), rel=0.1)
    assert Store.tensors(family.records["lenet.digits.0+bf16"])["head.weight"].dtype == torch.bfloat16


@pytest.mark.parametrize("arch", nets.ARCHITECTURES)
def test_folding_and_rescaling_keep_the_outputs(arch: str) -> None:
    net = nets.build(arch, 10, seed=1)
    x = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    net(x)
    before = net.eval()(x)
    weight = net.state_dict()[
        "features.0.weight" if "features.0.weight" in net.state_dict() else "features.0.0.weight"
    ].clone()
    if edits.fold(net) == 0:
        edits.rescale(net, torch.Generator().manual_seed(3))
    torch.testing.assert_close(net(x), before, atol=1e-4, rtol=1e-4)
    if arch.startswith(("lenet", "vgg")):
        assert not torch.allclose(net.state_dict()["features.0.weight"], weight)


def test_parents_never_share_a_start() -> None:
    everyone = parents.parents()
    assert len(everyone) == 150 and sum(p.split == "dev" for p in everyone) == 20
    assert len({parents.seed_of(p.id) for p in everyone}) == 150
    assert {p.family for p in everyone} == {"lenet", "vgg", "resnet", "densenet", "mobilenetv2"}
    twin = [parents.fresh(p, 10).head.weight for p in everyone if p.arch == "lenet"][:2]
    assert not torch.equal(*twin)


def test_training_is_deterministic() -> None:
    images = data.load("digits", Path())
    runs = [parents.make(parents.Parent("resnet8", "digits", 0, "dev"), images, samples=256) for _ in range(2)]
    assert torch.equal(runs[0].head.weight, runs[1].head.weight)
    assert training.accuracy(runs[0], images.test) == training.accuracy(runs[1], images.test)


def test_grouped_twins_equal_single_ones(tmp_path: Path) -> None:
    train, test = twins.images("small", tmp_path)
    together, _ = twins.make(twins.Group("small", "twin", range(3)), train, test, steps=20)
    alone, _ = twins.make(twins.Group("small", "twin", range(1, 2)), train, test, steps=20)
    torch.testing.assert_close(together["0.weight"][1], alone["0.weight"][0], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(together["0.weight"][0], together["0.weight"][1])


def test_twins_and_shared_starts_come_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    train, test = twins.images("small", tmp_path)
    for group in twins.groups("small", count=4, shared=2):
        twins.add(store, group, train, test, steps=5)
    assert sum(1 for _ in twins.load("small", store)) == 4
    (one, other), *_ = twins.shared_start("small", store)
    strangers = list(twins.load("small", store))

    def angle(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
        return float(np.corrcoef(a["7.weight"].ravel(), b["7.weight"].ravel())[0, 1])

    assert angle(one, other) > 0.9 > 0.2 > abs(angle(strangers[0], strangers[1]))
    assert not np.array_equal(one["7.weight"], other["7.weight"])
