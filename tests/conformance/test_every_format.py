"""Laws of every reader, found by walking the registry."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conformance.examples import EXAMPLES, KINDS, NET, write
from whosenet import registry
from whosenet.errors import UnreadableInput
from whosenet.weights import Weights, open_weights
from whosenet.weights.base import Reader, check_shape
from whosenet.weights.open import HEAD, is_weight_file

every_kind = pytest.mark.parametrize(("name", "suffix"), KINDS)


@pytest.fixture
def example(tmp_path: Path, name: str, suffix: str) -> Iterator[Path]:
    yield write(tmp_path, name, suffix)


def test_every_reader_has_an_example() -> None:
    assert set(EXAMPLES) == set(registry.names("format"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_examples_end_as_it_says(name: str) -> None:
    cls: type[Reader] = registry.load("format", name)
    assert cls.name == name and cls.suffixes and set(EXAMPLES[name]) <= set(cls.suffixes)
    assert all(s == s.lower() and s.startswith(".") for s in cls.suffixes)
    assert all(is_weight_file(Path(f"MODEL{s.upper()}")) for s in cls.suffixes)


@every_kind
def test_only_its_own_reader_knows_a_file(example: Path, name: str) -> None:
    head = example.read_bytes()[:HEAD]
    claimed = [n for n, cls in registry.plugins("format").items() if cls().sniff(head, str(example).lower())]
    assert claimed == [name]


@every_kind
def test_content_decides_where_the_name_says_nothing(example: Path, name: str) -> None:
    renamed = example.rename(example.with_suffix(".blob"))
    with open_weights(renamed) as weights:
        assert weights.format == name


@every_kind
def test_the_numbers_come_back(example: Path, name: str) -> None:
    with open_weights(example) as weights:
        assert (weights.format, weights.name, weights.size) == (name, str(example), example.stat().st_size)
        assert weights.parameters == sum(v.size for v in NET.values())
        for tensor, truth in zip(weights.tensors, NET.values(), strict=True):
            assert tensor.trained and tensor.read().dtype == np.float32
            np.testing.assert_array_equal(tensor.read(), truth)


@every_kind
def test_twice_the_same(example: Path) -> None:
    with open_weights(example) as one, open_weights(example) as two:
        assert [(t.name, t.shape, t.dtype) for t in one.tensors] == [(t.name, t.shape, t.dtype) for t in two.tensors]
        assert all(np.array_equal(a.raw(), b.raw()) for a, b in zip(one.tensors, two.tensors, strict=True))


@every_kind
def test_parts_make_the_whole(example: Path) -> None:
    with open_weights(example) as weights:
        for tensor in weights.tensors:
            whole = tensor.raw()
            for elements in (1, 30, 100, 1 << 20):
                np.testing.assert_array_equal(np.concatenate(list(tensor.chunks(elements))), whole)
            assert tensor.raw(2, 2).shape == (0, *tensor.shape[1:])
            np.testing.assert_array_equal(tensor.raw(3, 7), whole[3:7])


@every_kind
def test_the_file_is_left_as_it_was(example: Path) -> None:
    os.utime(example, ns=(10**18, 10**18))
    example.chmod(0o444)
    before = example.read_bytes()
    _drain(example)
    assert example.read_bytes() == before and example.stat().st_mtime_ns == 10**18
    assert [p.name for p in example.parent.iterdir()] == [example.name]


@every_kind
def test_an_empty_file_is_unreadable(tmp_path: Path, name: str, suffix: str) -> None:
    (tmp_path / f"empty{suffix}").touch()
    with pytest.raises(UnreadableInput, match="is empty"):
        open_weights(tmp_path / f"empty{suffix}")


@every_kind
def test_a_cut_file_is_unreadable_or_whole(example: Path) -> None:
    body = example.read_bytes()
    for cut in sorted({1, 5, 8, 20, 64, len(body) - 1, *range(0, len(body), len(body) // 40)} - {0}):
        example.write_bytes(body[:cut])
        try:
            found = _drain(example)
        except UnreadableInput as error:
            assert str(example) in str(error) and "\n" not in str(error)
            continue
        assert all(np.array_equal(a, b) for a, b in zip(found, NET.values(), strict=True)), cut


@every_kind
def test_a_wrong_name_is_no_trap(example: Path, suffix: str) -> None:
    """Noise under a format's name is an error of one line, not a crash."""
    example.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(UnreadableInput):
        _drain(example)


def test_a_shape_of_no_elements_may_not_overflow_either() -> None:
    """NumPy cannot hold it: the product of the other dimensions is over 2^63."""
    with pytest.raises(UnreadableInput, match="impossible shape"):
        check_shape("f", "t", (8, 1 << 31, 0, 1 << 31, 12))
    assert check_shape("f", "t", (8, 0, 12)) == (8, 0, 12)


def _drain(path: Path) -> list[np.ndarray]:
    opened: Weights = open_weights(path)
    with opened as weights:
        return [t.read() for t in weights.tensors]
