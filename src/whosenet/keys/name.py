"""The text of an identity: one spelling, and nothing in it that shows another name than it holds."""

from __future__ import annotations

import unicodedata

LONGEST = 500
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
"""Invisible, but part of how Persian, Sinhala and others are spelled: allowed after a letter of such a script."""
INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Control characters, direction overrides, surrogates, private use, unassigned, line and paragraph separators."""
BLANK = frozenset(map(chr, (
    0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164, *range(0xFE00, 0xFE10), 0xFFA0,
    *range(0xE0100, 0xE01F0),
)))  # fmt: skip
"""Letters and marks that show nothing: the rest of Unicode's Default_Ignorable_Code_Point, and the empty Braille."""


def normal(text: str) -> str:
    """NFC, single spaces, none at the ends. Raises ValueError on what an identity must not hold."""
    if type(text) is not str:
        raise ValueError("the identity must be text")
    if len(text) > 4 * LONGEST:
        raise ValueError(f"the identity has {len(text)} characters; at most {LONGEST}")
    for before, character in zip(" " + text, text, strict=False):
        joins = character in JOINERS and ord(before) > 127 and unicodedata.category(before)[0] in "LM"
        if character in BLANK or (unicodedata.category(character) in INVISIBLE and not joins):
            raise ValueError(f"the identity holds the invisible character U+{ord(character):04X}; leave it out")
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not 1 <= len(name) <= LONGEST:
        raise ValueError(f"the identity has {len(name)} characters; expected 1 to {LONGEST}")
    return name
