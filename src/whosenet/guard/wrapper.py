"""A model in Python behind a gate: it answers those alone who were let in."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from whosenet.errors import Refused
from whosenet.guard.challenge import Challenge
from whosenet.guard.gate import Gate
from whosenet.guard.sessions import SECONDS, Sessions


class Guarded:
    """`model(*arguments)` for holders of a token. It guards an interface: who runs the process has the model.

    guarded = Guarded(model, Gate(keys, log="gate.log"))
    challenge = guarded.challenge("a session")
    shown = present(key, cover, challenge)                      # by the caller: whosenet.guard.client
    token = guarded.admit(shown.carrier, challenge, shown.signature)
    answers = guarded(token, images)
    """

    def __init__(self, model: Callable[..., Any], gate: Gate, *, seconds: float = SECONDS) -> None:
        """`seconds`: how long a token lives."""
        self.gate, self._model = gate, model
        self._sessions = Sessions(gate.clock, seconds=seconds)

    def challenge(self, session: str, *, peer: str = "") -> Challenge:
        """Raises Refused, UsageError."""
        return self.gate.challenge(session, peer=peer)

    def admit(self, carrier: bytes, challenge: Challenge, signature: bytes, *, peer: str = "") -> str:
        """A token. Raises Refused."""
        found = self.gate.admit(carrier, challenge, signature, peer=peer)
        if found.identity is None:
            raise Refused(f"nobody was let in: {found.told}")
        return self._sessions.open(found.identity)

    def __call__(self, token: str, *arguments: Any, **named: Any) -> Any:
        """Raises Refused where the token is none (any more), or the log cannot be written."""
        identity = self._sessions.whose(token)
        if identity is None:
            raise Refused("a token is needed: ask for a challenge, then show a carrier and sign")
        try:
            self.gate.log.write("served", identity=identity, session=sha256(token.encode()).hexdigest()[:16])
        except OSError as error:
            raise Refused("nobody is served while the log cannot be written") from error
        return self._model(*arguments, **named)
