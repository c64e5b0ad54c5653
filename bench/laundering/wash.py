"""The launderings and the light edits, and how a suspect is made of a parent by them.

A thief edits where it costs least: noise, pruning and tuning before the laundering (a rescaled net trains badly and
loses the wrong weights), rounding after it, transposing last. Every laundering's change of the answers is measured.
"""

import hashlib
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench.laundering import formats
from bench.laundering.cast import Parent, Standard
from bench.population.index import default_root
from whosenet import registry
from whosenet.attacks.same import answers, difference
from whosenet.errors import UsageError
from whosenet.networks.images import Images
from whosenet.networks.save import save_weights
from whosenet.networks.spec import Network

WASHES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "none": [],
    "permute": [("permute", {})],
    "rescale": [("rescale", {})],
    "rescale-turn": [("rescale", {"turn": True})],
    "fold": [("fold", {})],
    "dummy-neurons": [("dummy-neurons", {})],
    "transpose": [("transpose", {})],
    "permute+rescale": [("permute", {}), ("rescale", {})],
    "all": [("fold", {}), ("dummy-neurons", {}), ("permute", {}), ("rescale", {"turn": True}), ("transpose", {})],
    "merge": [("merge", {})],
    "lora-merge": [("lora-merge", {})],
    "depth-cut": [("depth-cut", {})],
}
EXPORTS = tuple(f"{wash}@{form}" for form in ("onnx", "keras") for wash in ("none", "permute+rescale", "all"))
"""Laundered and then exported, CNNs only: the format's own storage order and names, or none."""
WASHES |= {name: [s for s in WASHES[name.split("@")[0]] if s[0] != "transpose"] for name in EXPORTS}
PRESERVING = (*list(WASHES)[1:9], *EXPORTS)
"""Launderings that leave the answers alone."""
EDITED = ("none", *PRESERVING)
"""What is combined with light edits."""
FIRST = {
    "noise-5": ("noise", {"share": 0.05}),
    "prune-50": ("prune-magnitude", {"share": 0.5}),
    "tune": ("ftal", {"epochs": 1}),
}
LATER = {"int8": ("int8", {}), "int4": ("int4", {})}
EDITS = ("none", *FIRST, *LATER)


@dataclass(frozen=True)
class Suspect:
    parent: Parent
    wash: str
    edit: str

    @property
    def id(self) -> str:
        return f"{self.parent.id}+{self.wash}+{self.edit}"

    @property
    def path(self) -> Path:
        form = self.wash.partition("@")[2] or "safetensors"
        return default_root() / "launder" / "suspects" / f"{self.id}.{form}"

    @property
    def about(self) -> Path:
        return self.path.with_name(f"{self.id}.json")

    @property
    def seed(self) -> int:
        return int.from_bytes(hashlib.sha256(self.id.encode()).digest()[:4], "big")


def suspects(parents: list[Parent]) -> list[Suspect]:
    """Everything but what is not there: attacks not installed, nets without anything to fold."""
    known = set(registry.names("attack"))
    washes = [w for w, steps in WASHES.items() if all(name in known for name, _ in steps)]
    every = [Suspect(p, w, e) for p in parents for w in washes for e in EDITS]
    return [s for s in every if _sensible(s) and (s.edit == "none" or s.wash in EDITED)]


def _sensible(s: Suspect) -> bool:
    """Exports are of CNNs, and only attention has a basis to turn."""
    llama = s.parent.kind == "llama"
    return not (llama and s.wash in EXPORTS) and (llama or s.wash != "rescale-turn")


def make(all_of_them: list[Suspect]) -> list[dict[str, Any]]:
    """Make what is missing, with a line on stderr each; the records of all that could be made."""
    out = []
    for number, s in enumerate(all_of_them, 1):
        if not s.about.is_file():
            began = time.monotonic()
            record = _made(s)
            part = s.about.with_name(s.about.name + ".part")
            part.write_text(json.dumps(record))
            part.replace(s.about)
            print(f"{number}/{len(all_of_them)} {s.id} {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
        out.append(json.loads(s.about.read_text()))
    return [r for r in out if r["made"]]


def _made(s: Suspect) -> dict[str, Any]:
    s.path.parent.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"id": s.id, "parent": s.parent.id, "cell": s.parent.cell, "kind": s.parent.kind,
                              "wash": s.wash, "edit": s.edit, "file": s.path.name}  # fmt: skip
    images, held_out = s.parent.images()
    try:
        network, changed = washed(s, images)
    except UsageError as error:
        return {**record, "made": False, "why": str(error)}
    module = network.module
    inner = module.net if isinstance(module, Standard) else module
    if s.wash in EXPORTS:
        changed = max(changed, exported(inner, s.path))
    else:
        save_weights(inner, s.path)
    return {**record, "made": True, "changed": changed, "accuracy": accuracy(module, held_out)}


def exported(net: torch.nn.Module, path: Path) -> float:
    """Write the file; how much the answers of its own runtime differ, as a share of their spread."""
    x = torch.randn((8, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = net(x).numpy()
    if path.suffix == ".onnx":
        after = formats.onnx_answers(formats.to_onnx(net, x, path), x)
    else:
        after = formats.keras_answers(formats.to_keras(net, x, path), x)
    return float(abs(after - before).max() / before.std())


def accuracy(module: torch.nn.Module, images: Images) -> float:
    from whosenet.networks.predict import accuracy as measured

    return measured(module, images)


def washed(s: Suspect, images: Images) -> tuple[Network, float]:
    """The suspect, and how much the laundering by itself changed the answers (share of their spread)."""
    network = edited(s, images)
    example, before = answers(network.module, images)
    steps = [step for step in WASHES[s.wash] if step[0] != "transpose"]
    network = _through(network, steps, images, s.seed)
    changed = difference(network.module, example, before)
    if s.edit in LATER:
        network = _through(network, [LATER[s.edit]], images, s.seed)
    return _through(network, [x for x in WASHES[s.wash] if x[0] == "transpose"], images, s.seed), changed


def edited(s: Suspect, images: Images) -> Network:
    """The parent, by an edit that comes before the laundering; tuned ones are kept, for every laundering alike."""
    network = s.parent.network()
    if s.edit == "tune":
        return _tuned(s.parent, network, images)
    return _through(network, [FIRST[s.edit]], images, s.seed) if s.edit in FIRST else network


def _tuned(parent: Parent, network: Network, images: Images) -> Network:
    kept = default_root() / "launder" / "tuned" / f"{parent.id}.safetensors"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        if parent.kind == "llama":
            from bench.laundering.train_llama import train

            train(network.module.train(), steps=60, seed=99, rate=3e-4)
            module = network.module.eval()
        else:
            module = _through(network, [FIRST["tune"]], images, 99).module
        save_weights(module, kept)
    return replace(parent, path=kept).network() if parent.kind == "llama" else _loaded(network, kept)


def _loaded(network: Network, path: Path) -> Network:
    from whosenet.networks.spec import load_weights

    load_weights(network.module, path)
    return network


def _through(network: Network, steps: list[tuple[str, dict[str, Any]]], images: Images, seed: int) -> Network:
    """One attack after the other; a step that finds nothing to do ends it, unless others come beside it."""
    few = images.take(torch.arange(64).numpy())
    for name, parameters in steps:
        attack = registry.load("attack", name)(**parameters)
        try:
            module = attack.run(network, images, seed=seed, held_out=few).module
        except UsageError:
            if len(steps) < 3:
                raise
            continue
        network = replace(network, module=module)
    return network
