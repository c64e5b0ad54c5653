"""What else says that two weight files are related: distances between a suspect's and a parent's tensors.

All take tensors in the order of the file, as published code does; where shapes do not fit they say "as far as can be".
"""

from collections.abc import Callable

import numpy as np

State = dict[str, np.ndarray]
FAR = 1e3


def matrices(state: State) -> list[np.ndarray]:
    return [v for v in state.values() if v.ndim > 1]


def cosine(a: State, b: State) -> float:
    """1 - cosine of all weights as one vector."""
    x, y = (np.concatenate([v.ravel() for v in matrices(s)]) for s in (a, b))
    if len(x) != len(y):
        return FAR
    return float(1 - x @ y / max(np.linalg.norm(x) * np.linalg.norm(y), 1e-30))


def _profile(state: State, size: Callable[[np.ndarray], float]) -> np.ndarray:
    p = np.array([size(v) for v in matrices(state)])
    return (p - p.mean()) / max(p.std(), 1e-12)


def _between(a: State, b: State, size: Callable[[np.ndarray], float]) -> float:
    x, y = _profile(a, size), _profile(b, size)
    return float(np.linalg.norm(x - y)) if len(x) == len(y) else FAR


def deviations(a: State, b: State) -> float:
    """Distance of the standardised profiles of the standard deviations of tensors (Yoon et al., 2025)."""
    return _between(a, b, lambda v: float(v.std()))


def energies(a: State, b: State) -> float:
    """The same of the logarithms of squared Frobenius norms."""
    return _between(a, b, lambda v: float(np.log((v.astype(np.float64) ** 2).sum() + 1e-30)))


def cka(a: State, b: State) -> float:
    """1 - the mean over tensors of unbiased linear CKA, a tensor's inputs being the samples (as in AWM, ICLR 2026).

    Without the matching of inputs that AWM puts before it.
    """
    x, y = matrices(a), matrices(b)
    if len(x) != len(y) or any(u.shape != v.shape for u, v in zip(x, y, strict=True)):
        return FAR
    return 1 - float(np.mean([unbiased_cka(_samples(u), _samples(v)) for u, v in zip(x, y, strict=True)]))


def _samples(tensor: np.ndarray) -> np.ndarray:
    """float64 [inputs, outputs], at most 512 inputs."""
    rows = tensor.reshape(len(tensor), -1).T.astype(np.float64)
    return rows[:: max(1, -(-len(rows) // 512))]


def unbiased_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Of float64 [n, p] and [n, q], by the unbiased estimator of HSIC (Song et al., JMLR 2012; Nguyen et al., ICLR 2021)."""
    if len(x) < 4:
        return 0.0
    k, m = (z @ z.T for z in (x, y))
    same = _hsic(k, k) * _hsic(m, m)
    return _hsic(k, m) / np.sqrt(same) if same > 0 else 0.0


def _hsic(k: np.ndarray, m: np.ndarray) -> float:
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    inner = (k * m).sum() + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k.sum(0) @ m.sum(1))
    return float(inner / (n * (n - 3)))


RIVALS: dict[str, Callable[[State, State], float]] = {
    "elementwise cosine": cosine, "per-tensor standard deviations": deviations, "Frobenius energies": energies,
    "unbiased CKA": cka,
}  # fmt: skip
