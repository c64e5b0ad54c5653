"""Make the populations: `python -m bench.population.build`. Kill it at any time; it goes on where it stopped.

Order: SMALL twins, the development split, LARGE twins, the rest of the library. About an hour on one slow core.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.population import data, library, parents, twins
from bench.population.index import Record, Store

EXPECTED_SECONDS = {"small": 3.0, "large": 6.5, "family": 15.0}


@dataclass(frozen=True)
class Job:
    """A part of the work, its expected seconds, and how to do it; `done` jobs cost nothing."""

    kind: str
    name: str
    run: Callable[[], Iterator[Record]]
    done: bool


def twin_jobs(store: Store, kind: str) -> list[Job]:
    train, test = twins.images(kind, store.root)

    def run(group: twins.Group) -> Callable[[], Iterator[Record]]:
        return lambda: iter([twins.add(store, group, train, test)])

    return [Job(kind, group.id, run(group), group.id in store.records) for group in twins.groups(kind)]


def family_jobs(store: Store, split: str, sets: dict[str, data.ImageSet]) -> list[Job]:
    def run(parent: parents.Parent) -> Callable[[], Iterator[Record]]:
        return lambda: library.add_family(store, parent, sets)

    chosen = [parent for parent in parents.parents() if parent.split == split]
    return [Job("family", p.id, run(p), all(i in store.records for i in library.ids(p))) for p in chosen]


def work(jobs: list[Job]) -> None:
    """Do what is missing, with the time left on stderr after every stored file."""
    jobs = [job for job in jobs if not job.done]
    left, spent, began = sum(EXPECTED_SECONDS[job.kind] for job in jobs), 0.0, time.monotonic()
    for number, job in enumerate(jobs, 1):
        for record in job.run():
            pace = (time.monotonic() - began) / spent if spent else 1.0
            shown = record["accuracy"]
            mean = sum(shown) / len(shown) if isinstance(shown, list) else shown
            line = f"{number}/{len(jobs)} {record['id']} accuracy {mean:.3f} {record['seconds']:.1f} s"
            print(f"{line} | {pace * left / 60:.0f} min left", file=sys.stderr, flush=True)
        left -= EXPECTED_SECONDS[job.kind]
        spent += EXPECTED_SECONDS[job.kind]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", choices=("small", "dev", "large", "rest"), nargs="*", help="parts to make; all if absent"
    )
    parts = parser.parse_args().only or ("small", "dev", "large", "rest")
    library.quiet_torch()
    store = Store()
    sets = {name: data.load(name, store.root) for name in data.IMAGE_SETS if {"dev", "rest"} & set(parts)}
    jobs: list[Job] = []
    for part in parts:
        jobs += twin_jobs(store, part) if part in twins.KINDS else family_jobs(store, part, sets)
    work(jobs)


if __name__ == "__main__":
    main()
