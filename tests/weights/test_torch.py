"""Whatever torch.save writes, read without torch, against torch's own reading."""

from __future__ import annotations

import json
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whosenet.errors import UnreadableInput, WhosenetWarning
from whosenet.weights import Weights, open_weights

torch = pytest.importorskip("torch")
SHARED = Path(__file__).resolve().parents[2] / "../shared/models"
FORMATS = ["zip", "legacy"]


def save(value: Any, path: Path, kind: str) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=kind == "zip")
    return path


def read(weights: Weights) -> dict[str, np.ndarray]:
    return {t.name: t.read() for t in weights.tensors}


def expect(weights: Weights, tensors: dict[str, Any]) -> None:
    """Names in order, values, and reading row by row; what torch says is the truth."""
    assert [t.name for t in weights.tensors] == list(tensors)
    for tensor in weights.tensors:
        truth = tensors[tensor.name].detach()
        truth = truth.dequantize() if truth.is_quantized else truth
        truth = truth.to(torch.float32).numpy().reshape(tensor.shape)
        np.testing.assert_array_equal(tensor.read(), truth)
        for row in range(min(3, tensor.shape[0])):
            np.testing.assert_array_equal(tensor.read(row, row + 1), truth[row : row + 1])
        assert tensor.raw().flags.aligned and tensor.raw().dtype.isnative


def net() -> Any:
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5))


DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
NEWER = ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_dtype(tmp_path: Path, kind: str) -> None:
    values = torch.arange(24).reshape(4, 6)
    tensors = {name: values.to(getattr(torch, name)) for name in DTYPES + NEWER}
    with open_weights(save(tensors, tmp_path / "m.pt", kind)) as weights:
        assert weights.format == f"torch_{kind}"
        expect(weights, tensors)
        assert [t.dtype for t in weights.tensors] == DTYPES + NEWER
        assert {t.name for t in weights.tensors if t.trained} == {n for n in tensors if "float" in n}


@pytest.mark.parametrize("kind", FORMATS)
def test_views_keep_their_strides_and_offsets(tmp_path: Path, kind: str) -> None:
    base = torch.randn(6, 4, 5)
    tensors = {
        "base": base, "transposed": base.permute(2, 0, 1), "slice": base[1:5, 1:, ::2], "same": base,
        "last": base.to(memory_format=torch.contiguous_format)[-1], "expanded": torch.randn(1, 3).expand(4, 3),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "column": base[:, 0, 0],
    }  # fmt: skip
    with open_weights(save(tensors, tmp_path / "m.pt", kind)) as weights:
        expect(weights, tensors)


def test_stored_bytes_are_viewed_not_copied(tmp_path: Path) -> None:
    with open_weights(save({"w": torch.randn(64, 64)}, tmp_path / "m.pt", "zip")) as weights:
        assert not weights.tensors[0].raw().flags.owndata


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols(tmp_path: Path, kind: str, protocol: int) -> None:
    model = net()
    torch.save(
        model.state_dict(), tmp_path / "m.pt",
        pickle_protocol=protocol, _use_new_zipfile_serialization=kind == "zip",
    )  # fmt: skip
    with open_weights(tmp_path / "m.pt") as weights:
        expect(weights, model.state_dict())


@pytest.mark.parametrize("kind", FORMATS)
def test_checkpoints_lose_optimiser_state_and_module_prefixes(tmp_path: Path, kind: str) -> None:
    model = net()
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.randn(2, 3, 4, 4)).sum().backward()
    optimiser.step()
    checkpoint = {
        "epoch": 3, "model": torch.nn.DataParallel(model).state_dict(), "optimizer": optimiser.state_dict(),
        "optimizers": [optimiser.state_dict()], "whole_optimiser": optimiser, "best": [1.0, {"rng": torch.zeros(5)}],
    }  # fmt: skip
    wanted = {f"model.{k}": v for k, v in model.state_dict().items()} | {"best.1.rng": torch.zeros(5)}
    with open_weights(save(checkpoint, tmp_path / "m.ckpt", kind)) as weights:
        expect(weights, wanted)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("wrap", [lambda m: m, torch.nn.DataParallel])
def test_whole_modules(tmp_path: Path, kind: str, wrap: Any) -> None:
    model = net()
    model[4].register_buffer("cache", torch.zeros(3), persistent=False)
    model.append(torch.nn.ModuleList([model[0]]))
    with open_weights(save(wrap(model), tmp_path / "m.pth", kind)) as weights:
        expect(weights, model.state_dict())


@pytest.mark.parametrize("kind", FORMATS)
def test_parameters_and_their_kin(tmp_path: Path, kind: str) -> None:
    tagged = torch.nn.Parameter(torch.randn(3, 2))
    tagged.note = {"why": "an attribute of its own"}
    tensors = OrderedDict(
        plain=torch.nn.Parameter(torch.randn(2, 2)), tagged=tagged,
        buffer=torch.nn.Buffer(torch.randn(2)), grad=torch.randn(2, requires_grad=True),
    )  # fmt: skip
    with open_weights(save(tensors, tmp_path / "m.bin", kind)) as weights:
        expect(weights, tensors)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize("kind", FORMATS)
def test_quantised_tensors_come_out_dequantised(tmp_path: Path, kind: str) -> None:
    values = torch.randn(6, 4, 3)
    tensors = {"tensor": torch.quantize_per_tensor(values, 0.05, 3, torch.quint8)}
    for axis in range(3):
        scales, zeros = torch.rand(values.shape[axis]) * 0.1 + 0.01, torch.zeros(values.shape[axis], dtype=torch.long)
        tensors[f"axis{axis}"] = torch.quantize_per_channel(values, scales, zeros, axis, torch.qint8)
    with open_weights(save(tensors, tmp_path / "m.pt", kind)) as weights:
        for tensor in weights.tensors:
            truth = tensors[tensor.name].dequantize().numpy()
            np.testing.assert_allclose(tensor.read(), truth, rtol=1e-6)
            np.testing.assert_allclose(tensor.read(2, 3), truth[2:3], rtol=1e-6)
            assert tensor.trained and tensor.dtype in ("qint8", "quint8")


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_no_plain_real_number_is_left_out_aloud(tmp_path: Path, kind: str) -> None:
    tensors = {"z": torch.zeros(2, 2, dtype=torch.complex64), "s": torch.eye(3).to_sparse(), "w": torch.randn(2, 2)}
    path = save(tensors, tmp_path / "m.pt", kind)
    with pytest.warns(WhosenetWarning, match="complex64"), open_weights(path) as weights:
        expect(weights, {"w": tensors["w"]})


def test_big_endian_archives(tmp_path: Path) -> None:
    """torch swaps on the way in, so its own reading of such a file is the truth."""
    tensors = {"w": torch.randn(3, 4).t(), "h": torch.randn(5).to(torch.bfloat16), "i": torch.arange(4)}
    save(tensors, tmp_path / "little.pt", "zip")
    with zipfile.ZipFile(tmp_path / "little.pt") as old, zipfile.ZipFile(tmp_path / "big.pt", "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, b"big" if info.filename.endswith("byteorder") else old.read(info))
    truth = torch.load(tmp_path / "big.pt", weights_only=True)
    assert not torch.equal(truth["w"], tensors["w"])
    with open_weights(tmp_path / "big.pt") as weights:
        expect(weights, truth)


def test_repacked_archives(tmp_path: Path) -> None:
    model = net()
    save(model.state_dict(), tmp_path / "stored.pt", "zip")
    deflated = zipfile.ZipFile(tmp_path / "deflated.pt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "stored.pt") as old, deflated as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    with open_weights(tmp_path / "deflated.pt") as weights:
        expect(weights, model.state_dict())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript(tmp_path: Path) -> None:
    model = net().eval()
    script = torch.jit.script(model)
    torch.jit.save(script, tmp_path / "script.pt")
    torch.jit.save(torch.jit.freeze(script), tmp_path / "frozen.pt")
    script._save_for_lite_interpreter(str(tmp_path / "lite.ptl"))
    truth = {k: v.numpy() for k, v in model.state_dict().items()}
    for name in ("script.pt", "lite.ptl"):
        with open_weights(tmp_path / name) as weights:
            found = read(weights)
        assert set(found) == set(truth)
        assert all(np.array_equal(found[k].reshape(v.shape), v) for k, v in truth.items())
    with open_weights(tmp_path / "frozen.pt") as weights:
        shapes = {t.shape for t in weights.tensors}
        assert {(8, 3, 3, 3), (5, 32)} <= shapes and all(t.name.startswith("constants.") for t in weights.tensors)


def test_sharded_bin(tmp_path: Path) -> None:
    state = net().state_dict()
    names = list(state)
    for i, part in enumerate((names[:3], names[3:])):
        torch.save({k: state[k] for k in part}, tmp_path / f"pytorch_model-{i}.bin")
    where = {k: f"pytorch_model-{int(k in names[3:])}.bin" for k in names}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": where}))
    for path in (tmp_path, tmp_path / "pytorch_model.bin.index.json"):
        with open_weights(path) as weights:
            expect(weights, state)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_long_archive_name_is_still_torch(tmp_path: Path, kind: str) -> None:
    path = save({"w": torch.randn(2, 2)}, tmp_path / f"{'a' * 60}.weights", kind)
    with open_weights(path) as weights:
        assert weights.format == f"torch_{kind}"


def test_plain_pickles_and_very_old_files_are_refused_with_the_way_out(tmp_path: Path) -> None:
    import pickle

    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"w": np.zeros(3)}))
    (tmp_path / "old.pt").write_bytes(b"sys_info".ljust(512, b"\0"))
    for name, why in (("m.pkl", "plain pickle"), ("old.pt", "before 0.2")):
        with pytest.raises(UnreadableInput, match=f"{why}.*save"):
            open_weights(tmp_path / name)


def _real() -> list[Path]:
    return [p for p in sorted(SHARED.rglob("*")) if p.suffix in (".pt", ".pth", ".th", ".bin", ".tar", ".ckpt")]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs the real weight files")
@pytest.mark.parametrize("path", _real(), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_real_files_read_as_torch_reads_them(path: Path) -> None:
    truth = torch.load(path, weights_only=True, map_location="cpu")
    prefix = "state_dict." if "state_dict" in truth else ""
    truth = truth.get("state_dict", truth)
    with open_weights(path) as weights:
        expect(weights, {prefix + k.removeprefix("module."): v for k, v in truth.items()})
