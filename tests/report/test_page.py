"""The page: numbers drawn as they are, nothing from a file name trusted."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from whosenet.hashes import chance
from whosenet.report import plot
from whosenet.report.page import p_text, render


def test_the_expected_curve_counts_every_pair_and_centres_on_half_of_the_bits() -> None:
    curve = plot.expected_strangers([300.0] * 40 + [2000.0] * 60, 256)
    assert curve.sum() == pytest.approx(100, rel=1e-6)
    assert (curve * np.arange(257)).sum() / 100 == pytest.approx(128, abs=0.01)
    spread = (curve * (np.arange(257) - 128) ** 2).sum() / 100
    assert spread > 64 * 1.05, "wider than a fair coin's: m_eff counts"


def test_the_threshold_is_the_last_distance_below_alpha() -> None:
    limit = plot.threshold([500.0] * 3, 256, -6.0)
    assert chance.log10_p(limit, 256, 500.0) <= -6.0 < chance.log10_p(limit + 1, 256, 500.0)


def test_the_drawing_takes_its_colours_from_the_page_and_is_the_same_each_time() -> None:
    data = plot.Distances({"stranger": [120, 128, 131], "copy": [3], "shared-start": [60]}, [400.0] * 3, 256, 80)
    svg = plot.histogram(data)
    assert svg.startswith("<svg") and svg == plot.histogram(data)
    assert not any(colour in svg for colour in plot.INK)
    assert all(f"var({name})" in svg for name in plot.INK.values())


@pytest.mark.parametrize(("log10_p", "text"), [(-0.3, "0.5"), (-2.0, "0.01"), (-42.2, "10⁻⁴²"), (-6.0, "10⁻⁶")])
def test_p_values_for_people(log10_p: float, text: str) -> None:
    assert p_text(log10_p) == text


def test_names_of_files_are_text_never_markup() -> None:
    evil = "<script>alert(1)</script>.onnx"
    row = {
        "suspect": evil, "truth": "copy", "edit": "x", "owner": "o", "accuracy": 0.9,
        "verdict": "copy", "outcome": "right",
        "find": {"distance": 1, "log10_p": -70.0}, "compare": {"log10_p": -900.0, "relation": ["cast"]},
    }  # fmt: skip
    pairs = [{"truth": t, "distance": d, "bits": 256, "m_eff": 500.0} for t, d in (("stranger", 128), ("copy", 4))]
    counts = dict.fromkeys(
        ("copies_found", "copies", "twins_accused", "twins", "twins_cleared", "starts_right", "starts"), 1
    )
    boxes = ("copies", "copies_found", "copies_cleared", "strangers", "strangers_accused", "strangers_cleared")
    asked = {
        "suspect": evil,
        "agreement": 1.0,
        "log10_p": -5.0,
        "verdict": "derived",
        "outcome": "right",
        "reason": evil,
    }
    blackbox = {"counts": dict.fromkeys(boxes, 1), "suspects": [asked], "questions": 100, "references": 20}
    asked_for_mark = {
        "suspect": evil, "hits": 1, "triggers": 2, "log10_p": -1.0, "verdict": "derived", "outcome": "wrong",
        "identity": evil,
    }  # fmt: skip
    ownership = {
        "counts": dict.fromkeys(("marked", "proven", "unmarked", "claimed"), 1), "suspects": [asked_for_mark],
        "owner": evil, "commitment": evil, "before": 0.9, "after": 0.9,
    }  # fmt: skip
    document = {
        "ownership": ownership,
        "alpha": 1e-6, "alpha_text": "10⁻⁶", "trained": 2, "seconds": 1.0, "version": "0", "method": "nts/1",
        "real": None, "blackbox": blackbox,
        "digits": {"models": [1], "counts": counts, "suspects": [row], "pairs": pairs},
    }  # fmt: skip
    page = render(document)
    assert evil not in page and "&lt;script&gt;alert(1)" in page
