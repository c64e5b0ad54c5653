"""Every error whosenet raises on purpose. The CLI turns each into one line and the exit code of its class.

WhosenetError                 1  a bug, if nothing below fits
├── UsageError                2  the call makes no sense
├── UnreadableInput           3  a file cannot be read
│   ├── UnknownFormat            no reader knows it
│   ├── MalformedFile            a reader knows it, and it is broken, hostile or over a limit
│   └── TooFewWeights            readable, but no code of it could be evidence
├── LibraryError              4  the library is missing, damaged, locked or cannot be written
├── SuspectUnreachable        5  an endpoint does not answer
├── MissingExtra              6  an optional dependency is not installed
└── Refused                   7  the result would do harm
"""

from __future__ import annotations


class WhosenetWarning(UserWarning):
    """Something the caller should know; the answer still stands."""


class WhosenetError(Exception):
    """Base class: one line that says what, got, expected, what to do next."""

    exit_code = 1


class UsageError(WhosenetError):
    exit_code = 2


class UnreadableInput(WhosenetError):
    """A file that cannot be read. `path` names it, the message says why and the way out."""

    exit_code = 3

    def __init__(self, path: object, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = str(path)
        self.why = why


class UnknownFormat(UnreadableInput):
    pass


class MalformedFile(UnreadableInput):
    pass


class TooFewWeights(UnreadableInput):
    pass


class LibraryError(WhosenetError):
    exit_code = 4


class SuspectUnreachable(WhosenetError):
    exit_code = 5


class MissingExtra(WhosenetError):
    """An optional dependency is missing; `path` is the file that needed it, if one did."""

    exit_code = 6

    def __init__(self, extra: str, what: str, path: object = "") -> None:
        super().__init__(f"{what} needs an optional dependency; install it with: pip install 'whosenet[{extra}]'")
        self.extra = extra
        self.path = str(path)


class Refused(WhosenetError):
    exit_code = 7
