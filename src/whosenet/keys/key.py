"""A key: the identity a mark bears, and the secret that everything about the mark is derived from.

The public rule: pattern, target class, covers and order follow from the key by `derive`, so that nobody who has
published a commitment can choose them afterwards. The 32 random bytes of the secret (and the private signing key) are
all that is ever drawn by lot.
"""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from whosenet import files
from whosenet.errors import MalformedFile, UsageError, WhosenetWarning
from whosenet.keys import ed25519, name, public
from whosenet.keys import logo as logos
from whosenet.keys.ed25519 import verify_signature
from whosenet.keys.hidden import Hidden
from whosenet.keys.public import PublicKey, load_public

__all__ = ["METHOD", "Key", "PublicKey", "load", "load_public", "mint", "save", "save_public", "verify_signature"]

KIND = "key"
VERSION = 1
METHOD: Mapping[str, Any] = {"watermark": "deephiding", "patterns": 4}
"""What a commitment binds unless something else is said."""
MAX_TEXT = 2000
MAX_FILE = 1 << 22


@dataclass(frozen=True, repr=False, eq=False)
class Key:
    """Checked when made (ValueError). Private parts show in no repr; a key is not pickled, so in no checkpoint."""

    identity: str
    """1..500 characters in normal spelling: see whosenet.keys.name."""
    public_key: bytes
    """32 bytes, Ed25519."""
    secret: bytes
    """32 random bytes."""
    signing: bytes
    """32 bytes, the private Ed25519 key; empty in a judge's copy, which derives everything and signs nothing."""
    logo: NDArray[np.uint8] | None
    """uint8 [h, w, 3], at most 256 a side."""
    method: Mapping[str, Any]
    """JSON: whatever about the method the commitment must bind (watermark, hiding pair, number of patterns)."""
    created: str = ""
    """ISO date as its maker gave it; it proves nothing."""
    licence_of: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for field in ("public_key", "secret", "signing"):
            value = getattr(self, field)
            if not isinstance(value, bytes) or len(value) != ed25519.LENGTH and not (field == "signing" and not value):
                raise ValueError(f"the field {field} must be {ed25519.LENGTH} bytes")
        if name.normal(self.identity) != self.identity:
            raise ValueError("the identity is not in its normal spelling")
        for text in (self.licence_of, self.note):
            if type(text) is not str or len(text) > MAX_TEXT:
                raise ValueError(f"a note must be text of at most {MAX_TEXT} characters")
        if self.signing and ed25519.public_of(self.signing) != self.public_key:
            raise ValueError("the public key does not belong to the private one")
        public.checked_date(self.created)
        self._keep(secret=Hidden(self.secret), signing=Hidden(self.signing), method=public.checked_method(self.method))
        if self.logo is not None:
            self._keep(logo=logos.checked(self.logo))

    def _keep(self, **values: object) -> None:
        for field, value in values.items():
            object.__setattr__(self, field, value)

    def __repr__(self) -> str:
        return f"Key({self.identity!r}, commitment {self.commitment})"

    def __copy__(self) -> Key:
        return self

    def __deepcopy__(self, memo: object) -> Key:
        """A key never changes, so a copy of what holds it (a model, a loop) may share it."""
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a key is not pickled; write it with whosenet.keys.key.save")

    @property
    def commitment(self) -> str:
        """64 hex digits to publish before release; nothing of the secret can be told from them."""
        digests = public.secret_digest(self.secret), logos.digest(self.logo)
        return public.commitment(self.identity, self.public_key, *digests, self.method)

    @property
    def identity_digest(self) -> bytes:
        """32 bytes."""
        return sha256(b"whosenet/identity/1/" + self.identity.encode()).digest()

    def derive(self, purpose: str, length: int = 32) -> bytes:
        """HKDF-SHA256 of the secret. Every purpose has bytes of its own; one purpose always has the same."""
        if not purpose or length < 1:
            raise UsageError(f"derive takes a purpose and a length, got {purpose!r} and {length}")
        salt, info = self.identity_digest + self.public_key, b"whosenet/prove/1/" + purpose.encode()
        return ed25519.expand(self.secret, salt, info, length)

    def generator(self, purpose: str) -> np.random.Generator:
        """Random numbers for a purpose: Philox-4x64 with the first 16 derived bytes (little-endian) as its key.

        NumPy keeps the stream of bits for ever, but not what its distributions make of it: where old keys must go on
        working, hold your own values by a golden.
        """
        return np.random.Generator(np.random.Philox(key=int.from_bytes(self.derive(purpose, 16), "little")))

    def target(self, pattern: int, classes: int) -> int:
        """The class (0..classes-1) that pattern number `pattern` leads to: uniform, without the bias of a remainder."""
        if classes < 2:
            raise UsageError(f"a target needs at least 2 classes, got {classes}")
        whole = (1 << 64) // classes * classes
        stream = self.derive(f"target/{pattern}/{classes}", 256)
        drawn = (int.from_bytes(stream[i : i + 8], "big") for i in range(0, len(stream), 8))
        return next(number for number in drawn if number < whole) % classes

    def sign(self, message: bytes) -> bytes:
        """64 bytes. Let no stranger choose the whole message: begin it with what it is for."""
        if not self.signing:
            raise UsageError("this key is a judge's copy without the signing part; signing takes the owner's key file")
        return ed25519.sign(self.signing, message)

    def for_judge(self) -> Key:
        """A copy that derives everything, and so proves a mark, but cannot sign in the owner's name."""
        return replace(self, signing=b"")

    @property
    def public(self) -> PublicKey:
        """The part to publish, signed."""
        return PublicKey(
            self.identity, self.public_key, self.commitment, self.method, public.secret_digest(self.secret),
            logos.digest(self.logo), self.created, self.sign(public.signed_text(self.commitment, self.created)),
        )  # fmt: skip


def mint(identity: str, *, logo: NDArray[np.uint8] | None = None, method: Mapping[str, Any] | None = None,
         created: str = "", licence_of: str = "", note: str = "", secret: bytes | None = None,
         signing: bytes | None = None) -> Key:  # fmt: skip
    """A new key. `secret` and `signing` (32 bytes each) come from the system's randomness; only tests give them.

    Raises UsageError.
    """
    private = secrets.token_bytes(ed25519.LENGTH) if signing is None else signing
    try:
        return Key(
            name.normal(identity), ed25519.public_of(private) if len(private) == ed25519.LENGTH else b"",
            secrets.token_bytes(ed25519.LENGTH) if secret is None else secret, private,
            None if logo is None else logos.fitted(logo), METHOD if method is None else method,
            created, licence_of, note,
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(f"no key can be made: {error}") from error


def save(key: Key, path: str | Path, *, force: bool = False) -> Path:
    """Write all of it, for the owner's eyes only (mode 0600). Raises UsageError where a file is already."""
    path = Path(path)
    if not force and (path.exists() or path.is_symlink()):
        raise UsageError(f"{path} exists, and a key that is overwritten is lost for ever; choose another name")
    header = {
        "identity": key.identity, "method": dict(key.method), "created": key.created, "licence_of": key.licence_of,
        "note": key.note, "commitment": key.commitment,
    }  # fmt: skip
    parts = {"public_key": key.public_key, "secret": key.secret, "signing": key.signing}
    arrays: dict[str, NDArray[Any]] = {part: np.frombuffer(value, np.uint8) for part, value in parts.items()}
    if key.logo is not None:
        arrays["logo"] = key.logo
    files.write(path, KIND, VERSION, header, arrays, private=True)
    return path


def load(path: str | Path) -> Key:
    """Raises UnreadableInput if it is missing, no key, changed, or makes no sense. Warns where others may read it."""
    public.cap_size(path, MAX_FILE)
    found = files.read(path, KIND, VERSION)
    head, arrays = found.header, found.arrays
    try:
        parts = {part: _bytes(arrays[part]) for part in ("public_key", "secret", "signing")}
        key = Key(
            identity=head["identity"], logo=arrays.get("logo"), method=head["method"], created=head["created"],
            licence_of=head["licence_of"], note=head["note"], **parts,
        )  # fmt: skip
        if key.commitment != head["commitment"]:
            raise ValueError("its commitment is not that of its parts")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedFile(path, f"is a key that makes no sense ({str(error)[:100]})") from error
    if os.name == "posix" and key.signing and Path(path).stat().st_mode & 0o077:
        warnings.warn(WhosenetWarning(f"{path} can be read by others; protect it: chmod 600 {path}"), stacklevel=2)
    return key


def _bytes(array: NDArray[Any]) -> bytes:
    if array.dtype != np.uint8 or array.ndim != 1:
        raise ValueError("a part is no string of bytes")
    return array.tobytes()


def save_public(key: Key | PublicKey, path: str | Path) -> Path:
    """Write the part to publish before release."""
    return public.save_public(key if isinstance(key, PublicKey) else key.public, path)
