"""The identity code: what it corrects, by itself and with the reader's confidence."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whosenet.errors import MissingExtra
from whosenet.keys import ordered_statistics, reed_solomon
from whosenet.keys.reed_solomon import BITS, PAYLOAD, decode, encode, encode_all

payloads = st.integers(0, (1 << PAYLOAD) - 1)
seeds = st.integers(0, 2**32 - 1)


def soft(payload: int) -> np.ndarray:
    return encode(payload).astype(np.float32) * 2 - 1


@settings(deadline=None)
@given(payloads)
def test_what_is_encoded_is_decoded(payload: int) -> None:
    word = encode(payload)
    assert word.shape == (BITS,) and word.dtype == np.uint8 and set(word.tolist()) <= {0, 1}
    assert int("".join(map(str, word[:PAYLOAD])), 2) == payload
    assert decode(soft(payload)) == (payload, 0) == decode(soft(payload) * 1e-6)


@settings(deadline=None)
@given(payloads, seeds, st.integers(0, 4))
def test_any_four_symbols_are_corrected_however_sure_they_are(payload: int, seed: int, wrong: int) -> None:
    r = np.random.default_rng(seed)
    values = soft(payload).reshape(15, 4)
    for place in r.choice(15, wrong, replace=False):
        flipped = np.unpackbits(np.array([r.integers(1, 16)], np.uint8))[4:]
        values[place] *= 5 * (1 - 2.0 * flipped)
    received = values.reshape(-1)
    assert decode(received) == (payload, int(((received > 0) != encode(payload)).sum()))


@settings(deadline=None, max_examples=30)
@given(payloads, seeds)
def test_nine_doubtful_symbols_are_corrected(payload: int, seed: int) -> None:
    r = np.random.default_rng(seed)
    values = soft(payload).reshape(15, 4)
    places = r.choice(15, 9, replace=False)
    values[places] = 0.01 * r.standard_normal((9, 4))
    assert decode(values.reshape(-1))[0] == payload


def test_every_two_words_differ_in_ten_symbols() -> None:
    words = encode_all(np.random.default_rng(0).choice(1 << PAYLOAD, 400, replace=False))
    symbols = words.reshape(400, 15, 4) @ reed_solomon.WEIGHTS
    differing = (symbols[:, None] != symbols[None]).sum(2)[~np.eye(400, dtype=bool)]
    assert differing.min() >= 10


def test_the_fast_encoder_is_the_slow_one() -> None:
    some = np.random.default_rng(1).integers(0, 1 << PAYLOAD, 50)
    assert np.array_equal(encode_all(some), np.stack([encode(int(p)) for p in some]))


def shares(noise: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> tuple[float, float]:
    """How often hard and soft decoding give the payload back."""
    r, hard, whole, count = np.random.default_rng(3), 0, 0, 60
    for _ in range(count):
        payload = int(r.integers(1 << PAYLOAD))
        values = noise(soft(payload), r)
        symbols = (values > 0).reshape(15, 4) @ reed_solomon.WEIGHTS
        hard += reed_solomon._corrected(symbols.tolist(), []) == payload
        whole += decode(values)[0] == payload
    return hard / count, whole / count


def covered(values: np.ndarray, r: np.random.Generator) -> np.ndarray:
    """Three symbols under something else, three wiped, a little noise on the rest."""
    parts = (values + 0.3 * r.standard_normal(BITS)).reshape(15, 4)
    places = r.permutation(15)
    parts[places[:3]] = r.choice([-1, 1], (3, 4))
    parts[places[3:6]] = 0.1 * r.standard_normal((3, 4))
    return parts.reshape(-1)


def test_confidence_helps_against_noise() -> None:
    hard, whole = shares(lambda values, r: values + 0.9 * r.standard_normal(BITS))
    assert hard < 0.4 and whole > 0.9


def test_confidence_helps_where_parts_are_covered() -> None:
    hard, whole = shares(covered)
    assert hard < 0.3 and whole > 0.7


def test_chance_hits_no_given_payload() -> None:
    """About 2^-24 of random words would; 150 of them must not, nor share a payload."""
    r = np.random.default_rng(4)
    found = [decode(r.standard_normal(BITS))[0] for _ in range(150)]
    assert len(set(found)) == 150 and 0xABCDEF not in found and None not in found


@pytest.mark.parametrize("empty", [np.zeros(BITS), np.full(BITS, np.nan), np.full(BITS, np.inf)])
def test_nothing_to_decode(empty: np.ndarray) -> None:
    assert decode(empty) == (None, BITS)


def test_what_is_no_number_has_no_say() -> None:
    values = soft(0x123456)
    values[:12] = np.nan
    assert decode(values)[0] == 0x123456


@pytest.mark.parametrize("shape", [(59,), (61,), (6, 10), ()])
def test_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="60 soft bits"):
        decode(np.ones(shape))


@pytest.mark.parametrize("payload", [-1, 1 << PAYLOAD])
def test_another_payload(payload: int) -> None:
    with pytest.raises(ValueError, match="24 bits"):
        encode(payload)


def test_ordered_statistics_propose_words_of_the_code() -> None:
    values = np.random.default_rng(5).standard_normal(BITS)
    words = ordered_statistics.words_near(values, reed_solomon._basis())
    heads = words[:, :PAYLOAD].astype(np.int64) @ (1 << np.arange(PAYLOAD)[::-1])
    assert words.shape == (301, BITS) and len(set(heads.tolist())) == 301
    assert np.array_equal(words, encode_all(heads))


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reedsolo", None)
    reed_solomon._codec.cache_clear()
    with pytest.raises(MissingExtra, match=r"whosenet\[prove\]"):
        encode(1)
