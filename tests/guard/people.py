"""Licensees with known keys, a gate that knows them, and a clock that is moved by hand."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from whosenet.guard.challenge import Challenge
from whosenet.guard.client import Presented, present
from whosenet.guard.gate import Gate, Limits
from whosenet.guard.register import gate_key
from whosenet.keys.key import Key, mint

NAME = "the gate"


def licensee(number: int) -> Key:
    parts = {part: sha256(f"{part}/{number}".encode()).digest() for part in ("secret", "signing")}
    return mint(f"Licensee {number}", **parts)  # type: ignore[arg-type]


def cover(seed: int = 0, side: int = 32) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8 [side, side, 3]: smooth, with some noise, away from black and white."""
    draws = np.random.default_rng(seed)
    x = np.linspace(60, 190, side)
    base = (x[:, None] + x[None, ::-1]) / 2
    return np.asarray(base[..., None] + draws.normal(0, 8, (side, side, 3)), np.uint8)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def gate(known: int = 5, *, clock: Clock | None = None, log: Path | None = None, **limits: Any) -> Gate:
    keys = [gate_key(licensee(number)) for number in range(known)]
    return Gate(keys, name=NAME, clock=clock or Clock(), log=log, limits=Limits(**{"burst": 1000, **limits}))


def shown(asked: Challenge, number: int = 0, seed: int = 0) -> Presented:
    return present(licensee(number), cover(seed), asked, gate=NAME)
