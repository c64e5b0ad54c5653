"""The caller's side: a carrier with his pattern, and his signature over the gate's challenge."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from whosenet.errors import UsageError
from whosenet.guard.carrier import png_of
from whosenet.guard.challenge import PURPOSE, Challenge, signed_text
from whosenet.guard.register import gate_key
from whosenet.keys.key import Key
from whosenet.networks.images import Pixels
from whosenet.watermarks.deephiding import DeepHiding


@dataclass(frozen=True)
class Presented:
    """What goes back to the gate."""

    challenge: Challenge
    carrier: bytes
    """A PNG file."""
    signature: bytes
    """64 bytes."""

    def document(self) -> dict[str, Any]:
        """The body of POST /gate/admit."""
        carrier = base64.b64encode(self.carrier).decode()
        return {"challenge": self.challenge.document(), "carrier": carrier, "signature": self.signature.hex()}


def present(key: Key, cover: Pixels, challenge: Challenge, *, gate: str | None = None,
            purpose: str = PURPOSE) -> Presented:  # fmt: skip
    """`key`: the licensee's own, with its signing part. `cover`: uint8 [h, w, 1 or 3], from 32 a side, each time anew.

    `gate`: the name of the gate you mean; give it, or somebody between could pass on another gate's question.
    Raises UsageError for a challenge of another gate or purpose, and for a key that cannot sign.
    """
    if gate is not None and challenge.gate != gate:
        raise UsageError(f"the challenge is of the gate {challenge.gate!r}, not of {gate!r}; nothing was signed")
    if challenge.purpose != purpose:
        raise UsageError(f"the challenge is for {challenge.purpose!r}, not for {purpose!r}; nothing was signed")
    stamped = DeepHiding(gate_key(key)).stamp(cover[None], np.zeros(1, np.int64))[0]
    carrier = png_of(stamped)
    return Presented(challenge, carrier, key.sign(signed_text(challenge, carrier)))
