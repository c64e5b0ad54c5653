"""Fixtures every folder of tests may use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nets
import numpy as np
import pytest


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str, nets.Net], Path]:
    """saved("a", net) writes a.safetensors in the test's folder."""
    return lambda name, model: nets.save(tmp_path / f"{name}.safetensors", model)


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits: float64 [1797, 64] in 0..1, int [1797]."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    return data.data / 16, data.target


@pytest.fixture(scope="session")
def classifiers(digits: tuple[np.ndarray, np.ndarray]) -> list[nets.Net]:
    """Twelve nets of one architecture, trained on the same digits from different starts."""
    return [nets.trained(seed, *digits) for seed in range(12)]
