"""How visible triggers are as saved in 8 bits: PSNR and SSIM by image set and strength, and what the weighting by texture gives.

python bench/prove_quality.py              # results/prove_quality.{json,md}; 500 test images, five keys each
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.prove_hiding import quality_of
from bench.test_population import data
from whosenet.networks.images import Pixels
from whosenet.watermarks.base import Numbers
from whosenet.watermarks.deephiding import DeepHiding

STRENGTHS = (28.0, 31.0, 34.0, 36.0, 37.0, 40.0)
EVEN = (34.0, 36.0)
"""Strengths at which the pattern is tried as strong everywhere, too."""


class Even(DeepHiding):
    """Without the weighting by texture."""

    def stamp(self, covers: Pixels, patterns: Numbers) -> Pixels:
        shapes = np.stack([self._pattern(int(number), *covers.shape[1:]) for number in patterns])
        return np.asarray((covers + shapes).round().clip(0, 255), np.uint8)


def main() -> None:
    torch.set_num_threads(1)
    found = []
    for name in data.IMAGE_SETS:
        covers = np.asarray(data.splits(name)["test"].x)
        for psnr in STRENGTHS:
            even = quality_of(covers, psnr, Even)["ssim"] if psnr in EVEN else None
            found.append({"image_set": name, "asked": psnr, **quality_of(covers, psnr), "even_ssim": even})
    rows = [[r["image_set"], f"{r['asked']:g}", r["psnr"], r["ssim"], r["even_ssim"] or ""] for r in found]
    text = "\n\n".join([
        "Triggers as saved in 8 bits against their covers, 500 test images, five keys:",
        record.table(["image set", "asked, dB", "PSNR, dB", "SSIM", "SSIM of a pattern as strong everywhere"], rows),
    ])  # fmt: skip
    record.write("prove_quality", found, text, seed=0)


if __name__ == "__main__":
    main()
