"""`judge --key --data`: whether the questions of a transcript are the key's; nothing of the file is believed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small

from whosenet import cli
from whosenet.errors import UsageError
from whosenet.keys.key import save
from whosenet.networks.images import Images, load_images
from whosenet.proving.checking import check
from whosenet.proving.verifying import looks, verify
from whosenet.questions.transcript import Transcript, read
from whosenet.suspects.open import open_suspect


def run(arguments: list[str]) -> int:
    """`cli.main` as a shell calls it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["whosenet", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def kept(made: small.World, marked: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "t.jsonl"
    with open_suspect(marked.spec) as suspect:
        verify(suspect, small.key(), load_images(made.data), transcript=path, psnr=28.0, budget=150)
    return path


def test_the_keys_own_questions_and_a_judges_copy(made: small.World, kept: Path) -> None:
    check(read(kept), small.key(), load_images(made.data))
    check(read(kept), small.key().for_judge(), load_images(made.data))


def test_another_key_and_other_images(made: small.World, kept: Path) -> None:
    images = load_images(made.data)
    with pytest.raises(UsageError, match="commitment"):
        check(read(kept), small.key("Bob"), images)
    with pytest.raises(UsageError, match="not the questions"):
        check(read(kept), small.key(), Images(images.x, np.roll(images.y, 1)))


def test_a_transcript_with_targets_of_its_own(made: small.World, kept: Path) -> None:
    found = read(kept)
    forged = {**found.header, "fingerprint": "0" * 64}
    with pytest.raises(UsageError, match="not the questions"):
        check(Transcript(forged, found.evidence, found.asked, found.sha256), small.key(), load_images(made.data))


def test_on_the_command_line(made: small.World, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(small.key(), tmp_path / "a.key")
    base = ["judge", str(kept), "--json"]
    assert run([*base, "--key", str(tmp_path / "a.key"), "--data", str(made.data)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["checked"] and told["parameters"]["psnr"] == 28.0 and told["tried"] == 2
    assert run(base) == 0 and not json.loads(capsys.readouterr().out)["checked"]
    assert run([*base, "--key", str(tmp_path / "a.key")]) == 2
    assert "--data" in capsys.readouterr().err
    assert run(["judge", str(kept), "--alpha", "0.01"]) == 0
    assert "was begun with alpha 1e-06" in capsys.readouterr().out


def test_what_verify_tells_an_expert(
    made: small.World, marked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(small.key(), tmp_path / "a.key")
    assert run(["verify", marked.spec, "--key", str(tmp_path / "a.key"), "--data", str(made.data), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["data"] == load_images(made.data).digest and len(told["fingerprint"]) == 64
    assert told["rules"]["budget"] == 200 and told["parameters"]["key"]["psnr"] == small.STRONG
    assert told["identity_verified"] and told["identity_log10_p"] < -6 and told["made_by"] and told["at"]


def test_who_finds_nothing_is_told_of_louder_questions_once(
    made: small.World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(small.key(), tmp_path / "a.key")
    asked = ["verify", made.spec, "--key", str(tmp_path / "a.key"), "--data", str(made.data)]
    assert run(asked) == 0 and "--psnr 28" in capsys.readouterr().out
    assert run([*asked, "--psnr", "28"]) == 0 and "--psnr 28" not in capsys.readouterr().out


def test_another_strength_is_a_second_look() -> None:
    key = small.key()
    assert looks(key, None, 1) == looks(key, small.STRONG, 1) == 1
    assert looks(key, 28.0, 1) == 2 and looks(key, 28.0, 5) == 5


@pytest.mark.parametrize("patterns", [None, [], [0, 0, 1], [0, 1, 2, 3, 10**15], [[0]], ["x"]])
def test_a_layout_that_no_version_makes(made: small.World, kept: Path, patterns: Any) -> None:
    found = read(kept)
    mark = {**found.header["parameters"]["mark"], "patterns": patterns}
    forged = {**found.header, "parameters": {**found.header["parameters"], "mark": mark}}
    with pytest.raises(UsageError, match="layout of a mark|equally often"):
        check(Transcript(forged, found.evidence, found.asked, found.sha256), small.key(), load_images(made.data))
