"""Addresses and secrets: what is sent where, and what is never shown."""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from suspects import toy
from suspects.fake import questions, writer
from suspects.server import TOKEN
from suspects.serving import quick
from whosenet.errors import SuspectUnreachable, UsageError
from whosenet.suspects import open_suspect
from whosenet.suspects.address import parse_address, public, sent_headers
from whosenet.suspects.client import Client
from whosenet.suspects.oip import OipSuspect
from whosenet.suspects.secrets import Secrets

X = toy.images(3)


def test_a_token_from_the_environment_opens_the_door_and_is_written_nowhere(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    asked, url = questions(4), server.url("auth")
    with open_suspect(url, token_env="MY_TOKEN") as suspect, writer(tmp_path / "t", asked, suspect.describe()) as kept:
        found = suspect.ask(asked.images, classes=5, transcript=kept)
    assert (found.labels == toy.labels(asked.images)).all()
    assert TOKEN not in (tmp_path / "t").read_text() and TOKEN not in repr(vars(suspect._client))
    assert server.seen()["headers"]["Authorization"] == f"Bearer {TOKEN}"


def test_without_the_token_it_says_how_to_name_one(server):
    with pytest.raises(SuspectUnreachable, match="--token-env"):
        server.oip("auth")


def test_more_headers_with_values_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("KEY", "abc")
    url = server.url("ok")
    with open_suspect(url, headers=["X-Api-Key: env:KEY", "X-Tenant: me"]) as suspect:
        suspect.ask(X, classes=5)
    assert {"X-Api-Key": "abc", "X-Tenant": "me"}.items() <= server.seen()["headers"].items()


@pytest.mark.parametrize(
    "header", ["Authorization: Bearer x", "Host: x", "a", "X: ", "X Y: z", "X: a\r\nY: b", "X: env:NONE_SUCH"]
)
def test_headers_that_are_refused(header):
    with pytest.raises(UsageError):
        sent_headers(parse_address("https://host/x"), None, [header])


def test_a_token_does_not_go_out_unencrypted(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    with pytest.raises(UsageError, match="unencrypted") as caught:
        open_suspect("http://example.org/v2/models/x", token_env="MY_TOKEN")
    assert TOKEN not in str(caught.value)
    assert sent_headers(parse_address("https://example.org/x"), "MY_TOKEN", ())["Authorization"].endswith(TOKEN)


@pytest.mark.parametrize("value", [None, "", " ", "a\nb", "tökén"])
def test_a_token_that_is_none(monkeypatch, value):
    monkeypatch.delenv("MY_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setitem(os.environ, "MY_TOKEN", value)
    with pytest.raises(UsageError, match="MY_TOKEN"):
        open_suspect("https://example.org/x", token_env="MY_TOKEN")


@pytest.mark.parametrize("url", ["http://", "https:///x", "http://user:pass@host/x", "http://user@host/x", "http://host:99999/",
                                 "http://host:x/", "http://[::1/x", "http://h/\u00e9"])  # fmt: skip
def test_addresses_that_are_refused(url):
    with pytest.raises(UsageError) as caught:
        open_suspect(url)
    assert "pass" not in str(caught.value).replace("password", "")


def test_a_query_is_sent_and_not_shown(server):
    url = server.url("ok") + "?key=hush"
    suspect = OipSuspect(Client(url), pace=quick())
    assert "hush" not in suspect.describe() and (suspect.ask(X, classes=5).labels == toy.labels(X)).all()
    with pytest.raises(SuspectUnreachable) as caught:
        OipSuspect(Client(url.replace("/ok/", "/nometa/")), pace=quick())
    assert "hush" not in str(caught.value)


def test_redirects_are_not_followed(server):
    with pytest.raises(SuspectUnreachable, match="redirects to https://elsewhere.example/") as caught:
        server.oip("redirect")
    assert "key=1" not in str(caught.value)
    with pytest.raises(SuspectUnreachable, match="redirects"):
        server.hf("redirect").ask(X, classes=5)


def test_nobody_there_is_unreachable():
    with pytest.raises(SuspectUnreachable, match="no connection"):
        OipSuspect(Client("http://127.0.0.1:9/v2/models/x", timeout=2), pace=quick())


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate")
def test_an_unknown_certificate_is_not_trusted(tmp_path):
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "cert", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]  # fmt: skip
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    here = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    here.handle_error = lambda *args: None
    here.socket = context.wrap_socket(here.socket, server_side=True)
    threading.Thread(target=here.serve_forever, daemon=True).start()
    slept = []
    try:
        with pytest.raises(SuspectUnreachable, match="certificate"):
            OipSuspect(Client(f"https://localhost:{here.server_port}/v2/models/x"), pace=quick(sleep=slept.append))
    finally:
        here.shutdown()
        here.server_close()
    assert slept == [], "asking again does not help"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://me:pass@host:8/a/b?key=1#x", "https://host:8/a/b"),
        ("https://host?key=a/b", "https://host"),
        ("https://host/a#b?c", "https://host/a"),
        ("net.py:make@w.pt", "net.py:make@w.pt"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(given: str, shown: str):
    assert public(given) == shown


def test_an_endpoint_that_echoes_the_token_does_not_get_it_into_messages(server, tmp_path, monkeypatch):
    """In an error, and in an answer that becomes a problem of the transcript."""
    monkeypatch.setenv("MY_TOKEN", "tok/en-123456")
    asked = questions()
    for mode in ("echo", "echoerror"):
        url = server.url(mode, tail="hf") + "?key=querysecret"
        with open_suspect(url, token_env="MY_TOKEN", retries=0) as suspect:
            kept = tmp_path / mode
            with writer(kept, asked, suspect.describe()) as into, contextlib.suppress(SuspectUnreachable):
                found = suspect.ask(asked.images, classes=5, names=asked.names, transcript=into)
                assert any("***" in problem for problem in found.problems)
        assert b"123456" not in kept.read_bytes() and b"querysecret" not in kept.read_bytes()


def test_short_values_of_a_query_are_no_secrets():
    secrets = Secrets(["abc"], "k=1&key=0123456789")
    assert secrets.hide(b"abc 1 0123456789 k") == b"abc 1 ********** k"
    assert "0123" not in repr(secrets)
