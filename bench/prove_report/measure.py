"""One net against one key: accuracy, trigger rate, and what the product's own `verify` says; kept, so that nothing is asked twice."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from bench.prove_population.build import ProveStore, key_for, mark_for
from bench.test_population.store import Record
from whosenet import registry
from whosenet.hiding.strength import LOUD
from whosenet.judging.marks import Layout, judge
from whosenet.keys.key import Key
from whosenet.networks.images import Images
from whosenet.networks.predict import logits
from whosenet.networks.spec import load_network
from whosenet.proving.plan import plan
from whosenet.proving.questions import questions
from whosenet.proving.verifying import layout_of
from whosenet.questions.answers import Answers, empty_stack
from whosenet.questions.evidence import Evidence
from whosenet.questions.queryset import QuerySet
from whosenet.thresholds import VERIFY_ALPHA
from whosenet.watermarks.base import spread

COVERS = 2000
"""Test images for the raw trigger rate."""
LOG2 = math.log10(2)
MANY = 2000
"""Questions for who may ask as much."""
BUDGETS = (40, 60, 80, 100, 120, 150, 200)
SANITISERS = ("input-jpeg", "input-blur", "input-median", "input-noise", "input-quantise", "input-resize-pad")
Found = dict[str, Any]


def reported(image_set: str, count: int) -> np.ndarray:
    """bool [count]: test images on which nothing was chosen. Every third road sign was looked at while the recipe was made; of the
    other sets, development looked at training images."""
    return np.arange(count) % 3 != 0 if image_set == "gtsrb" else np.ones(count, bool)


def trigger_rate(module: nn.Module, key: Key, test: Images) -> float:
    """Share of triggers on test images (covers of the target class left out) that lead to their targets."""
    mark = mark_for(key)
    covers = test.take(np.linspace(0, len(test) - 1, min(len(test), COVERS)).astype(np.int64))
    numbers = spread(len(covers), mark.carriers)
    targets = mark.targets(test.classes)[numbers]
    said = logits(module, mark.stamp(covers.x, numbers)).argmax(1)
    usable = covers.y != targets
    return float((said == targets)[usable].mean())


def asked(key: Key, images: Images, budget: int, alpha: float = VERIFY_ALPHA, psnr: float | None = None) -> QuerySet:
    chosen = plan(mark_for(key).carriers, images.classes, budget, math.log10(alpha))
    return questions(key, images, images.classes, chosen, psnr=psnr)


def verified(module: nn.Module, key: Key, images: Images, budget: int = 200, psnr: float | None = None) -> Any:
    """The judgement of `verify` on a module in memory."""
    return judged(module, asked(key, images, budget, psnr=psnr))


def judged(module: nn.Module, put: QuerySet, *, labels_only: bool = False) -> Any:
    said = logits(module, put.images)
    shown = np.exp(said - said.max(1, keepdims=True).astype(np.float64))
    probabilities = None if labels_only else (shown / shown.sum(1, keepdims=True)).astype(np.float32)
    answers = Answers(said.argmax(1), probabilities)
    nobody = empty_stack(len(put), put.classes)
    evidence = Evidence(put.expected, put.probabilities, put.control, answers, nobody, nobody)
    layout: Layout = layout_of(put, np.arange(len(put)))
    return judge(evidence, layout, alpha=VERIFY_ALPHA)


class Measured:
    """Results by net, in a file beside the store."""

    def __init__(self, store: ProveStore) -> None:
        self.store = store
        self.path: Path = store.root / "measured.json"
        self.known: dict[str, Found] = json.loads(self.path.read_text()) if self.path.is_file() else {}

    def of(self, record: Record, sanitiser: str = "") -> Found:
        """Of a net, seen through a sanitiser if one is named, against the key of its line."""
        name = record["id"] + (f"|{sanitiser}" if sanitiser else "")
        return self._kept(name, record, lambda: self._measure(record, sanitiser))

    def at_length(self, record: Record) -> float:
        """log10 p of a stolen net by MANY questions at the key's strength."""
        return float(self._kept(f"{record['id']}|{MANY}", record, lambda: self._asked_much(record))["log10_p"])

    def _kept(self, name: str, record: Record, measure: Callable[[], Found]) -> Found:
        if self.known.get(name, {}).get("digest") != record["digest"]:
            self.known[name] = measure()
            self.path.write_text(json.dumps(self.known))
        return self.known[name]

    def _asked_much(self, record: Record) -> Found:
        images = self.store.images(record["image_set"])["owner"]
        key = key_for(record["image_set"], record["architecture"], record["seed"], self._recipe(record))
        return {"digest": record["digest"], "log10_p": verified(self.store.load(record), key, images, MANY).log10_p}

    def _measure(self, record: Record, sanitiser: str) -> Found:
        parts = self.store.images(record["image_set"])
        key = key_for(record["image_set"], record["architecture"], record["seed"], self._recipe(record))
        module = self.store.load(record)
        if sanitiser:
            network = load_network(self.store.spec(record))
            module = registry.load("attack", sanitiser)().run(network, parts["eval"], held_out=parts["eval"]).module
        test = parts["test"]
        said = logits(module, np.asarray(test.x)).argmax(1)
        found: Found = {
            "digest": record["digest"],
            "accuracy": float((said == test.y).mean()),
            "right": _packed(said == test.y),
        }
        found["rate"] = trigger_rate(module, key, test.take(np.flatnonzero(reported(record["image_set"], len(test)))))
        if key.method["watermark"] == "deephiding":
            by_budget = {b: verified(module, key, parts["owner"], b) for b in BUDGETS}
            last = by_budget[BUDGETS[-1]]
            loud = verified(module, key, parts["owner"], psnr=LOUD)
            found |= {
                "labels_log10_p": last.labels_log10_p,
                "loud_labels_log10_p": min(0.0, loud.labels_log10_p + LOG2),
            }
            found |= {"loud_log10_p": min(0.0, loud.log10_p + LOG2), "loud_hits": loud.hits / max(loud.triggers, 1)}
            found |= {"log10_p": last.log10_p, "verdict": last.verdict, "hits": last.hits, "triggers": last.triggers,
                      "base_rate": last.base_rate, "queries": next((b for b, j in by_budget.items() if j.log10_p <= -6), None)}  # fmt: skip
        return found

    def _recipe(self, record: Record) -> dict[str, Any]:
        """A derived net bears the key of its parent."""
        while record["kind"] == "derived":
            record = self.store.records()[record["parent"]]
        return dict(record["recipe"])


def _packed(right: np.ndarray) -> str:
    return np.packbits(right).tobytes().hex()


def unpacked(text: str, count: int) -> np.ndarray:
    """bool [count]: which test images were right."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))[:count].astype(bool)
