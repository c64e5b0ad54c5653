"""What a gate asks and a caller signs: a challenge for one gate, session and purpose, good once and not for long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from whosenet.files import canonical

PURPOSE = "serve"
LONGEST = 200
"""Characters of a gate's name, a session and a purpose."""
NONCE = 32
"""Bytes."""


@dataclass(frozen=True)
class Challenge:
    """Checked when made (ValueError): it may come from a stranger."""

    gate: str
    """The name of the gate that asks, so that no other gate can pass the question on as its own."""
    session: str
    """Whatever names the caller's connection; chosen by him."""
    purpose: str
    nonce: str
    """64 hex digits, random."""
    expires: int
    """Milliseconds by the gate's clock; the caller only signs it. A whole number: every language writes it alike."""

    def __post_init__(self) -> None:
        for text in (self.gate, self.session, self.purpose):
            if type(text) is not str or not 1 <= len(text) <= LONGEST or not text.isprintable():
                raise ValueError(f"gate, session and purpose are 1 to {LONGEST} printable characters")
        if type(self.nonce) is not str or len(self.nonce) != 2 * NONCE or set(self.nonce) - set("0123456789abcdef"):
            raise ValueError(f"a nonce is {2 * NONCE} hex digits")
        if type(self.expires) is not int or not 0 <= self.expires < 1 << 53:
            raise ValueError("the time of expiry is no number of milliseconds")

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def read(cls, document: Any) -> Challenge:
        """From JSON. Raises ValueError."""
        if not isinstance(document, Mapping) or set(document) != set(cls.__dataclass_fields__):
            raise ValueError(f"a challenge has the fields {', '.join(cls.__dataclass_fields__)}")
        return cls(**document)

    @property
    def number(self) -> bytes:
        """What it is filed under: a digest, so that the time of looking it up tells nothing about the nonce."""
        return sha256(bytes.fromhex(self.nonce)).digest()


def signed_text(challenge: Challenge, carrier: bytes) -> bytes:
    """What the caller signs: the whole challenge and the carrier shown with it, so neither is used with another."""
    return canonical(["whosenet/gate/1", challenge.document(), sha256(carrier).hexdigest()]).encode()
