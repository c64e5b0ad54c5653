"""The gate before any ASGI application: two addresses let callers in, every other needs the token they give.

POST /gate/challenge {"session"}                           -> {"challenge": {...}}
POST /gate/admit     {"challenge", "carrier", "signature"} -> {"token", "expires_in", "identity"}
everything else, websockets too: `Authorization: Bearer TOKEN`, or 401.

Plain ASGI 3.0 (https://asgi.readthedocs.io), for servers on asyncio; no framework. Serve it over TLS: who reads along
has the token.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import sha256
from typing import Any

from whosenet.errors import Refused, UsageError
from whosenet.files import canonical
from whosenet.guard.challenge import Challenge
from whosenet.guard.gate import BUSY, Gate
from whosenet.guard.sessions import SECONDS, Sessions

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

IDENTITY = "whosenet.identity"
"""Where in the scope the application finds who is asking."""
BESIDE = 4096
"""Bytes of a request beside the carrier."""


class Answer(Exception):
    """A status and what to say with it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class GateMiddleware:
    """`GateMiddleware(app, Gate(keys, log="gate.log"))` is an ASGI application."""

    def __init__(self, app: App, gate: Gate, *, prefix: str = "/gate", seconds: float = SECONDS) -> None:
        self._app, self._gate, self._prefix = app, gate, prefix
        self._sessions = Sessions(gate.clock, seconds=seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in (f"{self._prefix}/challenge", f"{self._prefix}/admit"):
            await self._own(scope, receive, send)
        else:
            await self._behind(scope, receive, send)

    async def _own(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] != "POST":
                raise Answer(405, "POST")
            asked = _json(await _body(receive, self._gate.limits.max_bytes * 4 // 3 + BESIDE))
            step = self._challenge if scope["path"].endswith("/challenge") else self._admit
            status, said = 200, await asyncio.to_thread(step, asked, _peer(scope))
        except Answer as answer:
            status, said = answer.status, {"error": str(answer)}
        await _say(send, status, said)

    def _challenge(self, asked: dict[str, Any], peer: str) -> dict[str, Any]:
        try:
            made = self._gate.challenge(asked.get("session", ""), peer=peer)
        except UsageError as error:
            raise Answer(400, str(error)) from error
        except Refused as error:
            raise Answer(503 if str(error) == BUSY else 429, str(error)) from error
        return {"challenge": made.document()}

    def _admit(self, asked: dict[str, Any], peer: str) -> dict[str, Any]:
        try:
            challenge = Challenge.read(asked["challenge"])
            carrier, signature = base64.b64decode(asked["carrier"], validate=True), bytes.fromhex(asked["signature"])
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise Answer(400, "expected challenge, carrier (base64 of a PNG) and signature (hex)") from error
        found = self._gate.admit(carrier, challenge, signature, peer=peer)
        if found.identity is None:
            raise Answer({BUSY: 503, "refused": 403}.get(found.told, 429), found.told)
        token = self._sessions.open(found.identity)
        return {"token": token, "expires_in": self._sessions.seconds, "identity": found.identity}

    async def _behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application itself, for holders of a token."""
        token = _bearer(scope)
        identity = None if token is None else self._sessions.whose(token)
        if identity is None:
            await _turned_away(scope, receive, send, 401, "a token is needed; see /gate/challenge")
            return
        request = sha256(canonical([scope.get("method", scope["type"]), scope["path"]]).encode()).hexdigest()
        try:
            self._gate.log.write("served", identity=identity, request=request)
        except OSError:
            await _turned_away(scope, receive, send, 503, "nobody is served while the log cannot be written")
            return
        await self._app({**scope, IDENTITY: identity}, receive, send)


async def _turned_away(scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    await _say(send, status, {"error": why})


def _bearer(scope: Scope) -> str | None:
    """The one token of the Authorization header; two headers are none."""
    found = [value for name, value in scope.get("headers", ()) if name.lower() == b"authorization"]
    kind, _, token = found[0].decode("latin-1").partition(" ") if len(found) == 1 else ("", "", "")
    return token.strip() if kind.lower() == "bearer" else None


def _peer(scope: Scope) -> str:
    """The caller's address, of IPv6 its /64: that is what one customer has. Behind a proxy it is the proxy's, unless
    the server is told to look further."""
    client = scope.get("client")
    address = str(client[0]) if client else ""
    try:
        wide = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if wide.version == 4:
        return address
    return str(wide.ipv4_mapped or ipaddress.ip_network((int(wide), 64), strict=False))


async def _body(receive: Receive, most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Answer(400, "the request broke off")
        body += message.get("body", b"")
        if len(body) > most:
            raise Answer(413, f"a request has at most {most} bytes")
        if not message.get("more_body"):
            return bytes(body)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Answer(400, "expected JSON") from error
    if not isinstance(found, dict):
        raise Answer(400, "expected a JSON object")
    return found


async def _say(send: Send, status: int, document: dict[str, Any]) -> None:
    body = canonical(document).encode()
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"),
               (b"content-length", str(len(body)).encode())]  # fmt: skip
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
