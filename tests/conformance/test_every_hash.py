"""Laws of every hash, found by walking the registry; nts with its whole family."""

from __future__ import annotations

import os
from pathlib import Path

import ml_dtypes
import nets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whosenet import registry
from whosenet.errors import UsageError
from whosenet.finding.hashing import hash_file, hasher
from whosenet.hashes.base import Hash, parse_signature
from whosenet.hashes.code import Code
from whosenet.hashes.encode import ENCODINGS
from whosenet.hashes.statistics import STATISTICS
from whosenet.weights import open_weights


def members() -> list[Hash]:
    """Every registered hash with its defaults, and one nts for each choice its family offers."""
    family = [{"statistic": s} for s in STATISTICS] + [{"encoding": e} for e in ENCODINGS]
    family += [{"importance": 0.5}, {"segments": 256}, {"bits": 64}, {"bits": 1024}, {"bits": 512, "statistic": "k2"}]
    made = [cls() for cls in registry.plugins("hash").values()] + [hasher("nts").__class__(**p) for p in family]
    return list({m.signature: m for m in made}.values())


every_hash = pytest.mark.parametrize("method", members(), ids=lambda m: m.signature)


@every_hash
def test_the_same_input_gives_the_same_code(method: Hash, tmp_path: Path) -> None:
    path = nets.save(tmp_path / "a.safetensors", nets.net(1))
    codes = {str(hash_file(path, [parse_signature(method.signature)]).codes[0]) for _ in range(2)}
    with open_weights(path) as weights:
        assert codes == {str(method.code(weights))}


@every_hash
def test_order_names_and_transposes_never_change_a_code(method: Hash, tmp_path: Path) -> None:
    model = nets.net(3)
    truth = _code(method, nets.save(tmp_path / "a.safetensors", model))
    for seed in range(2):
        assert _code(method, nets.save(tmp_path / "b.safetensors", nets.moved(model, seed))) - truth == 0


@pytest.mark.parametrize("name", registry.names("hash"))
def test_no_transposition_of_any_shape_changes_a_code(name: str) -> None:
    method = hasher(name)
    for seed in range(30):
        shapes = _shapes(np.random.default_rng([seed, 1]))
        model = nets.net(seed, shapes, (nets.gaussian, nets.heavy, nets.low_rank)[seed % 3])
        truth = method.code(nets.weights(model))
        assert truth - method.code(nets.weights(nets.moved(model, seed))) == 0, shapes


def _shapes(rng: np.random.Generator) -> dict[str, tuple[int, ...]]:
    sizes = [3, 3, 8, 16, 16, 24]
    made = {f"t{i}": tuple(int(n) for n in rng.choice(sizes, rng.integers(2, 5))) for i in range(4)}
    return made | {"dense": (48, 40), "square": (32, 32)}


@pytest.mark.parametrize("name", [n for n, cls in registry.plugins("hash").items() if cls.ignores_rearranging])
@pytest.mark.parametrize("kind", ["permuted", "rescaled", "folded", "all"])
def test_rearranging_changes_no_bit_of_a_hash_that_ignores_it(name: str, kind: str) -> None:
    method, (model, other) = hasher(name), {
        "permuted": (nets.net(3), nets.rearranged(nets.net(3), scale=0)),
        "rescaled": (nets.net(3), nets.rearranged(nets.net(3), permute=False)),
        "folded": (nets.net(3), nets.rescaled(nets.net(3))),
        "all": (nets.net(3, nets.MLP), nets.moved(nets.rescaled(nets.rearranged(nets.net(3, nets.MLP))), 1)),
    }[kind]  # fmt: skip
    assert method.code(nets.weights(model)) - method.code(nets.weights(other)) == 0
    assert any(
        (a.shape, a.tobytes()) != (b.shape, b.tobytes()) for a, b in zip(model.values(), other.values(), strict=True)
    )


@every_hash
def test_shards_and_prefixes_change_nothing(method: Hash, tmp_path: Path) -> None:
    model = nets.net(4)
    truth = _code(method, nets.save(tmp_path / "a.safetensors", model))
    prefixed = {f"module.{k}": v for k, v in model.items()}
    assert _code(method, nets.save(tmp_path / "b.safetensors", prefixed)) == truth
    assert _code(method, nets.save_shards(tmp_path / "shards", model)) == truth


@every_hash
def test_what_is_no_weight_changes_nothing(method: Hash, tmp_path: Path) -> None:
    model = nets.net(5)
    truth = _code(method, nets.save(tmp_path / "a.safetensors", model))
    extra = {"bias": np.ones(64, np.float32), "steps": np.arange(64).reshape(8, 8), "mask": np.tri(9, dtype=bool),
             "ones": np.ones((16, 16), np.float32)}  # fmt: skip
    assert _code(method, nets.save(tmp_path / "b.safetensors", extra | model)) == truth


@every_hash
def test_files_are_left_as_they_were(method: Hash, tmp_path: Path) -> None:
    path = nets.save(tmp_path / "a.safetensors", nets.net(1))
    os.utime(path, ns=(10**18, 10**18))
    before = path.read_bytes()
    hash_file(path, [method])
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, 10**18)
    assert list(tmp_path.iterdir()) == [path]


@every_hash
def test_a_code_says_what_made_it(method: Hash) -> None:
    code = method.code(nets.weights(nets.net(1)))
    assert code.signature == method.signature == parse_signature(code.signature).signature
    assert parse_signature(code.signature).parameters == method.parameters
    assert Code.parse(str(code)) == code and code - code == 0
    assert code.bits == method.parameters.get("bits", 256) and code.m_eff >= 2


@every_hash
def test_another_version_asks_for_rehashing(method: Hash) -> None:
    other = method.signature.replace(f"/{method.version}", f"/{method.version + 1}", 1)
    with pytest.raises(UsageError, match="rehash"):
        parse_signature(other)
    with pytest.raises(UsageError, match="no parameter"):
        parse_signature(f"{method.name}/{method.version}(nonsense=1)")
    with pytest.raises(UsageError, match="differ in kind"):
        Code(method.signature, b"ab", 9.0) - Code(other, b"ab", 9.0)


@pytest.mark.parametrize("name", registry.names("hash"))
def test_a_cast_file_says_the_same_of_the_same_numbers(name: str, tmp_path: Path) -> None:
    """Numbers that bfloat16 holds exactly give one code from every type wide enough for them."""
    rounded = {k: v.astype(np.float32) for k, v in nets.half(nets.net(6)).items()}
    codes = {
        _code(hasher(name), nets.save(tmp_path / f"{kind.__name__}.safetensors", nets.half(rounded, kind))).hex
        for kind in (np.float64, np.float32, ml_dtypes.bfloat16)
    }
    assert len(codes) == 1


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(
        r"[a-z0-9_]{1,12}/[0-9]{1,4}(\([a-z]{1,6}=[a-z0-9_.]{1,8}(,[a-z]{1,6}=[0-9.]{1,5})?\))?", fullmatch=True
    ),
    st.binary(min_size=1, max_size=128),
    st.integers(0, 10**9).map(lambda n: n / 10),
)
def test_print_then_parse_is_identity(signature: str, data: bytes, m_eff: float) -> None:
    code = Code(signature, data, m_eff)
    assert Code.parse(str(code)) == code and Code.parse(f" {code}\n") == code


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_what_is_no_code_is_a_usage_error(text: str) -> None:
    try:
        assert str(Code.parse(text)) != ""
    except UsageError as error:
        assert "expected METHOD/VERSION" in str(error)


def test_null_scores_at_chance_on_copies() -> None:
    """Copies that any real hash finds are strangers to the control, and its p-values are honest."""
    null, nts = hasher("null"), hasher("nts")
    distances, p = [], []
    for seed in range(120):
        model = nets.net((7, seed), {"a": (24, 16), "b": (16, 24, 3), "c": (32, 40)})
        copy = nets.noisy(model, 1e-3, seed)
        a, b = (null.code(nets.weights(m)) for m in (model, copy))
        distances.append(a - b)
        p.append(10 ** a.log10_p(b))
    assert abs(np.mean(distances) / 256 - 0.5) < 0.01 and 6 < np.std(distances) < 10
    assert min(p) > 1e-4 and 0.02 < np.mean(np.array(p) < 0.1) < 0.2
    assert nts.code(nets.weights(model)).log10_p(nts.code(nets.weights(copy))) < -20


def test_null_sees_one_changed_weight() -> None:
    model = nets.net(1)
    changed = {k: v.copy() for k, v in model.items()}
    changed["conv2.weight"][1, 2, 0, 1] += 1e-4
    null = hasher("null")
    assert null.code(nets.weights(model)) - null.code(nets.weights(model)) == 0
    assert 90 < null.code(nets.weights(model)) - null.code(nets.weights(changed)) < 166


def _code(method: Hash, path: Path) -> Code:
    return hash_file(path, [method], digest=False).codes[0]
