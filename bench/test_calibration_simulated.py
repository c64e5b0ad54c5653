"""What TEST's p-values are worth where the truth is known: families of honest models, points that differ.

    python bench/test_calibration_simulated.py       # results/test_calibration_simulated.{json,md,svg}

References and suspects are drawn alike, so every accusation is false. The prior's sharpness and the width of kin were
chosen on the development worlds; the report worlds were first looked at afterwards; the rare kinds break the assumption
on purpose (bench/calibration/worlds.py).
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.calibration import plot, rates
from bench.calibration.worlds import DEVELOPMENT, KINDS, REPORT
from whosenet.judging.independence import independence_p
from whosenet.judging.population import Scored

REFERENCES = (10, 12, 15, 20, 40)
POINTS = 90


def every(draws: int) -> Iterator[dict]:
    for kind, worlds in KINDS.items():
        for name, world in worlds.items():
            for references in REFERENCES:
                yield {"kind": kind, "world": name, "references": references, "points": POINTS,
                       **rates.fixed(world, references, POINTS, draws)}  # fmt: skip
            print(kind, name, file=sys.stderr, flush=True)


def stopped(draws: int) -> Iterator[dict]:
    chosen = [name for name in REPORT if "0.30" in name or "0.33" in name or "bunches" in name or "three" in name]
    for name in chosen:
        for references in (12, 20):
            yield {"world": name, "references": references, **rates.anytime(REPORT[name], references, POINTS, draws)}
            print("stopping", name, references, file=sys.stderr, flush=True)


def cleared(copies: int, points: int = POINTS, draws: int = 300) -> dict[str, float]:
    """How often a suspect would pass as unlike the owner's copies (p <= 0.02), by its kind."""
    r = np.random.default_rng([rates.SEED, copies, points])
    kinds = {"gentle (fine-tuned, pruned)": 0.98, "adversarially trained": 0.85, "distilled, extracted": 0.65}
    levels = list(kinds.values())
    passed = dict.fromkeys([*kinds, "honest at 0.3"], 0)
    for _ in range(draws):
        mean = np.resize([levels[0], levels[1], levels[2], levels[2]], copies)
        seen = r.binomial(points, r.beta(20 * mean, 20 * (1 - mean))) / points
        for name, level in [*kinds.items(), ("honest at 0.3", 0.3)]:
            suspect = r.binomial(points, r.beta(20 * level, 20 * (1 - level))) / points
            p = independence_p(Scored(float(suspect), np.zeros(0), seen, points))
            passed[name] += p is not None and p <= 0.02
    return {name: count / draws for name, count in passed.items()}


def times(rate: list[float], level: float) -> str:
    """A rate as a multiple of its level, with its bounds."""
    return "{:.2f} ({:.2f} to {:.2f})".format(*(v / level for v in rate))


def by_count(rows: list[dict]) -> str:
    lines = []
    for kind in KINDS:
        for references in REFERENCES:
            mine = [r for r in rows if (r["kind"], r["references"]) == (kind, references)]
            over = [[r["p"][str(level)][0] / level for r in mine] for level in rates.LEVELS]
            accused = [r["accused"][0] / rates.ALPHA for r in mine]
            cells = [f"{np.mean(v):.2f} / {np.max(v):.2f}" for v in (*over, accused)]
            lines.append(
                [kind, references, *cells, *(round(f, 2) for f in np.mean([r["found"] for r in mine], axis=0))]
            )
    head = ["worlds", "references", *(f"p <= {v:g}: mean / worst" for v in rates.LEVELS), "accused at 0.001"]
    return record.table([*head, *(f"copy at {c:g}" for c in rates.COPIES)], lines)


def by_world(rows: list[dict], references: int) -> str:
    lines = [[r["kind"], r["world"], *(times(r["p"][str(v)], v) for v in rates.LEVELS), times(r["accused"], rates.ALPHA),
              round(r["accused of a kind seen"] / rates.ALPHA, 2), *(round(f, 2) for f in r["found"])]
             for r in rows if r["references"] == references]  # fmt: skip
    head = ["worlds", f"world, {references} references", *(f"p <= {v:g}" for v in rates.LEVELS), "accused at 0.001",
            "... of a kind with a reference"]  # fmt: skip
    return record.table([*head, *(f"copy at {c:g}" for c in rates.COPIES)], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=150, help="Draws of references in each world.")
    draws = parser.parse_args().draws
    rows = list(every(draws))
    stops = list(stopped(max(draws // 4, 10)))
    clear = [[m, *cleared(m).values()] for m in (4, 6, 8, 12)]
    any_time = [[s["world"], s["references"], *(times(s["p"][str(v)], v) for v in rates.LEVELS[:3]), *s["questions"].values()]
                for s in stops]  # fmt: skip
    text = "\n\n".join([
        f"{POINTS} points. Honest models with such a p-value, as a multiple of what is stated (at most 1 is promised; 95 % "
        "bounds over draws of references), and the share of copies found at alpha 0.001, by their agreement.",
        by_count(rows), by_world(rows, 12), by_world(rows, 20),
        "Stopping at any look: honest models with such a p-value, as a multiple; median questions to `derived`.",
        record.table(["world", "references", *(f"p <= {v:g}" for v in rates.LEVELS[:3]),
                      *(f"copy at {c:g}" for c in rates.COPIES)], any_time),
        "Taken for unlike the owner's copies (p <= 0.02): must be rare for copies, is frequent for honest models.",
        record.table(["copies", *cleared(4, draws=1)], clear),
    ])  # fmt: skip
    plot.draw(record.RESULTS / "test_calibration_simulated.svg", rows)
    results = {"fixed": rows, "anytime": stops, "cleared": clear, "development": list(DEVELOPMENT)}
    record.write("test_calibration_simulated", results, text, seed=rates.SEED)


if __name__ == "__main__":
    main()
