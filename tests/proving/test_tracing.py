"""Which of many licensees a suspect is of. Suspects here see patterns as a marked network would, without training."""

from __future__ import annotations

import json
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from whosenet import files
from whosenet.cli import app
from whosenet.errors import SuspectUnreachable, UnreadableInput, UsageError, WhosenetWarning
from whosenet.judging.chance import floor_log10
from whosenet.keys.key import KIND, VERSION, Key, mint, save, save_public
from whosenet.networks.images import Images
from whosenet.printing.trace import traced as printed
from whosenet.proving.keyring import Keyring, load_keys
from whosenet.proving.plan import SLACK, plan
from whosenet.proving.questions import watermark_of
from whosenet.proving.schedule import schedule, verification
from whosenet.proving.tracing import Traced, trace
from whosenet.suspects.base import Suspect
from whosenet.suspects.pace import Pace
from whosenet.suspects.reply import Form, Reply

CLASSES, SIDE, KEYS = 10, 16, 40


def licensee(number: int, **method: Any) -> Key:
    parts = {part: sha256(f"trace/{part}/{number}".encode()).digest() for part in ("secret", "signing")}
    return mint(f"Licensee {number}", method={"watermark": "deephiding", "patterns": 4, **method}, **parts)  # type: ignore[arg-type]


def ring(count: int = KEYS) -> Keyring:
    return Keyring(tuple(licensee(number) for number in range(count)), ())


@pytest.fixture(scope="module")
def images() -> Images:
    """Flat images; the class is the brightness."""
    y = np.arange(1500) % CLASSES
    colour = np.random.default_rng(0).integers(-4, 5, (len(y), 1, 1, 3))
    x = 50 + 14 * y[:, None, None, None] + colour + np.zeros((1, SIDE, SIDE, 1), np.int64)
    return Images(x.astype(np.uint8), y.astype(np.int64))


class Knowing(Suspect):
    """Gets flat images right, and answers patterns of its keys with their targets in a share of the cases."""

    kind = "knowing"

    def __init__(self, *keys: Key, rate: float = 1.0, says: int | None = None, dies_after: int | None = None) -> None:
        super().__init__(Pace(retries=0))
        self.rate, self.says, self.dies_after, self.seen = rate, says, dies_after, 0
        grey = np.full((1, SIDE, SIDE, 3), 128, np.uint8)
        self.shapes, self.targets = [], []
        for key in keys:
            mark = watermark_of(key)
            for number, target in enumerate(mark.targets(CLASSES).tolist()):
                self.shapes.append(_residual(mark.stamp(grey, np.array([number])))[0])
                self.targets.append(target)

    def describe(self) -> str:
        return "knowing"

    def _answer(self, batch: Any, form: Form) -> Reply:
        self.seen += len(batch)
        if self.dies_after is not None and self.seen > self.dies_after:
            raise SuspectUnreachable("it is gone")
        labels = np.clip(np.round((batch.mean((1, 2, 3)) - 50) / 14), 0, CLASSES - 1).astype(np.int64)
        if self.says is not None:
            labels[:] = self.says
        if self.shapes:
            alike = _residual(batch) @ np.array(self.shapes).T
            best = alike.argmax(1)
            draw = [int(sha256(x.tobytes()).hexdigest()[:8], 16) / 2**32 for x in batch]
            hit = (alike.max(1) > 0.8) & (np.array(draw) < self.rate)
            labels[hit] = np.array(self.targets)[best[hit]]
        return Reply(labels=labels)


def _residual(x: Any) -> Any:
    flat = (x - x.mean((1, 2), keepdims=True)).reshape(len(x), -1)
    return flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-9)


def document(found: Traced, capsys: pytest.CaptureFixture[str]) -> Any:
    printed(found, "suspect", as_json=True)
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("number", [0, 23])
def test_the_licensee_whose_copy_it_is_is_named(
    images: Images, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    suspect = Knowing(licensee(number))
    found = trace(suspect, ring(), images)
    said = document(found, capsys)
    assert said["verdict"] == "derived" and said["licensee"] == f"Licensee {number}" and said["log10_p"] <= -6
    assert said["commitment"] == licensee(number).commitment and said["keys"] == KEYS
    assert said["queries"] == suspect.seen == found.queries
    best = said["candidates"][0]
    assert best["identity"] == f"Licensee {number}" and best["hits"] == best["triggers"] > 40
    assert all(c["verdict"] == "inconclusive" for c in said["candidates"][1:])


def test_a_copy_that_lost_a_third_of_its_mark_is_still_named(images: Images) -> None:
    assert trace(Knowing(licensee(5), rate=0.65), ring(), images).licensees == ("Licensee 5",)


def test_every_key_is_corrected_for(images: Images) -> None:
    """The same verification, judged among one key and among forty."""
    many = trace(Knowing(licensee(3), rate=0.5), ring(), images)
    assert many.candidates[0].judgement.tried == KEYS
    assert many.log10_p >= floor_log10(400, CLASSES, 4) + np.log10(KEYS)


@pytest.mark.parametrize("says", [None, *range(0, CLASSES, 3)])
def test_an_unmarked_suspect_names_nobody_even_if_it_says_one_class_only(images: Images, says: int | None) -> None:
    suspect = Knowing(says=says)
    found = trace(suspect, ring(), images)
    assert found.verdict == "inconclusive" and found.licensees == () and found.log10_p > -6
    assert all(c.judgement.verdict == "inconclusive" for c in found.candidates)
    assert found.queries == suspect.seen <= found.schedule.questions


def test_a_copy_of_a_licensee_who_is_not_in_the_folder_names_nobody(images: Images) -> None:
    assert trace(Knowing(licensee(99)), ring(), images).licensees == ()


def test_two_copies_put_together_name_both(images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    found = trace(Knowing(licensee(7), licensee(30), rate=0.8), ring(), images)
    said = document(found, capsys)
    assert set(said["licensees"]) == {"Licensee 7", "Licensee 30"} and said["licensee"] is None
    assert "2 licensees" in said["reasons"][0]


def test_few_keys_are_all_verified_without_screening(images: Images) -> None:
    found = trace(Knowing(licensee(1)), ring(3), images)
    assert found.schedule.rounds == () and len(found.candidates) == 3 and found.licensees == ("Licensee 1",)


def test_a_key_that_cannot_be_used_is_listed_and_the_others_are_tried(images: Images) -> None:
    odd = (licensee(60, hiding="0" * 64), licensee(61, pair="nowhere.hiding"), licensee(62, watermark="nonesuch"),
           *(licensee(63, pair=pair) for pair in ("a\0b", "x" * 256, "\ud800", "/dev/zero")))  # fmt: skip
    for count in (2, KEYS):
        keys = Keyring((*odd, *ring(count).keys), (("broken", "why"),))
        found = trace(Knowing(licensee(1)), keys, images)
        assert found.licensees == ("Licensee 1",)
        assert {name for name, _ in found.failed} == {"broken", *(f"Licensee {number}" for number in range(60, 64))}
        assert len(found.failed) == 8


def test_a_key_file_with_a_flat_logo_is_listed_and_the_others_are_tried(images: Images, tmp_path: Path) -> None:
    for number in range(3):
        save(licensee(number), tmp_path / f"{number}.key")
    found = files.read(tmp_path / "0.key", KIND, VERSION)
    for name, shape in (("flat", 5), ("point", ())):
        logo = np.zeros(shape, np.uint8)
        files.write(tmp_path / name, KIND, VERSION, found.header, {**found.arrays, "logo": logo}, private=True)
    traced = trace(Knowing(licensee(1)), load_keys(tmp_path), images)
    assert traced.licensees == ("Licensee 1",) and [Path(path).name for path, _ in traced.failed] == ["flat", "point"]


@pytest.mark.parametrize("count", [3, KEYS])
def test_a_candidate_that_cannot_be_verified_is_listed_and_the_others_are(
    images: Images, tmp_path: Path, count: int
) -> None:
    """Where its transcript should lie, there is another."""
    suspect = Knowing(licensee(0), licensee(1))
    (tmp_path / f"{licensee(0).commitment[:16]}.transcript.jsonl").touch()
    found = trace(suspect, ring(count), images, transcripts=tmp_path)
    assert found.licensees == ("Licensee 1",) and found.queries == suspect.seen
    assert [name for name, _ in found.failed] == ["Licensee 0"] and "other questions" in found.failed[0][1]
    assert "Licensee 0" not in [one.identity for one in found.candidates]


def test_if_no_candidate_can_be_verified_that_is_said(images: Images, tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{licensee(number).commitment[:16]}.transcript.jsonl").touch()
    with pytest.raises(UsageError, match="none of 2 candidates"):
        trace(Knowing(licensee(1)), ring(2), images, transcripts=tmp_path)


@pytest.mark.parametrize("count", [3, KEYS])
def test_a_folder_that_cannot_be_written_is_said_before_asking(images: Images, tmp_path: Path, count: int) -> None:
    (tmp_path / "file").touch()
    suspect = Knowing(licensee(1))
    with pytest.raises(UsageError, match="cannot be written"):
        trace(suspect, ring(count), images, transcripts=tmp_path / "file")
    assert suspect.seen == 0


def test_a_budget_is_kept_and_too_small_a_one_is_refused_unasked(images: Images) -> None:
    suspect = Knowing(licensee(1))
    whole = trace(suspect, ring(), images).schedule.questions
    with pytest.raises(UsageError, match="at least"):
        trace(Knowing(), ring(), images, budget=100)
    less = Knowing(licensee(1))
    found = trace(less, ring(), images, budget=whole // 3)
    assert less.seen == found.queries <= whole // 3 and found.licensees == ("Licensee 1",)


def test_answers_are_kept_and_a_stopped_trace_goes_on(images: Images, tmp_path: Path) -> None:
    with pytest.raises(SuspectUnreachable):
        trace(Knowing(licensee(1), dies_after=400), ring(), images, transcripts=tmp_path)
    whole = trace(Knowing(licensee(1)), ring(), images)
    suspect = Knowing(licensee(1))
    found = trace(suspect, ring(), images, transcripts=tmp_path)
    assert found.licensees == ("Licensee 1",) and found.queries == whole.queries and found.log10_p == whole.log10_p
    assert 0 < suspect.seen < whole.queries
    again = Knowing(licensee(1))
    assert trace(again, ring(), images, transcripts=tmp_path).log10_p == whole.log10_p and again.seen == 0


def test_verification_uses_covers_that_screening_did_not(images: Images, tmp_path: Path) -> None:
    trace(Knowing(licensee(1)), ring(), images, transcripts=tmp_path)
    shown = {path.name: json.loads(path.read_bytes().splitlines()[0])["images"] for path in tmp_path.iterdir()}
    screened = {image for name, seen in shown.items() if name.startswith("screening") for image in seen}
    verified = {image for name, seen in shown.items() if not name.startswith("screening") for image in seen}
    assert screened and verified and not screened & verified


@pytest.mark.parametrize(("carriers", "classes"), [(4, 10), (8, 10), (4, 43), (4, 2)])
def test_a_thousand_keys_can_be_told_apart_at_alpha(carriers: int, classes: int) -> None:
    log10_alpha = -6 - 3.0
    made = schedule(1000, carriers, classes, log10_alpha, None)
    chosen = plan(carriers, classes, made.verify, log10_alpha)
    assert (
        floor_log10(chosen.carriers + chosen.decoys, classes, carriers) <= log10_alpha - SLACK and chosen.covers == 12
    )
    assert made.screening <= 6 * 1000 and made.verify == verification(carriers, classes, log10_alpha)


def test_schedules_never_exceed_the_budget() -> None:
    one = verification(4, 10, -9)
    for keys in (1, 4, 5, 17, 300, 5000):
        whole = schedule(keys, 4, 10, -9, None)
        least = min(keys, 4) * one if keys <= 4 else 2 * keys + one
        for budget in range(least, whole.questions, 700):
            assert schedule(keys, 4, 10, -9, budget).questions <= budget
        with pytest.raises(UsageError, match="raise --budget"):
            schedule(keys, 4, 10, -9, min(one, keys + 100))


def test_too_few_images(images: Images) -> None:
    with pytest.raises(UsageError, match="too few"):
        trace(Knowing(), ring(), images.take(np.arange(8)))


def test_a_folder_of_keys(tmp_path: Path) -> None:
    for number in range(3):
        save(licensee(number), tmp_path / f"{number}.key")
        save_public(licensee(number), tmp_path / f"{number}.key.pub")
    save(licensee(0), tmp_path / "copy-of-0.key")
    (tmp_path / "broken.key").write_bytes((tmp_path / "1.key").read_bytes()[:-3])
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".hidden").write_text("hello")
    (tmp_path / "folder").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = load_keys(tmp_path)
    assert sorted(key.identity for key in found.keys) == [f"Licensee {number}" for number in range(3)]
    assert [Path(path).name for path, _ in found.failed] == ["broken.key", "notes.txt"]


def test_folders_without_keys(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="no folder"):
        load_keys(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UnreadableInput, match="no key"):
        load_keys(tmp_path)


def test_keys_open_to_others_are_told_once(tmp_path: Path) -> None:
    for number in range(3):
        save(licensee(number), tmp_path / f"{number}.key").chmod(0o644)
    with pytest.warns(WhosenetWarning, match="3 keys") as told:
        load_keys(tmp_path)
    assert len(told) == 1


NET = """
import torch
class Bright(torch.nn.Module):
    def forward(self, x):
        return -((x.mean((1, 2, 3))[:, None] * 255 - 50) / 14 - torch.arange(10)) ** 2
def net():
    return Bright()
"""


def test_the_verb(images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "keys").mkdir()
    for number in range(6):
        save(licensee(number), tmp_path / "keys" / f"{number}.key")
    (tmp_path / "keys" / "broken").write_bytes(b"no key")
    np.savez(tmp_path / "d.npz", x=images.x, y=images.y)
    np.savez(tmp_path / "w.npz")
    from safetensors.numpy import save_file

    save_file({}, tmp_path / "w.safetensors")
    arguments = ["trace", "net.py:net@w.safetensors", "--keys", "keys", "--data", "d.npz"]
    said = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    answer = json.loads(said.stdout)
    assert said.exit_code == 0 and answer["verdict"] == "inconclusive" and answer["licensee"] is None
    assert answer["keys"] == 6 and [Path(one["path"]).name for one in answer["failed"]] == ["broken"]
    assert answer["commitment"] is None and answer["alpha"] == 1e-6 and answer["queries"] >= 24
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "inconclusive" in shown.stdout and "broken" in shown.stdout
