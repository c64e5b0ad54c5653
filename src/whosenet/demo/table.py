"""The verdict table on a terminal: the truth, what whosenet said, right or wrong."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from whosenet.report.page import p_text

STYLE = {"copy": "red", "stranger": "blue", "shared-start": "yellow", "undecided": "dim"}
OUTCOME = {"right": "[bold green]right[/]", "wrong": "[bold white on red]wrong[/]", "undecided": "[yellow]open[/]"}
WORDS = {"shared-start": "copy or shared start"}
TITLES = {"copy": "copies", "twin": "honest twins", "shared-start": "same random start"}
PLAIN_WIDTH = 140


def show(document: dict[str, Any]) -> None:
    """Print the chapters to stdout, in colour on a terminal."""
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    console.print(_suspects(document["digits"]["suspects"], console.width))
    console.print(_counts(document["digits"]["counts"]))
    console.print(_blackbox(document["blackbox"]))
    console.print(_ownership(document["ownership"]))
    if document["real"]:
        console.print(_real(document["real"]))
    console.print(f"report: {document['report']}  ({document['seconds']:.0f} s)", highlight=False, soft_wrap=True)


NEEDS = {"the truth": 126, "relation": 126, "accuracy": 90}
"""Columns a narrower terminal does without."""


def _suspects(rows: list[dict[str, Any]], width: int) -> Table:
    title = "Every suspect, the truth about it, and the verdict"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    shown = [heading for heading in _cells(rows[0]) if width >= NEEDS.get(heading, 0)]
    for heading in shown:
        right = heading in ("accuracy", "distance", "p, find", "p, compare")
        table.add_column(heading, justify="right" if right else "left", no_wrap=NEEDS.get(heading) != 126)
    before = None
    for row in rows:
        if row["truth"] != before:
            table.add_row(f"[bold]{TITLES[row['truth']]}[/]")
            before = row["truth"]
        cells = _cells(row)
        table.add_row(*(cells[heading] for heading in shown))
    return table


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """Heading -> text."""
    found, compared = row["find"], row["compare"]
    verdict = WORDS.get(row["verdict"], row["verdict"]) + (f" of {row['owner']}" if row["verdict"] == "copy" else "")
    return {
        "suspect": row["suspect"].removesuffix(".safetensors"),
        "the truth": row["edit"],
        "accuracy": f"{row['accuracy']:.1%}",
        "distance": f"{found['distance']}/{found['bits']}",
        "p, find": p_text(found["log10_p"]),
        "p, compare": p_text(compared["log10_p"]),
        "verdict": f"[{STYLE[row['verdict']]}]{verdict}[/]",
        "relation": ", ".join(compared["relation"]),
        "": OUTCOME[row["outcome"]],
    }


def _counts(c: dict[str, int]) -> str:
    return (
        f"\n[bold]{c['copies_found']} of {c['copies']}[/] copies found with their owner; "
        f"[bold]{c['twins_accused']} of {c['twins']}[/] honest twins accused, [bold]{c['twins_cleared']}[/] cleared; "
        f"[bold]{c['starts_right']} of {c['starts']}[/] trainings from a shared start not called plain copies\n"
    )


def _blackbox(boxes: dict[str, Any]) -> Table:
    title = (
        f"The owner's classifier behind an interface: {boxes['questions']} questions, labels only, "
        f"{boxes['references']} honest references, alpha {boxes['alpha']:g}"
    )
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("suspect", "agreement", "p", "verdict", ""):
        table.add_column(heading, justify="right" if heading in ("agreement", "p") else "left")
    for row in boxes["suspects"]:
        cells = (row["suspect"], f"{row['agreement']:.0%}", p_text(row["log10_p"]), row["verdict"])
        table.add_row(*cells, OUTCOME[row["outcome"]])
    return table


def _ownership(marks: dict[str, Any]) -> Table:
    title = (
        f"A mark for {marks['owner']}: accuracy {marks['before']:.3f} before, {marks['after']:.3f} after, "
        f"triggers at {marks['psnr']:.0f} dB; who bears it?"
    )
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("suspect", "hits", "p", "verdict", ""):
        table.add_column(heading, justify="right" if heading in ("hits", "p") else "left")
    for row in marks["suspects"]:
        cells = (row["suspect"], f"{row['hits']}/{row['triggers']}", p_text(row["log10_p"]), row["verdict"])
        table.add_row(*cells, OUTCOME[row["outcome"]])
    return table


def _real(real: dict[str, Any]) -> Table:
    title = f"{real['files']} published weight files, {real['formats']} formats, {real['bytes_text']}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("truth", "relation", "pairs", "found by find", "found by compare", "accused"):
        table.add_column(heading, justify="left" if heading in ("truth", "relation") else "right")
    for row in real["table"]:
        related = row["label"] == "derived"
        accused = "" if related else ("[bold white on red]%d[/]" if row["accused"] else "[green]%d[/]") % row["accused"]
        found = [str(row[k]) if related else "" for k in ("find", "compare")]
        table.add_row("related" if related else "trained apart", row["relation"], str(row["pairs"]), *found, accused)
    for miss in real["misses"]:
        also = "found by compare" if miss["compare"] else "missed by compare, too"
        table.add_row(f"[yellow]not found by find: {miss['a']} and {miss['b']} ({also})[/]")
    return table
