"""How every bench writes down what it measured: results/NAME.json for machines, results/NAME.md for people.

The JSON carries what made the numbers (commit, machine, versions, seed), so a table quoted elsewhere can be traced.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "whosenet",
    "numpy",
    "scipy",
    "numba",
    "ml_dtypes",
    "faiss-cpu",
    "blake3",
    "torch",
    "onnx",
    "h5py",
    "scikit-learn",
)


def write(name: str, results: Any, table_markdown: str, *, seed: int | None = None) -> Path:
    """Write results/`name`.json (provenance + results) and results/`name`.md (the table and one line on its origin).

    NaN and infinity become null; NumPy numbers and arrays, paths and tuples become plain JSON. Returns the JSON's path.
    """
    made_by = provenance(seed)
    RESULTS.mkdir(exist_ok=True)
    document = {"bench": name, **made_by, "results": plain(results)}
    _replace(RESULTS / f"{name}.md", f"{table_markdown.rstrip()}\n\n{_origin(made_by)}\n")
    target = RESULTS / f"{name}.json"
    _replace(target, json.dumps(document, indent=1, allow_nan=False) + "\n")
    return target


def provenance(seed: int | None = None) -> dict[str, Any]:
    """What made the numbers: commit (and whether tracked files differed), machine, versions, seed, UTC date, call."""
    return {
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)bench/results")),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "platform": platform.platform(), "cpu": cpu_model(), "cores": os.cpu_count(), "memory_bytes": _memory(),
            "threads": os.environ.get("OMP_NUM_THREADS"),
        },
        "versions": {"python": platform.python_version(), **_versions()},
        "seed": seed,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }  # fmt: skip


def table(header: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table; numbers to three significant digits, None as an empty cell."""
    lines = [header, ["---"] * len(header), *([_cell(v) for v in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def plain(value: Any) -> Any:
    """`value` as JSON without NaN or infinity."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else ""
    return "" if value is None else str(value)


def _origin(made_by: dict[str, Any]) -> str:
    dirty = " with local changes" if made_by["dirty"] else ""
    machine = made_by["machine"]
    return f"Commit {made_by['commit'][:10]}{dirty}, {made_by['date']}, {machine['cpu']} ({machine['cores']} cores)."


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _versions() -> dict[str, str]:
    installed = {d.metadata["Name"]: d.version for d in metadata.distributions()}
    return {name: installed[name] for name in PACKAGES if name in installed}


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=Path(__file__).parent, check=False)
    return done.stdout.strip()
