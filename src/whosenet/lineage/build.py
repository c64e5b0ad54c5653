"""A folder to its families: portraits, links between what looks related, trees, merges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from whosenet import thresholds
from whosenet.errors import MissingExtra, UnreadableInput, UsageError
from whosenet.finding.walk import models
from whosenet.lineage.links import Link, link
from whosenet.lineage.merges import Merge, merges
from whosenet.lineage.portrait import Portrait, named, portrait, same_code
from whosenet.lineage.tree import Edge, families, tree

MOST = 300
"""Models of one folder; every pair that looks related is compared."""
CANDIDATE = -3.0
"""Pairs whose codes are nearer than this (log10 p) are compared, as `find --verify` does."""


@dataclass(frozen=True)
class Family:
    """Places in `Lineage.models`. `root` is None unless every edge is decided."""

    members: list[int]
    edges: list[Edge]
    merges: list[Merge]
    root: int | None


@dataclass(frozen=True)
class Lineage:
    folder: str
    alpha: float
    models: list[Portrait]
    families: list[Family]
    """Of two and more, largest first."""
    alone: list[int]
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Files that could not be read, and why."""


def lineage(folder: str | Path, *, alpha: float = thresholds.ALPHA,
            on_step: Callable[[str, int, int], None] | None = None) -> Lineage:  # fmt: skip
    """Raises UsageError for what is no folder, and UnreadableInput if nothing in it can be read."""
    say = on_step or (lambda what, done, total: None)
    found, failed = _portraits(Path(folder), say)
    links = _links(found, alpha, say)
    groups = families(len(found), links)
    made = [_family(found, g, links) for g in groups if len(g) > 1]
    return Lineage(str(folder), alpha, found, made, [g[0] for g in groups if len(g) == 1], failed)


def _portraits(folder: Path, say: Callable[[str, int, int], None]) -> tuple[list[Portrait], list[tuple[str, str]]]:
    """One a digest, in the order of their names."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give one with weight files")
    paths = list(models([folder]))
    if len(paths) > MOST:
        raise UsageError(f"{folder} holds {len(paths)} models, more than {MOST}; give a folder with fewer")
    found: dict[str, Portrait] = {}
    failed: list[tuple[str, str]] = []
    for done, path in enumerate(paths, 1):
        try:
            one = portrait(path, named(path, folder.absolute()))
        except (UnreadableInput, MissingExtra) as error:
            failed.append((path, str(error)))
        else:
            known = found.get(one.digest)
            found[one.digest] = replace(known, same=(*known.same, one.name)) if known else one
        say("reading", done, len(paths))
    if not found:
        raise UnreadableInput(folder, f"holds no model that can be read ({len(failed)} tried); see whosenet hash")
    return list(found.values()), failed


def _links(found: list[Portrait], alpha: float, say: Callable[[str, int, int], None]) -> list[Link]:
    pairs = [(i, j) for j in range(len(found)) for i in range(j) if same_code(found[i], found[j]) <= CANDIDATE]
    out = []
    for done, (i, j) in enumerate(pairs, 1):
        one = link(found, i, j, alpha / max(len(pairs), 1))
        if one is not None:
            out.append(one)
        say("comparing", done, len(pairs))
    return out


def _family(found: list[Portrait], members: list[int], links: list[Link]) -> Family:
    """Merges hang on two others, so they take no part in the tree."""
    mixed = merges(found, members)
    children = {m.child for m in mixed}
    # two merges of each other explain nothing: both stay in the tree
    mixed = [m for m in mixed if not {m.first, m.second} & children]
    rest = [m for m in members if m not in {x.child for x in mixed}]
    edges = tree(rest, links)
    roots = set(rest) - {e.child for e in edges}
    decided = bool(edges) and all(e.decided for e in edges) and len(roots) == 1
    return Family(members, edges, mixed, roots.pop() if decided else None)
