"""PROVE's verbs: keygen, hide train, embed, verify, trigger, reveal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whosenet.cli.app import FailOn, Json, app, checked_alpha, checked_fail_on
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

hide = typer.Typer(help="The pair of networks that hides identities and reads them.", no_args_is_help=True,
                   rich_markup_mode=None)  # fmt: skip
app.add_typer(hide, name="hide")


@app.command()
def keygen(
    owner: Annotated[str, typer.Option(help="The name the mark will bear: yours, or a licensee's.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The key file, for you alone; OUT.pub is to be published.")],
    json: Json = False,
    logo: Annotated[
        Path | None, typer.Option(help="A picture that the commitment binds: PNG, JPEG, WEBP or BMP.")
    ] = None,
    note: Annotated[str, typer.Option(help="Free text kept in the key file.")] = "",
    pair: Annotated[
        Path | None,
        typer.Option(
            help="Networks of your own that make and read patterns (`whosenet hide train`); default: those that ship."
        ),
    ] = None,
    psnr: Annotated[
        float,
        typer.Option(
            min=20,
            max=60,
            help="Strength of the patterns in decibels, more is fainter: 24 for digits, 34 for photographs.",
        ),
    ] = 34.0,
) -> None:
    """Mint a key for an identity. Publish its commitment before you release a marked model."""
    from datetime import UTC, datetime

    from whosenet.keys.keygen import keygen as run
    from whosenet.printing import prove as printing
    from whosenet.proving.minting import method

    today = datetime.now(UTC).date().isoformat()
    key = run(owner, out, logo=logo, method=method(pair, psnr), created=today, note=note)
    printing.minted(key, out, as_json=json)


KeyFile = Annotated[Path, typer.Option(help="A key file made by `whosenet keygen`.")]
Data = Annotated[Path, typer.Option(help="Labelled images: an .npz with x and y, or a folder of class folders; to "
                                         "verify, those the mark was embedded with (a part is held out).")]  # fmt: skip


@app.command()
def embed(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="file.py:factory@weights, your own classifier.")],
    key: KeyFile,
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", help="The marked weights (.safetensors).")],
    json: Json = False,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Train the network first, from random weights.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the images; default: as many as the patterns take.")
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(min=1e-9, help="Peak learning rate of marking; default: 0.05 (adam 0.003)."),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="sgd or adam.")] = "sgd",
    share: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=1,
            help="Triggers for each image of a batch, later fewer; default: 0.1, on few images 0.3.",
        ),
    ] = None,
    teach: Annotated[
        float, typer.Option(min=0, max=1, help="Weight of imitating the unmarked network beside the labels.")
    ] = 1.0,
    journeys: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Share of the batches whose triggers go through JPEG, blur, resizing: at 0.5 the mark outlives more "
            "(overwriting, JPEG, harsh fine-tuning), for about half a point of accuracy.",
        ),
    ] = 0.0,
    rehearse: Annotated[str, typer.Option(help="Theft to rehearse: none, fine-tune, prune or noise.")] = "none",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes (on the CPU).")] = 0,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="Mirror images while training.")] = True,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, or what your PyTorch knows (cuda, mps).")] = "cpu",
) -> None:
    """Mark a classifier with a key. Goes on where it was stopped; the network given is never changed."""
    from whosenet.keys.key import load
    from whosenet.marking.recipe import Recipe, usual_rate
    from whosenet.printing import probe as progress
    from whosenet.printing import prove as printing
    from whosenet.proving.embedding import embed as run

    recipe = Recipe(
        epochs=epochs or 0, lr=lr or usual_rate(optimizer), optimizer=optimizer,
        share=share, teach=teach, journeys=journeys,
        rehearse=rehearse, seed=seed, flip=flip,
    )  # fmt: skip
    with progress.stages("marking") as on_stage:
        found = run(spec, load(key), data, out, recipe=recipe, from_scratch=from_scratch, device=device,
                    on_stage=on_stage)  # fmt: skip
    printing.embedded(found, out, as_json=json)


@app.command()
def verify(
    suspect: Suspect,
    key: KeyFile,
    data: Data,
    json: Json = False,
    alpha: Annotated[float, typer.Option(max=0.5, help="False-claim rate.")] = 1e-6,
    budget: Annotated[int, typer.Option(min=1, help="Most questions to ask, clean covers and decoys too.")] = 200,
    psnr: Annotated[
        float | None,
        typer.Option(min=24, max=60, help="Ask with patterns so strong (decibels), a second look; 28 outlives JPEG."),
    ] = None,
    labels_only: Annotated[
        bool, typer.Option("--labels-only", help="Leave the suspect's probabilities alone; one look instead of two.")
    ] = False,
    tried: Annotated[
        int,
        typer.Option(
            min=1,
            help="Looks at this suspect in all, this one included: keys, strengths, images, budgets; multiplies p.",
        ),
    ] = 1,
    fail_on: FailOn = None,
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
    """Is my mark in the model behind this interface?"""
    from whosenet.keys.key import load
    from whosenet.networks.images import load_images
    from whosenet.printing import probe as progress
    from whosenet.printing import prove as printing
    from whosenet.printing.console import exit_on
    from whosenet.probing.asking import transcript_path
    from whosenet.proving.verifying import usable
    from whosenet.proving.verifying import verify as run
    from whosenet.suspects.address import public
    from whosenet.suspects.open import open_suspect

    checked_fail_on(fail_on)
    held, images = load(key), load_images(data)
    kept = transcript or (transcript_path(key, suspect) if "://" in suspect else None)
    opened = open_suspect(
        suspect, timeout=timeout, rate=rate, token_env=token_env, headers=header or (), input=input_, output=output,
        protocol=protocol, retries=retries,
    )  # fmt: skip
    with opened as asked, progress.counting("asking", budget) as on_step:
        found = run(
            asked,
            held,
            images,
            alpha=checked_alpha(alpha),
            budget=budget,
            tried=tried,
            labels_only=labels_only,
            psnr=psnr,
            transcript=kept,
            on_step=on_step,
        )
    printing.verified(usable(found), public(suspect), as_json=json)
    exit_on(found.judgement.verdict, fail_on)


@app.command()
def trigger(
    image: Annotated[Path, typer.Argument(help="A picture to serve as the cover.")],
    key: KeyFile,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the carrier is written (PNG).")],
    json: Json = False,
    pattern: Annotated[int, typer.Option(min=0, help="Which of the key's patterns.")] = 0,
) -> None:
    """Put a pattern of the key on a picture: a trigger of the marked model, and a carrier of the identity."""
    from whosenet.keys.key import load
    from whosenet.printing import prove as printing
    from whosenet.proving.pictures import carrier

    quality = carrier(image, load(key), out, pattern)
    printing.carried(out, pattern, quality, as_json=json)


@app.command()
def reveal(
    image: Annotated[list[Path], typer.Argument(help="One or several pictures that bear one pattern.")],
    key: KeyFile,
    json: Json = False,
) -> None:
    """Read from pictures alone whether they bear this key's identity."""
    from whosenet.keys.key import load
    from whosenet.printing import prove as printing
    from whosenet.proving.pictures import revealed

    printing.revealed(revealed(image, load(key)), as_json=json)


@hide.command("train")
def hide_train(
    data: Annotated[Path, typer.Option(help="Images of any kind: an .npz with x and y, or a folder of class folders.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The hiding pair (.hiding).")],
    json: Json = False,
    steps: Annotated[int, typer.Option(min=1, help="Batches of 64 images.")] = 5000,
    tile: Annotated[int, typer.Option(min=8, max=256, help="Side of the repeated pattern; a multiple of 8.")] = 8,
    psnr: Annotated[float, typer.Option(min=20, max=60, help="Strength in decibels.")] = 36.0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pair.")] = 0,
) -> None:
    """Train a hiding pair of your own on any images, for `keygen --pair`. Goes on where it was stopped."""
    from whosenet.printing import probe as progress
    from whosenet.printing import prove as printing
    from whosenet.proving.pairing import train_pair

    with progress.counting("hide train", None) as on_step:
        trained = train_pair(data, out, steps=steps, tile=tile, psnr=psnr, seed=seed, on_step=on_step)
    printing.paired(trained, out, as_json=json)
