"""Histogram of code distances as inline SVG: strangers, copies, what is expected of strangers, and the threshold."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.hashes import chance

INK = {
    "#010101": "--ink",
    "#020202": "--soft",
    "#030303": "--line",
    "#040404": "--stranger",
    "#050505": "--copy",
    "#060606": "--start",
}
"""Placeholder colours of the drawing -> CSS variables of the page, so that one drawing serves light and dark."""
INK_, SOFT, LINE, STRANGER, COPY, START = INK
SERIES = (("stranger", STRANGER), ("copy", COPY), ("shared-start", START))
BINS = 64
LEVELS = 12


@dataclass(frozen=True)
class Distances:
    """Pairs of codes of one length."""

    by_truth: dict[str, list[int]]
    """stranger, copy, shared-start -> distances in bits."""
    m_eff: list[float]
    """Of the stranger pairs."""
    bits: int
    threshold: int
    """Largest distance at which a pair is called a copy."""


def expected_strangers(m_eff: Sequence[float], bits: int) -> NDArray[np.float64]:
    """Expected number of stranger pairs at each distance 0..bits by the calibrated null, m_eff in LEVELS groups."""
    total = np.zeros(bits + 1)
    for group in np.array_split(np.sort(m_eff), min(LEVELS, len(m_eff))):
        tail = 10.0 ** np.array([chance.log10_p(d, bits, float(np.median(group))) for d in range(bits + 1)])
        total += len(group) * np.diff(tail, prepend=0.0)
    return total


def threshold(m_eff: Sequence[float], bits: int, log10_alpha: float) -> int:
    """Largest distance whose p-value is at most alpha, for the median m_eff; -1 if none is."""
    return chance.threshold(bits, float(np.median(m_eff)), log10_alpha)


def histogram(data: Distances) -> str:
    """The drawing as an <svg> element; counts on a square-root scale, so that single pairs stay visible."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "whosenet", "font.size": 10}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        axes = figure.add_subplot()
        _bars(axes, data)
        _marks(axes, data)
        _dress(figure, axes, data)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return themed(text.getvalue())


def _bars(axes: Any, data: Distances) -> None:
    width = data.bits / BINS
    edges = np.arange(BINS + 1) * width
    for truth, colour in SERIES:
        values = data.by_truth.get(truth, [])
        if values:
            counts, _ = np.histogram(values, edges)
            axes.bar(edges[:-1], counts, width * 0.86, align="edge", color=colour, alpha=0.85, linewidth=0)
    if data.m_eff:
        expected = expected_strangers(data.m_eff, data.bits) * width
        keep = expected > 0.01
        axes.plot(np.arange(data.bits + 1)[keep], expected[keep], color=INK_, linewidth=1.4)


def _marks(axes: Any, data: Distances) -> None:
    if data.threshold >= 0:
        axes.axvline(data.threshold + 0.5, color=INK_, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.axvline(data.bits / 2, color=LINE, linewidth=1, zorder=0)


def _dress(figure: Any, axes: Any, data: Distances) -> None:
    axes.set_yscale("function", functions=(np.sqrt, np.square))
    axes.set_xlim(-1, data.bits * 0.72)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"bits that differ, of {data.bits}", color=SOFT)
    axes.set_ylabel("pairs", color=SOFT)
    axes.tick_params(colors=SOFT, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(LINE)


def themed(svg: str) -> str:
    """The <svg> element alone, placeholder colours replaced by CSS variables, its size left to the page."""
    svg = svg[svg.index("<svg") :]
    for colour, variable in INK.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1; font-family: inherit", svg)
    return re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1), count=1
    )
