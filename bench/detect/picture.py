"""Triggers beside their originals and ten times the difference."""

from pathlib import Path

import numpy as np

from bench.detect.nets import Subject
from bench.test_population import data

ROWS = ("deephiding", "deephiding-40", "spectrum-shaped", "adi", "content", "noise", "blend")
SHOWN = 4
GAIN = 10


def draw(path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    covers = data.splits("cifar10")["eval"].x[10 : 10 + SHOWN]
    figure, axes = pyplot.subplots(len(ROWS), 3 * SHOWN, figsize=(12, 1.1 * len(ROWS)))
    for row, label in zip(axes, ROWS, strict=True):
        stamped = Subject(label, 0).mark().stamp(covers, np.arange(SHOWN))
        difference = (128 + GAIN * (stamped.astype(int) - covers)).clip(0, 255).astype(np.uint8)
        for place, picture in enumerate(x for three in zip(covers, stamped, difference, strict=True) for x in three):
            row[place].imshow(picture, interpolation="nearest")
            row[place].set_axis_off()
        row[0].text(-0.15, 0.5, label, ha="right", va="center", transform=row[0].transAxes, fontsize=8)
    for place, title in enumerate(("original", "trigger", f"x{GAIN}") * SHOWN):
        axes[0][place].set_title(title, fontsize=7)
    figure.subplots_adjust(left=0.1, right=0.995, top=0.95, bottom=0.005, wspace=0.04, hspace=0.04)
    part = path.with_suffix(".part.png")
    figure.savefig(part, dpi=90)
    pyplot.close(figure)
    part.replace(path)
