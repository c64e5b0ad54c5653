"""What bench/test_real.py found, as tables for people."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench import record

SAID = ("derived", "inconclusive", "withheld", "independent")
QUERIES = (5, 10, 20, 50, 100)
NULL = """No author published ten trainings of one network, so the null is {references} networks trained here on the same images (three small
architectures, none an owner's; from scratch, on halves, or from a public start; accuracy 0.7 to 0.8), drawn {draws} times,
never one of the 12 that chose points. So the other authors' networks, better trained and of the owner's family, are strangers
that the null does not look like. The tool accuses nobody by such references; `withheld` counts the trials in which it would
have, had it not looked at what they are."""


def table(results: dict[str, Any]) -> str:
    methods = results["methods"]
    first_published = next(iter(results["published"].values()))["by_preprocessing"]
    parts = [
        "Published networks, as converted (accuracy on CIFAR-10's 10,000 test images):",
        record.table(
            ["network", "accuracy", *(f"fed {how}" for how in first_published)],
            [[n, r["accuracy"], *r["by_preprocessing"].values()] for n, r in results["published"].items()],
        ),
        f"Owners: {', '.join(results['owners'])}. {NULL.format(**results)}",
        f"AUC by labels alone, derived against {results['origins']} trainings and what was made of them:",
        record.table(
            ["method", *(f"{q} queries" for q in QUERIES), "100, copies worth having", "worst owner", "seconds a fingerprint"],
            [[m, *r["auc"].values(), r["auc_worth"][QUERIES[-1]], min(r["auc_by_owner"].values()), float(np.mean(list(r["seconds"].values())))] for m, r in methods.items()],
        ),
        f"Verdicts at alpha 0.001, {results['draws']} draws of {results['references']} null references:",
        record.table(
            ["method", "copies: found / inconclusive / cleared", "those worth having", "withheld", "strangers: trials", "models", "accused", "withheld", "cleared", "least p (log10)"],
            [_verdict_row(m, r) for m, r in methods.items()],
        ),
    ]  # fmt: skip
    parts += [
        "Strangers accused or withheld, by owner and by the training the suspect goes back to (accused, withheld / trials):",
        record.table(["owner: stranger", *methods], _origin_rows(methods)),
    ]
    first = next(iter(methods.values()))
    parts += [
        f"{next(iter(methods))}, by kind of derived net:",
        record.table(
            [
                "kind",
                "agreement: least",
                "median",
                "AUC at 20",
                "AUC at 100",
                "found",
                "inconclusive",
                "of these withheld",
                "cleared",
            ],
            [_group_row(g, first) for g in first["auc_by_group"]],
        ),
        f"{next(iter(methods))}, strangers:",
        record.table(
            ["kind", "agreement: median", "largest", "accused", "inconclusive", "of these withheld", "cleared"],
            [_stranger_row(g, c, first) for g, c in first["strangers_by_group"].items()],
        ),
    ]
    return "\n\n".join(parts)


def _origin_rows(methods: dict[str, Any]) -> list[list[Any]]:
    counts = {m: r["strangers"]["by_owner_and_origin"] for m, r in methods.items()}
    keys = sorted({key for c in counts.values() for key in c})
    return [
        [
            key,
            *(
                f"{c[key].get('derived', 0)}, {c[key].get('withheld', 0)} / {c[key]['trials']}" if key in c else ""
                for c in counts.values()
            ),
        ]
        for key in keys
    ]


def _verdict_row(name: str, r: dict[str, Any]) -> list[Any]:
    cells = [
        [r[part].get(v, 0) for v in ("derived", "inconclusive", "independent")] for part in ("found", "found_worth")
    ]
    s = r["strangers"]
    return [name, *(" / ".join(map(str, c)) for c in cells), r["withheld"], s["trials"], s["models"],
            s["accused"], s["withheld"], s.get("independent", 0), s["least_log10_p"]]  # fmt: skip


def _group_row(group: str, r: dict[str, Any]) -> list[Any]:
    least, median, _ = r["agreement_by_group"][f"derived: {group}"]
    counts = r["derived_by_group"].get(group, {})
    by_queries = r["auc_by_group"][group]
    return [group, least, median, by_queries[20], by_queries[100],
            *(counts.get(v, 0) for v in SAID)]  # fmt: skip


def _stranger_row(group: str, counts: dict[str, int], r: dict[str, Any]) -> list[Any]:
    _, median, most = r["agreement_by_group"][f"stranger: {group}"]
    return [group, median, most, *(counts.get(v, 0) for v in SAID)]
