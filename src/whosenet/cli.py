"""The command line: parse, call, print. Every verb is a client of the library and knows nothing of its own."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from whosenet.errors import UsageError, WhosenetError, WhosenetWarning

app = typer.Typer(
    name="whosenet",
    help="Whose net is it? FIND copies of a model, with an error rate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]
Files = Annotated[list[str], typer.Argument(help="Weight files: local paths, or http(s)://, s3://, hf://org/name.")]
LibraryPath = Annotated[Path, typer.Argument(help="The library folder.", readable=False)]
Alpha = Annotated[float, typer.Option(help="False-match rate of the verdict 'derived'.")]
Base = Annotated[list[str] | None, typer.Option(help="A public model both sides may have started from; repeatable.")]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it; Typer turns the interrupt into this."""


def main() -> None:
    """Entry point: run a verb, turn whosenet's errors into one line and their exit code."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_note, warnings.showwarning)
            app(standalone_mode=True)
    except WhosenetError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as stopped:
        if isinstance(stopped, SystemExit) and stopped.code != INTERRUPTED:
            raise
        print("whosenet: stopped; what was stored is safe, the same command goes on from there", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _say(text: str) -> None:
    """One line on stderr, without what a stranger's file could do to a terminal."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    print(f"whosenet: {' '.join(printable.split())}", file=sys.stderr)


def _note(usual: Any, message: Warning | str, category: type[Warning], *where: Any) -> None:
    _say(f"note: {message}") if issubclass(category, WhosenetWarning) else usual(message, category, *where)


def _version(wanted: bool) -> None:
    if wanted:
        from whosenet import __version__

        print(f"whosenet {__version__}")
        raise typer.Exit


@app.callback()
def _whosenet(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Whose net is it? FIND copies of a model, with an error rate."""


def _alpha(value: float) -> float:
    if not 0 < value < 1:
        raise UsageError(f"--alpha must be between 0 and 1, got {value}")
    return value


@app.command("hash")
def hash_(
    files: Files, json: Json = False, method: Annotated[str | None, typer.Option(help="A hash, e.g. nts.")] = None
) -> None:
    """Print the perceptual hash of weight files."""
    from whosenet import printing
    from whosenet.finding.hashing import hash_file, hasher

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
    from whosenet import printing
    from whosenet.finding.add import add as run

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
    fail_on: Annotated[
        str | None, typer.Option(help="Exit with 10 if a match has this verdict (for CI): derived.")
    ] = None,
) -> None:
    """Which models of the library is this one a copy of?"""
    from whosenet import printing
    from whosenet.finding.search import find as run
    from whosenet.library import ScanLibrary

    if fail_on not in (None, "derived"):
        raise UsageError(f"--fail-on takes 'derived', got {fail_on!r}")
    with ScanLibrary(library) as lib:
        answers = run(suspects, lib, top=top, alpha=_alpha(alpha), verify=verify, base=base or ())
    printing.found(answers, as_json=json, fail_on=fail_on)


@app.command("list")
def list_(library: LibraryPath, json: Json = False) -> None:
    """The models of a library."""
    from whosenet import printing
    from whosenet.library import ScanLibrary

    with ScanLibrary(library) as lib:
        printing.listed(lib.entries(), as_json=json)


@app.command()
def remove(library: LibraryPath, names: Annotated[list[str], typer.Argument(help="Names as `list` shows them.")],
           json: Json = False) -> None:  # fmt: skip
    """Take models out of a library (all of the names, or none if one is unknown)."""
    from whosenet import printing
    from whosenet.library import ScanLibrary

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
    from whosenet import printing
    from whosenet.finding.hashing import digest_of, readable
    from whosenet.verify.compare import compare as run
    from whosenet.weights import open_weights

    if base and len(base) > 1:
        raise UsageError("compare takes one --base")
    with open_weights(a) as left, open_weights(b) as right, readable(f"{a} or {b}"):
        root = open_weights(base[0]) if base else None
        inputs = {"a": left, "b": right} | ({"base": root} if root else {})
        answer = run(left, right, alpha=_alpha(alpha), base=root)
        digests = {k: digest_of(w) for k, w in inputs.items()} if json else {}
        printing.compared(answer, a, b, digests=digests, as_json=json)


@app.command()
def methods(json: Json = False) -> None:
    """Every registered hash and format."""
    from whosenet import printing

    printing.methods(as_json=json)


@app.command()
def demo(
    json: Json = False,
    out: Annotated[Path, typer.Option(help="Folder for the models and the report.")] = Path("demo-out"),
    models: Annotated[
        Path | None, typer.Option(help="A folder of real weight files with a manifest.json, for a second chapter.")
    ] = None,
) -> None:
    """The whole story on real data: copies found, strangers cleared, an HTML report. Under two minutes on two cores."""
    from whosenet import printing
    from whosenet.demo import run

    document = run(out, models)
    if json:
        printing.emit(document)
    else:
        from whosenet.demo.table import show

        show(document)
    if not document["ok"]:
        raise WhosenetError(f"the demo went wrong: a twin was accused or a copy missed; see {document['report']}")
