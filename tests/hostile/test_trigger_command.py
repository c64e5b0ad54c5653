"""`trigger --pattern N`: a pattern that is no carrier of the key is told, and no picture is written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from whosenet import cli  # noqa: E402
from whosenet.errors import UsageError  # noqa: E402
from whosenet.keys.key import mint, save  # noqa: E402
from whosenet.proving.showing import trigger  # noqa: E402

KEY = mint("Ada", method={"watermark": "deephiding", "patterns": 4}, secret=b"s" * 32, signing=b"t" * 32)
COVER = np.random.default_rng(0).integers(60, 190, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("number", [4, 10**30])
def test_a_number_beyond_the_keys_patterns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    save(KEY, tmp_path / "k")
    Image.fromarray(COVER).save(tmp_path / "cover.png")
    words = ["trigger", tmp_path / "cover.png", "--key", tmp_path / "k", "-o", tmp_path / "t.png", "--pattern", number]
    monkeypatch.setattr(sys, "argv", ["whosenet", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr()
    assert (stopped.value.code, said.out, len(said.err.splitlines())) == (2, "", 1) and "0 to 3" in said.err
    assert not (tmp_path / "t.png").exists()


def test_numbers_before_the_first_are_none_either() -> None:
    with pytest.raises(UsageError, match="0 to 3"):
        trigger(COVER, KEY, -1)
    assert trigger(COVER, KEY, 3).shape == COVER.shape
