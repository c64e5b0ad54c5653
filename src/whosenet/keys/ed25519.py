"""Ed25519 signatures (RFC 8032) and HKDF-SHA256 (RFC 5869), by the library `cryptography`."""

from __future__ import annotations

from typing import Any

from whosenet.errors import MissingExtra

LENGTH = 32
"""Bytes of a private key, of a public key and of a secret."""
SIGNATURE = 64


def _library() -> tuple[Any, Any]:
    """Raises MissingExtra."""
    try:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtra("prove", "a key") from error
    return ed25519, hashes


def public_of(signing: bytes) -> bytes:
    """The public key (32 bytes) that belongs to a private one (32 bytes)."""
    public: bytes = _library()[0].Ed25519PrivateKey.from_private_bytes(bytes(signing)).public_key().public_bytes_raw()
    return public


def sign(signing: bytes, message: bytes) -> bytes:
    """64 bytes; the same message, the same signature."""
    signature: bytes = _library()[0].Ed25519PrivateKey.from_private_bytes(bytes(signing)).sign(message)
    return signature


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the holder of the private key signed just this message. False for malformed keys and signatures, too."""
    ed25519, _ = _library()
    from cryptography.exceptions import InvalidSignature

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def expand(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256."""
    _, hashes = _library()
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived: bytes = HKDF(hashes.SHA256(), length, salt, info).derive(bytes(secret))
    return derived
