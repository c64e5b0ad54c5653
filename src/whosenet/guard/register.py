"""Who may enter: the licensees' gate keys, and whose pattern a picture bears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whosenet import thresholds
from whosenet.errors import UsageError
from whosenet.keys.identity_code import BITS, Found, identify
from whosenet.keys.key import Key
from whosenet.networks.images import Pixels
from whosenet.watermarks.deephiding import DeepHiding

PURPOSE = "gate"
PATTERNS = 1
"""A gate key has one pattern: every other would only cost certainty."""


def gate_key(key: Key) -> Key:
    """What a licensee's key is for a gate: the same identity and public key, a secret of its own, nothing to sign with.

    Its pattern is none of those in the licensee's marked model, so carriers shown at a gate give no trigger away, and a
    gate that is broken into loses neither the marks nor anybody's signature.
    """
    if PURPOSE in key.method:
        return key.for_judge()
    return replace(key, secret=key.derive(PURPOSE), signing=b"", logo=None, method={**key.method, PURPOSE: 1})


class Register:
    """Keys as made by `gate_key`, all for one hiding pair. Raises UsageError."""

    def __init__(self, keys: Sequence[Key]) -> None:
        if any(PURPOSE not in key.method for key in keys):
            raise UsageError("a gate holds gate keys alone; register whosenet.guard.register.gate_key(key)")
        doubled = len(keys) - len({key.public_key for key in keys})
        if not keys or doubled:
            raise UsageError(f"a gate needs at least one key, each with a public key of its own; {doubled} are doubled")
        self.keys = tuple(key.for_judge() for key in keys)
        pairs = {DeepHiding(key).pair.digest: DeepHiding(key).pair for key in _of_each_method(self.keys)}
        if len(pairs) > 1:
            raise UsageError(f"keys for {len(pairs)} hiding pairs; one gate reads with one")
        (self._pair,) = pairs.values()

    def __len__(self) -> int:
        return len(self.keys)

    def whose(self, image: Pixels) -> Found | None:
        """The key whose gate pattern is in uint8 [h, w, c], or None. Raises UsageError if it is smaller than a tile."""
        soft = self._pair.read(image[None], BITS)[0]
        return identify(self.keys, soft, PATTERNS, alpha=thresholds.IDENTITY_ALPHA)


def _of_each_method(keys: Sequence[Key]) -> list[Key]:
    return list({(str(key.method.get("pair")), str(key.method.get("hiding"))): key for key in keys}.values())
