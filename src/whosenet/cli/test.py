"""TEST's verbs: fingerprint, probe, twins, attack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whosenet.cli.app import Alpha, Json, app, checked_alpha
from whosenet.cli.endpoint import (
    Header,
    Input,
    KeptAnswers,
    Output,
    Protocol,
    Rate,
    Retries,
    Suspect,
    Timeout,
    TokenEnv,
)
from whosenet.errors import UsageError

SpecText = Annotated[
    str, typer.Argument(metavar="SPEC", help="file.py:factory@weights; it runs code, so only your own.")
]
Data = Annotated[Path, typer.Option(help="Labelled images: an .npz with x and y, or a folder of class folders.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Where to write the result.")]
References = Annotated[
    list[str] | None, typer.Option(help="SPEC of an honest network, or net.py:factory@FOLDER of twins; repeatable.")
]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A parameter of the method, as key=value; repeatable.")
]


def settings_of(texts: list[str] | None) -> dict[str, str]:
    """`key=value` texts as a dict. Raises UsageError."""
    pairs = [text.partition("=") for text in texts or []]
    wrong = [text for text, pair in zip(texts or [], pairs, strict=True) if not pair[0] or not pair[1]]
    if wrong:
        raise UsageError(f"--set takes key=value, got {wrong[0]!r}")
    return {key: value for key, _, value in pairs}


@app.command()
def fingerprint(
    spec: SpecText,
    data: Data,
    out: Out,
    json: Json = False,
    method: Annotated[str, typer.Option(help="A fingerprint; see `whosenet methods`.")] = "deepcore",
    points: Annotated[int, typer.Option(min=10, max=10_000, help="Questions in all, a tenth of them controls.")] = 100,
    reference: References = None,
    seed: Seed = 0,
    copies: Annotated[
        str, typer.Option(help="Attacks whose results are kept as derived copies: default, none, or names by commas.")
    ] = "default",
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="Mirror images while copies are made.")] = True,
    set_: Settings = None,
) -> None:
    """Make questions that tell copies of your network from honest twins. References choose the points."""
    from whosenet.printing import probe as printing
    from whosenet.probing.copies import COPIES
    from whosenet.probing.making import make_fingerprint

    chosen = {"default": list(COPIES), "none": []}.get(copies, copies.split(","))
    with printing.stages("making the fingerprint") as on_stage:
        made = make_fingerprint(
            spec, data, out, method=method, points=points, references=reference or (), seed=seed, copies=chosen,
            flip=flip, parameters=settings_of(set_), on_stage=on_stage,
        )  # fmt: skip
    printing.fingerprinted(made, out, as_json=json)


@app.command()
def probe(
    suspect: Suspect,
    fingerprint: Annotated[Path, typer.Option(help="A file made by `whosenet fingerprint`.")],
    json: Json = False,
    reference: References = None,
    alpha: Alpha = 1e-3,
    budget: Annotated[int | None, typer.Option(min=1, help="Most questions to ask, controls and retries too.")] = None,
    labels_only: Annotated[bool, typer.Option("--labels-only", help="Use the labels alone.")] = False,
    sequential: Annotated[bool, typer.Option("--sequential", help="Stop as soon as the verdict is certain.")] = False,
    transcript: KeptAnswers = None,
    timeout: Timeout = 30.0,
    rate: Rate = None,
    token_env: TokenEnv = None,
    header: Header = None,
    input_: Input = "",
    output: Output = "",
    protocol: Protocol = "auto",
    retries: Retries = 4,
) -> None:
    """Is the model behind this interface a copy of mine, or an honest twin? References are the null."""
    from whosenet.printing import probe as printing
    from whosenet.probing.asking import probe as run
    from whosenet.probing.asking import transcript_path
    from whosenet.probing.making import load_references
    from whosenet.questions.queryset import load
    from whosenet.suspects.address import public
    from whosenet.suspects.open import open_suspect

    questions = load(fingerprint)
    references = load_references(reference or ())
    kept = transcript or (transcript_path(fingerprint, suspect) if "://" in suspect else None)
    opened = open_suspect(
        suspect, timeout=timeout, rate=rate, token_env=token_env, headers=header or (), input=input_, output=output,
        protocol=protocol, retries=retries,
    )  # fmt: skip
    with opened as asked, printing.counting("asking", len(questions)) as on_step:
        answer = run(
            asked, questions, references, alpha=checked_alpha(alpha), budget=budget, labels_only=labels_only,
            sequential=sequential, transcript=kept, on_step=on_step, on_note=printing.note,
        )  # fmt: skip
    printing.probed(answer, public(suspect), questions, as_json=json)


@app.command()
def twins(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="file.py:factory; weights are not needed.")],
    data: Data,
    out: Out,
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many references to train.")] = 12,
    json: Json = False,
    init: Annotated[Path | None, typer.Option(help="Weights of a public start: train siblings from it.")] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 15,
    lr: Annotated[float | None, typer.Option(min=1e-9, help="Peak learning rate.")] = None,
    optimizer: Annotated[str, typer.Option(help="sgd or adam.")] = "sgd",
    seed: Seed = 0,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="Mirror images while training.")] = True,
) -> None:
    """Train honest references with your own factory and data. Goes on where it was stopped."""
    from whosenet.printing import probe as printing
    from whosenet.probing.twins import twins as run

    peak = lr or (0.1 if optimizer == "sgd" else 3e-3) * (0.1 if init else 1)
    with printing.stages(f"training {count} twins") as on_stage:
        made = run(
            spec, data, out, count=count, init=init, epochs=epochs, lr=peak, optimizer=optimizer, seed=seed, flip=flip,
            on_twin=lambda done, total, step, steps: on_stage(f"twin {min(done + 1, total)} of {total}", step, steps),
        )  # fmt: skip
    printing.twinned(made, out, as_json=json)


@app.command()
def attack(
    name: Annotated[str | None, typer.Argument(help="An attack; see --list.")] = None,
    spec: Annotated[str | None, typer.Argument(metavar="SPEC", help="The network to attack.")] = None,
    data: Annotated[Path | None, typer.Option(help="The thief's labelled images.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for weights, factory and SPEC.")] = None,
    json: Json = False,
    list_: Annotated[bool, typer.Option("--list", help="Every attack with its parameters.")] = False,
    seed: Seed = 0,
    set_: Settings = None,
) -> None:
    """Do to a network of your own what thieves do, and see what it costs them."""
    from whosenet.printing import probe as printing
    from whosenet.probing.attacking import attack as run

    if list_:
        printing.attacks(as_json=json)
        return
    if name is None or spec is None or data is None or out is None:
        raise UsageError("attack takes NAME SPEC --data D -o OUT, or --list")
    with printing.counting(name, None) as on_step:
        outcome, written = run(name, spec, data, out, seed=seed, settings=settings_of(set_), on_step=on_step)
    printing.attacked(outcome, written, out, as_json=json)
