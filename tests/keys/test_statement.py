"""Signed evidence: whole, by this key, about these bytes; or refused."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import fixed, hides

from whosenet.errors import UnreadableInput, UsageError
from whosenet.keys.key import mint
from whosenet.keys.statement import (
    PAYLOAD_TYPE,
    key_id,
    load_statement,
    save_statement,
    sha256_of,
    sign_statement,
    signed_bytes,
    verify_statement,
)  # fmt: skip

SUBJECTS = {"transcript": "ab" * 32, "weights": "cd" * 32}
VERDICT = {"verdict": "derived", "p_value": 1e-9, "hits": 80}
OTHER = mint("Other", secret=b"\1" * 32, signing=b"\2" * 32)


def made(**parts: Any) -> dict[str, Any]:
    return sign_statement(fixed(), SUBJECTS, VERDICT, created="2026-01-31", **parts)


def signed(payload: bytes, kind: str = PAYLOAD_TYPE) -> dict[str, Any]:
    """Whatever it is, rightly signed."""
    signature = base64.b64encode(fixed().sign(signed_bytes(kind, payload))).decode()
    return {"payloadType": kind, "payload": base64.b64encode(payload).decode(), "signatures": [{"sig": signature}]}


def test_the_example_of_the_dsse_specification() -> None:
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert signed_bytes("http://example.com/HelloWorld", b"hello world") == expected


def test_what_was_signed_is_read_back(tmp_path: Path) -> None:
    path = save_statement(made(), tmp_path / "evidence.json")
    found = load_statement(path, fixed().public)
    assert found.subjects == SUBJECTS and found.verdict == VERDICT and found.created == "2026-01-31"
    assert (found.identity, found.commitment) == ("Acme", fixed().commitment)
    assert hides(path.read_text()) and path.read_bytes() == save_statement(made(), tmp_path / "again").read_bytes()


def test_another_tool_can_check_it() -> None:
    """By the two specifications alone."""
    envelope = made()
    payload = base64.b64decode(envelope["payload"])
    message = b"DSSEv1 28 application/vnd.in-toto+json %d " % len(payload) + payload
    key = Ed25519PublicKey.from_public_bytes(fixed().public_key)
    key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), message)
    statement = json.loads(payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1" and statement["predicateType"].startswith("urn:")
    assert statement["subject"][0] == {"name": "transcript", "digest": {"sha256": "ab" * 32}}
    assert envelope["signatures"][0]["keyid"] == key_id(fixed().public_key)


def test_another_key_did_not_sign_it() -> None:
    with pytest.raises(ValueError, match="not signed by this key"):
        verify_statement(made(), OTHER.public)


def test_one_good_signature_among_several_is_enough() -> None:
    envelope = made()
    envelope["signatures"].insert(0, {"keyid": "", "sig": base64.b64encode(b"\0" * 64).decode()})
    assert verify_statement(envelope, fixed().public).identity == "Acme"


def test_it_speaks_for_the_identity_of_the_key_alone() -> None:
    """The same key pair under another name, or with another method, is another key."""
    for other in (replace(fixed(), identity="Other"), replace(fixed(), method={})):
        with pytest.raises(ValueError, match="another identity"):
            verify_statement(made(), other.public)


@settings(deadline=None)
@given(st.data())
def test_a_changed_payload_is_noticed(data: st.DataObject) -> None:
    envelope = made()
    payload = bytearray(base64.b64decode(envelope["payload"]))
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="not signed"):
        verify_statement({**envelope, "payload": base64.b64encode(payload).decode()}, fixed().public)


def test_the_type_is_signed_too() -> None:
    with pytest.raises(ValueError, match="not signed"):
        verify_statement({**made(), "payloadType": "text/plain"}, fixed().public)
    with pytest.raises(ValueError, match="text/plain"):
        verify_statement(signed(b"{}", "text/plain"), fixed().public)


def statement(**change: Any) -> bytes:
    whole = json.loads(base64.b64decode(made()["payload"]))
    return json.dumps({**whole, **change}).encode()


@pytest.mark.parametrize("payload", [
    b"", b"{}", b"[]", b"7", b"\xff", b"[" * 100_000, statement(_type="x"), statement(predicateType="x"),
    statement(subject=[]), statement(subject=7), statement(subject=[{"name": "a", "digest": {"sha256": "AB" * 32}}]),
    statement(subject=[{"name": "a", "digest": {"sha256": "ab" * 32}}] * 2), statement(predicate={}),
    statement(predicate=None), statement(predicate={"identity": "A", "commitment": 7, "created": "", "verdict": {}}),
    statement(predicate={"identity": "A", "commitment": "", "created": "", "verdict": {"p": float("nan")}}),
    statement(predicate={"identity": "A", "commitment": "", "created": "", "verdict": "derived"}),
])  # fmt: skip
def test_signed_nonsense_is_refused(payload: bytes, tmp_path: Path) -> None:
    envelope = signed(payload)
    with pytest.raises(ValueError):  # noqa: PT011 (each has its own text)
        verify_statement(envelope, fixed().public)
    with pytest.raises(UnreadableInput, match="not accepted as evidence"):
        load_statement(save_statement(envelope, tmp_path / "e"), fixed().public)


@pytest.mark.parametrize("content", [
    b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"payload": 7}', b'{"payload": "%%", "payloadType": ""}',
    b'{"payload": "", "payloadType": "", "signatures": [{"sig": "x"}]}',
    b'{"payload": "", "payloadType": "", "signatures": {}}', b'{"payload": "", "payloadType": "", "signatures": []}',
])  # fmt: skip
def test_hostile_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "e").write_bytes(content)
    with pytest.raises(UnreadableInput):
        load_statement(tmp_path / "e", fixed().public)


def test_missing_and_huge_files(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 30)
    for name in ("huge", "missing", "."):
        with pytest.raises(UnreadableInput):
            load_statement(tmp_path / name, fixed().public)
    with pytest.raises(UnreadableInput):
        sha256_of(tmp_path / "missing")


@pytest.mark.parametrize(("subjects", "verdict"), [
    ({}, VERDICT), ({"a": "short"}, VERDICT), (SUBJECTS, {"p": float("inf")}), (SUBJECTS, {"p": {1}}),
])  # fmt: skip
def test_nonsense_is_not_signed(subjects: dict[str, str], verdict: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="no statement"):
        sign_statement(fixed(), subjects, verdict)


def test_a_judges_copy_does_not_sign() -> None:
    with pytest.raises(UsageError, match="judge's copy"):
        sign_statement(fixed().for_judge(), SUBJECTS, VERDICT)


def test_digest_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(b"x" * 100_000).hexdigest()
