"""The identity as bits: what it withstands, and how rarely chance looks like it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from samples import fixed
from scipy import stats

from whosenet.keys import identity_code as code
from whosenet.keys.key import Key, mint


def soft(bits: np.ndarray) -> np.ndarray:
    return bits.astype(np.float32) * 2 - 1


def test_old_marks_keep_their_bits() -> None:
    key = fixed()
    assert code.identity_bits(key) == 0x7B4A44
    assert "".join(map(str, code.encode(0xABCDEF))) == "101010111100110111101111011000010111000010111001010110101111"
    assert "".join(map(str, code.carried(key, 3))) == "010111011011010100111101010110000110101001001111001110111101"


def test_a_carried_identity_is_read() -> None:
    key, stranger = fixed(), mint("Other", secret=b"\5" * 32, signing=b"\6" * 32)
    bits = soft(code.carried(key, 5))
    bits[:5] *= -0.5
    assert code.read(key, bits, 8) == code.Reading(True, 5, 5, pytest.approx(-10.3816, abs=1e-3))
    found = code.read(stranger, bits, 8)
    assert not found.identity_ok and found.bit_errors > 10 and found.log10_p > -4


def test_one_key_among_many_is_identified() -> None:
    keys = [mint(f"licensee {i}", secret=bytes([i] * 32), signing=bytes([i + 1] * 32)) for i in range(40)]
    bits = soft(code.carried(keys[17], 2))
    bits[[1, 20, 33]] *= -1
    found = code.identify(keys, bits, 8)
    assert found is not None and found.key is keys[17] and found.number == 17 and found.reading.pattern == 2
    alone = code.read(keys[17], bits, 8)
    assert found.reading.log10_p == pytest.approx(alone.log10_p + np.log10(40))
    assert code.identify([k for k in keys if k is not keys[17]], bits, 8) is None
    assert code.identify([], bits, 8) is None


def test_chance_is_a_fair_coin_whatever_was_read() -> None:
    """Distances of keys that had no part in it, to bits that are far from random: Binomial(60, 1/2)."""
    keys = [mint(f"k{i}", secret=i.to_bytes(32, "big"), signing=(i + 1).to_bytes(32, "big")) for i in range(200)]
    for bits in (np.zeros(60), np.tile([0, 1], 30), code.encode(7)):
        d = code._distances(keys, soft(bits).astype(np.float64), 10)
        assert d.shape == (200, 10)
        assert abs(d.mean() - 30) < 4 * np.sqrt(15 / 2000) and abs(d.var() / 15 - 1) < 4 * np.sqrt(2 / 2000)
        assert (d <= 22).mean() == pytest.approx(0.0259, abs=0.015)


def test_the_stated_chance_is_never_too_small() -> None:
    """P(stated p <= x) <= x for keys that had no part, all patterns tried."""
    bits = soft(np.tile([1, 1, 0], 20))
    keys = [mint("k", secret=i.to_bytes(32, "big"), signing=b"\1" * 32) for i in range(1000)]
    nearest = code._distances(keys, bits.astype(np.float64), 4).min(1)
    stated = np.array([code._log10_chance(int(d), 4) for d in nearest])
    for x in (0.3, 0.1, 0.03):
        assert (stated <= np.log10(x)).mean() <= x + 3 * np.sqrt(x / 1000)
    assert (stated < 0).mean() > 0.2


def test_the_tail_is_exact() -> None:
    expected = stats.binom.logcdf(np.arange(61), 60, 0.5) / np.log(10)
    assert code._log10_tail() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert code._log10_chance(0, 80) == pytest.approx(np.log10(80 / 2**60))


def test_wrong_keys_are_told_apart() -> None:
    """An almost perfect reading is no identity of another key, and of another pattern only by its own number."""
    key = fixed()
    readings = [code.read(key, soft(code.carried(key, i)), 8) for i in range(8)]
    assert [r.pattern for r in readings] == list(range(8)) and all(r.identity_ok and not r.bit_errors for r in readings)
    twin = mint("Acme", secret=b"\1" * 32, signing=b"\0" * 32)
    assert code.identity_bits(twin) == code.identity_bits(key)  # the same name and key pair, another secret
    assert not code.read(twin, soft(code.carried(key, 0)), 8).identity_ok


def test_bits_without_any_confidence_speak_for_nobody() -> None:
    key = fixed()
    for empty in (np.zeros(60), np.full(60, np.nan)):
        assert code.read(key, empty, 8) == code.Reading(False, 0, 60, 0.0)
        assert code.identify([key], empty, 8) is None


def test_a_thousand_licensees_are_searched_at_once() -> None:
    parts = {"public_key": fixed().public_key, "signing": b"", "logo": None, "method": {}}
    keys = [Key(identity=f"licensee {i}", secret=i.to_bytes(32, "big"), **parts) for i in range(1000)]
    bits = soft(code.carried(keys[811], 9))
    bits[:5] *= -1
    start = time.process_time()
    found = code.identify(keys, bits, 10)
    assert time.process_time() - start < 5
    assert found is not None and found.number == 811 and found.reading.log10_p <= -6


def test_at_least_one_pattern() -> None:
    with pytest.raises(ValueError, match="pattern"):
        code.read(fixed(), np.ones(60), 0)
