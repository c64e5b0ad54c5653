"""Chapter two: published weight files with a record of who descends from whom (a folder with a manifest.json).

manifest.json: {"files": [{id, path, format, ...}], "pairs": [{a, b, label: derived | independent, relation, ...}]},
paths relative to its folder, a and b ids of files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import log10
from pathlib import Path
from typing import Any

from whosenet.demo.progress import Narrator, tick
from whosenet.errors import UsageError
from whosenet.find import FindReport, ScanLibrary, add, compare, find, open_weights
from whosenet.hashes.code import joint_m_eff
from whosenet.library.base import Entry, Library

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Pair:
    a: Path
    b: Path
    label: str
    relation: str


def read_manifest(folder: Path) -> tuple[list[Path], list[Pair]]:
    """The files and the pairs. Raises UsageError for a folder without a usable manifest."""
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
        paths = {f["id"]: (folder / f["path"]).resolve() for f in document["files"]}
        return list(paths.values()), [
            Pair(paths[p["a"]], paths[p["b"]], p["label"], p["relation"]) for p in document["pairs"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"--models takes a folder with a {MANIFEST} of files and pairs; {folder}: {type(error).__name__} {error}"
        ) from error


def investigate(models: Path, folder: Path, say: Narrator, *, alpha: float) -> dict[str, Any]:
    """Add every file; look up every derived pair and compare it; check every independent pair by its codes."""
    paths, pairs = read_manifest(models)
    with say.stage("add real models to a library", len(paths)) as bar:
        report = add(folder / "real-library", paths, jobs=1, on_step=lambda _: tick(bar))
    with ScanLibrary(folder / "real-library") as lib:
        entries = {e.path: e for e in lib.entries()}
        rows = list(_derived(pairs, lib, entries, say, alpha)) + list(_independent(pairs, entries, alpha))
    return {
        "files": len(paths),
        "formats": len({e.format for e in entries.values()}),
        "bytes_text": f"{sum(e.bytes for e in entries.values()) / 1e6:.0f} MB",
        "failed": [f["error"].replace(f"{models.resolve()}/", "") for f in report.failed],
        "counts": _counts(rows),
        "table": _table(rows),
        "misses": [r for r in rows if r["label"] == "derived" and not r["find"]],
        "pairs": [{"truth": "copy" if r["label"] == "derived" else "stranger", **r["code"]} for r in rows if r["code"]],
    }


def _counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    derived = [r for r in rows if r["label"] == "derived"]
    return {
        "derived": len(derived),
        "derived_found": sum(r["find"] or r["compare"] for r in derived),
        "independent": len(rows) - len(derived),
        "independent_accused": sum(r["accused"] for r in rows),
    }


def _derived(
    pairs: list[Pair], lib: Library, entries: dict[str, Entry], say: Narrator, alpha: float
) -> Iterator[dict[str, Any]]:
    todo = [p for p in pairs if p.label == "derived"]
    named = cache(lambda path: _named(path, lib, alpha))
    with say.stage("look related pairs up, compare weights", len(todo)) as bar:
        for pair in todo:
            with open_weights(pair.a) as a, open_weights(pair.b) as b:
                compared = compare(a, b, alpha=alpha).verdict == "derived"
            row = _row(pair, entries)
            found = row["a"] in named(pair.b) or row["b"] in named(pair.a)
            yield row | {"find": found, "compare": compared, "accused": False}
            tick(bar)


def _named(path: Path, lib: Library, alpha: float) -> set[str]:
    """Names `find` calls derived when asked about a file: the matches, and their relatives that came near, too."""
    [report] = find([path], lib, alpha=alpha)
    if not isinstance(report, FindReport):
        return set()
    return {name for m in report.matches if m.verdict == "derived" for name in (m.name, *(r.name for r in m.relatives))}


def _independent(pairs: list[Pair], entries: dict[str, Entry], alpha: float) -> Iterator[dict[str, Any]]:
    """Each pair alone at `alpha`: the codes hold all that `find` sees."""
    for pair in pairs:
        if pair.label == "independent":
            row = _row(pair, entries)
            accused = row["code"] is not None and row["code"]["log10_p"] <= log10(alpha)
            yield row | {"find": False, "compare": False, "accused": accused}


def _row(pair: Pair, entries: dict[str, Entry]) -> dict[str, Any]:
    a, b = entries.get(str(pair.a)), entries.get(str(pair.b))
    code = None
    if a and b:
        one, other = a.codes[0], b.codes[0]
        code = {
            "distance": one - other,
            "bits": one.bits,
            "m_eff": joint_m_eff(one.m_eff, other.m_eff),
            "log10_p": one.log10_p(other),
        }
    names = {"a": a.name if a else pair.a.name, "b": b.name if b else pair.b.name}
    return names | {"label": pair.label, "relation": pair.relation, "code": code}


def _table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Counts by truth and relation, related pairs first, then by size."""
    count: Counter[tuple[str, str]] = Counter((r["label"], r["relation"]) for r in rows)
    order = sorted(count, key=lambda key: (key[0] != "derived", -count[key]))
    return [
        {"label": label, "relation": relation, "pairs": count[label, relation]}
        | {
            k: sum(r[k] for r in rows if (r["label"], r["relation"]) == (label, relation))
            for k in ("find", "compare", "accused")
        }
        for label, relation in order
    ]
