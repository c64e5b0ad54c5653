"""A lineage as one HTML file: a drawing of each family and the reasons under it. Nothing is fetched from anywhere.

Names come from strangers' files, so every text goes through `_text`.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from whosenet import files
from whosenet.lineage.document import mixture

WIDTH, HEIGHT, GAP_X, GAP_Y, LONGEST = 200, 34, 24, 56, 26
"""Of a box and of the space between, in pixels; characters of a name that are drawn."""
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c2330}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #dde2ea;vertical-align:top;overflow-wrap:anywhere}
svg{max-width:100%;height:auto}rect{fill:#f3f6fb;stroke:#55708f}.root rect{fill:#dcebd9;stroke:#3d7a3a}
line{stroke:#55708f;stroke-width:1.6}.open{stroke-dasharray:5 4;stroke:#a8792b}.mix{stroke:#7a4fa0}
text{font:12px system-ui,sans-serif;fill:#1c2330}.odd{color:#a8792b}
"""
Place = tuple[float, float]


def write_page(path: str | Path, document: dict[str, Any]) -> Path:
    """Written beside and moved."""
    text = page(document).encode("utf-8", "replace")
    files.replaced(Path(path), lambda file: file.write(text))
    return Path(path)


def page(document: dict[str, Any]) -> str:
    names = [m["name"] for m in document["models"]]
    body = "".join(_family(n, f, names) for n, f in enumerate(document["families"], 1))
    if document["alone"]:
        body += f"<h2>Without relatives here</h2><p>{', '.join(_text(names[i]) for i in document['alone'])}</p>"
    same = [f"<li>{_text(m['name'])}: {', '.join(map(_text, m['same']))}</li>" for m in document["models"] if m["same"]]
    if same:
        body += f"<h2>The same bytes under other names</h2><ul>{''.join(same)}</ul>"
    if document["failed"]:
        rows = "".join(f"<li>{_text(f['error'])}</li>" for f in document["failed"])
        body += f"<h2>Not read</h2><ul>{rows}</ul>"
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Lineage</title><style>{STYLE}</style></head><body><h1>Lineage of {_text(document['folder'])}</h1>"
        "<p>An arrow runs from parent to child. A dashed line: related, and what there is does not say which came "
        "first. Neither says who took what from whom.</p>"
        f"{body}</body></html>\n"
    )


def _text(text: Any) -> str:
    """For HTML, without control characters."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return html.escape(shown, quote=True)


def _family(number: int, family: dict[str, Any], names: list[str]) -> str:
    rows = "".join(_row(e, names) for e in family["edges"]) + "".join(_mixed(m, names) for m in family["merges"])
    head = "<tr><th>parent</th><th>child</th><th>how</th><th>why</th></tr>"
    title = f"<h2>Family {number}: {len(family['members'])} models</h2>"
    return f"{title}{drawing(family, names)}<table>{head}{rows}</table>"


def _mixed(merge: dict[str, Any], names: list[str]) -> str:
    parents = " + ".join(_text(names[p]) for p in merge["parents"])
    why = f"{_text(mixture(merge, names))}; {merge['off']:.1%} off the line between them"
    return f"<tr><td>{parents}</td><td>{_text(names[merge['child']])}</td><td>merge</td><td>{why}</td></tr>"


def _row(edge: dict[str, Any], names: list[str]) -> str:
    why = "; ".join(_text(r["text"]) for r in edge["reasons"]) or "nothing that tells"
    if edge["siblings"]:
        sure = "<br><span class='odd'>siblings: neither is the other's parent</span>"
    elif not edge["decided"]:
        sure = f"<br><span class='odd'>undecided: {edge['probability']:.0%} this way</span>"
    else:
        sure = f"<br>{edge['probability']:.1%} sure of the direction"
    parent, child = _text(names[edge["parent"]]), _text(names[edge["child"]])
    how = _text(", ".join(edge["relation"]) or "related")
    return f"<tr><td>{parent}</td><td>{child}</td><td>{how}</td><td>{why}{sure}</td></tr>"


def drawing(family: dict[str, Any], names: list[str]) -> str:
    """The tree as SVG, roots at the top; merges hang below both of their parents."""
    at = _places(family)
    width = max(x for x, _ in at.values()) + WIDTH + GAP_X
    height = max(y for _, y in at.values()) + HEIGHT + 20
    lines = [_line(at[e["parent"]], at[e["child"]], "" if e["decided"] else "open") for e in family["edges"]]
    lines += [_line(at[p], at[m["child"]], "mix") for m in family["merges"] for p in m["parents"]]
    boxes = [_box(at[i], names[i], i == family["root"]) for i in family["members"]]
    arrow = "<marker id='a' viewBox='0 0 8 8' refX='8' refY='4' markerWidth='8' markerHeight='8' orient='auto'>"
    return (
        f"<svg viewBox='0 0 {width:.0f} {height:.0f}' width='{width:.0f}' role='img'><defs>{arrow}"
        f"<path d='M0 0L8 4L0 8z' fill='#55708f'/></marker></defs>{''.join(lines)}{''.join(boxes)}</svg>"
    )


def _places(family: dict[str, Any]) -> dict[int, Place]:
    """Left upper corners: depth below a root downwards, leaves side by side."""
    below: dict[int, list[int]] = {}
    for edge in family["edges"]:
        below.setdefault(edge["parent"], []).append(edge["child"])
    mixed = {m["child"] for m in family["merges"]}
    inner = {e["child"] for e in family["edges"]} | mixed
    at: dict[int, Place] = {}
    column = 0.0
    for top in [m for m in family["members"] if m not in inner]:
        todo = [(top, 0)]
        while todo:
            node, depth = todo.pop()
            at[node] = (GAP_X / 2 + column * (WIDTH + GAP_X), 10 + depth * (HEIGHT + GAP_Y))
            children = below.get(node, [])
            column += not children
            todo += [(c, depth + 1) for c in reversed(children)]
    floor = max((y for _, y in at.values()), default=0.0) + HEIGHT + GAP_Y
    return at | {m: (GAP_X / 2 + n * (WIDTH + GAP_X), floor) for n, m in enumerate(sorted(mixed))}


def _line(a: Place, b: Place, kind: str) -> str:
    mark = "" if kind == "open" else " marker-end='url(#a)'"
    start = f"x1='{a[0] + WIDTH / 2:.0f}' y1='{a[1] + HEIGHT:.0f}'"
    return f"<line class='{kind}' {start} x2='{b[0] + WIDTH / 2:.0f}' y2='{b[1]:.0f}'{mark}/>"


def _box(at: Place, name: str, root: bool) -> str:
    x, y = at
    short = name if len(name) <= LONGEST else "\u2026" + name[-LONGEST + 1 :]
    return (
        f"<g class='{'root' if root else 'one'}'><title>{_text(name)}</title>"
        f"<rect x='{x:.0f}' y='{y:.0f}' width='{WIDTH}' height='{HEIGHT}' rx='5'/>"
        f"<text x='{x + WIDTH / 2:.0f}' y='{y + 21:.0f}' text-anchor='middle'>{_text(short)}</text></g>"
    )
