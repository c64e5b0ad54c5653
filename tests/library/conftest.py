"""Small libraries made of random codes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from whosenet.library import ScanLibrary


@pytest.fixture
def library(tmp_path: Path) -> Iterator[ScanLibrary]:
    with ScanLibrary(tmp_path / "library", create=True) as made:
        yield made
