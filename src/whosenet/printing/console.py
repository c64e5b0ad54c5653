"""What every answer shares: one JSON document, a console as wide as it should be, text that cannot harm a terminal."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape

from whosenet import registry

SMALLEST = -30
FAIL_ON = 10
"""Exit code of --fail-on when the verdict occurs: none of those that mean an error."""
PIPE_WIDTH = 4096
STYLE = {"derived": "bold red", "independent": "green", "inconclusive": "yellow"}


def emit(document: Any) -> None:
    """One JSON document on stdout, without NaN or Infinity."""
    json.dump(_finite(document), sys.stdout, allow_nan=False)
    sys.stdout.write("\n")


def exit_on(verdict: str, fail_on: str | None) -> None:
    """Leave with FAIL_ON where the verdict is the one that was not to be."""
    if fail_on == verdict:
        sys.exit(FAIL_ON)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, (list, tuple)) else value


def plain(text: str) -> str:
    """Names come from strangers' files: no control characters, and nothing that cannot be encoded."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def shown(text: str) -> str:
    """`plain`, and no markup, for tables."""
    return escape(plain(text))


def console() -> Console:
    """As wide as the terminal; wide enough for any row where a file or a pipe is written."""
    return Console() if sys.stdout.isatty() else Console(soft_wrap=True, width=PIPE_WIDTH)


def p_text(log10_p: float) -> str:
    """A p-value for people, rounded up: 0.37, or 1.7e-12; below 1e-30 no number could tell, and none is printed."""
    if log10_p < SMALLEST:
        return f"<1e{SMALLEST}"
    power = math.floor(log10_p)
    tenths = math.ceil(10 ** (log10_p - power + 1) - 1e-6)
    if log10_p > -4:
        return f"{tenths * 10.0 ** (power - 1):.2g}"
    return f"{tenths / 10:g}e{power}" if tenths < 100 else f"1e{power + 1}"


def methods(*, as_json: bool) -> None:
    known = {kind: registry.names(kind) for kind in registry.KINDS}
    if as_json:
        emit(known)
        return
    for kind, plugins in known.items():
        print(f"{kind}: {', '.join(plugins)}")
