"""A key with known parts, and a look for its secrets in what was said."""

from __future__ import annotations

from typing import Any

from whosenet.keys.key import Key, mint

SECRET = bytes(range(100, 132))
SIGNING = bytes(32)


def fixed(identity: str = "Acme", **parts: Any) -> Key:
    return mint(identity, secret=SECRET, signing=SIGNING, **parts)


def hides(text: str) -> bool:
    """No 8 bytes of the secret or of the private key, however they are written down."""
    for secret in (SECRET, SIGNING):
        for start in range(0, 32, 8):
            part = secret[start : start + 8]
            forms = (part.hex(), part.decode("latin-1"), repr(part)[2:-1], str(list(part))[1:-1], part.hex(" "))
            if any(form in text for form in forms):
                return False
    return True
