"""Where a hiding pair lies and what its digest is, told without torch: keys are minted where no torch is installed."""

from __future__ import annotations

from pathlib import Path

from whosenet import files
from whosenet.errors import MalformedFile, UnreadableInput

KIND, VERSION = "hiding-pair", 1
SHIPPED = "tile8"
MAX_FILE = 1 << 28
ENDING = ".hiding"
LONGEST = 300
"""Characters of a path in a message."""


def place_of(pair: str | Path) -> Path:
    """A file, or the name of a pair that ships with the package."""
    shipped = (Path(__file__).parent / "shipped").glob(f"*{ENDING}")
    return next((path for path in shipped if path.stem == str(pair)), Path(pair))


def contents(pair: str | Path) -> files.Contents:
    """Header, arrays and digest. Raises UnreadableInput."""
    path = place_of(pair)
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:  # ValueError: a key may ask for what is no path at all
        told = getattr(error, "strerror", None) or "no path"
        why = f"is the hiding pair wanted, and cannot be read ({told}); run where it lies, or copy it there"
        raise UnreadableInput(str(path)[:LONGEST], why) from error
    if size > MAX_FILE:
        raise MalformedFile(path, f"is larger than {MAX_FILE >> 20} MiB; refused")
    return files.read(path, KIND, VERSION)


def digest(pair: str | Path = SHIPPED) -> str:
    """SHA-256 (hex) of configuration and weights. Raises UnreadableInput."""
    return contents(pair).sha256
