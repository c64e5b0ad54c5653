"""The verb `judge`, for transcripts of `probe` and `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whosenet.cli.app import Json, app, checked_alpha
from whosenet.errors import UsageError

if TYPE_CHECKING:
    from whosenet.questions.transcript import Transcript


@app.command()
def judge(
    transcript: Annotated[Path, typer.Argument(help="A transcript kept by `whosenet probe` or `whosenet verify`.")],
    json: Json = False,
    alpha: Annotated[
        float | None, typer.Option(help="False-match rate; default: the one in the transcript, fixed before asking.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The key, or a judge's copy: are these its questions?")] = None,
    data: Annotated[Path | None, typer.Option(help="The images that `verify` was given, with --key.")] = None,
) -> None:
    """Judge a transcript again, offline: nothing else is needed, and nobody is asked.

    With --key and --data (of `verify`) all questions and targets are derived anew, too.
    """
    from whosenet.judging import judge as run
    from whosenet.judging.rejudge import about_a_mark, rejudge
    from whosenet.printing import probe as printing
    from whosenet.printing.prove import rejudged
    from whosenet.questions.transcript import read
    from whosenet.thresholds import PROBE_ALPHA

    found = read(transcript)
    if about_a_mark(found):
        declared = None if alpha is None else checked_alpha(alpha)
        checked = _checked_against(found, key, data)
        rejudged(rejudge(found, transcript, alpha=declared), found, transcript, checked=checked, as_json=json)
        return
    if key or data:
        raise UsageError("--key and --data belong to transcripts of `verify`; this one is of `probe`")
    declared = found.rules.get("alpha", PROBE_ALPHA) if alpha is None else alpha
    sequential = bool(found.rules.get("sequential")) or not found.fixed_beforehand
    judgement = run(found.evidence, alpha=checked_alpha(declared), sequential=sequential)
    printing.judged(judgement, found, transcript, as_json=json)


def _checked_against(found: Transcript, key: Path | None, data: Path | None) -> bool:
    """Whether it was; UsageError if the questions are not the key's."""
    if key is None and data is None:
        return False
    if key is None or data is None:
        raise UsageError("give both --key and --data: questions follow from the key and the images together")
    from whosenet.keys.key import load
    from whosenet.networks.images import load_images
    from whosenet.proving.checking import check

    check(found, load(key), load_images(data))
    return True
