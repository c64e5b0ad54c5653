"""Chapter three: the owner marks the classifier before releasing it, and proves that copies bear the mark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whosenet.demo.progress import Narrator, tick

OWNER, OTHER = "Ada Lovelace <ada@example.org>", "Mallory"
PSNR, LR = 24.0, 0.05
"""Digits are flat and small: patterns must be stronger on them than on photographs."""
STOLEN: dict[str, dict[str, str]] = {
    "ftal": {"flip": "false"},
    "prune-magnitude": {"share": "0.5", "epochs": "3", "flip": "false"},
    "int8": {},
    "int4": {},
}
"""What the thieves did."""


@dataclass(frozen=True)
class Asked:
    """A network behind an interface, whose key is tried on it, and whether it bears that mark."""

    spec: str
    key: str
    words: str
    marked: bool


def tell(out: Path, say: Narrator) -> dict[str, Any]:
    """Mint two keys, mark, steal, ask; one row a suspect. Uses the networks of chapter two."""
    from whosenet.keys.keygen import keygen
    from whosenet.marking.recipe import Recipe
    from whosenet.proving.embedding import embed
    from whosenet.proving.minting import method

    folder, before = out / "ownership", out / "blackbox"
    data, owner = before / "digits.npz", f"whosenet.demo.classifier:cnn@{before / 'owner' / 'twin-000.safetensors'}"
    for name in ("ada.key", "mallory.key"):
        for path in (folder / name, folder / f"{name}.pub"):
            path.unlink(missing_ok=True)
    keys = {"owner": keygen(OWNER, folder / "ada.key", method=method(None, PSNR)),
            "stranger": keygen(OTHER, folder / "mallory.key", method=method(None, PSNR))}  # fmt: skip
    with say.stage("mark the owner's classifier", 1) as bar:
        made = embed(owner, keys["owner"], data, folder / "marked.safetensors", recipe=Recipe(lr=LR, flip=False))
        tick(bar)
    suspects = _suspects(folder, before, data, str(made.spec), owner, say)
    rows = _rows(suspects, keys, data, say)
    return {
        "owner": OWNER, "commitment": keys["owner"].commitment, "before": made.clean_accuracy_before,
        "after": made.clean_accuracy_after, "watermark_accuracy": made.watermark_accuracy, "psnr": made.psnr,
        "ssim": made.ssim, "suspects": rows, "counts": counts(rows),
    }  # fmt: skip


def _suspects(folder: Path, before: Path, data: Path, marked: str, owner: str, say: Narrator) -> list[Asked]:
    from whosenet.probing.attacking import attack

    found = [Asked(marked, "owner", "the marked network itself", True)]
    with say.stage("steal it", len(STOLEN)) as bar:
        for name, settings in STOLEN.items():
            _, spec = attack(name, marked, data, folder / "stolen" / name, seed=7, settings=settings)
            found.append(Asked(str(spec), "owner", name, True))
            tick(bar)
    found.append(Asked(owner, "owner", "the same network, unmarked", False))
    twins = sorted((before / "strangers-:cnn").glob("*.safetensors")) or sorted(
        before.glob("strangers-*/*0.safetensors")
    )
    found += [Asked(f"whosenet.demo.classifier:cnn@{t}", "owner", "an honest twin", False) for t in twins[:2]]
    return [*found, Asked(marked, "stranger", "the marked network, somebody else's key", False)]


def _rows(suspects: list[Asked], keys: dict[str, Any], data: Path, say: Narrator) -> list[dict[str, Any]]:
    from whosenet.networks.images import load_images
    from whosenet.proving.verifying import verify
    from whosenet.suspects.open import open_suspect

    images, rows = load_images(data), []
    with say.stage("ask suspects for the mark", len(suspects)) as bar:
        for suspect in suspects:
            with open_suspect(suspect.spec) as opened:
                found = verify(opened, keys[suspect.key], images)
            rows.append(_row(suspect, found))
            tick(bar)
    return rows


def _row(suspect: Asked, found: Any) -> dict[str, Any]:
    j, shown = found.judgement, found.identity
    said = j.verdict == "derived"
    return {
        "suspect": suspect.words, "truth": "marked" if suspect.marked else "unmarked", "verdict": j.verdict,
        "outcome": "right" if said == suspect.marked else "wrong" if said else "undecided", "hits": j.hits,
        "triggers": j.triggers, "base_rate": j.base_rate, "log10_p": j.log10_p, "queries": j.queries,
        "identity": shown.identity if shown else None, "bit_errors": shown.bit_errors if shown else None,
    }  # fmt: skip


def counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    marked = [r for r in rows if r["truth"] == "marked"]
    others = [r for r in rows if r["truth"] == "unmarked"]
    return {"marked": len(marked), "proven": sum(r["verdict"] == "derived" for r in marked),
            "unmarked": len(others), "claimed": sum(r["verdict"] == "derived" for r in others)}  # fmt: skip
