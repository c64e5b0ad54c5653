"""The published classifiers: what their converter must get right, without and with the files beside a checkout."""

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.real_nets import convert, copies, nets, trials  # noqa: E402
from bench.real_nets.suspects import CHOOSERS, Someone  # noqa: E402
from whosenet.networks.images import Images  # noqa: E402
from whosenet.networks.predict import logits  # noqa: E402
from whosenet.questions.answers import Kind  # noqa: E402
from whosenet.questions.queryset import QuerySet  # noqa: E402

SHARED = Path(__file__).resolve().parents[2] / "../shared"
torch.set_num_threads(1)
FACTORIES = ("akamaster_resnet20", "akamaster_resnet32", "deepjudge_resnet20", "tiny_resnet8", "tiny_resnet8_folded")


def scrambled(factory: str, seed: int = 0) -> torch.nn.Module:
    """A network whose every tensor, running statistics included, is its own random numbers."""
    module = getattr(nets, factory)().eval()
    draws = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=draws) + (0.5 if name.endswith("running_var") else -0.5))
    return module


@pytest.mark.parametrize("factory", FACTORIES)
def test_an_image_in_0_to_1_gives_ten_logits(factory: str) -> None:
    assert getattr(nets, factory)().eval()(torch.rand(2, 3, 32, 32)).shape == (2, 10)


COUNTS = {
    "akamaster_resnet20": 269_722,
    "akamaster_resnet32": 464_154,
    "deepjudge_resnet20": 274_442 - 1_376,
    "tiny_resnet8": 78_666 - 480,
}


@pytest.mark.parametrize(("factory", "parameters"), list(COUNTS.items()))
def test_as_many_parameters_as_the_author_counts(factory: str, parameters: int) -> None:
    """Akamaster's README says 0.27M and 0.46M; Keras's summaries count the running statistics, too."""
    assert sum(p.numel() for p in getattr(nets, factory)().parameters()) == parameters


def test_same_padding_puts_the_odd_zero_last() -> None:
    """A 3x3 kernel that only looks at its first pixel, stride 2, 4x4 image: TensorFlow reads pixels 0 and 2."""
    layer = nets.SameConv(1, 1, 3, 2, bias=False)
    with torch.no_grad():
        layer.weight.zero_()[0, 0, 0, 0] = 1
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert layer(image).flatten().tolist() == [0, 2, 8, 10]


def test_keras_layers_find_their_places(tmp_path: Path) -> None:
    """Layers numbered as Keras does (past nine, from any number on), in HDF5's order by name: the same net."""
    module = scrambled("deepjudge_resnet20")
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    kinds = {"conv2d": module.convolutions(), "batch_normalization": module.norms(), "dense": ["head"]}
    leaves = {"weight": "kernel:0", "bias": "bias:0"}
    norm = {"weight": "gamma:0", "bias": "beta:0", "running_mean": "moving_mean:0", "running_var": "moving_variance:0"}
    with h5py.File(tmp_path / "net.h5", "w") as file:
        for kind, names in kinds.items():
            for number, name in enumerate(names, 5):
                for ours, theirs in (norm if kind == "batch_normalization" else leaves).items():
                    value = state[f"{name}.{ours}"]
                    value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
                    file[f"model_weights/{kind}_{number}/{kind}_{number}_1/{theirs}"] = value
    again = convert.converted(tmp_path / "net.h5", "deepjudge_resnet20", "keras").state_dict()
    for name, value in state.items():
        np.testing.assert_array_equal(again[name].numpy(), value, err_msg=name)


def test_torch_names_find_their_places(tmp_path: Path) -> None:
    module = scrambled("akamaster_resnet20")

    def theirs(name: str) -> str:
        if name.startswith("blocks."):
            _, place, rest = name.split(".", 2)
            return f"module.layer{int(place) // 3 + 1}.{int(place) % 3}.{rest.replace('norm', 'bn')}"
        return "module." + name.replace("conv.", "conv1.").replace("norm.", "bn1.").replace("head.", "linear.")

    state = module.state_dict()
    torch.save({"state_dict": {theirs(name): tensor for name, tensor in state.items()}}, tmp_path / "net.th")
    again = convert.converted(tmp_path / "net.th", "akamaster_resnet20", "torch").state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def test_a_file_of_another_depth_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"module.conv1.weight": torch.zeros(16, 3, 3, 3)}}, tmp_path / "net.th")
    with pytest.raises(ValueError, match="missing"):
        convert.converted(tmp_path / "net.th", "akamaster_resnet20", "torch")


def test_a_copy_is_made_once_and_again_only_by_another_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "real/tiny-ic-a-h5"
    convert.save_weights(scrambled("tiny_resnet8"), folder / "weights.safetensors")
    images = Images(np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8), np.arange(8) % 10)
    first = copies.made("tiny-ic-a-h5", "prune-50", images, images, tmp_path)
    assert (first.network().module.head.weight == 0).any() and first.network().digest == first.digest
    written = (folder / "prune-50/copy.json").stat().st_mtime_ns
    assert copies.made("tiny-ic-a-h5", "prune-50", images, images, tmp_path) == first
    assert (folder / "prune-50/copy.json").stat().st_mtime_ns == written
    monkeypatch.setitem(copies.RECIPES, "prune-50", copies.Recipe("prune-magnitude", {"share": 0.6}))
    assert copies.copy("tiny-ic-a-h5", "prune-50", tmp_path) is None


def say(labels: np.ndarray) -> np.ndarray:
    """Answers with three quarters of the probability on `labels`."""
    said = np.full((len(labels), 10), 0.25 / 9, np.float32)
    said[np.arange(len(labels)), labels] = 0.75
    return said


def test_nobody_is_judged_who_chose_points_or_is_in_the_null() -> None:
    """40 honest nets that agree on a third, a copy of the owner's, attacked copies of a reference and of a chooser."""
    draws = np.random.default_rng(0)
    expected = draws.integers(0, 10, 100)
    chance = [np.where(draws.random(100) < 1 / 3, expected, (expected + 1) % 10) for _ in range(60)]
    honest = [Someone(f"cifar10.vgg.full.{i}", f"cifar10.vgg.full.{i}", "ours", 0.8, say) for i in range(40)]
    referee = trials.drawn(honest, 0)[0]
    owner = Someone("theirs", "origin", "published", None, say)
    own = [Someone(f"theirs+{label}", "origin", label, 0.8, say) for label in trials.OWN]
    kin = [Someone(f"{root}+ftal", root, "ours, attacked", 0.8, say) for root in (referee, CHOOSERS[2])]
    people = [owner, *own, *honest, *kin]
    said = {p.id: say(expected if p.origin == "origin" else chance[i]) for i, p in enumerate(people)}
    questions = QuerySet(
        np.zeros((100, 2, 2, 3), np.uint8), expected, said["theirs"], np.arange(100) % 10 == 0, "x", {}, ""
    )
    for one in honest:
        said[one.id][questions.control] = said["theirs"][questions.control]
    chose = frozenset(CHOOSERS)
    judged = list(trials.trials(questions, owner, people, said, draw=0, chose=chose, kind=Kind("vgg", 0.8)))
    names = {t.suspect for t in judged}
    assert not names & {owner.id, *CHOOSERS, *trials.drawn(people, 0), *(k.id for k in kin)}
    assert len(names) == len(judged) == len(own) + 40 - len(set(CHOOSERS) & {h.id for h in honest}) - trials.REFERENCES
    assert {t.verdict for t in judged if t.derived} == {"derived"}
    assert "derived" not in {t.verdict for t in judged if not t.derived}
    unlike = trials.trials(questions, owner, people, said, draw=0, chose=chose, kind=Kind("another", 0.8))
    assert "derived" not in {t.verdict for t in unlike}, "references of other architectures convict nobody"


def test_area_under_the_curve_counts_ties_half() -> None:
    assert trials.auc([0.9, 0.5], [0.5, 0.1]) == pytest.approx(3.5 / 4)


@pytest.mark.shared
@pytest.mark.skipif(not (SHARED / "models/manifest.json").is_file(), reason="needs the real weight files")
def test_an_export_with_batch_norm_folded_says_the_same(tmp_path: Path) -> None:
    """Two readers and two orders of layers, one network: Keras's own and its TFLite export differ by rounding only."""
    x = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    keras, export, rounded = (logits(convert.network(n, tmp_path).module, x)
                              for n in ("tiny-ic-a-h5", "tiny-ic-a-tflite", "tiny-ic-a-int8"))  # fmt: skip
    np.testing.assert_allclose(export, keras, atol=1e-3)
    assert 1e-3 < np.abs(rounded - keras).max() < 0.2 * np.abs(keras).max()
