"""The verb `trace`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whosenet.cli.app import Json, app, checked_alpha


@app.command()
def trace(
    suspect: Annotated[str, typer.Argument(help="SPEC, net.onnx, a Keras or TFLite file, or an http(s):// endpoint.")],
    keys: Annotated[Path, typer.Option(help="Folder of all licensees' key files.")],
    data: Annotated[Path, typer.Option(help="Labelled images: an .npz with x and y, or a folder of class folders.")],
    json: Json = False,
    alpha: Annotated[float, typer.Option(help="Rate of naming anybody falsely, over all keys together.")] = 1e-6,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Most questions to ask; default: what so many keys take.")
    ] = None,
    transcripts: Annotated[
        Path | None, typer.Option(help="Keep every answer in this folder and go on from it (endpoints: always kept).")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an endpoint's answer.")] = 30.0,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Most questions a second to an endpoint.")] = None,
    token_env: Annotated[
        str | None, typer.Option(help="Environment variable with the endpoint's bearer token (never written down).")
    ] = None,
    header: Annotated[list[str] | None, typer.Option(help="NAME: VALUE or NAME: env:VARIABLE; repeatable.")] = None,
    input_: Annotated[str, typer.Option("--input", help="How pixels go in: layout=nhwc,scale=255,mean=r:g:b,...")] = "",
    output: Annotated[str, typer.Option(help="Name of the output that holds the scores.")] = "",
    protocol: Annotated[str, typer.Option(help="auto, oip (Open Inference Protocol v2) or huggingface.")] = "auto",
    retries: Annotated[int, typer.Option(min=0, max=100, help="Repeats of a failing request.")] = 4,
) -> None:
    """Whose copy leaked? Every licensee's key is tried on one suspect, and the answer corrected for all of them."""
    from whosenet.networks.images import load_images
    from whosenet.printing import probe as progress
    from whosenet.printing import trace as printing
    from whosenet.probing.asking import transcript_path
    from whosenet.proving.keyring import load_keys
    from whosenet.proving.tracing import trace as run
    from whosenet.suspects.address import public
    from whosenet.suspects.open import open_suspect

    level, ring, images = checked_alpha(alpha), load_keys(keys), load_images(data)
    kept = transcripts or (transcript_path(keys, suspect).with_suffix("") if "://" in suspect else None)
    opened = open_suspect(
        suspect, timeout=timeout, rate=rate, token_env=token_env, headers=header or (), input=input_, output=output,
        protocol=protocol, retries=retries,
    )  # fmt: skip
    with opened as asked, progress.stages("tracing") as on_stage:
        found = run(asked, ring, images, alpha=level, budget=budget, transcripts=kept, on_stage=on_stage)
    printing.traced(found, public(suspect), as_json=json)
