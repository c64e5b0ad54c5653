"""What people use today to say that two weight files are related, as distances for the same measures."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from bench import find_metrics as metrics
from bench.population.index import Store


def baselines(records: list[dict[str, Any]]) -> dict[str, Any]:
    """SHA-256 of the file, profile of per-tensor standard deviations, elementwise cosine and correlation."""
    family = np.unique([r["parent"] or r["id"] for r in records], return_inverse=True)[1]
    cell = np.unique([f"{r['arch']}/{r['dataset']}" for r in records], return_inverse=True)[1]
    out = {}
    for name, distance in (
        ("SHA-256", _sha(records)),
        ("per-tensor standard deviations", _profiles(records)),
        ("elementwise cosine", _elementwise(records, centre=False)),
        ("elementwise correlation", _elementwise(records, centre=True)),
    ):
        near, far = metrics.split_pairs(distance, family)
        same_cell = cell[:, None] == cell[None, :]
        twins = distance[np.triu(same_cell & (family[:, None] != family[None, :]), 1)]
        out[name] = {
            "auc": metrics.auc(near, far), "auc_same_architecture_and_data": metrics.auc(near, twins),
            "map": metrics.mean_average_precision(distance, family), "roc": metrics.roc(near, far, 60),
        }  # fmt: skip
    return out


def _sha(records: list[dict[str, Any]]) -> np.ndarray:
    digest = np.unique([r["sha256"] for r in records], return_inverse=True)[1]
    return (digest[:, None] != digest[None, :]).astype(np.float32)


def _profiles(records: list[dict[str, Any]]) -> np.ndarray:
    """Euclidean distance of the sorted-by-name logs of the standard deviations of weight tensors; 1e3 for other counts."""
    profiles: dict[int, tuple[list[int], list[np.ndarray]]] = defaultdict(lambda: ([], []))
    for i, r in enumerate(records):
        weights = Store.load(r)
        p = np.array([np.log(np.std(weights[k]) + 1e-9) for k in sorted(weights) if weights[k].ndim > 1])
        profiles[len(p)][0].append(i)
        profiles[len(p)][1].append(p)
    out = np.full((len(records), len(records)), 1e3, np.float32)
    for where, rows in profiles.values():
        x = np.stack(rows)
        out[np.ix_(where, where)] = np.linalg.norm(x[:, None] - x[None, :], axis=2)
    return out


def _elementwise(records: list[dict[str, Any]], *, centre: bool) -> np.ndarray:
    """1 - cosine (or correlation) of all weight tensors concatenated in file order; 1 where the numbers of weights differ."""
    groups: dict[int, list[int]] = defaultdict(list)
    for i, r in enumerate(records):
        groups[sum(v.size for v in Store.load(r).values() if v.ndim > 1)].append(i)
    out = np.ones((len(records), len(records)), np.float32)
    for where in groups.values():
        x = np.stack([_line(Store.load(records[i])) for i in where])
        if centre:
            x -= x.mean(axis=1, keepdims=True)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        out[np.ix_(where, where)] = 1 - x @ x.T
    return out


def _line(weights: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([v.ravel() for v in weights.values() if v.ndim > 1]).astype(np.float32)
