"""Batch norm that only one file still has explains a change of scale; anything else does not."""

from __future__ import annotations

import nets
import numpy as np
import pytest

from whosenet.verify.compare import compare

SHAPES = {"c1.weight": (24, 3, 3, 3), "c2.weight": (32, 24, 3, 3), "c3.weight": (40, 32, 3, 3), "fc.weight": (10, 40)}


def normed(seed: int) -> nets.Net:
    draw = np.random.default_rng(seed)
    net = nets.net(seed, SHAPES)
    for k in ("1", "2", "3"):
        n = len(net[f"c{k}.weight"])
        vectors = {"weight": draw.uniform(0.5, 2, n), "bias": draw.standard_normal(n),
                   "running_mean": draw.standard_normal(n), "running_var": draw.uniform(0.1, 4, n)}  # fmt: skip
        net |= {f"bn{k}.{name}": v.astype(np.float32) for name, v in vectors.items()}
    return net


def folded(net: nets.Net) -> nets.Net:
    out = {k: v for k, v in net.items() if not k.startswith("bn")}
    for k in ("1", "2", "3"):
        scale = net[f"bn{k}.weight"] / np.sqrt(net[f"bn{k}.running_var"] + 1e-5)
        out[f"c{k}.weight"] = net[f"c{k}.weight"] * scale[:, None, None, None]
    return out


@pytest.mark.parametrize("turn", [False, True])
def test_folding_is_named(turn: bool) -> None:
    net = normed(90)
    pair = (folded(net), net) if turn else (net, folded(net))
    found = compare(*(nets.weights(n, form=f) for n, f in zip(pair, ("torch", "onnx"), strict=True)))
    notes = {t.a: t.note for t in found.tensors}
    assert found.verdict == "derived" and found.relation == ["export", "folded"], found.relation
    assert all("batch norm folded" in notes[f"c{k}.weight"] for k in "123") and notes["fc.weight"] == "identical"


def test_other_scales_are_not_called_folding() -> None:
    net = normed(91)
    found = compare(nets.weights(net), nets.weights(nets.rescaled({k: v for k, v in net.items() if "bn" not in k})))
    assert "folded" not in found.relation and "rescaled" in found.relation


def test_folded_and_re_ordered() -> None:
    """What an exporter does, and then a thief."""
    net, draw = normed(92), np.random.default_rng(93)
    thief, before = folded(net), None
    for name in SHAPES:
        x = thief[name] if before is None else thief[name][:, before]
        before = draw.permutation(len(x)) if name != "fc.weight" else None
        thief[name] = np.ascontiguousarray(x if before is None else x[before])
    found = compare(nets.weights(net), nets.weights(thief))
    assert found.verdict == "derived" and found.log10_p <= -12
    assert found.relation[0] == "re-ordered" and "folded" in found.relation
    notes = {t.a: t.note for t in found.tensors}
    assert "hidden units re-ordered, batch norm folded" in notes["c2.weight"]
