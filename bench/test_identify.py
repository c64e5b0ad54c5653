"""TEST's main experiment: every fingerprint of every owner against every copy and every honest net of the population.

    python -m bench.test_population.build      # once, resumable: hours of one core
    python bench/test_identify.py              # results/test_identify.{json,md,svg}

What is asked is kept in the cache, so a second run only judges. `--part report` (default) leaves out the owners on which
the method's defaults were chosen; `--part development` shows those.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.identify import asked, cast, faithful, measure, plot, tables
from bench.identify.measure import Trial
from bench.test_population import plan
from bench.test_population.store import Record, TestStore
from whosenet import registry, thresholds
from whosenet.fingerprints.correlation import correlation_score
from whosenet.judging import judge
from whosenet.questions.queryset import QuerySet

POINTS = 100
DRAWS = 3
SETS = ("cifar10", "gtsrb", "tiny")


def owners(store: TestStore, image_set: str, part: str) -> list[Record]:
    known = store.records()
    made = [known[i] for i in plan.owner_ids(image_set) if i in known]
    attacked = {r["parent"] for r in known.values() if r["kind"] == "derived"}
    return [r for r in made if part in ("all", cast.split_of(r)) and r["id"] in attacked]


def family(store_records: dict[str, Record], suspect: str) -> tuple[str, str]:
    """(family, the net whose behaviour it has)."""
    if suspect in store_records:
        r = store_records[suspect]
        return (r["attack"], r["parent"]) if r["kind"] == "derived" else (f"honest {r['family']}", suspect)
    owner, _, change = suspect.rpartition("+")
    return f"way: {change}", owner


def choosers(records: list[Record], questions: QuerySet) -> tuple[str, ...]:
    return tuple(r["id"] for r in records if r["digest"] in questions.chosen_by)


def trials(store: TestStore, method: str, owner: Record, questions: QuerySet, *, draws: int) -> list[Trial]:
    """Every suspect of one owner judged against every draw of the null."""
    records = [r for r in store.nets(image_set=owner["image_set"]) if r["kind"] != "public"]
    known = {r["id"]: r for r in records}
    chose = choosers(records, questions)
    said = asked.Said(store, method, owner["id"])
    out = []
    for null in cast.REFERENCES:
        for number in range(draws if cast.REFERENCES[null] else 1):
            drawn = cast.draw(owner, records, number, chose=chose, null=null)
            changed = tuple(n for n in said.probabilities if n.startswith(f"{owner['id']}+") and n not in known)
            for suspect in (*drawn.honest, *drawn.derived, *changed):
                if suspect not in said.probabilities:
                    continue
                name, parent = family(known, suspect)
                found = measure.evidence(
                    questions, said, drawn, said.answers(suspect, labels_only=True), name, (suspect, parent)
                )
                whole = judge(found, alpha=thresholds.PROBE_ALPHA)
                early = (
                    measure.stopping(found, alpha=thresholds.PROBE_ALPHA)
                    if not number and method == "deepcore"
                    else whole
                )
                derived = suspect in drawn.derived or suspect in changed
                out.append(Trial(owner["id"], suspect, parent, name, derived, number, null, whole, early))
    return out


def scores(store: TestStore, method: str, owner: Record, questions: QuerySet) -> dict[str, dict[str, list[float]]]:
    """Score -> suspect -> values: label agreement after 5 ... 100 questions, SAC's own score."""
    said = asked.Said(store, method, owner["id"])
    known = store.records()
    chose = choosers(list(known.values()), questions)
    points = ~questions.control
    out: dict[str, dict[str, list[float]]] = {"label": {}, "correlation": {}}
    for net, probabilities in said.probabilities.items():
        if net == owner["id"] or net in chose or (net in known and known[net]["kind"] == "public"):
            continue
        out["label"][net] = [measure.agreement(questions, said, net, c) for c in measure.COUNTS]
        if method == "sac":
            out["correlation"][net] = [correlation_score(questions.probabilities[points], probabilities[points])]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default="report", choices=("report", "development", "all"))
    parser.add_argument("--methods", nargs="*", default=registry.names("fingerprint"))
    parser.add_argument("--made", action="store_true", help="only fingerprints that are in the cache already")
    parser.add_argument("--sets", nargs="*", default=SETS, choices=SETS)
    told = parser.parse_args()
    store = TestStore()
    chosen = {name: owners(store, name, told.part) for name in told.sets}
    every: dict[str, list[Trial]] = defaultdict(list)
    scored: dict[str, list[tuple[str, dict[str, dict[str, list[float]]]]]] = defaultdict(list)
    for image_set, mine in chosen.items():
        pairs = [(m, o) for m in told.methods for o in mine if not told.made or asked.is_made(store, o, m)]
        questions = {(m, o["id"]): asked.fingerprint(store, o, m, points=POINTS) for m, o in pairs}
        asked.ask_all(store, image_set, questions)
        for method, owner in pairs:
            made = questions[method, owner["id"]]
            every[method] += trials(store, method, owner, made, draws=DRAWS)
            scored[method].append((owner["id"], scores(store, method, owner, made)))
    write(store, told.part, every, scored)


def write(store: TestStore, part: str, every: dict[str, list[Trial]], scored: dict[str, list]) -> None:
    name = "test_identify" if part == "report" else f"test_identify_{part}"
    known = store.records()
    owned = {owner for method in scored.values() for owner, _ in method}
    results = tables.results(known, every, scored, {o: faithful.unfaithful(store, known[o]) for o in sorted(owned)})
    plot.draw(record.RESULTS / f"{name}.svg", results)
    record.write(name, results, tables.markdown(results), seed=0)


if __name__ == "__main__":
    main()
