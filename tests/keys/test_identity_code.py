"""The identity as bits: what it withstands, and how rarely chance looks like it."""

from __future__ import annotations

import numpy as np
import pytest
from samples import fixed

from whosenet.keys import identity_code as code
from whosenet.keys.key import mint


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
