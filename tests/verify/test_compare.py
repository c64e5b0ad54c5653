"""compare on nets: who is accused, who is cleared, what is traced to what."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import nets
import numpy as np
import pytest

from whosenet.verify.compare import Comparison, compare
from whosenet.weights import open_weights


def run(a: nets.Net, b: nets.Net, base: nets.Net | None = None, forms: tuple[str, str] = ("x", "x")) -> Comparison:
    root = nets.weights(base) if base is not None else None
    return compare(nets.weights(a, form=forms[0]), nets.weights(b, form=forms[1]), base=root)


@pytest.mark.parametrize("draw", [nets.gaussian, nets.heavy, nets.low_rank])
def test_random_strangers_are_not_accused(draw: nets.Draw) -> None:
    made = [nets.net((20, i), draw=draw) for i in range(6)]
    found = [run(a, b) for a, b in combinations(made, 2)]
    assert all(c.verdict == "independent" and c.relation == [] and c.coverage == 0 for c in found)
    assert min(c.log10_p for c in found) > -2


def test_trained_strangers_are_not_accused(classifiers: list[nets.Net]) -> None:
    found = [run(a, b) for a, b in combinations(classifiers, 2)]
    assert all(c.verdict != "derived" for c in found) and min(c.log10_p for c in found) > -4
    assert sum(c.verdict == "independent" for c in found) > 0.9 * len(found)


def test_permuted_twins_are_not_accused(classifiers: list[nets.Net]) -> None:
    """Units in another order, alike but not in place; renamed, to tempt the matching by content."""
    rng = np.random.default_rng(21)
    for model in classifiers[:3]:
        one, two = rng.permutation(96), rng.permutation(80)
        twin = {"a": model["in.weight"][one][:, rng.permutation(64)], "b": model["hidden.weight"][two][:, one],
                "c": model["out.weight"][:, two]}  # fmt: skip
        noise = nets.noisy(dict(zip(nets.MLP, twin.values(), strict=True)), 0.3)
        assert run(model, noise).verdict != "derived"
        assert run(model, dict(zip("abc", noise.values(), strict=True))).verdict != "derived"


def test_a_strong_common_direction_convicts_nobody() -> None:
    rng = np.random.default_rng(22)
    common = {k: rng.standard_normal((1, *s[1:])) for k, s in nets.CNN.items()}
    made = [
        {k: (v + 0.5 * rng.uniform(0.5, 2, (len(v), *[1] * (v.ndim - 1))) * common[k]).astype(np.float32)
         for k, v in nets.net((22, i)).items()} for i in range(6)
    ]  # fmt: skip
    assert all(run(a, b).verdict != "derived" for a, b in combinations(made, 2))


def test_p_values_are_calibrated() -> None:
    """231 pairs of small nets, matched by name and by content."""
    made = [nets.net((23, i), {"a": (20, 12), "b": (16, 20), "c": (16, 20), "d": (8, 16)}) for i in range(22)]
    for names in (("a", "b", "c", "d"), ("p", "q", "r", "s")):
        p = np.array(
            [10 ** run(a, dict(zip(names, b.values(), strict=True))).log10_p for a, b in combinations(made, 2)]
        )
        for level in (0.1, 0.01, 0.001):
            assert np.mean(p <= level) <= level + 3 * math.sqrt(level / len(p))


@pytest.mark.parametrize("seed", range(4))
def test_moved_copies_are_traced_to_the_right_tensors(seed: int) -> None:
    """Renamed, reordered, transposed: every tensor to its own, all of it covered."""
    model = nets.net((24, seed), nets.CNN | {"twin.weight": (64, 32, 3, 3), "wide": (64, 64)})
    moved = nets.moved(model, seed)
    found = run(model, moved)
    assert found.verdict == "derived" and found.coverage == 1.0
    pairs = {(t.a, t.b) for t in found.tensors if t.a and t.b}
    truth = {
        (a, b) for b, y in moved.items() for a, x in model.items() if np.isclose(x.sum(dtype=float), y.sum(dtype=float))
    }
    assert pairs == truth and len(pairs) == len(model)
    assert all(t.similarity == pytest.approx(1, abs=1e-6) for t in found.tensors)


def test_a_half_copied_model_is_covered_by_half() -> None:
    a, b = nets.net(25), nets.net(26)
    mixed = {"conv1.weight": b["conv1.weight"], "conv2.weight": a["conv2.weight"], "conv3.weight": a["conv3.weight"],
             "fc.weight": b["fc.weight"]}  # fmt: skip
    found = run(a, mixed)
    share = sum(a[k].size for k in ("conv2.weight", "conv3.weight")) / sum(v.size for v in a.values())
    assert found.verdict == "derived" and found.coverage == pytest.approx(share)
    notes = {t.b: t.note for t in found.tensors}
    assert notes["conv1.weight"] == notes["fc.weight"] == "not traced" and notes["conv2.weight"] == "identical"


def test_one_shared_tensor_never_convicts() -> None:
    basis = nets.net(27, {"basis": (64, 64)})
    for i in range(4):
        found = run(basis | nets.net((27, i)), basis | nets.net((28, i)))
        assert found.verdict != "derived" and found.log10_p > -4


def test_one_tensor_alone_is_inconclusive() -> None:
    model = {"w": nets.net(29)["conv2.weight"]}
    for other in (model, nets.noisy(model, 0.1), {"w": nets.net(30)["conv2.weight"]}):
        found = run(model, other)
        assert found.verdict == "inconclusive" and found.log10_p == 0 and "alone" in found.reason


@pytest.mark.parametrize("other", [{}, {"w": (7, 9)}, {"bias": (64,)}])
def test_nothing_in_common_is_inconclusive(other: dict[str, tuple[int, ...]]) -> None:
    found = run(nets.net(31), nets.net(32, other))
    assert found.verdict == "inconclusive" and found.cosine is None and found.coverage == 0
    assert math.isfinite(found.log10_p)


def test_small_nets_are_not_cleared() -> None:
    found = run(nets.net(33, {"a": (6, 4), "b": (4, 6)}), nets.net(34, {"a": (6, 4), "b": (4, 6)}))
    assert found.verdict == "inconclusive" and "too few" in found.reason


def test_little_in_common_is_not_cleared() -> None:
    a, b = nets.net(35), nets.net(36)
    found = run(
        a, {"conv2.weight": b["conv2.weight"], "fc.weight": b["fc.weight"], "big": nets.net(1, {"b": (400, 400)})["b"]}
    )
    assert found.verdict == "inconclusive" and "counterpart" in found.reason


EDITS = {
    "re-save": lambda m: m,
    "cast": nets.half,
    "cast to half": lambda m: nets.half(m, np.float16),
    "quantised": nets.int8,
    "pruned": lambda m: nets.pruned(m, 0.5),
    "fine-tune": lambda m: nets.noisy(m, 0.1),
    "head-replaced": lambda m: m | {"fc.weight": nets.net(38)["fc.weight"]},
    "rescaled": nets.rescaled,
}


@pytest.mark.parametrize("word", EDITS)
def test_the_relation_is_said_in_the_words_of_the_field(word: str) -> None:
    model = nets.net(37)
    found = run(model, EDITS[word](model))
    wanted = ["fine-tune", "shared-start"] if word == "fine-tune" else [word.split()[0]]
    assert found.verdict == "derived" and found.relation == wanted, found.relation


def test_frozen_layers_do_not_prove_descent() -> None:
    """Two parties may freeze the same public layers."""
    model = nets.net(37)
    tuned = nets.noisy(model, 0.1) | {"conv1.weight": model["conv1.weight"]}
    assert run(model, tuned).relation == ["fine-tune", "shared-start"]


def test_hidden_units_in_another_order_are_not_cleared() -> None:
    model = nets.net(37)
    rng = np.random.default_rng(3)
    shuffled = {k: rng.permutation(rng.permutation(v, axis=0), axis=1) for k, v in model.items()}
    found = run(model, shuffled)
    assert found.verdict == "inconclusive" and "other places" in found.reason


def test_an_export_is_called_one() -> None:
    model = nets.net(37)
    assert run(model, nets.moved(model, 0), forms=("torch_zip", "onnx")).relation == ["export"]
    assert run(model, nets.int8(nets.moved(model, 0)), forms=("torch_zip", "tflite")).relation == [
        "export",
        "quantised",
    ]


def test_two_trainings_from_one_start_are_not_called_descent() -> None:
    start = nets.net(39)
    found = run(nets.noisy(start, 0.7, 1), nets.noisy(start, 0.7, 2))
    assert found.verdict == "derived" and "shared-start" in found.relation


class TestBase:
    """A public backbone both sides started from."""

    def test_siblings_of_one_task_are_related_only_through_it(self, digits: tuple[np.ndarray, np.ndarray]) -> None:
        base = nets.trained(40, *digits)
        x, y = digits
        a, b = nets.trained(41, x[:900], y[:900], start=base), nets.trained(42, x[900:], y[900:], start=base)
        assert run(a, b).verdict == "derived"
        assert run(a, b, base=base).verdict != "derived"

    def test_a_copy_of_a_fine_tune_stays_derived(self, digits: tuple[np.ndarray, np.ndarray]) -> None:
        base = nets.trained(40, *digits)
        tuned = nets.trained(43, *digits, start=base, epochs=20)
        assert run(tuned, nets.half(tuned), base=base).verdict == "derived"
        for copy in (nets.noisy(tuned, 0.02), nets.pruned(tuned, 0.3)):
            found = run(tuned, copy, base=base)  # honest fine-tunes on the same data can be as near
            assert found.verdict == "inconclusive" and found.log10_p < -6 and "beyond the base" in found.reason

    @pytest.mark.parametrize("seed", range(5))
    def test_random_siblings(self, seed: int) -> None:
        base = nets.net((44, seed))
        a, b = nets.noisy(base, 0.2, 1), nets.noisy(base, 0.2, 2)
        assert run(a, b).verdict == "derived" and run(a, b, base=base).verdict != "derived"
        assert run(a, nets.half(a), base=base).verdict == "derived"

    def test_casts_of_the_base_are_not_each_others_copies(self) -> None:
        base = nets.net(45)
        assert run(nets.half(base), nets.half(base), base=base).verdict != "derived"

    def test_a_base_of_other_names_and_layout_serves(self) -> None:
        base = nets.net(46)
        a, b = nets.noisy(base, 0.2, 1), nets.noisy(base, 0.2, 2)
        assert run(a, b, base=nets.moved(base, 3)).verdict != "derived"

    def test_an_unrelated_base_changes_nothing(self) -> None:
        model = nets.net(47)
        assert run(model, nets.noisy(model, 0.1), base=nets.net(48)).verdict == "derived"


def test_the_fields_hold_what_they_say() -> None:
    model = nets.net(49)
    found = run(model, nets.noisy(model, 0.1))
    assert found.p_value == pytest.approx(10**found.log10_p) and found.alpha == 1e-6 and found.log10_p <= 0
    assert all(t.log10_p is None or t.log10_p <= 0 for t in found.tensors)
    assert all(t.similarity is None or -1 <= t.similarity <= 1 for t in found.tensors)
    assert len(found.tensors) == len(model)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_weights_neither_crash_nor_convict(bad: float) -> None:
    a, b = nets.net(50), nets.net(51)
    for model in (a, b):
        model["conv2.weight"][:, :3] = bad
    assert run(a, b).verdict != "derived" and math.isfinite(run(a, b).log10_p)
    copy = nets.noisy({k: v for k, v in a.items() if k != "conv2.weight"}, 0.1) | {"conv2.weight": a["conv2.weight"]}
    assert run(a, copy).verdict == "derived"


def test_the_files_are_left_alone(tmp_path: Path) -> None:
    paths = [nets.save(tmp_path / f"{i}.safetensors", nets.net(i)) for i in range(2)]
    before = [(p.read_bytes(), p.stat().st_mtime_ns) for p in paths]
    with open_weights(paths[0]) as a, open_weights(paths[1]) as b:
        assert compare(a, b) == compare(a, b)
    assert before == [(p.read_bytes(), p.stat().st_mtime_ns) for p in paths]


def test_large_tensors_are_sampled_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    from whosenet.verify import values as module

    model = nets.net(52, {"a": (300, 200), "b": (200, 300), "c": (90, 90, 3)})
    monkeypatch.setattr(module.values, "__defaults__", (4000,))
    found = run(model, nets.moved(model, 1))
    assert found.verdict == "derived" and found.coverage == 1
    assert run(model, nets.net(53, {k: v.shape for k, v in model.items()})).verdict == "independent"
