"""FIND's verbs: parse, call, print. Every verb is a client of the library and knows nothing of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from whosenet.cli.app import Alpha, FailOn, Json, app, checked_alpha, checked_fail_on
from whosenet.errors import UsageError

Files = Annotated[list[str], typer.Argument(help="Weight files: local paths, or http(s)://, s3://, hf://org/name.")]
LibraryPath = Annotated[Path, typer.Argument(help="The library folder.", readable=False)]
Base = Annotated[list[str] | None, typer.Option(help="A public model both sides may have started from; repeatable.")]


@app.command("hash")
def hash_(
    files: Files, json: Json = False, method: Annotated[str | None, typer.Option(help="A hash, e.g. nts.")] = None
) -> None:
    """Print the perceptual hash of weight files."""
    from whosenet.finding.hashing import hash_file, hasher
    from whosenet.printing import find as printing

    made = [hasher(method)]
    printing.hashes([printing.attempt(partial(hash_file, f, made, digest=False)) for f in files], as_json=json)


@app.command()
def add(
    library: LibraryPath,
    paths: Annotated[list[str], typer.Argument(help="Weight files and folders.")],
    json: Json = False,
    licence: Annotated[str, typer.Option(help="Licence note kept with the models and shown with every match.")] = "",
    note: Annotated[str, typer.Option(help="Any other note to keep.")] = "",
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; default: one a core.")] = None,
    method: Annotated[str | None, typer.Option(help="A hash, e.g. nts.")] = None,
) -> None:
    """Hash models into a library. Goes on where it was stopped; what has not changed is skipped."""
    from whosenet.finding.add import add as run
    from whosenet.printing import find as printing

    with printing.progress(paths) as on_step:
        report = run(library, paths, method=method, licence=licence, note=note, jobs=jobs, on_step=on_step)
    printing.added(report, as_json=json)


@app.command()
def find(
    suspects: Files,
    library: Annotated[Path, typer.Option(help="The library folder.", readable=False)],
    json: Json = False,
    top: Annotated[int, typer.Option(min=1, max=1000, help="Families to list.")] = 10,
    alpha: Alpha = 1e-6,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the candidates' weights, too.")] = False,
    base: Base = None,
    fail_on: FailOn = None,
) -> None:
    """Which models of the library is this one a copy of?"""
    from whosenet.finding.search import find as run
    from whosenet.library import ScanLibrary
    from whosenet.printing import find as printing

    checked_fail_on(fail_on)
    with ScanLibrary(library) as lib:
        answers = run(suspects, lib, top=top, alpha=checked_alpha(alpha), verify=verify, base=base or ())
    printing.found(answers, as_json=json, fail_on=fail_on)


@app.command("list")
def list_(library: LibraryPath, json: Json = False) -> None:
    """The models of a library."""
    from whosenet.library import ScanLibrary
    from whosenet.printing import find as printing

    with ScanLibrary(library) as lib:
        printing.listed(lib.entries(), as_json=json)


@app.command()
def remove(library: LibraryPath, names: Annotated[list[str], typer.Argument(help="Names as `list` shows them.")],
           json: Json = False) -> None:  # fmt: skip
    """Take models out of a library (all of the names, or none if one is unknown)."""
    from whosenet.library import ScanLibrary
    from whosenet.printing import find as printing

    with ScanLibrary(library) as lib:
        printing.removed(lib.remove(names), as_json=json)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="The earlier or owner's model.")],
    b: Annotated[str, typer.Argument(help="The suspect.")],
    json: Json = False,
    alpha: Alpha = 1e-6,
    base: Base = None,
) -> None:
    """Two weight files, tensor by tensor: which came from which, and how sure that is."""
    from whosenet.finding.hashing import digest_of, readable
    from whosenet.printing import find as printing
    from whosenet.verify.compare import compare as run
    from whosenet.weights import open_weights

    if base and len(base) > 1:
        raise UsageError("compare takes one --base")
    with open_weights(a) as left, open_weights(b) as right, readable(f"{a} or {b}"):
        root = open_weights(base[0]) if base else None
        inputs = {"a": left, "b": right} | ({"base": root} if root else {})
        answer = run(left, right, alpha=checked_alpha(alpha), base=root)
        digests = {k: digest_of(w) for k, w in inputs.items()} if json else {}
        printing.compared(answer, a, b, digests=digests, as_json=json)
