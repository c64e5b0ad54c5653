"""The story end to end, with fewer nets; and its second chapter on files made here."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from whosenet import demo
from whosenet.demo import blackbox, files, ownership, real, story
from whosenet.demo.progress import Narrator
from whosenet.errors import MissingExtra, UsageError

for needed in (
    "torch",
    "sklearn",
    "onnx",
    "h5py",
    "gguf",
    "matplotlib",
    "jinja2",
    "kornia",
    "cryptography",
    "reedsolo",
):
    pytest.importorskip(needed)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "ARCHS", ("mlp",))
    monkeypatch.setattr(story, "OTHERS", 1)
    monkeypatch.setattr(story, "TWINS", 2)
    monkeypatch.setattr(blackbox, "CHOOSERS", 4)
    monkeypatch.setattr(blackbox, "NULL", 12)
    monkeypatch.setattr(blackbox, "STRANGERS", 1)
    monkeypatch.setattr(blackbox, "STOLEN", {"int8": {}, "input-jpeg": {}, "prune-magnitude": {}})
    monkeypatch.setattr(blackbox, "QUESTIONS", 60)
    monkeypatch.setitem(blackbox.RECIPE, "epochs", 30)
    monkeypatch.setattr(ownership, "STOLEN", {"int8": {}})


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two strangers and a noisy copy of the first, with a manifest."""
    rng = np.random.default_rng(3)
    nets = [{f"w{i}": rng.standard_normal((64, 48)).astype(np.float32) for i in range(3)} for _ in range(2)]
    copy = {k: v + 0.1 * rng.standard_normal(v.shape).astype(np.float32) for k, v in nets[0].items()}
    folder = tmp_path / "real"
    for name, state in zip(("a", "b", "c"), (*nets, copy), strict=True):
        files.safetensors(folder / f"{name}.safetensors", state)
    manifest = {
        "files": [{"id": n, "path": f"{n}.safetensors"} for n in "abc"],
        "pairs": [
            {"a": "a", "b": "c", "label": "derived", "relation": "noise"},
            {"a": "a", "b": "b", "label": "independent", "relation": "same-architecture"},
            {"a": "b", "b": "c", "label": "independent", "relation": "same-architecture"},
        ],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.usefixtures("short")
def test_the_story(tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    document = demo.run(out, models)
    assert capsys.readouterr().out == ""
    wrong = [r for r in document["digits"]["suspects"] if r["outcome"] != "right"]
    assert demo.holds(document["digits"], document["real"]) and not wrong
    c = document["digits"]["counts"]
    assert (c["copies_found"], c["copies"], c["twins_cleared"], c["starts_right"]) == (12, 12, 2, 1)
    assert all(r["accuracy"] > 0.85 for r in document["digits"]["suspects"])
    assert document["real"]["counts"] == {"derived": 1, "derived_found": 1, "independent": 2, "independent_accused": 0}
    boxes = document["blackbox"]["counts"]
    assert (boxes["strangers_accused"], boxes["strangers"], boxes["copies_cleared"], boxes["copies"]) == (0, 2, 0, 3)
    assert boxes["copies_found"] >= 1  # ten or twelve references show little; the full demo has twenty
    assert document["ownership"]["counts"] == {"marked": 2, "proven": 2, "unmarked": 3, "claimed": 0}
    assert document["ownership"]["suspects"][0]["identity"] == ownership.OWNER
    assert json.loads((out / "report.json").read_text())["digits"]["counts"] == c
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 2 and "copy of mlp-owner" in page
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//|@import|<script|<link", page)


def test_a_second_run_starts_a_new_library_and_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    for name in ("library", "real-library"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "library.json").write_text("{}")
    demo._fresh(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_called_library_that_is_none_stays(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "poems.txt").write_text("keep")
    demo._fresh(tmp_path)
    assert (tmp_path / "library" / "poems.txt").exists()


@pytest.mark.parametrize("text", [None, "{", "[]", '{"files": [], "pairs": [{"a": "x"}]}'])
def test_a_folder_without_a_good_manifest_is_a_usage_error(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UsageError, match=r"manifest\.json"):
        real.read_manifest(tmp_path)


def test_a_missing_package_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(MissingExtra, match=r"torch.*whosenet\[demo\]"):
        demo.run(tmp_path)


SHARED = Path(__file__).resolve().parents[2] / "../shared/models"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no real models beside this checkout")
def test_real_models(tmp_path: Path) -> None:
    chapter = real.investigate(SHARED, tmp_path, Narrator(), alpha=1e-6)
    c = chapter["counts"]
    assert c["independent_accused"] == 0 and c["derived_found"] == c["derived"] > 20 and c["independent"] > 400
