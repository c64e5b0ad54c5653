"""Stated against observed p-values, and what copies are found, by their agreement and the number of references."""

from pathlib import Path
from typing import Any

import numpy as np

from bench.calibration.rates import COPIES, LEVELS

COLOURS = {"development": "#90cdf4", "report": "#2b6cb0", "a rare kind": "#c53030"}


def draw(path: Path, rows: list[dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "whosenet"
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    for kind, colour in COLOURS.items():
        for i, row in enumerate(r for r in rows if r["kind"] == kind and r["references"] >= 12):
            seen = [max(row["p"][str(level)][0], 1e-6) for level in LEVELS]
            left.plot(LEVELS, seen, color=colour, alpha=0.5, lw=1, label=None if i else kind)
    left.plot(LEVELS, LEVELS, color="black", lw=1, ls="--", label="as stated")
    left.set(xscale="log", yscale="log", ylim=(1e-5, 0.3), xlabel="stated p", ylabel="share of honest models",
             title="12 references or more, 90 points")  # fmt: skip
    left.legend(frameon=False, fontsize=8)
    for references in sorted({r["references"] for r in rows}):
        mine = [r["found"] for r in rows if r["kind"] == "report" and r["references"] == references]
        right.plot(COPIES, np.mean(mine, axis=0), marker="o", label=f"{references} references")
    right.set(xlabel="agreement of a copy", ylabel="found at alpha 0.001", title="mean of the report worlds")
    right.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
