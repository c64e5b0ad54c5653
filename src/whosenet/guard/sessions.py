"""Tokens of those who were let in: random, short-lived, kept only as digests."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from hashlib import sha256

from whosenet.guard.outstanding import Clock

BYTES = 32
SECONDS = 900.0
MOST_EACH = 16
"""Of one identity at a time; the oldest goes when one more comes."""
LONGEST = 200


@dataclass(frozen=True)
class Session:
    identity: str
    expires: float


class Sessions:
    """May be used from several threads. As many tokens at most as identities times MOST_EACH."""

    def __init__(self, clock: Clock, *, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._clock, self._lock = clock, threading.Lock()
        self._open: dict[bytes, Session] = {}
        """By the token's digest, so that neither memory nor the time of looking up gives a token away."""

    def open(self, identity: str) -> str:
        """A new token, for its holder alone."""
        token = secrets.token_urlsafe(BYTES)
        with self._lock:
            now = self._clock()
            self._open = {digest: session for digest, session in self._open.items() if session.expires > now}
            own = [digest for digest, session in self._open.items() if session.identity == identity]
            for digest in own[: max(0, len(own) - MOST_EACH + 1)]:
                del self._open[digest]
            self._open[_digest(token)] = Session(identity, now + self.seconds)
        return token

    def whose(self, token: str) -> str | None:
        """The identity that holds this token, if it is still good."""
        if not 0 < len(token) <= LONGEST:
            return None
        with self._lock:
            found = self._open.get(_digest(token))
        return found.identity if found is not None and found.expires > self._clock() else None

    def close(self, token: str) -> None:
        with self._lock:
            self._open.pop(_digest(token), None)


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()
