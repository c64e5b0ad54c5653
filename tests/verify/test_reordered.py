"""compare under re-ordered, rescaled and turned hidden units: copies are named, strangers are not."""

from __future__ import annotations

import nets
import numpy as np
import pytest

from whosenet.verify.compare import Comparison, compare

DEEP = {"in.weight": (64, 48), "h1.weight": (80, 64), "h2.weight": (56, 80), "out.weight": (10, 56)}
KERNELS = {"c1.weight": (32, 3, 3, 3), "c2.weight": (48, 32, 3, 3), "c3.weight": (40, 48, 3, 3),
           "fc.weight": (64, 40 * 4), "out.weight": (10, 64)}  # fmt: skip


def run(a: nets.Net, b: nets.Net) -> Comparison:
    return compare(nets.weights(a), nets.weights(b))


def laundered(model: nets.Net, seed: int, *, scale: float = 3.0, signs: bool = False) -> nets.Net:
    """A chain of layers with every hidden unit moved, rescaled and (for tanh) turned, the function unchanged."""
    draw = np.random.default_rng([seed, 7])
    out, order, factor = {}, None, None
    names = list(model)
    for name in names:
        x = model[name].astype(np.float64)
        if order is not None and factor is not None:
            x = (x.reshape(len(x), len(order), -1) / factor[None, :, None])[:, order].reshape(x.shape)
        if name != names[-1]:
            order = draw.permutation(len(x))
            factor = np.exp(draw.uniform(-1, 1, len(x)) * np.log(scale)) * (
                draw.choice([-1, 1], len(x)) if signs else 1
            )
            x = (x * factor.reshape(-1, *[1] * (x.ndim - 1)))[order]
        out[name] = x.astype(np.float32)
    return out


@pytest.mark.parametrize("shapes", [DEEP, KERNELS])
@pytest.mark.parametrize("signs", [False, True])
def test_a_rearranged_copy_is_derived(shapes: dict[str, tuple[int, ...]], signs: bool) -> None:
    model = nets.net(60, shapes)
    found = run(model, laundered(model, 61, signs=signs))
    assert found.verdict == "derived" and found.log10_p <= -12, (found.reason, found.log10_p)
    assert found.relation[:2] == ["re-ordered", "rescaled"] and found.coverage > 0.9
    notes = {t.a: t.note for t in found.tensors}
    assert all(t.log10_p is None or t.log10_p <= -9 for t in found.tensors if t.note != "not traced")
    assert "hidden units re-ordered" in notes["out.weight"] and "channels rescaled" in notes["out.weight"]


EDITS = {"noise": lambda m: nets.noisy(m, 0.05), "pruned": lambda m: nets.pruned(m, 0.5), "int8": nets.int8,
         "moved": lambda m: nets.moved(m, 3), "half": nets.half}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_a_rearranged_and_edited_copy_is_derived(edit: str) -> None:
    model = nets.net(62, KERNELS)
    found = run(model, EDITS[edit](laundered(model, 63)))
    assert found.verdict == "derived" and found.log10_p <= -12, (found.reason, found.log10_p)


def test_trained_strangers_are_not_accused(classifiers: list[nets.Net]) -> None:
    """Nets that learned the same task learn some units alike; re-ordered or not, that is no descent."""
    for seed, other in enumerate(classifiers[1:4]):
        found = run(classifiers[0], laundered(other, seed, scale=1.0))
        assert found.verdict != "derived" and found.log10_p > -4, (found.reason, found.log10_p)


def test_a_rearranged_trained_copy_is_derived(classifiers: list[nets.Net]) -> None:
    found = run(classifiers[0], laundered(classifiers[0], 64))
    assert found.verdict == "derived" and found.log10_p <= -12


def test_one_common_vocabulary_convicts_nobody() -> None:
    """Two models of one vocabulary in another order: embedding and output agree on words, and on nothing else."""
    draw = np.random.default_rng(65)
    order = draw.permutation(200)
    meaning = {"embedding": draw.standard_normal((200, 24)), "output": draw.standard_normal((200, 32))}

    def model(seed: int, places: np.ndarray) -> nets.Net:
        own = nets.net(seed, {"r1": (48, 48), "r2": (40, 48), "embedding": (200, 24), "output": (200, 32)})
        return own | {k: (v[places] + own[k]).astype(np.float32) for k, v in meaning.items()}

    found = run(model(66, np.arange(200)), model(67, order))
    assert found.verdict == "inconclusive" and "one re-ordering" in found.reason, (found.reason, found.log10_p)


def test_tensors_stored_twice_testify_once() -> None:
    """Weights and their moving average move together in every file that has both."""
    a, b = nets.net(68), nets.net(69)
    a |= {f"ema.{k}": v for k, v in nets.noisy(a, 0.2, 1).items()}
    b |= {f"ema.{k}": v for k, v in nets.noisy(b, 0.2, 2).items()}
    assert run(a, b).verdict != "derived" and run(a, b).log10_p > -4


def test_a_stolen_backbone_under_a_new_head() -> None:
    model, other = nets.net(70, KERNELS), nets.net(71, KERNELS)
    thief = laundered(model, 72) | {"out.weight": other["out.weight"]}
    found = run(model, thief)
    assert found.verdict == "derived" and found.log10_p <= -12
    notes = {t.b: t.note for t in found.tensors}
    assert "re-ordered" in notes["c2.weight"] and notes["out.weight"] == "not traced"


@pytest.mark.parametrize("top", [127, 7])
def test_channels_rescaled_and_then_rounded_are_called_quantised(top: int) -> None:
    """Four bits make a third of all weights zero, which is no pruning; what is pruned before stays so."""
    model = nets.net(64, KERNELS)

    def rounded(m: nets.Net) -> nets.Net:
        step = {k: np.abs(v).reshape(len(v), -1).max(1).reshape(-1, *[1] * (v.ndim - 1)) / top for k, v in m.items()}
        return {k: (np.round(v / step[k]) * step[k]).astype(np.float32) for k, v in m.items()}

    for copy in (rounded(model), rounded(laundered(model, 65, scale=2.0))):
        found = run(model, copy).relation
        assert "quantised" in found and not {"pruned", "fine-tune"} & set(found), found
    assert "pruned" in run(model, rounded(nets.pruned(model, 0.7))).relation
