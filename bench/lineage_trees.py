"""Who is whose parent: trees made here, recovered by `whosenet lineage`, edge by edge.

    python bench/lineage_trees.py dev        # trees on which the traces were weighed
    python bench/lineage_trees.py report     # the others

Roots are nets of the FIND population and the small Llamas, development and report apart (bench/laundering/cast.py). Each
tree has chains of fine-tunes, a LoRA, pruned, rounded, cast, folded and permuted copies, noise, and a soup. It goes on
where it stopped. Every tree is read twice: as it is, and without batch norm's counters, which a thief can write.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from scipy.stats import kurtosis

from bench import record
from bench.laundering import cast
from bench.laundering.cast import Parent, Standard
from bench.laundering.train_llama import train
from bench.population.index import default_root
from whosenet import registry
from whosenet.errors import UsageError
from whosenet.find import open_weights
from whosenet.lineage.build import lineage
from whosenet.lineage.document import document
from whosenet.networks.save import save_weights
from whosenet.networks.spec import Network

TREES = {"dev": (5, 1), "report": (7, 2)}
"""CNNs, every third or second of those of different cells, and Llamas."""


@dataclass(frozen=True)
class Child:
    name: str
    parents: tuple[str, ...]
    kind: str
    attack: str
    settings: dict[str, Any]


PLAN = (
    Child("tuned", ("root",), "fine-tune", "ftal", {"epochs": 1}),
    Child("tuned-twice", ("tuned",), "fine-tune", "ftal", {"epochs": 1}),
    Child("tuned-gently", ("root",), "fine-tune", "ftal", {"epochs": 1, "lr": 0.002}),
    Child("adapter", ("root",), "lora", "lora-merge", {"epochs": 1}),
    Child("noisy", ("root",), "noise", "noise", {"share": 0.05}),
    Child("pruned", ("tuned",), "pruned", "prune-magnitude", {"share": 0.5}),
    Child("int8", ("root",), "quantised", "int8", {}),
    Child("int4", ("tuned-twice",), "quantised", "int4", {}),
    Child("half", ("tuned-gently",), "cast", "bf16", {}),
    Child("folded", ("root",), "folded", "fold", {}),
    Child("permuted", ("tuned",), "permuted", "permute", {}),
    Child("soup", ("tuned", "tuned-gently"), "merge", "merge", {}),
)


def made(root: Parent, folder: Path) -> dict[str, Child]:
    """Write the tree's files; name -> child, without what cannot be made (a net without batch norm cannot be folded)."""
    folder.mkdir(parents=True, exist_ok=True)
    networks: dict[str, Network] = {"root": root.network()}
    _write(networks["root"], folder / "root.safetensors")
    out = {}
    for number, child in enumerate(PLAN):
        path = folder / f"{child.name}.safetensors"
        if child.name not in _done(folder):
            try:
                networks[child.name] = _child(root, child, networks, folder, number)
            except UsageError:
                continue
            _write(networks[child.name], path)
        elif child.attack not in ("fold",):
            networks[child.name] = replace(root, path=path).network()
        out[child.name] = child
    return out


def _done(folder: Path) -> set[str]:
    return {p.stem for p in folder.glob("*.safetensors")}


def _write(network: Network, path: Path) -> None:
    module = network.module
    if not path.is_file():
        save_weights(module.net if isinstance(module, Standard) else module, path)


def _child(root: Parent, child: Child, networks: dict[str, Network], folder: Path, seed: int) -> Network:
    images, _ = root.images()
    start = networks[child.parents[0]]
    settings = dict(child.settings)
    if child.attack == "merge":
        whole = folder / "other.part"
        save_weights(networks[child.parents[1]].module, whole)
        settings["other"] = str(whole)
    if root.kind == "llama" and child.attack == "ftal":
        module = root.network().module
        module.load_state_dict(start.module.state_dict())
        train(module.train(), steps=40, seed=500 + seed, rate=3e-4 * (0.2 if "lr" in settings else 1))
        return replace(start, module=module.eval())
    if root.kind == "llama" and child.attack == "lora-merge":
        settings |= {"augment": False, "lr": 0.01}
    try:
        attack = registry.load("attack", child.attack)(**settings)
        return replace(start, module=attack.run(start, images, seed=seed, held_out=images.take(np.arange(64))).module)
    finally:
        (folder / "other.part").unlink(missing_ok=True)


def stripped(folder: Path) -> Path:
    """The same files without what counts batches."""
    from safetensors.numpy import load_file, save_file

    out = folder.with_name(folder.name + "-uncounted")
    out.mkdir(exist_ok=True)
    for path in folder.glob("*.safetensors"):
        state = load_file(path)
        save_file({k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}, out / path.name)
    return out


def judged(found: dict[str, Any], children: dict[str, Child]) -> list[dict[str, str]]:
    """Each true edge: right, undecided, reversed, other parent, missed."""
    names = {m["id"]: Path(m["name"]).stem for m in found["models"]}
    edges = [(names[e["parent"]], names[e["child"]], e["decided"]) for f in found["families"] for e in f["edges"]]
    mixed = {names[m["child"]]: {names[p] for p in m["parents"]} for f in found["families"] for m in f["merges"]}
    return [{"kind": c.kind, "child": c.name, "answer": _answer(c, edges, mixed)} for c in children.values()]


def _answer(child: Child, edges: list[tuple[str, str, bool]], mixed: dict[str, set[str]]) -> str:
    if child.name in mixed or len(child.parents) > 1:
        return (
            "right"
            if mixed.get(child.name) == set(child.parents)
            else "other parent"
            if child.name in mixed
            else "missed"
        )
    parent = child.parents[0]
    for a, b, decided in edges:
        if {a, b} == {parent, child.name}:
            return "undecided" if not decided else "right" if b == child.name else "reversed"
    mine = [e for e in edges if e[1] == child.name]
    return "missed" if not mine else "other parent" if mine[0][2] else "undecided, other parent"


def by_kurtosis(folder: Path, children: dict[str, Child]) -> list[dict[str, Any]]:
    """MoTHer's direction on true edges: whether the mean kurtosis of the child's tensors is the smaller."""
    values = {}
    for path in folder.glob("*.safetensors"):
        with open_weights(path) as w:
            values[path.stem] = np.mean([kurtosis(np.asarray(t.read()).ravel()) for t in w.tensors if len(t.shape) > 1])
    return [
        {"kind": c.kind, "falls": bool(values[c.name] < values[c.parents[0]])}
        for c in children.values()
        if len(c.parents) == 1
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", choices=TREES)
    split = parser.parse_args().split
    torch.set_num_threads(1)
    cnns, llamas = TREES[split]
    roots = cast.chosen(split, 1, llamas)
    roots = [r for r in roots if r.kind != "llama"][:: 2 if split == "report" else 3][:cnns] + [
        r for r in roots if r.kind == "llama"
    ]
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    falls: list[dict[str, Any]] = []
    for number, root in enumerate(roots, 1):
        folder = default_root() / "launder" / "trees" / root.id
        children = made(root, folder)
        for name, place in (("as they are", folder), ("without counters", stripped(folder))):
            rows[name] += [{"tree": root.id, **r} for r in judged(document(lineage(place)), children)]
        falls += by_kurtosis(folder, children)
        print(f"{number}/{len(roots)} {root.id}", file=sys.stderr, flush=True)
    results = {"trees": len(roots), "edges": rows, "kurtosis_falls": falls}
    text = markdown(split, results)
    print(text)
    record.write(f"lineage_trees_{split}", results, text, seed=0)


ANSWERS = ("right", "undecided", "reversed", "other parent", "undecided, other parent", "missed")


def markdown(split: str, results: dict[str, Any]) -> str:
    parts = [f"{results['trees']} trees, split {split}"]
    for name, rows in results["edges"].items():
        kinds = sorted({r["kind"] for r in rows})
        lines = [_line(kind, [r for r in rows if r["kind"] == kind], results) for kind in kinds]
        parts += [f"**{name}**", record.table(["kind of edge", "edges", *ANSWERS, "kurtosis falls"],
                                              [*lines, _line("all", rows, results)])]  # fmt: skip
    parts.append(
        "right: parent and direction; undecided: the two stand side by side, and lineage does not say which came first; "
        "reversed: it says so, and wrongly. The last column is the share of edges along which MoTHer's statistic falls: "
        "far from 0 or 1 it tells nothing. A permuted copy has the same numbers as its parent, so no direction is right."
    )
    return "\n\n".join(parts)


def _line(kind: str, rows: list[dict[str, Any]], results: dict[str, Any]) -> list[Any]:
    falls = [f["falls"] for f in results["kurtosis_falls"] if kind in ("all", f["kind"])]
    counts = [sum(r["answer"] == a for r in rows) for a in ANSWERS]
    return [kind, len(rows), *counts, f"{np.mean(falls):.0%}" if falls else ""]


if __name__ == "__main__":
    main()
