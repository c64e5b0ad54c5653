"""What the shipped hiding pair does: PSNR, SSIM, and whether the identity is read bit-exactly, on test images no training saw.

By image set, journey and number of carriers whose soft bits are added up. Every trial has a key of its own. Nothing is
cropped here, so nothing is read at 64 places (tests/proving covers that).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.prove_population.keys import key_of
from bench.test_population import data
from whosenet.networks.images import Pixels
from whosenet.proving.showing import reveal
from whosenet.watermarks.deephiding import DeepHiding

TRIALS = 300
CARRIERS = (1, 4, 16)
Journey = Callable[[Pixels], Pixels]


def _each(images: Pixels, one: Callable[[Image.Image], Image.Image]) -> Pixels:
    return np.stack([np.asarray(one(Image.fromarray(i))) for i in images])


def _jpeg(quality: int) -> Journey:
    def through(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return lambda images: _each(images, through)


def _resized(scale: float) -> Journey:
    def through(image: Image.Image) -> Image.Image:
        size = image.size
        return image.resize((round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BILINEAR).resize(
            size, Image.Resampling.BILINEAR
        )

    return lambda images: _each(images, through)


JOURNEYS: dict[str, Journey] = {
    "8 bits (PNG)": lambda images: images,
    "JPEG 90": _jpeg(90),
    "JPEG 75": _jpeg(75),
    "JPEG 50": _jpeg(50),
    "resized by 1.5 and back": _resized(1.5),
    "resized by 0.75 and back": _resized(0.75),
    "blurred (radius 0.5)": lambda images: _each(images, lambda i: i.filter(ImageFilter.GaussianBlur(0.5))),
}
MOVED = 3
STRENGTHS = (28.0, 31.0, 34.0, 37.0, 40.0)


def main() -> None:
    results: dict[str, Any] = {"journeys": {}, "quality": {}, "strength": {}}
    for name in data.IMAGE_SETS:
        covers = np.asarray(data.splits(name)["test"].x)
        results["quality"][name] = quality_of(covers, 34.0)
        shown = {journey: (covers, through) for journey, through in JOURNEYS.items()}
        shown[f"JPEG 75, covers moved by {MOVED} pixels before"] = (moved(covers), JOURNEYS["JPEG 75"])
        results["journeys"][name] = {
            journey: {n: exact(of, through, n, 34.0) for n in CARRIERS} for journey, (of, through) in shown.items()
        }
    covers = np.asarray(data.splits("cifar10")["test"].x)
    for psnr in STRENGTHS:
        through = {journey: exact(covers, JOURNEYS[journey], 1, psnr) for journey in ("8 bits (PNG)", "JPEG 75")}
        results["strength"][psnr] = {**quality_of(covers, psnr), **through}
    record.write("prove_hiding", {**results, "trials": TRIALS}, table(results), seed=0)


def moved(covers: Pixels) -> Pixels:
    """Off the grid of an earlier JPEG: what was rounded at a quality is rounded back by the same quality on the same grid,
    and a pattern of less than half a step is gone. The border is mirrored."""
    return np.pad(covers[:, MOVED:, MOVED:], ((0, 0), (0, MOVED), (0, MOVED), (0, 0)), mode="reflect")


def exact(covers: Pixels, through: Journey, carriers: int, psnr: float) -> dict[str, float]:
    """Share of trials in which the identity comes back bit by bit, and mean bit errors of 60 before correction."""
    draws = np.random.default_rng(carriers)
    found = []
    for trial in range(TRIALS):
        key = key_of(f"hiding {trial}", psnr=psnr)
        rows = draws.choice(len(covers), carriers, replace=False)
        sent = through(DeepHiding(key).stamp(np.ascontiguousarray(covers[rows]), np.full(carriers, trial % 4)))
        found.append(reveal(sent, key, cropped=False))
    return {
        "exact": float(np.mean([f.verified for f in found])),
        "bit_errors": float(np.mean([f.bit_errors for f in found])),
    }


def quality_of(covers: Pixels, psnr: float, method: type[DeepHiding] = DeepHiding) -> dict[str, float]:
    sample = np.ascontiguousarray(covers[:500])
    values = [
        method(key_of(f"hiding {trial}", psnr=psnr)).quality(sample, np.zeros(len(sample), np.int64))
        for trial in range(5)
    ]
    return {"psnr": float(np.mean([v[0] for v in values])), "ssim": float(np.mean([v[1] for v in values]))}


def table(results: dict[str, Any]) -> str:
    rows = [
        [name, journey, *(f"{100 * at[n]['exact']:.1f} % ({at[n]['bit_errors']:.1f})" for n in CARRIERS)]
        for name, journeys in results["journeys"].items() for journey, at in journeys.items()
    ]  # fmt: skip
    quality = [[name, q["psnr"], q["ssim"]] for name, q in results["quality"].items()]
    strength = [
        [
            f"{psnr:g}",
            s["psnr"],
            s["ssim"],
            *(f"{100 * s[j]['exact']:.1f} % ({s[j]['bit_errors']:.1f})" for j in ("8 bits (PNG)", "JPEG 75")),
        ]
        for psnr, s in results["strength"].items()
    ]
    return "\n\n".join([
        "Triggers as saved in 8 bits, at the default strength:",
        record.table(["image set", "PSNR, dB", "SSIM"], quality),
        f"Identity bit-exact, and in parentheses wrong bits of 60 before correction; {TRIALS} keys each:",
        record.table(["image set", "journey", *(f"{n} carrier{'s' if n > 1 else ''}" for n in CARRIERS)], rows),
        "Strength against invisibility, CIFAR-10, one carrier:",
        record.table(["asked, dB", "PSNR, dB", "SSIM", "8 bits", "JPEG 75"], strength),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
