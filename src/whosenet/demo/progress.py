"""What the demo is doing, on stderr: a bar on a terminal, a line a stage elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn


class Narrator:
    """`stage` brackets one stage of the work; each stage ends in one line with its seconds."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._start = monotonic()

    @property
    def seconds(self) -> float:
        """Since the story began."""
        return monotonic() - self._start

    @contextmanager
    def stage(self, words: str, total: int) -> Iterator[Progress]:
        """Inside, call `tick(bar)` once an item."""
        began = monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as bar:
            bar.add_task(words, total=total)
            yield bar
        print(f"{words}: {total} in {monotonic() - began:.1f} s", file=sys.stderr, flush=True)


def tick(bar: Progress) -> None:
    bar.advance(bar.task_ids[0])
