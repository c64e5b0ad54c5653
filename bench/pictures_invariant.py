"""One small picture of each symmetry for docs/methods/invariant.md.

python bench/pictures_invariant.py      # writes docs/pictures/symmetry-*.svg
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
Array = NDArray[np.float64]
Panel = tuple[str, Array]


def weights(*shape: int) -> Array:
    return np.random.default_rng(8).standard_normal(shape)


def permutation() -> list[Panel]:
    w, r, order = weights(5, 4), weights(3, 5)[::-1], [3, 0, 4, 1, 2]
    return [
        ("W: a row a unit", w),
        ("reader: a column a unit", r),
        ("W permuted", w[order]),
        ("reader permuted", r[:, order]),
    ]


def rescaling() -> list[Panel]:
    w, r, s = weights(5, 4), weights(3, 5)[::-1], np.array([2.0, 0.4, 1.0, 3.0, 0.6])
    return [("W", w), ("reader", r), ("rows times s", w * s[:, None]), ("columns by 1/s", r / s)]


def folding() -> list[Panel]:
    w, g = weights(5, 4), np.array([1.8, 0.5, 1.2, 0.3, 2.2])
    return [
        ("W", w),
        ("batch norm's factors", g[:, None]),
        ("folded: W times factors", w * g[:, None]),
        ("balanced: either", w),
    ]


def transposing() -> list[Panel]:
    w = weights(5, 3)
    return [("[out, in]", w), ("[in, out]", w.T)]


def dummies() -> list[Panel]:
    w, r = weights(4, 4), weights(3, 4)[::-1]
    wide = np.concatenate([w, w[[1]], w[[2]], w[[2]], w[[3]]])
    reader = np.concatenate([r * [1, 0.3, 1, 1], r[:, [1]] * 0.7, r[:, [2]], -r[:, [2]], 0 * r[:, [3]]], axis=1)
    return [("W", w), ("reader", r), ("units 2, 3, 3, 4 again", wide), ("shared out, cancelled, silent", reader)]


def merging() -> list[Panel]:
    a, b = weights(5, 4), weights(4, 5).T
    return [("X", a), ("Y", b), ("0.6 X + 0.4 Y", 0.6 * a + 0.4 * b)]


def rotation() -> list[Panel]:
    k, q = weights(3, 6), weights(6, 3).T
    turn = np.linalg.qr(weights(3, 3))[0]
    return [("K", k), ("Q", q), ("A K", turn @ k), ("A Q", turn @ q), ("Kᵀ Q, before and after", k.T @ q)]  # noqa: RUF001


PICTURES = {"permutation": permutation, "rescaling": rescaling, "folding": folding, "transposing": transposing,
            "dummy-neurons": dummies, "merging": merging, "rotation": rotation}  # fmt: skip


def draw(name: str, panels: list[Panel]) -> None:
    figure, axes = pyplot.subplots(1, len(panels), figsize=(1.9 * len(panels), 2.0), squeeze=False)
    for at, (title, values) in zip(axes[0], panels, strict=True):
        at.pcolormesh(values[::-1], cmap="PuOr", vmin=-2.5, vmax=2.5, edgecolors="white", linewidth=1)
        at.set_aspect("equal")
        at.set_axis_off()
        at.set_title(title, fontsize=8)
    figure.tight_layout()
    figure.savefig(FOLDER / f"symmetry-{name}.svg", metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "whosenet"}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, panels in PICTURES.items():
        draw(name, panels())


if __name__ == "__main__":
    main()
