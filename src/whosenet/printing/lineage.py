"""A lineage for a terminal: each family as a tree, with the reasons."""

from __future__ import annotations

from typing import Any

from whosenet.lineage.document import mixture
from whosenet.printing.console import console, shown


def show(document: dict[str, Any]) -> None:
    out = console()
    names = [shown(m["name"]) for m in document["models"]]
    for number, family in enumerate(document["families"], 1):
        out.print(f"[bold]Family {number}[/bold]: {len(family['members'])} models")
        inner = {e["child"] for e in family["edges"]} | {m["child"] for m in family["merges"]}
        for top in [m for m in family["members"] if m not in inner]:
            out.print(f"  {names[top]}")
            _below(out, family, names, top, 1)
        for m in family["merges"]:
            out.print(f"  {names[m['child']]}  [dim]merge: {mixture(m, names)}[/dim]")
    if document["alone"]:
        out.print(f"Without relatives here: {', '.join(names[i] for i in document['alone'])}")
    for m, name in zip(document["models"], names, strict=True):
        if m["same"]:
            out.print(f"The same bytes: {name} = {', '.join(map(shown, m['same']))}")
    for one in document["failed"]:
        out.print(f"Not read: {shown(one['error'])}")


def _below(out: Any, family: dict[str, Any], names: list[str], node: int, depth: int) -> None:
    """Children under their parent; a stack of its own would be no shorter, and a family has at most 300 members."""
    for edge in [e for e in family["edges"] if e["parent"] == node]:
        arrow = "->" if edge["decided"] else "--"
        how = ", ".join(edge["relation"]) or "related"
        why = "; ".join(r["text"] for r in edge["reasons"]) or "nothing tells which came first"
        doubt = "" if edge["decided"] else "siblings, " * edge["siblings"] + "direction undecided; "
        out.print(f"{'  ' * depth}{arrow} {names[edge['child']]}  [dim]{shown(how)}: {doubt}{shown(why)}[/dim]")
        _below(out, family, names, edge["child"], depth + 1)
