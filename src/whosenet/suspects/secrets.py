"""Secrets that go out with a request must not come back into a message or a transcript if an endpoint echoes them."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote

SHORTEST = 6
"""Shorter ones are not looked for: by chance they would be found in honest answers."""


class Secrets:
    """Tokens, secret headers and whatever an address holds behind its question mark."""

    def __init__(self, values: Iterable[str], query: str = "") -> None:
        found = {*values, query, unquote(query), *(value for _, value in parse_qsl(query))}
        kept = sorted((v for v in found if len(v) >= SHORTEST), key=len, reverse=True)
        self._hidden = [form.encode() for v in kept for form in dict.fromkeys((v, v.replace("/", "\\/")))]

    def __repr__(self) -> str:
        return f"Secrets({len(self._hidden)})"

    def hide(self, said: bytes) -> bytes:
        """The same number of bytes with stars for every secret."""
        for secret in self._hidden:
            said = said.replace(secret, b"*" * len(secret))
        return said

    def hidden(self, text: str) -> str:
        return self.hide(text.encode("utf-8", "replace")).decode("utf-8", "replace")
