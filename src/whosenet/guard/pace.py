"""How often one caller may try: a bucket of tokens each, refilled steadily."""

from __future__ import annotations

import threading
from collections import OrderedDict

from whosenet.guard.outstanding import Clock

MOST_PEERS = 10_000
"""Callers remembered; the one that was quiet longest is forgotten first."""


class Pace:
    """May be used from several threads."""

    def __init__(self, clock: Clock, *, burst: int, per_second: float) -> None:
        self._clock, self._burst, self._rate = clock, burst, per_second
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Caller -> (tokens left, when)."""
        self._lock = threading.Lock()

    def allows(self, peer: str) -> bool:
        """Whether this caller may try now; if so, it has cost him a token."""
        now = self._clock()
        with self._lock:
            left, since = self._buckets.pop(peer, (float(self._burst), now))
            left = min(float(self._burst), left + (now - since) * self._rate)
            self._buckets[peer] = left - (left >= 1), now
            while len(self._buckets) > MOST_PEERS:
                self._buckets.popitem(last=False)
        return left >= 1
