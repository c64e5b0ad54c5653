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
from whosenet.errors import MalformedFile, UsageError
from whosenet.judging.rejudge import rejudge
from whosenet.keys.key import save
from whosenet.networks.images import Images, load_images
from whosenet.proving.checking import check
from whosenet.proving.tracing import set_aside
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


def changed(found: Transcript, **header: Any) -> Transcript:
    """Another header, the answers as they are; its fingerprint stays the true one."""
    return Transcript({**found.header, **header}, found.evidence, found.asked, found.sha256)


def marked_with(found: Transcript, **layout: Any) -> Transcript:
    parameters = found.header["parameters"]
    return changed(found, parameters={**parameters, "mark": {**parameters["mark"], **layout}})


def test_a_transcript_with_patterns_and_targets_of_its_own(made: small.World, kept: Path) -> None:
    """The answers are genuine, and the fingerprint is that of the key's own questions."""
    found, images = read(kept), load_images(made.data)
    mark = found.header["parameters"]["mark"]
    swapped = [{0: 5, 5: 0}.get(p, p) for p in mark["patterns"]]
    other = [(t + 1) % images.classes for t in mark["targets"]]
    labels = [(mark["labels"][0] + 1) % images.classes, *mark["labels"][1:]]
    for forged in (
        marked_with(found, patterns=swapped),
        marked_with(found, targets=other),
        marked_with(found, labels=labels),
        changed(found, fingerprint="0" * 64),
        changed(found, data="0" * 64),
        changed(found, images=found.header["images"][::-1]),
        changed(found, method="null"),
    ):
        with pytest.raises(UsageError, match="not the questions|equally often|shared out"):
            check(forged, small.key(), images)


def test_rules_with_fewer_looks_than_the_questions_show(made: small.World, kept: Path) -> None:
    found, images = read(kept), load_images(made.data)
    rules = found.header["rules"]
    check(changed(found, rules={**rules, "tried": 5}), small.key(), images)
    for worse in ({"tried": 1}, {"tried": None}, {"labels_only": None}, {"budget": 40}, {"budget": None}):
        with pytest.raises(UsageError, match="looked|shared out|layout"):
            check(changed(found, rules={**rules, **worse}), small.key(), images)
    with pytest.raises(UsageError, match="looked"):
        check(changed(found, rules={"alpha": 0.5, "budget": rules["budget"]}), small.key(), images)


def test_a_trace_can_be_checked_with_all_of_the_images(made: small.World, marked: Any, tmp_path: Path) -> None:
    images = load_images(made.data)
    with open_suspect(marked.spec) as suspect:
        verify(suspect, small.key(), set_aside(images)[0], transcript=tmp_path / "t.jsonl", tried=3, budget=150)
    check(read(tmp_path / "t.jsonl"), small.key(), images)


def test_answers_left_out_in_between_are_refused(kept: Path) -> None:
    """Only the first so many can be corrected for."""
    found = read(kept)
    rows = tuple(range(0, len(found.asked), 2))
    part = Transcript(found.header, found.evidence.take(list(rows)), rows, found.sha256)
    with pytest.raises(MalformedFile, match="left out"):
        rejudge(part, kept)
    first = Transcript(found.header, found.evidence.take(list(range(100))), tuple(range(100)), found.sha256)
    assert rejudge(first, kept).partial


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


def test_who_asked_faintly_and_found_nothing_is_told_of_louder_questions_once(
    made: small.World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(small.key(psnr=34.0), tmp_path / "a.key")
    asked = ["verify", made.spec, "--key", str(tmp_path / "a.key"), "--data", str(made.data)]
    assert run(asked) == 0 and "--psnr 28" in capsys.readouterr().out
    assert run([*asked, "--psnr", "28"]) == 0 and "--psnr 28" not in capsys.readouterr().out
    save(small.key(), tmp_path / "loud.key")
    asked[3] = str(tmp_path / "loud.key")
    assert run(asked) == 0 and "--psnr 28" not in capsys.readouterr().out


def test_another_strength_is_a_second_look() -> None:
    key = small.key()
    assert looks(key, None, 1) == looks(key, small.STRONG, 1) == 1
    assert looks(key, 28.0, 1) == 2 and looks(key, 28.0, 5) == 5


@pytest.mark.parametrize("patterns", [None, [], [0, 0, 1], [0, 1, 2, 3, 10**15], [[0]], ["x"]])
def test_a_layout_that_no_version_makes(made: small.World, kept: Path, patterns: Any) -> None:
    with pytest.raises(UsageError, match="layout of a mark|shared out"):
        check(marked_with(read(kept), patterns=patterns), small.key(), load_images(made.data))
