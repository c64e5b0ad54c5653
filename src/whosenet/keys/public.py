"""The public part of a key: what is published before a model is released, and the commitment in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

from whosenet import files
from whosenet.errors import MalformedFile, UnreadableInput
from whosenet.keys import ed25519, name

KIND = "public-key"
VERSION = 1
MAX_METHOD = 1 << 16
"""Characters of the method as JSON."""
MAX_FILE = 1 << 22


@dataclass(frozen=True)
class PublicKey:
    """Checked when made: the commitment is that of the other fields, and the private key's holder signed it.

    So nobody publishes another one's key under a name of his own, and no field is changed afterwards. When it was
    published it does not say: that is for the place of publication.
    """

    identity: str
    public_key: bytes
    """32 bytes, Ed25519."""
    commitment: str
    """64 hex digits."""
    method: Mapping[str, Any]
    secret_digest: str
    """What the commitment holds of the secret: a one-way digest of 32 random bytes."""
    logo_digest: str
    """Empty without a logo."""
    created: str
    signature: bytes
    """64 bytes over `signed_text`."""

    def __post_init__(self) -> None:
        _length(self.public_key, ed25519.LENGTH, "public key")
        _length(self.signature, ed25519.SIGNATURE, "signature")
        if name.normal(self.identity) != self.identity:
            raise ValueError("the identity is not in its normal spelling")
        checked_date(self.created)
        object.__setattr__(self, "method", checked_method(self.method))
        if self.commitment != commitment(
            self.identity, self.public_key, self.secret_digest, self.logo_digest, self.method
        ):
            raise ValueError("the commitment is not that of identity, keys, logo and method")
        if not ed25519.verify_signature(self.public_key, signed_text(self.commitment, self.created), self.signature):
            raise ValueError("it is not signed by the key it names")


def commitment(identity: str, public_key: bytes, secret_digest: str, logo_digest: str, method: Any) -> str:
    """SHA-256 (hex) that binds a name, a key pair, a secret, a logo and a method, and shows nothing of the secret."""
    whole = ["whosenet/commitment/1", identity, public_key.hex(), secret_digest, logo_digest, dict(method)]
    return sha256(files.canonical(whole).encode()).hexdigest()


def secret_digest(secret: bytes) -> str:
    return sha256(b"whosenet/secret/1/" + secret).hexdigest()


def signed_text(commitment: str, created: str) -> bytes:
    return files.canonical(["whosenet/public-key/1", commitment, created]).encode()


def checked_method(method: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of its own, as JSON gives it back. Raises ValueError."""
    try:
        text = files.canonical(dict(method))
        copy: dict[str, Any] = json.loads(text)
    except (TypeError, RecursionError) as error:
        raise ValueError("the method must be a JSON object") from error
    if len(text) > MAX_METHOD:
        raise ValueError(f"the method has {len(text)} characters of JSON; at most {MAX_METHOD}")
    return copy


def checked_date(created: str) -> str:
    """An ISO date, or nothing. Raises ValueError."""
    if created and date.fromisoformat(created).isoformat() != created:
        raise ValueError("the date must be written as 2026-01-31")
    return created


def _length(value: bytes, length: int, what: str) -> None:
    if not isinstance(value, bytes) or len(value) != length:
        raise ValueError(f"the {what} must be {length} bytes")


def save_public(key: PublicKey, path: str | Path) -> Path:
    """Write it; anybody may read it."""
    header = {
        "identity": key.identity, "public_key": key.public_key.hex(), "commitment": key.commitment,
        "method": dict(key.method), "secret_digest": key.secret_digest, "logo_digest": key.logo_digest,
        "created": key.created, "signature": key.signature.hex(),
    }  # fmt: skip
    files.write(path, KIND, VERSION, header, {})
    return Path(path)


def load_public(path: str | Path) -> PublicKey:
    """Raises UnreadableInput if it is missing, no public key, changed, or not signed by the key it names."""
    cap_size(path, MAX_FILE)
    head = files.read(path, KIND, VERSION).header
    try:
        return PublicKey(
            identity=head["identity"], public_key=bytes.fromhex(head["public_key"]), commitment=head["commitment"],
            method=head["method"], secret_digest=head["secret_digest"], logo_digest=head["logo_digest"],
            created=head["created"], signature=bytes.fromhex(head["signature"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedFile(path, f"is a public key that makes no sense ({str(error)[:100]})") from error


def cap_size(path: str | Path, most: int) -> None:
    """Raises UnreadableInput: keys are small, and a stranger's file is not read to find out."""
    try:
        size = Path(path).stat().st_size
    except OSError as error:
        raise UnreadableInput(path, f"cannot be read ({error.strerror}); check the path") from error
    if size > most:
        raise MalformedFile(path, f"has {size} bytes, far more than a key; check that it is the right file")
