"""Plugins by kind and name: a plugin is a class in a module of its kind's package, and is found by walking it.

A new method is one new file: `hashes/mine.py` with a class whose `name = "mine"`. No list is kept by hand.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from typing import Any

from whosenet.errors import UsageError

KINDS: dict[str, tuple[str, str]] = {
    "format": ("whosenet.weights", "Reader"),
    "hash": ("whosenet.hashes", "Hash"),
    "fingerprint": ("whosenet.fingerprints", "Fingerprint"),
    "watermark": ("whosenet.watermarks", "Watermark"),
    "attack": ("whosenet.attacks", "Attack"),
    "detector": ("whosenet.detectors", "Detector"),
}
"""kind -> (package, name of the base class in its `base` module)."""


@cache
def plugins(kind: str) -> dict[str, type[Any]]:
    """Every plugin of a kind by its name, sorted. Raises UsageError for an unknown kind."""
    if kind not in KINDS:
        raise UsageError(f"unknown plugin kind {kind!r}; known: {', '.join(KINDS)}")
    package, base_name = KINDS[kind]
    base = getattr(importlib.import_module(f"{package}.base"), base_name)
    found: dict[str, type[Any]] = {}
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
        try:
            module = importlib.import_module(f"{package}.{info.name}")
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("whosenet"):
                raise
            continue  # code of a plugin that needs an optional dependency at once; the plugins themselves import late
        for value in vars(module).values():
            ours = inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__
            if ours and not inspect.isabstract(value):
                found[value.name] = value
    return dict(sorted(found.items()))


def names(kind: str) -> list[str]:
    return list(plugins(kind))


def load(kind: str, name: str) -> type[Any]:
    """The plugin class, or UsageError with the names there are."""
    known = plugins(kind)
    if name not in known:
        raise UsageError(f"no {kind} called {name!r}; there are: {', '.join(known)}")
    return known[name]
