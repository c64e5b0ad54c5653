"""The numbers of the identification experiment, and their tables."""

from collections import defaultdict
from typing import Any

import numpy as np

from bench import record
from bench.identify.measure import COUNTS, Trial
from bench.test_population.store import Record
from whosenet.judging.rates import auc, rate

Scores = list[tuple[str, dict[str, dict[str, list[float]]]]]
LEVELS = (0.1, 0.05, 0.01, 1e-3)
REPORTED = "twins"
"""The null of the tables by attack and by image set: what `whosenet twins` makes."""
GROUPS = {
    "distillation": ("distil",),
    "extraction": ("extract-label", "extract-label-other", "extract-probability", "extract-probability-other",
                   "extract-probability-far"),
    "adversarial training": ("adversarial-training",),
}  # fmt: skip
"""The groups the literature finds hard; everything else is listed by attack."""


def results(
    known: dict[str, Record],
    every: dict[str, list[Trial]],
    scored: dict[str, Scores],
    unfaithful: dict[str, dict[str, float]],
) -> dict[str, Any]:
    """`unfaithful`: owner -> its copies that share less with it on clean images than a twin does (faithful.py)."""
    less = {net for nets in unfaithful.values() for net in nets}
    return {
        "population": _population(known),
        "unfaithful": unfaithful,
        "auc": {name: row for method in scored for name, row in _aucs(method, known, scored[method], less).items()},
        "verdicts": {m: {null: _verdicts([t for t in ts if t.null == null], known) for null in sorted({t.null for t in ts})}
                     for m, ts in every.items()},
        "by_attack": _by_attack(every.get("deepcore", []), known),
        "by_set": _by_set(every.get("deepcore", [])),
        "agreement": _agreement(scored.get("deepcore", []), known),
    }  # fmt: skip


def _population(known: dict[str, Record]) -> dict[str, Any]:
    out: dict[str, Any] = defaultdict(lambda: {"honest": 0, "derived": 0, "accuracy": []})
    for r in known.values():
        if r["kind"] != "public":
            cell = out[f"{r['image_set']} {r['architecture']}"]
            cell[r["kind"]] += 1
            if r["family"] == "full":
                cell["accuracy"].append(r["accuracy"])
    return {k: {**v, "accuracy": float(np.mean(v["accuracy"]))} for k, v in out.items()}


def _kind(net: str, owner: str, known: dict[str, Record]) -> str:
    """derived (of this owner), honest, or foreign (another owner's copy)."""
    if net not in known:
        return "derived"
    if known[net]["kind"] == "honest":
        return "honest"
    return "derived" if known[net]["parent"] == owner else "foreign"


def _family(net: str, known: dict[str, Record]) -> str:
    return known[net]["family"] if net in known else "way: " + net.rpartition("+")[2]


def _aucs(method: str, known: dict[str, Record], scores: Scores, less: set[str]) -> dict[str, Any]:
    out = {}
    for score in ("label", "correlation"):
        rows = [(owner, net, values) for owner, by in scores for net, values in by[score].items()]
        if not rows:
            continue
        name = method if score == "label" else f"{method} ({score})"
        out[name] = _auc_row(rows, known, less)
    return out


def _auc_row(rows: list[tuple[str, str, list[float]]], known: dict[str, Record], less: set[str]) -> dict[str, Any]:
    kinds = [_kind(net, owner, known) for owner, net, _ in rows]
    families = [_family(net, known) for _, net, _ in rows]
    values = np.array([v for _, _, v in rows])
    honest = np.array([k == "honest" for k in kinds])
    derived = np.array([k == "derived" for k in kinds])
    faithful = derived & np.array([net not in less for _, net, _ in rows])
    last = values[:, -1]
    group = {g: derived & np.array([f in names for f in families]) for g, names in GROUPS.items()}
    owners = np.array([owner for owner, _, _ in rows])
    own = [auc(last[derived & (owners == o)], last[honest & (owners == o)]) for o in dict.fromkeys(owners.tolist())]
    return {
        "derived": int(derived.sum()), "honest": int(honest.sum()), "owners": len(own),
        "all": auc(last[derived], last[honest]), "faithful": auc(last[faithful], last[honest]),
        "mean of owners": float(np.mean(own)), "lowest owner": float(np.min(own)),
        **{g: auc(last[rows_], last[honest]) for g, rows_ in group.items()},
        "others": auc(last[derived & ~np.any(list(group.values()), axis=0)], last[honest]),
        "foreign copies": auc(last[derived], last[np.array([k == "foreign" for k in kinds])]),
        "by count": {c: auc(values[derived, i], values[honest, i]) for i, c in enumerate(COUNTS)} if values.shape[1] == len(COUNTS) else {},
    }  # fmt: skip


def _verdicts(trials: list[Trial], known: dict[str, Record]) -> dict[str, Any]:
    derived, honest = [t for t in trials if t.derived], [t for t in trials if not t.derived]
    useful = [t for t in derived if known.get(t.suspect, {}).get("useful", True)]
    stopped = [t for t in trials if t.draw == 0]
    accused = [t.stopped.queries for t in stopped if t.derived and t.stopped.verdict == "derived"]
    cleared = [t.stopped.queries for t in stopped if not t.derived and t.stopped.verdict == "independent"]
    return {
        "missed": _rate(derived, lambda t: t.judgement.verdict != "derived"),
        "missed useful": _rate(useful, lambda t: t.judgement.verdict != "derived"),
        "missed as independent": _rate(derived, lambda t: t.judgement.verdict == "independent"),
        "false": _rate(honest, lambda t: t.judgement.verdict == "derived"),
        "false twins": _rate([t for t in honest if t.family.startswith("honest")], lambda t: t.judgement.verdict == "derived"),
        "false pairs": sorted({(t.owner, t.suspect) for t in honest if t.judgement.verdict == "derived"}),
        "withheld": _rate(derived, withheld), "withheld false": _rate(honest, withheld),
        "pairs": len({(t.owner, t.suspect) for t in honest}),
        "cleared": _rate(honest, lambda t: t.judgement.verdict == "independent"),
        "auc of p": auc([-t.judgement.log10_p for t in derived],
                        [-t.judgement.log10_p for t in honest if t.family.startswith("honest")]),
        "calibration": {str(level): float(np.mean([t.judgement.p_value <= level for t in honest])) for level in LEVELS} if honest else {},
        "sequential": {
            "missed": _rate([t for t in stopped if t.derived], lambda t: t.stopped.verdict != "derived"),
            "false": _rate([t for t in stopped if not t.derived], lambda t: t.stopped.verdict == "derived"),
            "queries to derived": float(np.median(accused)) if accused else None,
            "queries to independent": float(np.median(cleared)) if cleared else None,
        },
    }  # fmt: skip


def withheld(trial: Trial) -> bool:
    """Agreement beyond chance that the tool does not call derived, the references not being like the owner."""
    return trial.judgement.verdict == "inconclusive" and "they accuse nobody" in trial.judgement.reasons[0]


def _rate(trials: list[Trial], wrong: Any) -> dict[str, Any]:
    """Bounds clustered by the net whose behaviour the suspect has."""
    return rate([wrong(t) for t in trials], [t.parent if not t.derived else t.suspect for t in trials]).__dict__


def _by_attack(trials: list[Trial], known: dict[str, Record]) -> dict[str, Any]:
    out = {}
    for family in sorted({t.family for t in trials}):
        mine = [
            t
            for t in trials
            if t.family == family and t.null == REPORTED and (t.derived or family.startswith("honest"))
        ]
        if not mine:
            continue
        said = [t.judgement.verdict for t in mine]
        accuracy = [known[t.suspect]["accuracy"] for t in mine if t.suspect in known]
        out[family] = {
            "trials": len(mine), **{v: said.count(v) for v in ("derived", "inconclusive", "independent")},
            "median agreement": float(np.median([t.judgement.scores["label"] or 0 for t in mine])),
            "accuracy": float(np.mean(accuracy)) if accuracy else None,
        }  # fmt: skip
    return out


def _by_set(trials: list[Trial]) -> dict[str, Any]:
    out = {}
    for image_set in sorted({t.owner.split(".")[0] for t in trials}):
        mine = [t for t in trials if t.owner.startswith(f"{image_set}.") and t.null == REPORTED]
        out[image_set] = {
            "owners": len({t.owner for t in mine}),
            "missed": _rate([t for t in mine if t.derived], lambda t: t.judgement.verdict != "derived"),
            "false": _rate([t for t in mine if not t.derived], lambda t: t.judgement.verdict == "derived"),
        }
    return out


def _agreement(scores: Scores, known: dict[str, Record]) -> dict[str, list[float]]:
    out: dict[str, list[float]] = defaultdict(list)
    for owner, by in scores:
        for net, values in by["label"].items():
            out[_kind(net, owner, known)].append(values[-1])
    return dict(out)


def markdown(found: dict[str, Any]) -> str:
    return "\n\n".join([_auc_table(found), _count_table(found), _verdict_table(found), _attack_table(found)])


def _auc_table(found: dict[str, Any]) -> str:
    columns = ["all", "distillation", "extraction", "adversarial training", "others", "faithful", "mean of owners", "lowest owner",
               "foreign copies"]  # fmt: skip
    rows = [
        [m, r["owners"], r["derived"], r["honest"], *(round(r[c], 4) for c in columns)] for m, r in found["auc"].items()
    ]
    return record.table(["AUC, labels only, 100 questions", "owners", "derived", "honest", *columns], rows)


def _count_table(found: dict[str, Any]) -> str:
    rows = [[m, *(round(v, 4) for v in r["by count"].values())] for m, r in found["auc"].items() if r["by count"]]
    return record.table(["AUC by questions asked", *map(str, COUNTS)], rows)


def _verdict_table(found: dict[str, Any]) -> str:
    rows = []
    for method, by in found["verdicts"].items():
        for null, v in by.items():
            shown = [f"{v[k]['rate']:.2%} ({v[k]['low']:.2%} to {v[k]['high']:.2%})" for k in ("missed", "false twins")]
            twins, others = v["false twins"], {k: v["false"][k] - v["false twins"][k] for k in ("trials", "errors")}
            rows.append([method, null, round(v["auc of p"], 4), v["missed"]["trials"], shown[0], twins["trials"], twins["errors"],
                         shown[1], others["trials"], others["errors"], v["pairs"],
                         v["withheld"]["errors"], v["withheld false"]["errors"],
                         f"{v['cleared']['rate']:.1%}", *(f"{c:.2%}" for c in v["calibration"].values())])  # fmt: skip
    head = ["at the tool's threshold", "null", "AUC of p", "trials of copies", "missed (95 %)", "trials of honest nets", "accused", "false (95 %)",
            "trials of others' copies", "accused", "pairs", "withheld: copies", "withheld: others", "cleared", *(f"p <= {level:g}" for level in LEVELS)]  # fmt: skip
    return record.table(head, rows)


def _attack_table(found: dict[str, Any]) -> str:
    rows = [[name, r["accuracy"], r["median agreement"], r["derived"], r["inconclusive"], r["independent"]]
            for name, r in found["by_attack"].items()]  # fmt: skip
    return record.table(["deepcore, by what the suspect is", "accuracy", "median agreement", "derived", "inconclusive",
                         "independent"], rows)  # fmt: skip
