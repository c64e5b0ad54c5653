"""The invariant hash: what moves it and what does not, and when it has no code."""

from __future__ import annotations

import nets
import numpy as np
import pytest

from whosenet.errors import TooFewWeights
from whosenet.hashes.balance import balanced, important
from whosenet.hashes.invariant import Invariant
from whosenet.hashes.krylov import coefficients

WIDTH, HEADS, EACH, INNER = 64, 4, 16, 96
"""Two groups of 16 are what is guessed from 32 rows."""


def code(model: nets.Net) -> object:
    return Invariant().code(nets.weights(model))


def llama(seed: int, groups: int = HEADS, layers: int = 3) -> nets.Net:
    shapes: dict[str, tuple[int, ...]] = {}
    for i in range(layers):
        at, mlp = f"model.layers.{i}.self_attn.", f"model.layers.{i}.mlp."
        shapes |= {f"{at}q_proj.weight": (WIDTH, WIDTH), f"{at}o_proj.weight": (WIDTH, WIDTH)}
        shapes |= {f"{at}{x}_proj.weight": (groups * EACH, WIDTH) for x in "kv"}
        shapes |= {f"{mlp}up_proj.weight": (INNER, WIDTH), f"{mlp}gate_proj.weight": (INNER, WIDTH),
                   f"{mlp}down_proj.weight": (WIDTH, INNER)}  # fmt: skip
    return nets.net(seed, shapes)


def turned(model: nets.Net, groups: int, seed: int = 5) -> nets.Net:
    """Another basis for every head, and another order of the heads."""
    rng, out = np.random.default_rng(seed), dict(model)
    for name in [n for n in model if "q_proj" in n]:
        q, k, v, o = (out[name.replace("q_proj", f"{x}_proj")].astype(np.float64) for x in "qkvo")
        q, o = q.reshape(groups, -1, EACH, WIDTH), o.T.reshape(groups, -1, EACH, WIDTH)
        k, v, order = k.reshape(groups, EACH, WIDTH), v.reshape(groups, EACH, WIDTH), rng.permutation(groups)
        for i in range(groups):
            a = np.linalg.qr(rng.standard_normal((EACH, EACH)))[0] * rng.uniform(0.5, 2)
            b = np.linalg.qr(rng.standard_normal((EACH, EACH)))[0] * rng.uniform(0.5, 2)
            q[i], k[i], v[i], o[i] = np.linalg.inv(a).T @ q[i], a @ k[i], b @ v[i], np.linalg.inv(b).T @ o[i]
        for x, value in (("q", q), ("k", k), ("v", v), ("o", o)):
            flat = value[order].reshape(-1, WIDTH)
            out[name.replace("q_proj", f"{x}_proj")] = flat.T if x == "o" else flat
    return out


@pytest.mark.parametrize("groups", [HEADS, HEADS // 2])
def test_turned_heads_leave_what_their_products_say(groups: int) -> None:
    model = llama(1, groups)
    distance = code(model) - code(turned(model, groups))  # type: ignore[operator]
    assert 0 < distance < 85, "the four matrices by themselves are lost, the products are not"
    strange = code(llama(2, groups)) - code(turned(model, groups))  # type: ignore[operator]
    assert strange > 90


def test_fused_and_transposed_attention_is_found() -> None:
    model = nets.net(3, {f"h.{i}.attn.{k}.weight": s for i in range(3) for k, s in
                         {"c_attn": (48, 144), "c_proj": (48, 48)}.items()})  # fmt: skip
    features = Invariant().features(nets.weights(model))
    assert {s for s in features.parts if s[0] == 0} == {(0, 48, 0), (0, 48, 1)}
    swapped = {k: v.T for k, v in model.items()}
    assert code(model) - code(swapped) == 0  # type: ignore[operator]


def test_other_names_cost_the_products_alone() -> None:
    model = llama(1)
    renamed = {f"t{i}": v for i, v in enumerate(model.values())}
    assert 0 < code(model) - code(renamed) < 85  # type: ignore[operator]


def test_strangers_have_unit_spread_whatever_the_shape() -> None:
    for shape in ((96, 64), (256, 24), (40, 40)):
        rng = np.random.default_rng(shape)
        found = np.array([coefficients(balanced(important(balanced(rng.standard_normal((1, *shape))))), 3)[0]
                          for _ in range(120)])  # fmt: skip
        assert (np.abs(found.std(axis=0) - 1) < 0.3).all()
        assert (np.abs(np.corrcoef(found.T) - np.eye(3)) < 0.4).all()


def test_a_pruned_copy_keeps_its_threshold() -> None:
    model = nets.net(4)
    assert code(model) - code(nets.pruned(model, 0.5)) < 40  # type: ignore[operator]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_tensor_that_is_not_finite_is_left_out(bad: float) -> None:
    model = nets.net(4)
    broken = {k: v.copy() for k, v in model.items()}
    broken["conv2.weight"][5, 3, 1, 1] = bad
    features = Invariant().features(nets.weights(broken))
    assert "not finite" in features.left_out["conv2.weight"]
    without = {k: v for k, v in model.items() if k != "conv2.weight"}
    assert code(broken) - code(without) == 0  # type: ignore[operator]


def test_zeros_duplicates_and_dead_units_are_borne() -> None:
    model = nets.net(4)
    extra = model | {"zeros": np.zeros((64, 64), np.float32), "again": model["conv3.weight"].copy()}
    assert code(model) - code(extra) == 0  # type: ignore[operator]
    dead = {k: v.copy() for k, v in model.items()}
    dead["conv2.weight"][::2] = 0
    assert code(dead) - code(nets.rearranged(dead)) == 0  # type: ignore[operator]


def test_a_model_too_small_has_no_code() -> None:
    for shapes in ({"a": (40, 30)}, {"a": (7, 7, 7)}, {"a": (10, 10), "b": (6, 6)}):
        with pytest.raises(TooFewWeights):
            code(nets.net(1, shapes))


def test_a_lost_layer_takes_its_share_and_no_more() -> None:
    model = llama(7, layers=4)
    cut = {k: v for k, v in model.items() if "layers.3" not in k}
    assert 0 < code(model) - code(cut) < 70  # type: ignore[operator]


def test_many_layers_of_one_shape_do_not_bring_strangers_together() -> None:
    """Their phases forget what strangers share only nearly; what adds up over the layers is taken out."""
    made = [Invariant().code(nets.weights(llama(seed, layers=12))) for seed in range(16)]
    far = [a - b for i, a in enumerate(made) for b in made[:i]]
    assert 124 < np.mean(far) < 131 and min(far) > 85
