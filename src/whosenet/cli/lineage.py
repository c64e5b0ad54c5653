"""The verb `lineage`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whosenet.cli.app import Alpha, Json, app, checked_alpha


@app.command()
def lineage(
    folder: Annotated[Path, typer.Argument(help="A folder of weight files.")],
    json: Json = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write an HTML page here, too.")] = None,
    alpha: Alpha = 1e-6,
) -> None:
    """Which models of a folder are related, and who is whose parent; what cannot be told is said."""
    from whosenet.lineage.build import lineage as run
    from whosenet.lineage.document import document
    from whosenet.lineage.page import write_page
    from whosenet.printing import console
    from whosenet.printing import lineage as printing

    found = document(run(folder, alpha=checked_alpha(alpha)))
    if out:
        write_page(out, found)
    if json:
        console.emit(found)
    else:
        printing.show(found)
