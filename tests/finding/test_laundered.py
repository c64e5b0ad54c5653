"""find: copies whose units were permuted and rescaled are named by the second code, and strangers are not."""

from __future__ import annotations

from pathlib import Path

import nets
import pytest

from whosenet.finding.add import add
from whosenet.finding.search import FindReport, find
from whosenet.library import ScanLibrary

OTHERS = 6


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("laundered")
    for i in range(OTHERS):
        nets.save(folder / "hub" / f"m{i}.safetensors", nets.net(i))
    add(folder / "lib", [folder / "hub"], jobs=1)
    return folder


def ask(library: Path, suspect: Path, **options: object) -> FindReport:
    with ScanLibrary(library) as lib:
        (report,) = find([suspect], lib, **options)  # type: ignore[arg-type]
    assert isinstance(report, FindReport)
    return report


def test_a_permuted_and_rescaled_copy_is_named_by_the_second_code_alone(hub: Path) -> None:
    thief = nets.rearranged(nets.net(3))
    best = ask(hub / "lib", nets.save(hub / "s.safetensors", thief)).matches[0]
    assert best.path.endswith("m3.safetensors") and best.verdict == "derived"
    assert best.matched_by == ["invariant"] and best.distance == 0 and best.method.startswith("invariant/")


def test_and_so_is_one_pruned_before_or_rounded_after(hub: Path) -> None:
    for thief in (nets.rearranged(nets.pruned(nets.net(3), 0.5)), nets.int8(nets.rearranged(nets.net(3), scale=0))):
        best = ask(hub / "lib", nets.save(hub / "s.safetensors", thief)).matches[0]
        assert best.path.endswith("m3.safetensors") and best.matched_by == ["invariant"]


def test_a_stranger_is_accused_by_neither(hub: Path) -> None:
    report = ask(hub / "lib", nets.save(hub / "s.safetensors", nets.net(100)))
    assert all(m.verdict != "derived" and not m.matched_by for m in report.matches)
    assert report.comparisons == 2 * report.searched == 2 * OTHERS and report.without == {}


def test_a_library_without_the_second_code_opens_and_gains_it_by_adding_again(hub: Path, tmp_path: Path) -> None:
    add(tmp_path / "lib", [hub / "hub"], jobs=1, method="nts")
    thief = nets.save(tmp_path / "s.safetensors", nets.rearranged(nets.net(3)))
    old = ask(tmp_path / "lib", thief)
    assert old.comparisons == OTHERS and all(m.verdict == "inconclusive" for m in old.matches)
    assert add(tmp_path / "lib", [hub / "hub"], jobs=1).updated == OTHERS
    assert add(tmp_path / "lib", [hub / "hub"], jobs=1).unchanged == OTHERS
    assert ask(tmp_path / "lib", thief).matches[0].matched_by == ["invariant"]


def test_a_suspect_too_small_for_the_second_code_is_searched_by_the_first_and_told(hub: Path, tmp_path: Path) -> None:
    small = {"a": (4000, 6), "b": (7, 6, 7, 7), "c": (6, 500)}
    nets.save(tmp_path / "hub" / "small.safetensors", nets.net(9, small))
    add(tmp_path / "lib", [hub / "hub", tmp_path / "hub"], jobs=1)
    report = ask(tmp_path / "lib", nets.save(tmp_path / "s.safetensors", nets.noisy(nets.net(9, small), 0.01)))
    assert report.matches[0].matched_by == ["nts"] and list(report.without) == ["invariant/1"]
    assert add(tmp_path / "lib", [hub / "hub", tmp_path / "hub"], jobs=1).unchanged == OTHERS + 1


def test_a_base_is_discounted_in_both_codes(hub: Path, tmp_path: Path) -> None:
    base = nets.net(60)
    path = nets.save(tmp_path / "base.safetensors", base)
    nets.save(tmp_path / "tuned" / "theirs.safetensors", nets.noisy(base, 0.15, 1))
    add(tmp_path / "lib", [tmp_path / "tuned", hub / "hub"], jobs=1)
    sibling = nets.save(tmp_path / "sibling.safetensors", nets.noisy(base, 0.15, 2))
    assert ask(tmp_path / "lib", sibling).matches[0].verdict == "derived"
    assert all(m.verdict != "derived" for m in ask(tmp_path / "lib", sibling, base=[path]).matches)
