"""Is a copy one at all? What every net says to the clean evaluation images, compared with the owner's answers.

A thief who asks few and easy questions is answered with the truth, and learns what a twin learns. Such a net agrees with the
owner less than a twin does, and no question can show what is not there. The experiment reports with and without them.
"""

import numpy as np

from bench.test_population.store import Record, TestStore
from whosenet.networks.predict import logits


def labels(store: TestStore, image_set: str) -> dict[str, np.ndarray]:
    """Net -> int16 labels of the evaluation images; kept in the cache, extended as nets appear."""
    path = store.root / "asked" / f"clean-{image_set}.npz"
    held: dict[str, np.ndarray] = {}
    if path.is_file():
        with np.load(path, allow_pickle=False) as found:
            held = dict(zip(found["ids"].tolist(), found["labels"], strict=True))
    x = store.images(image_set)["eval"].x
    missing = [r for r in store.nets(image_set=image_set) if r["kind"] != "public" and r["id"] not in held]
    held |= {r["id"]: logits(store.load(r), x).argmax(1).astype(np.int16) for r in missing}
    if missing:
        part = path.with_suffix(".part.npz")
        np.savez(part, ids=np.array(list(held)), labels=np.stack(list(held.values())))
        part.replace(path)
    return held


def unfaithful(store: TestStore, owner: Record) -> dict[str, float]:
    """The owner's copies that agree with it on clean images less than the median net of its architecture does that was
    trained apart, from scratch, on all of the data: net -> its agreement minus that."""
    said = labels(store, owner["image_set"])
    known = store.records()
    agree = {net: float((mine == said[owner["id"]]).mean()) for net, mine in said.items() if net in known}
    twins = [
        agree[r["id"]]
        for r in known.values()
        if r["kind"] == "honest" and r["id"] != owner["id"] and r["image_set"] == owner["image_set"]
        and (r["architecture"], r["family"]) == (owner["architecture"], "full")
    ]  # fmt: skip
    typical = float(np.median(twins))
    return {net: a - typical for net, a in agree.items() if known[net]["parent"] == owner["id"] and a < typical}
