"""A lineage as JSON: plain, stable, without NaN. docs/lineage.md says what each field means."""

from __future__ import annotations

from typing import Any

from whosenet.lineage.build import Family, Lineage
from whosenet.lineage.merges import Merge
from whosenet.lineage.tree import Edge

VERSION = 1


def document(found: Lineage) -> dict[str, Any]:
    return {
        "kind": "whosenet-lineage", "version": VERSION, "folder": found.folder, "alpha": found.alpha,
        "models": [
            {"id": i, "name": m.name, "path": m.path, "digest": m.digest, "format": m.format,
             "parameters": m.parameters, "same": list(m.same)}
            for i, m in enumerate(found.models)
        ],
        "families": [_family(f, found) for f in found.families],
        "alone": found.alone,
        "failed": [{"path": path, "error": error} for path, error in found.failed],
    }  # fmt: skip


def _family(family: Family, found: Lineage) -> dict[str, Any]:
    return {
        "members": family.members, "root": family.root, "edges": [_edge(e, found) for e in family.edges],
        "merges": [_merge(m) for m in family.merges],
    }  # fmt: skip


def _edge(edge: Edge, found: Lineage) -> dict[str, Any]:
    """`favours` is the id that a trace takes for the parent, null if it says nothing of direction."""
    one = edge.link
    names = found.models[one.a].name, found.models[one.b].name
    return {
        "parent": edge.parent, "child": edge.child, "decided": edge.decided, "probability": round(edge.probability, 4),
        "siblings": one.siblings, "distance": round(one.distance, 6), "log10_p": one.log10_p,
        "relation": list(one.relation),
        "reasons": [
            {"word": t.word, "text": t.said(*names), "odds": t.odds,
             "favours": one.a if t.odds > 0 else one.b if t.odds < 0 else None}
            for t in one.traces
        ],
    }  # fmt: skip


def mixture(merge: dict[str, Any], names: list[str]) -> str:
    """ "0.62 (0.60-0.64) of X and 0.38 (0.36-0.40) of Y" from a merge of the document."""
    spans = [f" ({low:.2f}-{high:.2f})" for low, high in merge["intervals"] or []] or ["", ""]
    parts = zip(merge["shares"], spans, merge["parents"], strict=True)
    return " and ".join(f"{share:.2f}{span} of {names[p]}" for share, span, p in parts)


def _merge(merge: Merge) -> dict[str, Any]:
    return {
        "child": merge.child, "parents": [merge.first, merge.second],
        "shares": [round(merge.share, 4), round(1 - merge.share, 4)], "off": round(merge.off, 6),
        "intervals": [[round(x, 4) for x in pair] for pair in merge.intervals] if merge.intervals else None,
    }  # fmt: skip
