"""The middleware, called as a server calls it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.guard.people import Clock, gate, shown
from whosenet.guard import asgi
from whosenet.guard.asgi import IDENTITY, GateMiddleware
from whosenet.guard.challenge import Challenge


async def model(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await send({"type": "lifespan.startup.complete"})
        return
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"hello {scope[IDENTITY]}".encode()})


def call(app: Any, method: str, path: str, body: Any = b"", token: str | None = None, *, kind: str = "http",
         headers: Any = (), pieces: int = 1, peer: str = "10.0.0.1") -> tuple[int, Any]:  # fmt: skip
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = -(-len(data) // pieces) or 1
    parts = [data[i : i + size] for i in range(0, len(data), size)] or [b""]
    asked = [{"type": "http.request", "body": p, "more_body": i + 1 < len(parts)} for i, p in enumerate(parts)]
    sent: list[Any] = []
    given = [*headers, *([(b"authorization", f"Bearer {token}".encode())] if token else [])]
    scope = {"type": kind, "method": method, "path": path, "headers": given, "client": (peer, 1234)}

    async def receive() -> Any:
        return asked.pop(0) if asked else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    if kind != "http":
        return 0, sent
    text = b"".join(m.get("body", b"") for m in sent[1:])
    assert sent[0]["type"] == "http.response.start"
    return sent[0]["status"], json.loads(text) if text[:1] == b"{" else text.decode()


def ask(app: Any, **more: Any) -> Challenge:
    status, said = call(app, "POST", "/gate/challenge", {"session": "one"}, **more)
    assert status == 200
    return Challenge.read(said["challenge"])


@pytest.fixture
def app() -> GateMiddleware:
    return GateMiddleware(model, gate())


@pytest.mark.parametrize("pieces", [1, 7])
def test_challenge_admit_and_be_served(tmp_path: Path, pieces: int) -> None:
    app = GateMiddleware(model, gate(log=tmp_path / "log"), seconds=60)
    answer = shown(ask(app), 3).document()
    status, said = call(app, "POST", "/gate/admit", answer, pieces=pieces)
    assert status == 200 and said["identity"] == "Licensee 3" and said["expires_in"] == 60
    assert call(app, "POST", "/predict", b"xyz", said["token"]) == (200, "hello Licensee 3")
    assert call(app, "POST", "/gate/admit", answer) == (403, {"error": "refused"})
    log = (tmp_path / "log").read_text()
    assert [json.loads(line)["event"] for line in log.splitlines()] == ["admitted", "served", "refused"]
    assert said["token"] not in log and answer["carrier"] not in log


@pytest.mark.parametrize("path", ["/", "/predict", "/gate", "/gate/", "//gate/admit", "/gate/admit/", "/GATE/ADMIT"])
@pytest.mark.parametrize("token", [None, "", "guess", "x" * 5000])
def test_every_other_address_needs_a_token(app: GateMiddleware, path: str, token: str | None) -> None:
    assert call(app, "GET", path, token=token)[0] == 401


def test_two_authorization_headers_or_another_scheme_are_none(app: GateMiddleware) -> None:
    _, said = call(app, "POST", "/gate/admit", shown(ask(app)).document())
    bearer = (b"authorization", b"Bearer " + said["token"].encode())
    assert call(app, "GET", "/", headers=[bearer])[0] == 200
    assert call(app, "GET", "/", headers=[bearer, bearer])[0] == 401
    assert call(app, "GET", "/", headers=[(b"authorization", b"Basic " + said["token"].encode())])[0] == 401


def test_a_token_expires() -> None:
    clock = Clock()
    app = GateMiddleware(model, gate(clock=clock), seconds=10)
    _, said = call(app, "POST", "/gate/admit", shown(ask(app)).document())
    clock.now += 11
    assert call(app, "GET", "/", token=said["token"])[0] == 401


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"null", b"[" * 4000, {}, {"session": 5}, {"session": ""}, {"session": "a\u0000"}]
)
def test_senseless_questions_for_a_challenge(app: GateMiddleware, body: Any) -> None:
    assert call(app, "POST", "/gate/challenge", body)[0] == 400


@pytest.mark.parametrize(
    "change",
    [
        {"challenge": 5},
        {"challenge": {}},
        {"carrier": "%%%"},
        {"carrier": 5},
        {"signature": "xyz"},
        {"signature": None},
    ],
)
def test_senseless_answers(app: GateMiddleware, change: Any) -> None:
    answer = shown(ask(app)).document()
    assert call(app, "POST", "/gate/admit", {**answer, **change})[0] == 400
    changed = {**answer, "challenge": {**answer["challenge"], "extra": 1}}
    assert call(app, "POST", "/gate/admit", changed)[0] == 400


def test_oversize_broken_off_and_wrong_method(app: GateMiddleware) -> None:
    app = GateMiddleware(model, gate(max_bytes=10_000))
    assert call(app, "POST", "/gate/admit", bytes(20_000), pieces=4)[0] == 413
    assert call(app, "GET", "/gate/challenge")[0] == 405


def test_strangers_and_wrong_signatures_look_the_same(app: GateMiddleware) -> None:
    wrong = {**shown(ask(app)).document(), "signature": "00" * 64}
    assert call(app, "POST", "/gate/admit", wrong) == (403, {"error": "refused"})
    assert call(app, "POST", "/gate/admit", shown(ask(app), 9).document()) == (403, {"error": "refused"})


def test_too_many_tries_are_429_for_that_caller_alone() -> None:
    app = GateMiddleware(model, gate(burst=1, per_second=0.001))
    ask(app)
    assert call(app, "POST", "/gate/challenge", {"session": "one"})[0] == 429
    ask(app, peer="10.0.0.2")


def test_an_answer_from_another_address_is_refused(app: GateMiddleware) -> None:
    assert call(app, "POST", "/gate/admit", shown(ask(app)).document(), peer="10.0.0.2")[0] == 403


def test_websockets_and_lifespan(app: GateMiddleware) -> None:
    _, sent = call(app, "GET", "/stream", kind="websocket")
    assert [m["type"] for m in sent] == ["websocket.close"]
    _, said = call(app, "POST", "/gate/admit", shown(ask(app)).document())
    _, sent = call(app, "GET", "/stream", token=said["token"], kind="websocket")
    assert [m["type"] for m in sent] == ["websocket.accept"]
    assert call(app, "", "", kind="lifespan")[1] == [{"type": "lifespan.startup.complete"}]


def test_unlogged_is_unserved(tmp_path: Path) -> None:
    app = GateMiddleware(model, gate(log=tmp_path / "a" / "log"))
    _, said = call(app, "POST", "/gate/admit", shown(ask(app)).document())
    (tmp_path / "a" / "log").unlink()
    (tmp_path / "a").rmdir()
    assert call(app, "GET", "/", token=said["token"])[0] == 503


@pytest.mark.parametrize(
    ("address", "counted"),
    [("10.0.0.7", "10.0.0.7"), ("2001:db8::1", "2001:db8::/64"), ("2001:db8::ffff:1", "2001:db8::/64"),
     ("2001:db8:0:1::1", "2001:db8:0:1::/64"), ("::ffff:10.0.0.7", "10.0.0.7"), ("fe80::1%eth0", "fe80::/64"),
     ("testclient", "testclient"), ("", "")],
)  # fmt: skip
def test_limits_are_counted_for_a_customer_and_not_for_each_of_his_addresses(address: str, counted: str) -> None:
    assert asgi._peer({"client": (address, 1)}) == counted
