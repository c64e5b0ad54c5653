"""The default hash on synthetic nets: strangers at one half with honest p-values, copies found."""

from __future__ import annotations

import math
from itertools import combinations

import nets
import numpy as np
import pytest

from whosenet.errors import TooFewWeights, UsageError
from whosenet.finding.hashing import hasher
from whosenet.hashes import chance
from whosenet.hashes.base import MIN_LOG10_P, parse_signature
from whosenet.hashes.code import Code

MIXED = {"a": (48, 3, 3, 3), "b": (64, 48), "c": (40, 64, 3), "d": (10, 40)}


def code(model: nets.Net, method: str = "nts") -> Code:
    return hasher(method).code(nets.weights(model))


@pytest.mark.parametrize("draw", [nets.gaussian, nets.heavy, nets.low_rank])
def test_strangers_are_at_one_half_with_calibrated_p_values(draw: nets.Draw) -> None:
    codes = [code(nets.net((11, seed), MIXED, draw)) for seed in range(90)]
    pairs = list(combinations(codes, 2))
    distances = np.array([a - b for a, b in pairs])
    assert abs(distances.mean() / 256 - 0.5) < 0.01
    p = np.array([10 ** a.log10_p(b) for a, b in pairs])
    for level, most in ((0.1, 0.15), (0.01, 0.02), (0.001, 0.004)):
        assert np.mean(p <= level) <= most
    assert np.mean(p <= 0.1) > 0.04 and p.min() > 1e-6


@pytest.mark.parametrize("draw", [nets.gaussian, nets.heavy, nets.low_rank])
@pytest.mark.parametrize(
    ("edit", "most"),
    [
        (lambda m: nets.noisy(m, 0.02), 12), (lambda m: nets.noisy(m, 0.1), 26), (lambda m: nets.pruned(m, 0.5), 40),
        (nets.int8, 12), (nets.rescaled, 60), (lambda m: {k: 3 * v for k, v in m.items()}, 1),
    ],
    ids=["noise 2 %", "noise 10 %", "pruned 50 %", "int8", "unit scales", "tensor scales"],
)  # fmt: skip
def test_edited_copies_are_near(draw: nets.Draw, edit, most: int) -> None:  # type: ignore[no-untyped-def]
    for seed in range(3):
        model = nets.net((12, seed), draw=draw)
        assert code(model) - code(edit(model)) <= most


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float8_e4m3fn"])
def test_casts_are_near(kind: str) -> None:
    import ml_dtypes

    model = nets.net(13)
    cast = nets.half(model, getattr(ml_dtypes, kind, None) or getattr(np, kind))
    assert code(model) - code(cast) <= (20 if "8" in kind[:6] else 4)


def test_a_replaced_head_or_grown_vocabulary_only_adds_noise() -> None:
    model = nets.net(14)
    other = model | {"fc.weight": nets.net(15)["fc.weight"]}
    grown = model | {"fc.weight": np.concatenate([model["fc.weight"], nets.net(16)["fc.weight"]])}
    for changed in (other, grown, {k: v for k, v in model.items() if k != "fc.weight"}):
        assert code(model).log10_p(code(changed)) < -9


def test_what_all_units_share_is_no_evidence() -> None:
    """Honest twins on the same data share directions: a common pattern in every unit must not bring codes together."""
    rng = np.random.default_rng(17)
    common = {k: rng.standard_normal((1, *s[1:])) for k, s in nets.CNN.items()}
    made = [code({k: (v + common[k]).astype(np.float32) for k, v in nets.net((17, i)).items()}) for i in range(12)]
    distances = [a - b for a, b in combinations(made, 2)]
    assert abs(np.mean(distances) / 256 - 0.5) < 0.05
    assert min(a.log10_p(b) for a, b in combinations(made, 2)) > -4


def test_trained_strangers_are_not_accused(classifiers: list[nets.Net]) -> None:
    codes = [code(m) for m in classifiers]
    p = [a.log10_p(b) for a, b in combinations(codes, 2)]
    assert min(p) > -5 and np.mean(np.array(p) < -2) < 0.06


def test_trained_copies_are_found(classifiers: list[nets.Net], digits: tuple[np.ndarray, np.ndarray]) -> None:
    for seed, model in enumerate(classifiers[:4]):
        for copy in (
            nets.trained(seed + 50, *digits, start=model, epochs=2),
            nets.pruned(model, 0.5),
            nets.int8(model),
        ):
            assert code(model).log10_p(code(copy)) < -12


def test_refused_only_if_distance_zero_could_not_convict() -> None:
    """Whatever the size: a code exists exactly if its own distance 0 reaches 1e-9."""
    method, seen = hasher(), set()
    for size in range(2, 40):
        model = nets.net(size, {"a": (size, 2)})
        features = method.features(nets.weights(model))
        enough = features.parts and method.effective(features) >= 2
        enough = enough and chance.log10_p(0, 256, round(method.effective(features), 1)) <= MIN_LOG10_P
        seen.add(bool(enough))
        try:
            made = method.code_of(features, "m")
            assert enough and chance.log10_p(0, 256, made.m_eff) <= MIN_LOG10_P
        except TooFewWeights as error:
            assert not enough and "whosenet compare A B" in str(error)
    assert seen == {True, False}


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (2, 2), (3, 1, 3), (2,) * 8, (40_000, 2), (2, 40_000), (1, 64, 1, 48), (64, 64), (16, 16, 16), (7,) * 4,
     (5, 5, 5, 5, 5), (1000, 1000)],
)  # fmt: skip
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_every_shape_gives_a_code_or_a_refusal(shape: tuple[int, ...]) -> None:
    for method in ("nts", "null", *(["nts/1(statistic=k2)"] if len(shape) < 8 else [])):
        try:
            made = code(nets.net(1, {"w": shape}), method)
        except TooFewWeights:
            continue
        assert made.m_eff >= 2 and math.isfinite(made.m_eff) and made - made == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e38])
@pytest.mark.filterwarnings("ignore:.*(overflow|invalid).*:RuntimeWarning")
def test_bad_weights_silence_their_tensor_only(bad: float) -> None:
    model = nets.net(18)
    broken = {k: v.copy() for k, v in model.items()}
    broken["conv2.weight"][3:40, 5, 1] = bad
    method = hasher()
    features = method.features(nets.weights(broken))
    if not np.isfinite(bad):
        assert features.left_out == {"conv2.weight": "not finite"}
    assert all(np.isfinite(v).all() for v in features.parts.values())
    assert method.code_of(features, "m").log10_p(code(model)) < -6


def test_all_bad_is_refused() -> None:
    with pytest.raises(TooFewWeights, match="not finite"):
        code({k: np.full_like(v, np.nan) for k, v in nets.net(1).items()})


@pytest.mark.parametrize(
    ("parameters", "why"),
    [({"bits": 100}, "bits"), ({"statistic": "x"}, "unknown statistic"), ({"encoding": "x"}, "unknown encoding"),
     ({"importance": 0.0}, "importance"), ({"importance": 1.5}, "importance"), ({"segments": 1}, "segments"),
     ({"colour": 1}, "no parameter")],
)  # fmt: skip
def test_wrong_parameters_say_what_is_right(parameters: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        type(hasher())(**parameters)


@pytest.mark.parametrize(
    "text", ["nts", "nts/0", "nts/x", "nts/1(bits=abc)", "nope/1", "/1", "nts/1(=)", "nts/1(bits)"]
)
def test_a_broken_signature_is_a_usage_error(text: str) -> None:
    if text == "nts":
        pytest.skip("a name alone is the newest version")
    with pytest.raises(UsageError):
        parse_signature(text)


def test_codes_subtract() -> None:
    a, b = Code("x/1", bytes([0b1010_0000, 255]), 300.0), Code("x/1", bytes([0b0110_0000, 254]), 200.0)
    assert a - b == b - a == 3 and a - a == 0 and a.bits == 16 and a.hex == "a0ff"
    assert a.log10_p(b) == b.log10_p(a) and a.log10_p(a) < a.log10_p(b) < 0
