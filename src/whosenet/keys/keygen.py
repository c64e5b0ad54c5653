"""A new key in two files: K for the owner alone, K.pub to publish."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whosenet.errors import UsageError, WhosenetError
from whosenet.keys import logo as logos
from whosenet.keys.key import Key, mint, save, save_public

PUBLIC = ".pub"


def public_path(key: str | Path) -> Path:
    return Path(f"{key}{PUBLIC}")


def keygen(owner: str, out: str | Path, *, logo: str | Path | None = None, method: Mapping[str, Any] | None = None,
           created: str = "", note: str = "") -> Key:  # fmt: skip
    """Mint a key and write both its files, or neither. Raises UsageError where one exists already."""
    out, public = Path(out), public_path(out)
    for path in (out, public):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} exists, and a key that is overwritten is lost for ever; choose another name")
    key = mint(owner, logo=None if logo is None else logos.read(logo), method=method, created=created, note=note)
    save(key, out)
    try:
        save_public(key, public)
    except WhosenetError:
        out.unlink(missing_ok=True)
        raise
    return key
