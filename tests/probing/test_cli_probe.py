"""TEST's verbs as a stranger's script sees them: exit codes, one JSON document, one line of error."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import world

from whosenet import cli

NOWHERE = "http://127.0.0.1:9/v2/models/x"
WITHOUT_TORCH = """
import sys
class No:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "torch":
            raise ImportError(name)
sys.meta_path.insert(0, No())
from whosenet.cli import main
main()
"""


class Answer:
    """What a command left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        def refuse(word: str) -> None:
            raise AssertionError(f"{word} in JSON")

        return json.loads(self.out, parse_constant=refuse)


Call = Callable[..., Answer]


@pytest.fixture
def whosenet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """whosenet("probe", ...) in this process (a new one costs seconds)."""

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["whosenet", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
            sys.exit(0)
        got = capsys.readouterr()
        code = stopped.value.code
        assert "Traceback" not in got.err
        return Answer(code if isinstance(code, int) else int(bool(code)), got.out, got.err)

    return call


@pytest.fixture
def null(made: world.World) -> list[str]:
    return [f"--reference={spec}" for spec in made.twins[4:16]]


def refused(answer: Answer, code: int, *words: str) -> None:
    """Nothing on stdout, and one line of error (or Typer's usage) that names what is wrong."""
    assert answer.code == code and answer.out == "" and all(word in answer.err for word in words), answer.err
    assert "Usage" in answer.err or answer.err.count("\n") == 1


def test_probe_then_judge(
    whosenet: Call, made: world.World, fingerprint: Path, null: list[str], tmp_path: Path
) -> None:
    asked = whosenet(
        "probe",
        made.owner,
        "--fingerprint",
        fingerprint,
        *null,
        "--transcript",
        tmp_path / "t",
        "--json",
        "--alpha=0.01",
    )
    judged = whosenet("judge", tmp_path / "t", "--json")
    assert asked.code == judged.code == 0 and asked.err == judged.err == ""
    first, again = asked.json, judged.json
    same = ("verdict", "alpha", "queries", "references", "fingerprint", "method", "parameters", "owner",
            "data", "chosen_by", "reference_digests", "transcript_sha256", "questions", "version",
            "assumptions", "rules", "made_by")  # fmt: skip
    assert [first[key] for key in same] == [again[key] for key in same]
    assert first["p_value"] == again["p_value"] and first["alpha"] == 0.01  # of labels: exactly the same
    assert first["scores"] == pytest.approx(again["scores"], abs=1e-4)
    assert len(first["reference_digests"]) == 12 and len(first["chosen_by"]) == 4 and first["parameters"]["seed"] == 0
    assert again["rules"] == {"alpha": 0.01, "budget": None, "labels_only": False, "sequential": False}
    assert again["started"] and again["made_by"]["whosenet"] == again["version"]


def test_the_hash_in_the_answer_is_that_of_the_last_line(
    whosenet: Call, made: world.World, fingerprint: Path, null: list[str], tmp_path: Path
) -> None:
    import hashlib

    call = ("probe", made.owner, "--fingerprint", fingerprint, *null, "--transcript", tmp_path / "t", "--json")
    last = (tmp_path / "t").read_bytes().splitlines(keepends=True)[-1] if (said := whosenet(*call)).code == 0 else b""
    assert hashlib.sha256(last).hexdigest() == said.json["transcript_sha256"]


def test_text(whosenet: Call, made: world.World, fingerprint: Path, null: list[str], tmp_path: Path) -> None:
    probed = whosenet("probe", made.owner, "--fingerprint", fingerprint, *null, "--transcript", tmp_path / "t")
    assert probed.code == 0 and probed.out.split(":")[0] in ("derived", "inconclusive") and "alpha 0.001" in probed.out
    judged = whosenet("judge", tmp_path / "t")
    assert judged.out.splitlines()[1] == probed.out.splitlines()[1] and "begun 20" in judged.out
    assert ("assumed:" in probed.out) == probed.out.startswith("derived")


def test_stopping_at_will_is_told(
    whosenet: Call, made: world.World, fingerprint: Path, null: list[str], tmp_path: Path
) -> None:
    call = ("probe", made.owner, "--fingerprint", fingerprint, *null, "--transcript", tmp_path / "t", "--json")
    assert whosenet(*call).code == 0
    assert not any(
        "decided beforehand" in reason for reason in whosenet("judge", tmp_path / "t", "--json").json["reasons"]
    )
    lines = (tmp_path / "t").read_bytes().splitlines(keepends=True)
    (tmp_path / "t").write_bytes(b"".join(lines[:-10]))
    reasons = whosenet("judge", tmp_path / "t", "--json", "--alpha", 0.05).json["reasons"]
    assert any("20 of 30" in reason for reason in reasons) and any("alpha 0.001, not 0.05" in r for r in reasons)


def test_a_partial_transcript_is_judged_as_one_that_may_stop(
    whosenet: Call, made: world.World, fingerprint: Path, null: list[str], tmp_path: Path
) -> None:
    """Asked for 20, looked, asked on: the budget decided first counts, in probe and in judge."""
    call = ("probe", made.owner, "--fingerprint", fingerprint, *null, "--transcript", tmp_path / "t", "--json")
    first = whosenet(*call, "--budget", 20).json
    further = whosenet(*call).json
    judged = whosenet("judge", tmp_path / "t", "--json").json
    assert not first["partial"] and not first["sequential"] and first["queries"] == 20
    for found in (further, judged):
        assert found["partial"] and found["sequential"] and found["queries"] == 30
        assert any(reason.startswith("partial: 30 of 30") for reason in found["reasons"])
    assert further["p_value"] == judged["p_value"]


def test_a_transcript_that_cannot_be_written(
    whosenet: Call, made: world.World, fingerprint: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path, tmp_path / "file" / "t", "/proc/t"):
        call = ("probe", made.owner, "--fingerprint", fingerprint, "--transcript", place, "--json")
        found = whosenet(*call)
        assert found.code in (2, 3) and found.out == "" and str(place) in found.err.splitlines()[-1]


def test_few_references_and_budget(whosenet: Call, made: world.World, fingerprint: Path, null: list[str]) -> None:
    said = whosenet("probe", made.owner, "--fingerprint", fingerprint, "--json", "--budget", 7)
    assert "will be inconclusive" in said.err and said.err.count("\n") == 1
    found = said.json
    assert found["verdict"] == "inconclusive" and found["references_needed"] >= 10
    assert found["queries"] == 7 and found["asked"]["spent"] == 7 and found["questions"] == 30


def test_usage_errors(whosenet: Call, made: world.World, fingerprint: Path, null: list[str], tmp_path: Path) -> None:
    probe = ("probe", made.owner, "--fingerprint", fingerprint)
    refused(whosenet(*probe, "--reference", made.twins[0]), 2, "chose points")
    refused(whosenet(*probe, "--reference", made.owner), 2, "owner's own")
    refused(whosenet(*probe, *null, null[0]), 2, "give others")
    refused(whosenet(*probe, "--reference", "nonsense"), 2, "nonsense", "FOLDER")
    refused(whosenet(*probe, "--alpha", 2), 2, "--alpha")
    refused(whosenet("probe", made.owner), 2, "--fingerprint")
    refused(whosenet("probe", made.owner.partition("@")[2], "--fingerprint", fingerprint), 2, "weights alone")
    refused(whosenet("attack", "ftal"), 2, "--list")
    refused(whosenet("attack", "nix", made.owner, "--data", made.data, "-o", tmp_path / "a"), 2, "nix")
    make = ("fingerprint", made.owner, "--data", made.data, "-o", tmp_path / "f")
    refused(whosenet(*make, "--points", 5), 2, "--points")
    refused(whosenet(*make, "--method", "nix"), 2, "nix")
    refused(whosenet(*make, "--copies", "nix"), 2, "nix")
    refused(whosenet(*make, "--set", "epsilon"), 2, "key=value")
    refused(whosenet(*make, "--reference", tmp_path / "nowhere"), 2, "nowhere")
    assert not (tmp_path / "f").exists() and not (tmp_path / "f.copies").exists()


def test_images_or_code_that_do_not_fit(whosenet: Call, made: world.World, fingerprint: Path, tmp_path: Path) -> None:
    code, _, weights = made.owner.partition("@")
    x, y = world.images(40)
    np.savez(tmp_path / "grey.npz", x=x[..., :1], y=y)
    np.savez(tmp_path / "many.npz", x=x, y=y + 3)
    out = ("-o", tmp_path / "out")
    for data, words in (("grey.npz", "16x16x1"), ("many.npz", "7 classes")):
        given = ("--data", tmp_path / data, *out)
        refused(whosenet("fingerprint", made.owner, *given), 2, words)
        refused(whosenet("attack", "int8", made.owner, *given), 2, words)
        refused(whosenet("twins", code, *given), 2, words)
    (tmp_path / "needs.py").write_text("def make(width): pass\n")
    refused(whosenet("probe", f"{tmp_path}/needs.py:make@{weights}", "--fingerprint", fingerprint), 2, "width")


def test_unreadable_files(whosenet: Call, made: world.World, fingerprint: Path, tmp_path: Path) -> None:
    code = made.owner.partition("@")[0]
    (tmp_path / "empty").mkdir()
    make = ("-o", tmp_path / "f", "--copies", "none", "--method", "akh")
    refused(whosenet("fingerprint", made.owner, "--data", tmp_path / "no.npz", *make), 3, "no.npz")
    refused(whosenet("fingerprint", made.owner, "--data", tmp_path / "empty", *make), 3, "CLASS/IMAGE.png")
    refused(whosenet("fingerprint", f"{code}@{tmp_path}/no.pt", "--data", made.data, *make), 3, "no.pt")
    five = f"{code.partition(':')[0]}:five@{made.owner.partition('@')[2]}"
    refused(whosenet("fingerprint", five, "--data", made.data, *make), 3, "does not fit")
    refused(whosenet("probe", tmp_path / "no.onnx", "--fingerprint", fingerprint), 3, "no.onnx")
    refused(whosenet("probe", made.owner, "--fingerprint", made.data), 3, "fingerprint")
    refused(whosenet("probe", made.owner, "--fingerprint", tmp_path / "no"), 3, "no")
    refused(whosenet("judge", fingerprint), 3, "transcript")
    refused(whosenet("judge", tmp_path / "no"), 3, "no")
    refused(
        whosenet("probe", made.owner, "--fingerprint", fingerprint, "--reference", f"{code}@{tmp_path / 'empty'}"),
        3,
        "twins",
    )


def test_an_endpoint_that_is_down(whosenet: Call, fingerprint: Path) -> None:
    refused(whosenet("probe", NOWHERE, "--fingerprint", fingerprint, "--retries", 0, "--json"), 5, "127.0.0.1")


def test_without_torch(whosenet: Call, made: world.World, fingerprint: Path, null: list[str], tmp_path: Path) -> None:
    """A network of one's own needs it, a judge does not."""

    def alone(*arguments: object) -> Answer:
        command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    refused(alone("probe", made.owner, "--fingerprint", fingerprint), 6, "torch")
    whosenet("probe", made.owner, "--fingerprint", fingerprint, *null, "--transcript", tmp_path / "t")
    assert alone("judge", tmp_path / "t", "--json").json == whosenet("judge", tmp_path / "t", "--json").json


def test_twins_go_on_and_are_references(whosenet: Call, made: world.World, tmp_path: Path) -> None:
    from whosenet.probing.making import load_references

    code = made.owner.partition("@")[0]
    train = ("twins", code, "--data", made.data, "-o", tmp_path / "null", "--epochs", 12, "--json", "--count")
    one, two = whosenet(*train, 1), whosenet(*train, 2)
    assert one.code == two.code == 0 and one.json["twins"] == two.json["twins"][:1] and len(two.json["twins"]) == 2
    refused(whosenet(*train, 1, "--seed", 5), 2, "another recipe", "seed 0, not 5")
    digests = [network.digest for network in load_references((f"{made.owner.partition('@')[0]}@{tmp_path / 'null'}",))]
    assert digests == [twin["digest"] for twin in two.json["twins"]]


def test_fingerprint_and_attack(whosenet: Call, made: world.World, tmp_path: Path) -> None:
    make = ("fingerprint", made.owner, "--data", made.data, "--method", "akh", "--copies", "none", "--points", 20)
    once, twice = (whosenet(*make, "-o", tmp_path / name, "--json").json for name in "ab")
    assert once["digest"] == twice["digest"] and (once["points"], once["controls"]) == (18, 2)
    done = whosenet("attack", "prune-magnitude", made.owner, "--data", made.data, "-o", tmp_path / "stolen", "--json",
                    "--set", "epochs=1")  # fmt: skip
    assert done.code == 0 and done.json["parameters"]["epochs"] == 1 and done.json["digest"]
    assert whosenet("probe", done.json["spec"], "--fingerprint", tmp_path / "a", "--json").json["scores"]["label"] > 0.3
    listed = whosenet("attack", "--list", "--json").json
    assert {"name", "family", "parameters", "what"} == set(listed[0]) and "prune-magnitude" in {
        a["name"] for a in listed
    }


def test_a_folder_of_pictures(whosenet: Call, made: world.World, tmp_path: Path) -> None:
    from PIL import Image

    x, y = world.images(160, seed=7)
    for i, (image, label) in enumerate(zip(x, np.asarray(y), strict=True)):
        (tmp_path / "pictures" / f"class{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "pictures" / f"class{label}" / f"{i}.png")
    done = whosenet("fingerprint", made.owner, "--data", tmp_path / "pictures", "--method", "null", "--copies", "none",
                    "--points", 10, "-o", tmp_path / "f", "--json")  # fmt: skip
    assert done.code == 0 and done.json["questions"] == 10
