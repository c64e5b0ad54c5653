"""The gate of a served model: a challenge, then a carrier and a signature, then in or not. No network in here.

A carrier alone is no proof: one of them minus its cover shows the pattern, and whoever saw it can show it again. So R
says only who somebody claims to be, and his Ed25519 signature over a fresh challenge says that he is there
(docs/active-protection.md has what this is worth, and what not).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from whosenet.errors import Refused, UsageError
from whosenet.guard.carrier import MAX_BYTES, MAX_SIDE, pixels_of
from whosenet.guard.challenge import PURPOSE, Challenge, signed_text
from whosenet.guard.log import Log
from whosenet.guard.outstanding import Clock, Outstanding
from whosenet.guard.pace import Pace
from whosenet.guard.register import Register
from whosenet.keys.identity_code import Found
from whosenet.keys.key import Key, verify_signature

BUSY = "too many at once; try again"
"""The only refusal that leaves the challenge good."""
TOO_OFTEN = "too many tries; wait"


@dataclass(frozen=True)
class Admission:
    """Who was let in, or why nobody was: `identity` or `refused`, never both."""

    identity: str | None
    refused: str = ""
    """For the log of the gate. Callers are told less: see `told`."""
    log10_p: float | None = None
    """Chance, corrected for all keys, that a picture without a pattern is read as this identity."""

    @property
    def told(self) -> str:
        """What a stranger may know: nothing about whether the pattern or the signature was the wrong one."""
        return self.refused if self.refused in (BUSY, TOO_OFTEN) else "refused" if self.refused else ""


@dataclass(frozen=True)
class Limits:
    """Every bound of a gate."""

    seconds: float = 60.0
    """A challenge lives so long."""
    outstanding: int = 10_000
    """Challenges open at once ..."""
    outstanding_each: int = 32
    """... and for one caller."""
    burst: int = 30
    """Tries (challenges and answers) of one caller in a row ..."""
    per_second: float = 1.0
    """... and steadily."""
    at_once: int = 8
    """Carriers read at the same time."""
    max_bytes: int = MAX_BYTES
    max_side: int = MAX_SIDE


class Gate:
    """May be used from several threads. `clock`: seconds that never go back."""

    def __init__(self, keys: Sequence[Key], *, name: str = "whosenet", log: str | Path | None = None,
                 limits: Limits | None = None, clock: Clock = time.monotonic) -> None:  # fmt: skip
        """`keys`: of `register.gate_key`. `name`: what callers know this gate by; it is part of what they sign.

        Raises UsageError.
        """
        self.limits = limits or Limits()
        self.register, self.log, self.name, self.clock = Register(keys), Log(log), name, clock
        self._open = Outstanding(
            name, clock, seconds=self.limits.seconds, most=self.limits.outstanding, each=self.limits.outstanding_each
        )
        self._pace = Pace(clock, burst=self.limits.burst, per_second=self.limits.per_second)
        self._readers = threading.BoundedSemaphore(self.limits.at_once)

    def challenge(self, session: str, *, purpose: str = PURPOSE, peer: str = "") -> Challenge:
        """A new challenge. `peer`: whom limits are counted for (an address). Raises Refused, UsageError."""
        if not self._pace.allows(peer):
            raise Refused(TOO_OFTEN)
        try:
            made = self._open.give(session, purpose, peer)
        except ValueError as error:
            raise UsageError(f"no challenge for this: {error}") from error
        if made is None:
            raise Refused(BUSY)
        return made

    def admit(self, carrier: bytes, challenge: Challenge, signature: bytes, *, session: str | None = None,
              purpose: str = PURPOSE, peer: str = "") -> Admission:  # fmt: skip
        """Who shows this carrier (a PNG or JPEG file) and signed this challenge; the challenge is used up.

        `session`, `purpose`: what he is here for now; a challenge given for something else does not serve.
        """
        if not self._pace.allows(peer):
            return Admission(None, TOO_OFTEN)
        if not self._readers.acquire(blocking=False):
            return Admission(None, BUSY)
        try:
            why = self._open.take(challenge, peer) or _elsewhere(challenge, session, purpose)
            found = Admission(None, why) if why else self._known(carrier, challenge, signature)
            return self._logged(found, carrier, challenge, signature)
        finally:
            self._readers.release()

    def _known(self, carrier: bytes, challenge: Challenge, signature: bytes) -> Admission:
        try:
            found = self._read(carrier)
        except ValueError as error:
            return Admission(None, str(error))
        if found is None:
            return Admission(None, "unknown identity")
        if not verify_signature(found.key.public_key, signed_text(challenge, carrier), signature):
            return Admission(None, "wrong signature")
        return Admission(found.key.identity, log10_p=found.reading.log10_p)

    def _read(self, carrier: bytes) -> Found | None:
        """Raises ValueError for what is no picture of a size that can be read."""
        image = pixels_of(carrier, max_bytes=self.limits.max_bytes, max_side=self.limits.max_side)
        try:
            return self.register.whose(image)
        except UsageError as error:
            raise ValueError(str(error)) from error

    def _logged(self, found: Admission, carrier: bytes, challenge: Challenge, signature: bytes) -> Admission:
        """The line of one who got in holds what he signed and his signature: his public key is enough to check it."""
        signed = signed_text(challenge, carrier)
        try:
            if found.identity is None:
                self.log.write("refused", reason=found.refused, request=sha256(signed + signature).hexdigest())
            else:
                self.log.write("admitted", identity=found.identity, log10_p=found.log10_p, signed=signed.decode(),
                               signature=signature.hex(), request=sha256(signed + signature).hexdigest())  # fmt: skip
        except OSError as error:
            return Admission(None, f"the log cannot be written ({error})")
        return found


def _elsewhere(challenge: Challenge, session: str | None, purpose: str) -> str:
    """Empty, or why the challenge does not serve for this."""
    if session is not None and session != challenge.session:
        return "a challenge of another session"
    return "" if purpose == challenge.purpose else "a challenge for another purpose"
