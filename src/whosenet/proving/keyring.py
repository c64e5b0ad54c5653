"""A folder of licensees' keys. What cannot be read is listed, not fatal: one broken file must not hide a thief."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from whosenet.errors import UnreadableInput, UsageError, WhosenetWarning
from whosenet.keys.key import Key, load
from whosenet.keys.keygen import PUBLIC

MOST = 100_000
"""Keys in one folder: each costs at least one question."""


@dataclass(frozen=True)
class Keyring:
    keys: tuple[Key, ...]
    """Each commitment once, in the order of the files' names."""
    failed: tuple[tuple[str, str], ...]
    """(file, why)."""


def load_keys(folder: str | Path) -> Keyring:
    """Every file right in the folder, public parts (.pub) and hidden files left out.

    Raises UnreadableInput, UsageError; warns once where others may read keys.
    """
    found: dict[str, Key] = {}
    failed: list[tuple[str, str]] = []
    with warnings.catch_warnings(record=True) as open_to_others:
        warnings.simplefilter("always")
        for path in _files(Path(folder)):
            try:
                key = load(path)
            except (UnreadableInput, UsageError) as error:
                failed.append((str(path), str(error)))
            else:
                found.setdefault(key.commitment, key)
    if not found:
        raise UnreadableInput(folder, f"holds no key that can be read ({len(failed)} files failed; public "
                              "parts do not tell the questions)")  # fmt: skip
    if open_to_others:
        text = f"{len(open_to_others)} keys in {folder} can be read by others; protect them: chmod 600"
        warnings.warn(WhosenetWarning(text), stacklevel=2)
    return Keyring(tuple(found.values()), tuple(failed))


def _files(folder: Path) -> list[Path]:
    try:
        found = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    except OSError as error:
        raise UnreadableInput(folder, f"is no folder of keys ({error.strerror}); give the folder itself") from error
    keys = [path for path in found if path.suffix != PUBLIC]
    if len(keys) > MOST:
        raise UsageError(f"{folder} holds {len(keys)} files; at most {MOST} keys are tried at once")
    return keys
