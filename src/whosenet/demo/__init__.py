"""The whole story on real data: small nets, copies of them, honest twins; add, find, compare; a verdict table."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from math import log10
from pathlib import Path
from typing import Any

import whosenet
from whosenet import thresholds
from whosenet.errors import MissingExtra, UsageError

NEEDS = (
    "torch",
    "sklearn",
    "onnx",
    "h5py",
    "gguf",
    "matplotlib",
    "jinja2",
    "foolbox",
    "torchao",
    "kornia",
    "cryptography",
    "reedsolo",
)
LIBRARIES = ("library", "real-library")


def run(out: Path, models: Path | None = None, *, alpha: float = thresholds.ALPHA) -> dict[str, Any]:
    """Tell the story into the folder `out` (report.html, report.json, the models); returns report.json's document.

    `models`: a folder with a manifest.json of real files for the second chapter. `ok` in the document says whether no
    twin was accused and no copy missed. Raises MissingExtra, UsageError.
    """
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise MissingExtra("demo", f"the demo ({', '.join(missing)})")
    from whosenet.demo import blackbox, ownership, real, story
    from whosenet.demo.progress import Narrator
    from whosenet.report import write_page
    from whosenet.report.page import p_text

    if models is not None:
        real.read_manifest(models)
    say = Narrator()
    _fresh(out)
    cast = story.make_cast(out, say)
    digits = story.investigate(cast, out, say, alpha=alpha)
    digits["counts"] = counts(digits["suspects"])
    boxes = blackbox.tell(out, say)
    marks = ownership.tell(out, say)
    wild = real.investigate(models, out, say, alpha=alpha) if models is not None else None
    document = {
        "version": whosenet.__version__,
        "method": digits["models"][0]["method"],
        "alpha": alpha,
        "alpha_text": p_text(log10(alpha)),
        "ok": holds(digits, wild) and blackbox_holds(boxes) and marks_hold(marks),
        "trained": cast.trained,
        "seconds": round(say.seconds, 1),
        "report": str(out / "report.html"),
        "digits": digits,
        "blackbox": boxes,
        "ownership": marks,
        "real": wild,
    }
    with say.stage("write the report", 1):
        write_page(out / "report.html", document)
        _write(out / "report.json", json.dumps(document, indent=1, allow_nan=False))
    return document


def counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many of each kind there are, and how many came out right."""
    kinds = {kind: [r for r in rows if r["truth"] == kind] for kind in ("copy", "twin", "shared-start")}
    right = {kind: sum(r["outcome"] == "right" for r in kinds[kind]) for kind in kinds}
    return {
        "copies": len(kinds["copy"]),
        "copies_found": right["copy"],
        "twins": len(kinds["twin"]),
        "twins_cleared": right["twin"],
        "twins_accused": sum(r["outcome"] == "wrong" for r in kinds["twin"]),
        "starts": len(kinds["shared-start"]),
        "starts_right": right["shared-start"],
    }


def holds(digits: dict[str, Any], wild: dict[str, Any] | None) -> bool:
    """No twin accused, no copy missed; of the real pairs none accused, and every related one found by a verb."""
    if any(row["outcome"] == "wrong" for row in digits["suspects"]):
        return False
    c = wild["counts"] if wild else None
    return c is None or (c["independent_accused"] == 0 and c["derived_found"] == c["derived"])


def blackbox_holds(boxes: dict[str, Any]) -> bool:
    """No stranger accused, no copy cleared, most copies found."""
    c = boxes["counts"]
    return bool(c["strangers_accused"] == 0 and c["copies_cleared"] == 0 and 2 * c["copies_found"] > c["copies"])


def marks_hold(marks: dict[str, Any]) -> bool:
    """No mark claimed where there is none, and most copies of the marked network proven."""
    c = marks["counts"]
    return bool(c["claimed"] == 0 and 2 * c["proven"] > c["marked"])


def _fresh(out: Path) -> None:
    """The folder, without the libraries an earlier story left there; anything else is overwritten by name."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; give a folder")
    out.mkdir(parents=True, exist_ok=True)
    for name in LIBRARIES:
        if (out / name / "library.json").is_file():
            shutil.rmtree(out / name)


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"part-{path.name}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
