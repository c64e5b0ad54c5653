"""Options of the verbs that put questions to a suspect: what it is and how it is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Suspect = Annotated[str, typer.Argument(help="SPEC, net.onnx, a Keras or TFLite file, or an http(s):// endpoint.")]
KeptAnswers = Annotated[
    Path | None, typer.Option(help="Keep every answer in this file and go on from it (endpoints: always kept).")
]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an endpoint's answer.")]
Rate = Annotated[float | None, typer.Option(min=0.001, help="Most questions a second to an endpoint.")]
TokenEnv = Annotated[
    str | None, typer.Option(help="Environment variable with the endpoint's bearer token (never written down).")
]
Header = Annotated[list[str] | None, typer.Option(help="NAME: VALUE or NAME: env:VARIABLE; repeatable.")]
Input = Annotated[
    str,
    typer.Option("--input", help="How pixels go in: layout=nhwc,scale=255,mean=r:g:b,std=r:g:b,order=bgr,size=HxW."),
]
Output = Annotated[str, typer.Option(help="Name of the output that holds the scores, where there are several.")]
Protocol = Annotated[str, typer.Option(help="auto, oip (Open Inference Protocol v2) or huggingface.")]
Retries = Annotated[int, typer.Option(min=0, max=100, help="Repeats of a failing request.")]
