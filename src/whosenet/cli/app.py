"""The command line's frame: options all verbs share, errors to one line and an exit code, the general verbs."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from typing import Annotated, Any

import typer

from whosenet.errors import UsageError, WhosenetError, WhosenetWarning

app = typer.Typer(
    name="whosenet",
    help="Whose net is it? FIND copies of a model, TEST a black box, PROVE it by a mark, with an error rate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]
FailOn = Annotated[str | None, typer.Option(help="Exit with 10 if this is the verdict (for CI): derived.")]
Alpha = Annotated[float, typer.Option(help="False-match rate of the verdict 'derived'.")]

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


def checked_fail_on(verdict: str | None) -> str | None:
    if verdict not in (None, "derived"):
        raise UsageError(f"--fail-on takes 'derived', got {verdict!r}")
    return verdict


def checked_alpha(value: float) -> float:
    if not 0 < value < 1:
        raise UsageError(f"--alpha must be between 0 and 1, got {value}")
    return value
