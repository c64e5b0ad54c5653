"""One member of the family on one owner: make the points, ask everybody, keep the agreements."""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.points.cast import OWNERS, Cast, cast
from bench.points.family import Member
from bench.test_population.store import TestStore
from whosenet import fingerprints, registry
from whosenet.errors import UsageError
from whosenet.networks.predict import logits

POINTS = 60
"""Questions, controls included: fewer than a tool's 100, for the sake of time."""
Row = dict[str, Any]


def measured(store: TestStore, members: list[Member], seeds: tuple[int, ...], only: str = "") -> list[Row]:
    """Rows of every member on every development owner; those in the cache are not made again."""
    path = store.root / "points" / "rows.jsonl"
    known = {_key(row): row for row in _read(path)}
    rows = []
    for owner in OWNERS:
        played: Cast | None = None
        for member in members:
            for seed in seeds:
                key = (owner, seed, _identity(member))
                if key not in known and only in owner:
                    played = played or cast(store, owner)
                    known[key] = {"owner": owner, "seed": seed, "identity": key[2], **one(played, member, seed)}
                    with path.open("a") as file:
                        file.write(json.dumps(known[key]) + "\n")
                if key in known:
                    rows.append({**known[key], "group": member.group, "name": member.name})
    return rows


def one(played: Cast, member: Member, seed: int) -> Row:
    """Agreement (0..1) of every net with the owner on the points, and the seconds of processor time."""
    plugin = registry.load("fingerprint", member.method)(**member.settings)
    references, shadows = played.references[: member.references], played.shadows[: member.shadows]
    began = time.process_time()
    try:
        made = plugin.make(played.owner, played.images, references, points=POINTS, seed=seed, positives=shadows)
    except UsageError as error:
        print(f"{member.group}: {member.name}: {error}", file=sys.stderr, flush=True)
        return {"error": str(error)}
    seconds = time.process_time() - began
    x, expected = made.images[~made.control], made.expected[~made.control]
    nets = {"derived": played.derived, "honest": played.honest}
    found = {
        kind: {name: (logits(n.module, x).argmax(1) == expected).astype(int).tolist() for name, n in group.items()}
        for kind, group in nets.items()
    }
    row = {"seconds": round(seconds, 1), "code": code(), **found}
    print(f"{member.group}: {member.name}: {summary([row])}", file=sys.stderr, flush=True)
    return row


def code() -> str:
    """Digest of the room that makes points: rows that other code made are told, not made anew."""
    room = sorted(Path(fingerprints.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in room)).hexdigest()[:12]


def summary(rows: list[Row], points: int = POINTS) -> Row:
    """Over owners and seeds: mean agreement by thief and of honest nets, AUC by thief and over all, the least gap."""
    thieves: dict[str, list[float]] = {}
    aucs: dict[str, list[float]] = {}
    honest, gaps = [], []
    for row in rows:
        strangers = np.array([_share(a, points) for a in row["honest"].values()])
        copies = {name: _share(a, points) for name, a in row["derived"].items()}
        for name, share in copies.items():
            thieves.setdefault(name, []).append(share)
            aucs.setdefault(name, []).append(float(np.mean((share > strangers) + 0.5 * (share == strangers))))
        honest.append((strangers.mean(), strangers.max()))
        gaps.append(min(copies.values()) - strangers.max())
    return {
        "copies": {name: round(float(np.mean(v)), 2) for name, v in thieves.items()},
        "honest": round(float(np.mean([h[0] for h in honest])), 2), "honest_max": round(max(h[1] for h in honest), 2),
        "auc": {name: round(float(np.mean(v)), 3) for name, v in aucs.items()},
        "auc_all": round(float(np.mean([x for v in aucs.values() for x in v])), 4), "gap": round(min(gaps), 2),
    }  # fmt: skip


def _share(agreed: list[int], points: int) -> float:
    return float(np.mean(agreed[:points]))


def _identity(member: Member) -> str:
    cls = registry.load("fingerprint", member.method)
    return json.dumps(
        [member.method, cls(**member.settings).parameters, member.references, member.shadows, POINTS], sort_keys=True
    )


def _key(row: Row) -> tuple[str, int, str]:
    return row["owner"], row["seed"], row["identity"]


def _read(path: Path) -> list[Row]:
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]
