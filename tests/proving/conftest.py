"""The world, and a net marked in it, are made once a session."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import small

pytest.importorskip("torch")


@dataclass(frozen=True)
class Marked:
    spec: str
    found: object


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> small.World:
    import torch

    torch.set_num_threads(1)
    return small.make(tmp_path_factory.mktemp("marked-world"))


@pytest.fixture(scope="session")
def marked(made: small.World) -> Marked:
    from whosenet.proving.embedding import embed

    found = embed(made.spec, small.key(), made.data, made.folder / "marked.safetensors", recipe=small.recipe())
    return Marked(str(found.spec), found)
