"""The verb `trace`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whosenet.cli.app import FailOn, Json, app, checked_alpha, checked_fail_on
from whosenet.cli.endpoint import Header, Input, Output, Protocol, Rate, Retries, Suspect, Timeout, TokenEnv


@app.command()
def trace(
    suspect: Suspect,
    keys: Annotated[Path, typer.Option(help="Folder of all licensees' key files.")],
    data: Annotated[Path, typer.Option(help="Labelled images: an .npz with x and y, or a folder of class folders.")],
    json: Json = False,
    alpha: Annotated[float, typer.Option(help="Rate of naming anybody falsely, over all keys together.")] = 1e-6,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Most questions to ask; default: what so many keys take.")
    ] = None,
    labels_only: Annotated[
        bool, typer.Option("--labels-only", help="Leave the suspect's probabilities alone; one look instead of two.")
    ] = False,
    transcripts: Annotated[
        Path | None, typer.Option(help="Keep every answer in this folder and go on from it (endpoints: always kept).")
    ] = None,
    fail_on: FailOn = None,
    timeout: Timeout = 30.0,
    rate: Rate = None,
    token_env: TokenEnv = None,
    header: Header = None,
    input_: Input = "",
    output: Output = "",
    protocol: Protocol = "auto",
    retries: Retries = 4,
) -> None:
    """Whose copy leaked? Every licensee's key is tried on one suspect, and the answer corrected for all of them."""
    from whosenet.networks.images import load_images
    from whosenet.printing import probe as progress
    from whosenet.printing import trace as printing
    from whosenet.printing.console import exit_on
    from whosenet.probing.asking import transcript_path
    from whosenet.proving.keyring import load_keys
    from whosenet.proving.tracing import trace as run
    from whosenet.suspects.address import public
    from whosenet.suspects.open import open_suspect

    checked_fail_on(fail_on)
    level, ring, images = checked_alpha(alpha), load_keys(keys), load_images(data)
    kept = transcripts or (transcript_path(keys, suspect).with_suffix("") if "://" in suspect else None)
    opened = open_suspect(
        suspect, timeout=timeout, rate=rate, token_env=token_env, headers=header or (), input=input_, output=output,
        protocol=protocol, retries=retries,
    )  # fmt: skip
    with opened as asked, progress.stages("tracing") as on_stage:
        found = run(asked, ring, images, alpha=level, budget=budget, labels_only=labels_only, transcripts=kept,
                    on_stage=on_stage)  # fmt: skip
    printing.traced(found, public(suspect), as_json=json)
    exit_on(found.verdict, fail_on)
