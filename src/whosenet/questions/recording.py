"""A transcript that is open while questions are asked, for everybody who asks some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from whosenet.errors import UsageError
from whosenet.questions.answers import Stack, empty_stack
from whosenet.questions.queryset import QuerySet
from whosenet.questions.transcript import Writer

ELSEWHERE = "another file with --transcript"


@contextmanager
def recording(path: str | Path | None, asked: QuerySet, suspect: str, rules: Mapping[str, Any], *,
              null: Stack | None = None, elsewhere: str = ELSEWHERE) -> Iterator[Writer | None]:  # fmt: skip
    """The transcript at `path`, opened before anything is asked; None where none is wanted.

    `suspect`: its description (`Suspect.describe`); `null`: what the references answered, none unless given. Raises
    UsageError where it cannot be written, then or later, and tells to name `elsewhere`.
    """
    null = empty_stack(len(asked), asked.classes) if null is None else null
    try:
        with Writer(path, asked, null, suspect, rules=rules) if path else nullcontext() as kept:
            yield kept
    except OSError as error:
        raise UsageError(
            f"{path}: the transcript cannot be written ({error.strerror or error}); what it holds is kept; make room, "
            f"or name {elsewhere}"
        ) from error
