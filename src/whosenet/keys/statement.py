"""Signed evidence: who claims which verdict about which files. An in-toto Statement v1 in a DSSE envelope.

Formats: https://github.com/secure-systems-lab/dsse (protocol 1.0.2) and https://github.com/in-toto/attestation (v1), so
other tools can check the signature. It proves who said it and about which bytes, not that it is true: that is for
whoever runs `verify` with the key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whosenet import files
from whosenet.errors import MalformedFile, UnreadableInput, UsageError
from whosenet.keys.ed25519 import verify_signature
from whosenet.keys.key import Key
from whosenet.keys.public import PublicKey, cap_size

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
VERDICT_TYPE = "urn:whosenet:verdict:1"
MAX_FILE = 1 << 24
MAX_SUBJECTS = 10_000
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Statement:
    """What was signed, after the signature was found good."""

    subjects: Mapping[str, str]
    """SHA-256 (hex) of each file it is about (a transcript, the suspect's weights, the trigger images), by name."""
    identity: str
    commitment: str
    """Of the key that signed."""
    created: str
    verdict: Mapping[str, Any]
    """The answer of `verify --json`."""


def sign_statement(
    key: Key, subjects: Mapping[str, str], verdict: Mapping[str, Any], *, created: str = ""
) -> dict[str, Any]:
    """An envelope as JSON. `subjects`: SHA-256 (hex) by name, see `sha256_of`. Raises UsageError."""
    predicate = {"identity": key.identity, "commitment": key.commitment, "created": created, "verdict": dict(verdict)}
    named = [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()]
    whole = {"_type": STATEMENT_TYPE, "subject": named, "predicateType": VERDICT_TYPE, "predicate": predicate}
    try:
        payload = files.canonical(whole).encode()
        _statement(json.loads(payload))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(f"no statement can be made of this: {str(error)[:200]}") from error
    signature = {"keyid": key_id(key.public_key), "sig": _text(key.sign(signed_bytes(PAYLOAD_TYPE, payload)))}
    return {"payloadType": PAYLOAD_TYPE, "payload": _text(payload), "signatures": [signature]}


def verify_statement(envelope: Mapping[str, Any], signer: PublicKey) -> Statement:
    """What the holder of this key signed in its name. Raises ValueError if he did not, or it makes no sense."""
    try:
        payload, kind = base64.b64decode(envelope["payload"], validate=True), str(envelope["payloadType"])
        signatures = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"][:100]]
        message = signed_bytes(kind, payload)
        if not any(verify_signature(signer.public_key, message, signature) for signature in signatures):
            raise ValueError("it is not signed by this key")
        if kind != PAYLOAD_TYPE:
            raise ValueError(f"it holds {kind[:60]!r}, not {PAYLOAD_TYPE}")
        said = _statement(json.loads(payload, parse_constant=_no_number))
        if (said.identity, said.commitment) != (signer.identity, signer.commitment):
            raise ValueError("it names another identity or commitment than the key that signed it")
        return said
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is no signed statement") from error


def _statement(whole: dict[str, Any]) -> Statement:
    """Raises ValueError, KeyError, TypeError, AttributeError."""
    if whole["_type"] != STATEMENT_TYPE or whole["predicateType"] != VERDICT_TYPE:
        raise ValueError("it is a statement of another kind")
    subjects = {str(one["name"]): str(one["digest"]["sha256"]) for one in whole["subject"]}
    if not 0 < len(subjects) <= MAX_SUBJECTS or len(subjects) != len(whole["subject"]):
        raise ValueError("it must be about at least one file, each with a name of its own")
    if not all(SHA256.fullmatch(digest) for digest in subjects.values()):
        raise ValueError("a file's digest must be a SHA-256 in 64 hex digits")
    said = whole["predicate"]
    identity, commitment, created, verdict = (said[name] for name in ("identity", "commitment", "created", "verdict"))
    if not all(isinstance(text, str) for text in (identity, commitment, created)) or not isinstance(verdict, dict):
        raise ValueError("identity, commitment, date or verdict is missing")
    return Statement(subjects, identity, commitment, created, verdict)


def signed_bytes(kind: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what the signature is over."""
    name = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def key_id(public_key: bytes) -> str:
    """A hint which key signed; it proves nothing."""
    return hashlib.sha256(public_key).hexdigest()


def sha256_of(path: str | Path) -> str:
    """SHA-256 (hex) of a file's bytes, as sha256sum prints it."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableInput(path, f"cannot be read ({error.strerror}); check the path") from error


def save_statement(envelope: Mapping[str, Any], path: str | Path) -> Path:
    return files.replaced(Path(path), lambda file: file.write(files.canonical(dict(envelope)).encode() + b"\n"))


def load_statement(path: str | Path, signer: PublicKey) -> Statement:
    """Raises UnreadableInput unless it is a statement signed by this key."""
    cap_size(path, MAX_FILE)
    try:
        envelope = json.loads(files.whole(path, MAX_FILE))
        if not isinstance(envelope, dict):
            raise ValueError("it is no signed statement")
        return verify_statement(envelope, signer)
    except OSError as error:
        raise UnreadableInput(path, f"cannot be read ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise MalformedFile(path, f"is not accepted as evidence: {str(error)[:200]}") from error


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")
