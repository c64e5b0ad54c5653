"""Identities: one spelling each, and no name that looks like another by what cannot be seen."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whosenet.keys.name import LONGEST, normal


@pytest.mark.parametrize(("typed", "kept"), [
    ("  Acme   Ltd ", "Acme Ltd"), ("e\N{COMBINING ACUTE ACCENT}", "é"), ("Acme\N{NO-BREAK SPACE}Ltd", "Acme Ltd"),
    ("株式会社", "株式会社"), ("علی\N{ZERO WIDTH NON-JOINER}رضا", "علی\N{ZERO WIDTH NON-JOINER}رضا"),
    ("ශ්\N{ZERO WIDTH JOINER}රී", "ශ්\N{ZERO WIDTH JOINER}රී"), ("😀 & Sons", "😀 & Sons"), ("x" * LONGEST, "x" * LONGEST),
])  # fmt: skip
def test_spelling(typed: str, kept: str) -> None:
    assert normal(typed) == kept


@pytest.mark.parametrize("wrong", [
    "", " ", "a\tb", "a\nb", "a\x7fb", "a\x9bb", "a\N{ZERO WIDTH SPACE}b", "a\N{RIGHT-TO-LEFT OVERRIDE}b", "\ufeffa",
    "a\N{ZERO WIDTH JOINER}b", "a\u2066b", "a\ud800b", "a\ue000b", "a\N{LINE SEPARATOR}b", "a\N{SOFT HYPHEN}b",
    "x" * (LONGEST + 1), "x" * 10**6, "a\U000e0041b",
    *(f"Acme{blank} Ltd" for blank in "\u3164\u2800\u115f\u1160\uffa0\u034f\ufe00\ufe0f\U000e0100\U000e01ef"),
    *(f"Acme{blank} Ltd" for blank in "\u180b\u180c\u180d\u180e\u180f\u17b4\u17b5"),
])  # fmt: skip
def test_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="identity"):
        normal(wrong)


@pytest.mark.parametrize("wrong", [None, 7, b"Acme"])
def test_no_text(wrong: object) -> None:
    with pytest.raises(ValueError, match="text"):
        normal(wrong)  # type: ignore[arg-type]


@given(st.text(max_size=60))
def test_normal_spelling_stays(text: str) -> None:
    try:
        once = normal(text)
    except ValueError:
        return
    assert normal(once) == once and unicodedata.is_normalized("NFC", once)
