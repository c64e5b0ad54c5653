"""Shares by laundering and edit, and the tables of them."""

from typing import Any

import numpy as np

from bench.laundering import near as verify
from bench.laundering.rivals import FAR, RIVALS
from bench.laundering.wash import EDITS, PRESERVING, WASHES
from bench.record import table

Records = list[dict[str, Any]]
GROUPS = ("cnn", "llama")


def group(r: dict[str, Any]) -> str:
    return "llama" if r["kind"] == "llama" else "cnn"


def results(
    records: Records, found: dict[str, Any], compared: dict[str, Any], rivals: dict[str, Any], near: dict[str, Any]
) -> dict[str, Any]:
    """Shares by laundering and edit; `near`: of what the code misses, the candidates of --verify (near.py)."""
    limits = {name: _limit(name, rivals) for name in RIVALS}
    named = {r["id"]: _named(r, found, compared, near) for r in records}
    rows = []
    for where in GROUPS:
        for wash in WASHES:
            for edit in EDITS:
                some = [r for r in records if (group(r), r["wash"], r["edit"]) == (where, wash, edit)]
                if some:
                    shares = {"verify": float(np.mean([named[r["id"]][verify.PRODUCT] for r in some]))}
                    row = _row(some, found, compared, rivals, limits)
                    rows.append({"nets": where, "wash": wash, "edit": edit, **row, **shares})
    return {"rows": rows, "accused": _accused(records, found, compared), "suspects": len(records), "limits": limits,
            "parents": len({r["parent"] for r in records}),
            "verify": _rules(records, named, near),
            "misses": [_miss(r, found, compared, near) for r in records if not hit(r, found)][:200]}  # fmt: skip


def hit(r: dict[str, Any], found: dict[str, Any]) -> bool:
    return r["parent"] in found[r["id"]]["derived"]


def _named(r: dict[str, Any], found: dict[str, Any], compared: dict[str, Any], near: dict[str, Any]) -> dict[str, bool]:
    own = compared[r["id"]]["own"]
    return {rule: verify.named(own, hit(r, found), near.get(r["id"]), rule) for rule in verify.RULES}


def _rules(records: Records, named: dict[str, dict[str, bool]], near: dict[str, Any]) -> list[dict[str, Any]]:
    """What each rule that picks candidates for --verify would name: launderings that preserve the function, with an
    edit; strangers it compares with what the code missed, accused or not."""
    out = []
    for where in GROUPS:
        some = [r for r in records if group(r) == where and r["wash"] in PRESERVING and r["edit"] != "none"]
        missed = [near[r["id"]] for r in some if r["id"] in near]
        for rule in verify.RULES:
            others = [m for n in missed for m in verify.strangers(n, rule)]
            out.append({
                "nets": where, "rule": rule, "suspects": len(some), "missed": len(missed),
                "named": sum(named[r["id"]][rule] for r in some), "strangers": len(others),
                "accused": sum(m["verdict"] == "derived" for m in others),
            })  # fmt: skip
    return out


def _miss(r: dict[str, Any], found: dict[str, Any], compared: dict[str, Any], near: dict[str, Any]) -> dict[str, Any]:
    own = compared[r["id"]]["own"]
    return {
        "id": r["id"],
        "find_log10_p": found[r["id"]]["log10_p"],
        "rank": near[r["id"]]["rank"],
        "pair_log10_p": near[r["id"]]["log10_p"],
        "compare_log10_p": own["log10_p"],
        "verdict": own["verdict"],
    }


def _limit(name: str, rivals: dict[str, Any]) -> float:
    """The nearest twin of all: a threshold that accuses no one here, chosen with hindsight, in the rival's favour."""
    return float(min((d for r in rivals.values() for d in r[name]["twins"] if d < FAR), default=0.0))


def _row(some: Records, found: dict[str, Any], compared: dict[str, Any], rivals: dict[str, Any],
         limits: dict[str, float]) -> dict[str, Any]:  # fmt: skip
    own = [compared[r["id"]]["own"] for r in some]
    return {
        "suspects": len(some),
        "changed": max(r["changed"] for r in some),
        "accuracy": float(np.mean([r["accuracy"] for r in some])),
        "find": float(np.mean([hit(r, found) for r in some])),
        "nts": float(np.mean([found[r["id"]]["plain"] <= -6 for r in some])),
        "compare": float(np.mean([c["log10_p"] <= -12 for c in own])),
        "derived": float(np.mean([c["verdict"] == "derived" for c in own])),
        "worst_log10_p": max(c["log10_p"] for c in own),
        "seconds_find": float(np.median([found[r["id"]]["seconds"] for r in some])),
        "seconds_compare": float(np.median([c["seconds"] for c in own])),
        "rivals": {n: float(np.mean([rivals[r["id"]][n]["own"] < limits[n] for r in some])) for n in RIVALS},
    }


def _accused(records: Records, found: dict[str, Any], compared: dict[str, Any]) -> dict[str, Any]:
    twins = [t for r in records for t in compared[r["id"]]["twins"]]
    return {
        "find_wrong": sorted({f"{r['id']} -> {n}" for r in records for n in found[r["id"]]["derived"] if n != r["parent"]}),
        "nts_wrong": sorted({f"{r['id']} -> {n}" for r in records for n in found[r["id"]].get("plain_wrong", [])}),
        "searches": len(records), "compare_pairs": len(twins),
        "compare_wrong": sorted({t["name"] for t in twins if t["verdict"] == "derived"}),
        "compare_cleared": float(np.mean([t["verdict"] == "independent" for t in twins])) if twins else None,
        "compare_smallest_log10_p": min((t["log10_p"] for t in twins), default=0.0),
    }  # fmt: skip


def markdown(split: str, out: dict[str, Any]) -> str:
    head = ["nets", "laundering", "edit", "suspects", "answers changed by", "accuracy", "find", "find --verify", "compare, p <= 1e-12",
            "called derived", "plain nts", *RIVALS]  # fmt: skip
    rows = [[r["nets"], r["wash"].replace("@", ", as ") + ("" if r["wash"] in (*PRESERVING, "none") else " *"), r["edit"], r["suspects"],
             f"{r['changed']:.1e}", f"{r['accuracy']:.3f}", *(f"{r[k]:.1%}" for k in ("find", "verify", "compare", "derived", "nts")),
             *(f"{v:.1%}" for v in r["rivals"].values())] for r in out["rows"]]  # fmt: skip
    return f"{out['suspects']} suspects of {out['parents']} parents, split {split}\n\n{summary(out)}\n\n{table(head, rows)}\n\n{rules(out)}\n\n{_about(out)}"


def summary(out: dict[str, Any]) -> str:
    """The targets: launderings that preserve the function, alone and with one light edit."""
    rows = []
    for where in GROUPS:
        for name, edits in (("alone", ("none",)), ("with one light edit", EDITS[1:])):
            some = [r for r in out["rows"] if r["nets"] == where and r["wash"] in PRESERVING and r["edit"] in edits]
            n = sum(r["suspects"] for r in some)
            if n:
                rows.append([where, name, n, *(f"{sum(r[k] * r['suspects'] for r in some) / n:.2%}"
                                               for k in ("find", "verify", "compare", "derived", "nts")),
                             *(f"{sum(r['rivals'][k] * r['suspects'] for r in some) / n:.1%}" for k in RIVALS)])  # fmt: skip
    return table(["nets", "function-preserving launderings", "suspects", "find", "find --verify", "compare, p <= 1e-12", "called derived",
                  "plain nts", *RIVALS], rows)  # fmt: skip


def by_edit(out: dict[str, Any]) -> str:
    """The function-preserving launderings together, one row a light edit."""
    rows = []
    for where in GROUPS:
        for edit in EDITS:
            some = [r for r in out["rows"] if (r["nets"], r["edit"]) == (where, edit) and r["wash"] in PRESERVING]
            n = sum(r["suspects"] for r in some)
            if n:
                shares = (
                    f"{sum(r[k] * r['suspects'] for r in some) / n:.1%}"
                    for k in ("find", "verify", "compare", "derived")
                )
                rows.append([where, edit, n, *shares])
    return table(
        ["nets", "light edit", "suspects", "find", "find --verify", "compare, p <= 1e-12", "called derived"], rows
    )


def rules(out: dict[str, Any]) -> str:
    """What --verify compares, and what it would name by other rules."""
    head = ["nets", "with one light edit, --verify compares", "suspects", "missed by code", "named", "share",
            "strangers compared with the missed", "accused"]  # fmt: skip
    rows = [[v["nets"], v["rule"], v["suspects"], v["missed"], v["named"], f"{v['named'] / v['suspects']:.1%}",
             v["strangers"], v["accused"]] for v in out["verify"] if v["suspects"]]  # fmt: skip
    return table(head, rows)


def short(split: str, out: dict[str, Any]) -> str:
    return f"{out['suspects']} suspects of {out['parents']} parents, split {split}\n\n{summary(out)}\n\n{by_edit(out)}\n\n{rules(out)}\n\n{_about(out)}"


def _about(out: dict[str, Any]) -> str:
    a = out["accused"]
    return (
        f"find: {len(a['find_wrong'])} wrong accusations in {a['searches']} searches (plain nts: {len(a['nts_wrong'])}). "
        f"compare: {len(a['compare_wrong'])} of {a['compare_pairs']} pairs with a retraining for the same task accused, smallest "
        f"log10 p {a['compare_smallest_log10_p']:.1f}, {a['compare_cleared'] or 0:.0%} cleared.\n\n"
        "find and plain nts: called derived at alpha 1e-6, corrected for the library. find --verify: the parent is among the candidates "
        "that it compares, and compare says derived at that alpha (a copy named by code and not confirmed is not counted). Rivals: share nearer than the "
        "nearest of all retrainings in this run, a threshold chosen with hindsight in their favour. "
        "\\* changes the answers; its change is the share of the logits' spread."
    )
