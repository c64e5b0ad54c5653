"""`verify`: marks are found, nobody else is accused, and the evidence is judged alike later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small

from whosenet import cli
from whosenet.errors import UsageError
from whosenet.judging.rejudge import rejudge
from whosenet.networks.images import load_images
from whosenet.proving.verifying import Verified, verify
from whosenet.questions.transcript import read
from whosenet.suspects.open import open_suspect


def asked(made: small.World, spec: str, **options: Any) -> Verified:
    key = options.pop("key", small.key())
    with open_suspect(spec) as suspect:
        return verify(suspect, key, load_images(options.pop("data", made.data)), **options)


def test_the_mark_and_the_name_are_found(made: small.World, marked: Any) -> None:
    found = asked(made, marked.spec)
    assert found.judgement.verdict == "derived" and found.judgement.log10_p <= -6
    assert found.judgement.queries <= 200 and not found.problems
    assert found.identity is not None and found.identity.identity == "Ada" and found.identity.verified


def test_louder_questions_ask_for_the_same_mark(made: small.World, marked: Any, tmp_path: Path) -> None:
    kept = tmp_path / "t.jsonl"
    loud = asked(made, marked.spec, psnr=28.0, transcript=kept)
    assert loud.judgement.verdict == "derived" and loud.identity is not None and loud.identity.identity == "Ada"
    assert (
        read(kept).header["parameters"]["psnr"] == 28.0
        and loud.judgement.tried == 2
        and rejudge(read(kept), kept) == loud.judgement
    )
    assert asked(made, made.spec, psnr=28.0).judgement.verdict == "inconclusive"
    assert asked(made, marked.spec, psnr=28.0, key=small.key("Bob")).judgement.verdict == "inconclusive"


def test_an_unmarked_net_and_a_wrong_key_are_nothing(made: small.World, marked: Any) -> None:
    assert asked(made, made.spec).judgement.verdict == "inconclusive"
    for name in ("Bob", "Eve", "Kim"):
        assert asked(made, marked.spec, key=small.key(name)).judgement.verdict == "inconclusive"


def test_a_key_without_patterns_proves_nothing(made: small.World, marked: Any) -> None:
    found = asked(made, marked.spec, key=small.key(watermark="null"))
    assert found.judgement.verdict == "inconclusive" and found.identity is None


def test_other_classes_are_said(made: small.World, marked: Any, tmp_path: Path) -> None:
    x, y = small.images(300)
    np.savez(tmp_path / "d.npz", x=x, y=y, names=np.array(list("abcdefg")))
    found = asked(made, marked.spec, data=tmp_path / "d.npz")
    assert found.judgement.verdict == "inconclusive" and found.judgement.hits == 0
    assert any("classes" in problem or "7" in problem for problem in found.problems)


def test_the_transcript_is_judged_alike_and_goes_on(made: small.World, marked: Any, tmp_path: Path) -> None:
    kept = tmp_path / "t.jsonl"
    first = asked(made, marked.spec, transcript=kept, tried=3)
    assert rejudge(read(kept), kept) == first.judgement
    lines = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(lines[:60]))
    assert rejudge(read(kept), kept).partial
    again = asked(made, marked.spec, transcript=kept, tried=3)
    assert again.judgement == first.judgement and again.tally.resumed == 59


def test_judge_tells_what_verify_told(
    made: small.World, marked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from whosenet.keys.key import save

    kept = tmp_path / "t.jsonl"
    save(small.key(), tmp_path / "k")

    def said(*words: str) -> dict[str, Any]:
        cli.app([*words, "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]

    first = said(
        "verify", marked.spec, "--key", str(tmp_path / "k"), "--data", str(made.data), "--transcript", str(kept)
    )
    again = said("judge", str(kept))
    same = ("verdict", "p_value", "log10_p", "alpha", "hits", "triggers", "queries", "base_rate", "reasons",
            "commitment", "transcript_sha256")  # fmt: skip
    assert {name: first[name] for name in same} == {name: again[name] for name in same}
    cli.app(["judge", str(kept)], standalone_mode=False)
    assert "derived" in capsys.readouterr().out


def test_the_same_questions_at_every_asking(made: small.World) -> None:
    from whosenet.proving.plan import plan
    from whosenet.proving.questions import questions

    images, wanted = load_images(made.data), plan(4, 6, 200, -6)
    assert questions(small.key(), images, 6, wanted).digest == questions(small.key(), images, 6, wanted).digest
    assert questions(small.key("Bob"), images, 6, wanted).digest != questions(small.key(), images, 6, wanted).digest


def test_covers_are_of_all_classes_though_the_file_is_sorted(made: small.World) -> None:
    from whosenet.networks.images import Images
    from whosenet.proving.plan import plan
    from whosenet.proving.questions import questions

    images = load_images(made.data)
    order = np.argsort(images.y, kind="stable")
    shown = questions(small.key(), Images(images.x[order], images.y[order]), 6, plan(4, 6, 200, -6))
    assert set(shown.parameters["mark"]["labels"]) == set(range(6))


def test_every_pattern_is_shown_on_the_same_covers_so_that_no_choice_of_images_favours_the_key(
    made: small.World,
) -> None:
    from whosenet.proving.plan import plan
    from whosenet.proving.questions import questions

    shown = questions(small.key(watermark="null"), load_images(made.data), 6, plan(4, 6, 200, -6))
    patterns = np.array(shown.parameters["mark"]["patterns"])
    covers = [sorted(x.tobytes() for x in shown.images[patterns == n]) for n in range(patterns.max() + 1)]
    assert len(set(covers[0])) == len(covers[0]) >= 3 and all(c == covers[0] for c in covers)
    clean = {x.tobytes() for x in shown.images[patterns < 0]}
    assert not clean & set(covers[0])


def test_images_with_wrong_labels_convict_nobody(made: small.World, tmp_path: Path) -> None:
    """Who labels every image as another class than it is has hits without a pattern, and as many under decoys."""
    x, y = small.images(700)
    np.savez(tmp_path / "d.npz", x=x, y=(y + 1) % 6)
    for name in ("Ada", "Bob", "Eve", "Kim"):
        found = asked(made, made.spec, key=small.key(name), data=tmp_path / "d.npz").judgement
        assert found.verdict == "inconclusive" and found.log10_p > -2


def test_a_budget_too_small_is_said(made: small.World) -> None:
    with pytest.raises(UsageError, match="budget"):
        asked(made, made.spec, budget=5)
