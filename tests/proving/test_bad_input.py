"""Bad input to PROVE: clear errors, nobody asked in vain, nothing half written, and what was there stays as it was."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
from PIL import Image

from whosenet import cli
from whosenet.errors import Refused, UsageError
from whosenet.judging.rejudge import rejudge
from whosenet.keys.key import Key, save
from whosenet.networks.images import load_images
from whosenet.proving.embedding import embed
from whosenet.proving.pictures import carrier
from whosenet.proving.showing import reveal, trigger
from whosenet.proving.verifying import Verified, verify
from whosenet.questions.transcript import read
from whosenet.suspects.open import open_suspect

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["whosenet", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
            sys.exit(0)
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err  # type: ignore[arg-type]

    return call


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def no_room(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    return monkeypatch


def asked(made: small.World, spec: str, key: Key | None = None, data: Path | None = None, **options: Any) -> Verified:
    with open_suspect(spec) as suspect:
        return verify(suspect, key or small.key(), load_images(data or made.data), **options)


def altered(folder: Path) -> Path:
    """A key of which one byte of the secret was changed."""
    data = bytearray(save(small.key(), folder / "altered").read_bytes())
    data[data.index(small.key().secret)] ^= 1
    (folder / "altered").write_bytes(data)
    return folder / "altered"


def pictured(folder: Path, name: str = "cover.png", side: int = 64) -> Path:
    draws = np.random.default_rng(0).integers(60, 190, (side, side, 3), dtype=np.uint8)
    Image.fromarray(draws).save(folder / name)
    return folder / name


def test_an_altered_key_is_refused_by_every_verb_and_nothing_is_written(made: small.World, run: Run) -> None:
    key, cover = altered(Path()), pictured(Path())
    before, own = sorted(p.name for p in Path().iterdir()), (made.folder / "own.safetensors").read_bytes()
    for words in (
        ("embed", made.spec, "--key", key, "--data", made.data, "-o", "o.safetensors"),
        ("verify", made.spec, "--key", key, "--data", made.data, "--transcript", "t.jsonl"),
        ("trigger", cover, "--key", key, "-o", "t.png"),
        ("reveal", cover, "--key", key),
    ):
        code, out, err = run(*words)
        assert (code, out, len(err.splitlines())) == (3, "", 1) and "altered" in err, words
    assert sorted(p.name for p in Path().iterdir()) == before
    assert (made.folder / "own.safetensors").read_bytes() == own


def test_the_public_part_is_no_key(made: small.World, run: Run) -> None:
    assert run("keygen", "--owner", "Ada", "-o", "k")[0] == 0
    code, out, err = run("verify", made.spec, "--key", "k.pub", "--data", made.data)
    assert (code, out) == (3, "") and "k.pub" in err and "not a key" in err


def test_images_too_small_for_the_keys_pattern_are_said_before_asking(made: small.World, tmp_path: Path) -> None:
    x, y = small.images(200)
    np.savez(tmp_path / "d.npz", x=x[:, :6, :6], y=y)
    with pytest.raises(UsageError, match="smaller than one tile"):
        asked(made, made.spec, data=tmp_path / "d.npz", transcript=tmp_path / "t.jsonl")
    assert not (tmp_path / "t.jsonl").exists()


def test_a_suspect_for_images_of_another_size_is_not_accused(made: small.World, run: Run) -> None:
    """One line that says what was wrong, and no verdict: a wrong file is no finding."""
    from whosenet.networks.save import save_weights
    from whosenet.networks.spec import Spec, fresh

    save_weights(fresh(Spec(str(made.code), "rigid", None)), "rigid.safetensors")
    save(small.key(), "k")
    code, out, err = run("verify", f"{made.code}:rigid@rigid.safetensors", "--key", "k", "--data", made.data)
    assert (code, out, len(err.splitlines())) == (2, "", 1) and "no valid answer" in err


def test_targets_the_model_has_no_class_for_hit_nothing(made: small.World, marked: Any, tmp_path: Path) -> None:
    x, y = small.images(300)
    np.savez(tmp_path / "d.npz", x=x, y=y, names=np.array([f"class {i}" for i in range(40)]))
    found = asked(made, marked.spec, data=tmp_path / "d.npz")
    assert found.judgement.verdict == "inconclusive" and found.judgement.hits == 0 and found.problems


@pytest.mark.parametrize(("side", "noise"), [(8, 40), (11, 40), (40, 120)])
def test_a_carrier_beyond_repair_names_nobody(side: int, noise: float) -> None:
    """Little is left of it, or little of it is left."""
    draws = np.random.default_rng(side)
    cover = draws.integers(60, 190, (96, 96, 3), dtype=np.uint8)
    cut = trigger(cover, small.key(psnr=34), 0)[3 : 3 + side, 5 : 5 + side]
    spoilt = np.clip(cut + draws.normal(0, noise, cut.shape), 0, 255).astype(np.uint8)
    shown = reveal(spoilt[None], small.key(psnr=34))
    assert not shown.verified and shown.identity is None and shown.log10_p > -6


def test_a_refused_mark_leaves_what_was_there(made: small.World, tmp_path: Path) -> None:
    out = tmp_path / "o.safetensors"
    out.write_bytes(b"the marked weights of last year")
    with pytest.raises(Refused, match=r"nothing was written.*--epochs"):
        embed(made.spec, small.key(), made.data, out, recipe=small.recipe(epochs=2, weight_decay=20.0, lr=0.05))
    assert out.read_bytes() == b"the marked weights of last year" and list(tmp_path.iterdir()) == [out]


def test_a_refusal_has_its_own_exit_code(made: small.World, run: Run) -> None:
    save(small.key(), "k")
    code, out, err = run("embed", made.spec, "--key", "k", "--data", made.data, "--no-flip", "--epochs", 1, "--lr", 1,
                         "--share", 1, "--teach", 0, "-o", "o.safetensors")  # fmt: skip
    said = [line for line in err.splitlines() if line.startswith("whosenet:")]
    assert (code, out, len(said)) == (7, "", 1) and "nothing was written" in said[0]
    assert not list(Path().glob("*o.safetensors*"))


def test_a_full_disk_leaves_the_marked_weights_of_before(
    made: small.World, tmp_path: Path, full: pytest.MonkeyPatch
) -> None:
    out, own = tmp_path / "o.safetensors", made.folder / "own.safetensors"
    out.write_bytes(b"old")
    before = own.read_bytes()
    with pytest.raises(UsageError, match="No space left"):
        embed(made.spec, small.key(), made.data, out, recipe=small.recipe(epochs=1, lr=1e-3))
    assert out.read_bytes() == b"old" and own.read_bytes() == before


def test_a_full_disk_while_asking_keeps_the_answers(made: small.World, marked: Any, tmp_path: Path) -> None:
    kept = tmp_path / "t.jsonl"
    with pytest.MonkeyPatch.context() as patched:
        calls: list[int] = []

        def no_more_room(number: int) -> None:
            calls.append(number)
            if len(calls) > 1:  # the header still found room
                raise OSError(errno.ENOSPC, "No space left on device")

        patched.setattr(os, "fsync", no_more_room)
        with pytest.raises(UsageError, match=r"t\.jsonl.*No space left.*make room"):
            asked(made, marked.spec, transcript=kept)
    assert kept.exists()
    again = asked(made, marked.spec, transcript=kept)
    assert again.judgement.verdict == "derived" and again.tally.resumed > 0 and not again.judgement.partial


def test_a_full_disk_leaves_no_half_a_carrier(tmp_path: Path, full: pytest.MonkeyPatch) -> None:
    cover = pictured(tmp_path)
    with pytest.raises(UsageError, match="No space left"):
        carrier(cover, small.key(), tmp_path / "t.png", 0)
    assert list(tmp_path.iterdir()) == [cover]


def test_a_second_look_is_not_the_first_one_continued(made: small.World, marked: Any, tmp_path: Path) -> None:
    kept = tmp_path / "t.jsonl"
    asked(made, marked.spec, transcript=kept)
    written = kept.read_bytes()
    for other in ({"psnr": 24.0}, {"tried": 2}, {"alpha": 1e-3}, {"key": small.key("Bob")}):
        with pytest.raises(UsageError, match="another file"):
            asked(made, marked.spec, transcript=kept, **other)
    assert kept.read_bytes() == written
    second = asked(made, marked.spec, psnr=24.0, tried=2, transcript=tmp_path / "second.jsonl")
    found = read(tmp_path / "second.jsonl")
    alone = rejudge(replace(found, header={**found.header, "rules": {**found.rules, "tried": 1}}), kept)
    assert second.judgement.tried == found.rules["tried"] == 2 and found.header["parameters"]["psnr"] == 24.0
    assert second.judgement.log10_p == pytest.approx(alone.log10_p + np.log10(2))


def test_a_pipeline_can_stop_on_a_verdict(made: small.World, marked: Any, run: Run) -> None:
    save(small.key(), "k")
    asked_of = ("--key", "k", "--data", made.data, "--fail-on")
    assert run("verify", marked.spec, *asked_of, "derived")[0] == 10
    assert run("verify", made.spec, *asked_of, "derived")[0] == 0
    assert run("verify", made.spec, *asked_of, "anything")[0] == 2
