"""Challenges that were given out and not yet answered: each serves once, for a while, and only so many at a time."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import Counter
from collections.abc import Callable

from whosenet.files import canonical
from whosenet.guard.challenge import NONCE, Challenge

Clock = Callable[[], float]


class Outstanding:
    """May be used from several threads. Held in memory: a gate in several processes needs callers to stay with one."""

    def __init__(self, gate: str, clock: Clock, *, seconds: float, most: int, each: int) -> None:
        """`most` in all, `each` for one peer: one caller cannot use up what is there for everybody."""
        self._gate, self._clock, self._seconds, self._most, self._each = gate, clock, seconds, most, each
        self._open: dict[bytes, tuple[Challenge, str]] = {}
        self._of: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def give(self, session: str, purpose: str, peer: str) -> Challenge | None:
        """A new one, or None where too many are open. Raises ValueError for a session or purpose that is none."""
        now = self._clock()
        made = Challenge(self._gate, session, purpose, secrets.token_hex(NONCE), int(1000 * (now + self._seconds)))
        with self._lock:
            self._forget(now)
            if len(self._open) >= self._most or self._of[peer] >= self._each:
                return None
            self._open[made.number] = made, peer
            self._of[peer] += 1
        return made

    def take(self, shown: Challenge, by: str) -> str:
        """Empty if it was given to this peer just so and is still good; else why not. Either way it is used up now."""
        with self._lock:
            given, peer = self._open.pop(shown.number, (None, ""))
            if given is not None:
                self._less(peer)
        if given is None:
            return "unknown or used challenge"
        if not hmac.compare_digest(canonical(given.document()), canonical(shown.document())):
            return "changed challenge"
        if not hmac.compare_digest(peer.encode(), by.encode()):
            return "a challenge that was given to another caller"
        return "expired challenge" if 1000 * self._clock() >= given.expires else ""

    def _forget(self, now: float) -> None:
        """Those that have expired: the oldest come first, all live equally long."""
        while self._open:
            number, (made, peer) = next(iter(self._open.items()))
            if made.expires > 1000 * now:
                return
            del self._open[number]
            self._less(peer)

    def _less(self, peer: str) -> None:
        self._of[peer] -= 1
        if not self._of[peer]:
            del self._of[peer]
