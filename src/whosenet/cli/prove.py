"""PROVE's verbs: keygen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whosenet.cli.app import Json, app


@app.command()
def keygen(
    owner: Annotated[str, typer.Option(help="The name the mark will bear: yours, or a licensee's.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The key file, for you alone; OUT.pub is to be published.")],
    json: Json = False,
    logo: Annotated[Path | None, typer.Option(help="A picture to hide, too: PNG, JPEG, WEBP or BMP.")] = None,
    note: Annotated[str, typer.Option(help="Free text kept in the key file.")] = "",
) -> None:
    """Mint a key for an identity. Publish its commitment before you release a marked model."""
    from datetime import UTC, datetime

    from whosenet.keys.keygen import keygen as run
    from whosenet.printing import prove as printing

    key = run(owner, out, logo=logo, created=datetime.now(UTC).date().isoformat(), note=note)
    printing.minted(key, out, as_json=json)
