"""One parent and its edited copies, added to the store as they are made."""

import time
from collections.abc import Iterator

import torch

from bench.population import nets, parents, training
from bench.population.data import IMAGE_SETS, ImageSet
from bench.population.edits import State
from bench.population.index import Record, Store
from bench.population.parents import Parent, seed_of
from bench.population.registry import EDITS, Case, Edit


def ids(parent: Parent) -> list[str]:
    """The parent's id and those of its copies, in the order they are made."""
    return [parent.id, *(f"{parent.id}+{edit.name}" for edit in EDITS)]


def add_family(
    store: Store, parent: Parent, sets: dict[str, ImageSet], *, samples: int | None = None
) -> Iterator[Record]:
    """Yield the records that were missing, as they are stored; `samples` shortens the parent's training in tests."""
    if parent.id not in store.records:
        yield _add_parent(store, parent, sets[parent.dataset], samples)
    record = store.records[parent.id]
    for edit in EDITS:
        if f"{parent.id}+{edit.name}" not in store.records:
            yield _add_edit(store, parent, record, edit, sets)


def _add_parent(store: Store, parent: Parent, images: ImageSet, samples: int | None) -> Record:
    began = time.monotonic()
    net = parents.make(parent, images, samples=samples)
    record = _described(parent, parent.id, None) | {
        "accuracy": training.accuracy(net, images.test),
        "seconds": round(time.monotonic() - began, 2),
    }
    return store.add(record, net.state_dict())


def _add_edit(store: Store, parent: Parent, original: Record, edit: Edit, sets: dict[str, ImageSet]) -> Record:
    began = time.monotonic()
    record = _described(parent, f"{parent.id}+{edit.name}", parent.id) | {
        "edit": edit.name,
        "parameters": edit.parameters,
    }
    images = sets[parent.dataset]
    case = Case(
        net=_net(parent, images.classes, Store.tensors(original)),
        images=images,
        foreign=_foreign(parent, sets),
        lr=parent.recipe.lr,
        seed=seed_of(record["id"]),
        earlier=lambda name: Store.tensors(store.records[f"{parent.id}+{name}"]),
    )
    measured_on = edit.apply(case) or images
    record |= {
        "accuracy": training.accuracy(case.net, measured_on.test),
        "accuracy_before": original["accuracy"],
        "measured_on": measured_on.name,
        "seconds": round(time.monotonic() - began, 2),
    }
    return store.add(record, edit.store(case.net.state_dict(), case.generator))


def _described(parent: Parent, name: str, of: str | None) -> Record:
    return {
        "id": name,
        "population": "library",
        "split": parent.split,
        "family": parent.family,
        "arch": parent.arch,
        "dataset": parent.dataset,
        "seed": parent.seed,
        "parent": of,
        "edit": None,
        "parameters": {},
    }


def _net(parent: Parent, classes: int, state: State) -> nets.Classifier:
    net = parents.fresh(parent, classes)
    net.load_state_dict(state)
    return net.eval()


def _foreign(parent: Parent, sets: dict[str, ImageSet]) -> ImageSet:
    """The next image set in turn: what the net is transferred to."""
    names = [name for name in IMAGE_SETS if name in sets] or list(sets)
    if parent.dataset not in names:
        return sets[names[0]]
    return sets[names[(names.index(parent.dataset) + 1) % len(names)]]


def quiet_torch() -> None:
    """One thread: the populations are meant to be made beside other work, and a thread count changes the sums."""
    torch.set_num_threads(1)
