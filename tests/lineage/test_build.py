"""A folder to its families, its JSON and its page; hostile names and files."""

from __future__ import annotations

import html.parser
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.nets import int8, low_rank, net, noisy, pruned, save
from whosenet.cli import app
from whosenet.errors import UnreadableInput, UsageError
from whosenet.lineage.build import lineage
from whosenet.lineage.document import document, mixture
from whosenet.lineage.page import page, write_page

HOSTILE = "<script>alert('x')</script>&\x1b[31m\"{a}.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base -> noisy -> pruned; base -> q8; a soup of two; a stranger; the same bytes twice; a broken file."""
    root = tmp_path_factory.mktemp("models")
    base = net(1, draw=low_rank)
    first, second = noisy(base, 0.05), noisy(base, 0.2, seed=7)
    save(root / "base.safetensors", base)
    save(root / "noisy.safetensors", first)
    save(root / "second.safetensors", second)
    save(root / "pruned.safetensors", pruned(first, 0.5))
    save(root / "q8.safetensors", int8(base))
    save(root / "soup.safetensors", {k: (0.3 * first[k] + 0.7 * second[k]).astype(np.float32) for k in base})
    save(root / HOSTILE.replace("/", "\u2215"), net(2, draw=low_rank))
    shutil.copy(root / "base.safetensors", root / "copy.safetensors")
    (root / "broken.safetensors").write_bytes(b"{")
    return root


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    return document(lineage(folder))


def edges(found: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """child -> (parent, decided)."""
    names = [m["name"].removesuffix(".safetensors") for m in found["models"]]
    return {names[e["child"]]: (names[e["parent"]], e["decided"]) for f in found["families"] for e in f["edges"]}


def test_parents_are_named(found: dict[str, Any]) -> None:
    assert edges(found) == {"noisy": ("base", True), "second": ("base", True), "pruned": ("noisy", True),
                            "q8": ("base", True)}  # fmt: skip
    (family,) = found["families"]
    assert found["models"][family["root"]]["name"] == "base.safetensors"


def test_a_merge_names_both_parents_and_their_shares(found: dict[str, Any]) -> None:
    ((merge,),) = [f["merges"] for f in found["families"]]
    names = [found["models"][p]["name"] for p in merge["parents"]]
    assert dict(zip(names, merge["shares"], strict=True)) == pytest.approx(
        {"noisy.safetensors": 0.3, "second.safetensors": 0.7}, abs=0.01
    )
    for share, (low, high) in zip(merge["shares"], merge["intervals"], strict=True):
        assert low - 1e-4 <= share <= high + 1e-4 and high - low < 0.05
    assert f"{merge['shares'][0]:.2f} ({merge['intervals'][0][0]:.2f}-" in mixture(merge, ["A"] * 20)


def test_strangers_copies_and_broken_files_are_told(found: dict[str, Any]) -> None:
    assert [found["models"][i]["name"].startswith("<script>") for i in found["alone"]] == [True]
    assert [m["same"] for m in found["models"] if m["same"]] == [["copy.safetensors"]]
    assert [Path(f["path"]).name for f in found["failed"]] == ["broken.safetensors"]


def test_the_document_is_json_without_nan(found: dict[str, Any]) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {"kind", "version", "folder", "alpha", "models", "families", "alone", "failed"} == set(found)


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_holds_names_as_text_and_fetches_nothing(found: dict[str, Any]) -> None:
    seen, text = Tags(), page(found)
    seen.feed(text)
    assert "script" not in seen.tags and not seen.addresses and "\x1b" not in text
    assert any("alert('x')" in t for t in seen.texts), "the name itself is shown"
    assert "svg" in seen.tags and text.count("<rect") == len(found["families"][0]["members"])


def test_the_page_is_written_whole(found: dict[str, Any], tmp_path: Path) -> None:
    path = write_page(tmp_path / "new" / "page.html", found)
    assert path.read_text(encoding="utf-8") == page(found)


def test_the_verb_prints_a_tree_or_json(folder: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["lineage", str(folder), "-o", str(tmp_path / "p.html")])
    assert ran.exit_code == 0 and (tmp_path / "p.html").is_file()
    assert "-> pruned.safetensors" in ran.stdout and "\x1b" not in ran.stdout
    ran = CliRunner().invoke(app, ["lineage", str(folder), "--json"])
    assert json.loads(ran.stdout)["kind"] == "whosenet-lineage"


def test_what_is_no_folder_of_models_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        lineage(folder / "base.safetensors")
    with pytest.raises(UnreadableInput, match="no model"):
        lineage(tmp_path)


def test_too_many_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whosenet.lineage.build.MOST", 1)
    for name in "ab":
        save(tmp_path / f"{name}.safetensors", net(1))
    with pytest.raises(UsageError, match="more than 1"):
        lineage(tmp_path)
