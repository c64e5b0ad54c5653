"""PROVE's answers, for people and as JSON."""

from __future__ import annotations

from pathlib import Path

from whosenet.keys.key import Key
from whosenet.keys.keygen import public_path
from whosenet.printing.console import emit, plain


def minted(key: Key, out: Path, *, as_json: bool) -> None:
    """Nothing of the private parts."""
    if as_json:
        emit({
            "identity": key.identity, "commitment": key.commitment, "public_key": key.public_key.hex(),
            "key": str(out), "public": str(public_path(out)),
        })  # fmt: skip
        return
    print(f"identity    {plain(key.identity)}")
    print(f"commitment  {key.commitment}")
    print(f"public key  {key.public_key.hex()}")
    print(f"key         {plain(str(out))}  (keep it secret, and a copy of it safe)")
    print(f"public      {plain(str(public_path(out)))}  (publish it before the model)")
