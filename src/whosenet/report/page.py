"""The demo's document as an HTML page."""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import Any

from whosenet.errors import MissingExtra
from whosenet.report import plot

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def write_page(path: Path, document: dict[str, Any]) -> Path:
    """Write the page in one step. Raises MissingExtra."""
    part = path.with_name(f"part-{path.name}")
    part.write_text(render(document), encoding="utf-8")
    return part.replace(path)


def render(document: dict[str, Any]) -> str:
    """The whole page. The document is what `whosenet.demo.run` returns."""
    try:
        import jinja2
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtra("report", "the HTML report") from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"p": p_text, "percent": lambda x: f"{x:.0%}", "points": lambda x: f"{100 * x:.1f} %"}
    template = environment.from_string(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    alpha = math.log10(document["alpha"])
    charts = {
        name: chart(document[name]["pairs"], alpha - correction(document[name]))
        for name in ("digits", "real")
        if document[name]
    }
    return template.render(doc=document, charts=charts)


def correction(chapter: dict[str, Any]) -> float:
    """log10 of the number of models one suspect was compared with: what the threshold is corrected for."""
    return math.log10(max(1, len(chapter.get("models", []))))


def chart(pairs: list[dict[str, Any]], log10_alpha: float) -> dict[str, Any]:
    """The drawing of a chapter's pairs, and its numbers in words."""
    by_truth: dict[str, list[int]] = {}
    for pair in pairs:
        by_truth.setdefault(pair["truth"], []).append(pair["distance"])
    bits = pairs[0]["bits"]
    m_eff = [p["m_eff"] for p in pairs if p["truth"] == "stranger"]
    limit = plot.threshold(m_eff, bits, log10_alpha)
    strangers, copies = by_truth.get("stranger", []), by_truth.get("copy", [])
    return {
        "svg": plot.histogram(plot.Distances(by_truth, m_eff, bits, limit)),
        "bits": bits,
        "strangers": len(strangers),
        "nearest_stranger": min(strangers, default=None),
        "mean": sum(strangers) / max(1, len(strangers)) / bits,
        "copies": len(copies),
        "farthest_copy": max(copies, default=None),
        "starts": len(by_truth.get("shared-start", [])),
    }


def p_text(log10_p: float) -> str:
    """A p-value for people: 0.37, 0.0021, 10⁻⁴²."""
    if log10_p > -4:
        return f"{10**log10_p:.2g}"
    return "10" + str(round(log10_p)).translate(RAISED)
