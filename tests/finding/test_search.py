"""find: what comes back for a suspect."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import nets
import pytest

from whosenet.errors import LibraryError, UnreadableInput, UsageError
from whosenet.finding.add import add
from whosenet.finding.hashing import hash_file, stored
from whosenet.finding.search import FindReport, corrected, find
from whosenet.library import ScanLibrary

OTHERS = 8


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """m0 .. m7, strangers to each other."""
    for i in range(OTHERS):
        nets.save(tmp_path / "hub" / f"m{i}.safetensors", nets.net(i))
    add(tmp_path / "lib", [tmp_path / "hub"], jobs=1, licence="CC-BY-4.0", note="hub")
    return tmp_path


def ask(folder: Path, *suspects: Path, **options: object) -> list[FindReport | UnreadableInput]:
    with ScanLibrary(folder / "lib") as lib:
        return find(suspects, lib, **options)  # type: ignore[arg-type]


def one(folder: Path, suspect: Path, **options: object) -> FindReport:
    (report,) = ask(folder, suspect, **options)
    assert isinstance(report, FindReport)
    return report


def test_a_copy_is_found_with_its_licence(hub: Path) -> None:
    report = one(hub, nets.save(hub / "s.safetensors", nets.noisy(nets.net(3), 0.05)))
    best = report.matches[0]
    assert report.searched == OTHERS and best.verdict == "derived" and not best.identical
    assert best.path.endswith("m3.safetensors") and (best.licence, best.note) == ("CC-BY-4.0", "hub")
    assert report.comparisons == 2 * OTHERS and best.matched_by == ["nts", "invariant"]
    assert best.log10_p == pytest.approx(best.pair_log10_p + math.log10(2 * OTHERS), abs=0.01) and best.p_value < 1e-6
    assert all(m.verdict != "derived" for m in report.matches[1:])
    assert [m.pair_log10_p for m in report.matches] == sorted(m.pair_log10_p for m in report.matches)


def test_a_stranger_is_cleared(hub: Path) -> None:
    report = one(hub, nets.save(hub / "s.safetensors", nets.net(100)))
    assert {m.verdict for m in report.matches} <= {"independent", "inconclusive"} and len(report.matches) == OTHERS


def test_identical_bytes_come_first(hub: Path) -> None:
    """Even where a re-save has the same code."""
    reordered = nets.save(hub / "hub" / "a-resave.safetensors", dict(reversed(nets.net(5).items())))
    add(hub / "lib", [reordered], jobs=1)
    report = one(hub, nets.save(hub / "s.safetensors", nets.net(5)))
    assert report.matches[0].identical and report.matches[0].path.endswith("m5.safetensors")
    assert [r.name for r in report.matches[0].relatives] == ["hub/a-resave.safetensors"] and report.matches[
        0
    ].relatives_count == 1


def test_ten_siblings_do_not_fill_the_list(hub: Path) -> None:
    for i in range(12):
        nets.save(hub / "family" / f"f{i}.safetensors", nets.noisy(nets.net(50), 0.05, i))
    add(hub / "lib", [hub / "family"], jobs=1)
    report = one(hub, nets.save(hub / "s.safetensors", nets.noisy(nets.net(50), 0.05, 99)), top=5)
    assert len(report.matches) == 5 and report.matches[0].relatives_count == 11
    assert sum("family" in m.path for m in report.matches) == 1


def test_a_large_family_leaves_room_beyond_the_first_rows(hub: Path) -> None:
    for i in range(80):
        nets.save(hub / "family" / f"f{i}.safetensors", nets.noisy(nets.net(50), 0.02, i))
    add(hub / "lib", [hub / "family"], jobs=1)
    report = one(hub, nets.save(hub / "s.safetensors", nets.net(50)), top=4)
    assert len(report.matches) == 4 and report.matches[0].relatives_count == 79
    assert len(report.matches[0].relatives) == 20


def test_several_suspects_in_order_with_the_unreadable_among_them(hub: Path) -> None:
    a = nets.save(hub / "a.safetensors", nets.net(1))
    b = nets.save(hub / "b.safetensors", nets.net(2))
    first, bad, last = ask(hub, a, hub / "missing.pt", b)
    assert isinstance(bad, UnreadableInput) and "missing.pt" in str(bad)
    assert isinstance(first, FindReport) and first.matches[0].path.endswith("m1.safetensors")
    assert isinstance(last, FindReport) and last.matches[0].path.endswith("m2.safetensors")


def test_verify_compares_the_weights(hub: Path) -> None:
    report = one(hub, nets.save(hub / "s.safetensors", nets.pruned(nets.net(3), 0.5)), verify=True)
    assert report.matches[0].comparison is not None
    assert report.matches[0].comparison.verdict == "derived" and report.matches[0].comparison.relation == ["pruned"]
    assert all(m.comparison is None for m in report.matches[1:] if m.pair_log10_p > -3)


def test_verify_does_without_a_file_that_is_gone(hub: Path) -> None:
    suspect = nets.save(hub / "s.safetensors", nets.net(3))
    (hub / "hub" / "m3.safetensors").unlink()
    report = one(hub, suspect, verify=True)
    assert report.matches[0].verdict == "derived" and report.matches[0].comparison is None


@pytest.mark.parametrize("verify", [False, True])
def test_a_public_base_is_discounted(hub: Path, verify: bool) -> None:
    base = nets.net(60)
    path = nets.save(hub / "base.safetensors", base)
    nets.save(hub / "tuned" / "theirs.safetensors", nets.noisy(base, 0.15, 1))
    add(hub / "lib", [hub / "tuned"], jobs=1)
    sibling = nets.save(hub / "sibling.safetensors", nets.noisy(base, 0.15, 2))
    assert one(hub, sibling).matches[0].verdict == "derived"
    found = one(hub, sibling, base=[path], verify=verify)
    assert all(m.verdict != "derived" for m in found.matches)
    assert all(m.comparison is None or m.comparison.verdict != "derived" for m in found.matches)


def test_the_same_numbers_beyond_the_base_convict(hub: Path) -> None:
    """A cast copy of somebody's fine-tune: by --verify, since the codes of a library still contain the base."""
    base = nets.net(60)
    path = nets.save(hub / "base.safetensors", base)
    nets.save(hub / "tuned" / "theirs.safetensors", theirs := nets.noisy(base, 0.15, 1))
    add(hub / "lib", [hub / "tuned"], jobs=1)
    copy = nets.save(hub / "copy.safetensors", nets.half(theirs))
    assert one(hub, copy, base=[path]).matches[0].verdict == "inconclusive"
    best = one(hub, copy, base=[path], verify=True).matches[0]
    assert best.path.endswith("theirs.safetensors") and best.verdict == "derived"
    assert best.comparison is not None and best.comparison.verdict == "derived"


def test_a_forged_code_is_not_convicted_by_verify(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes agree, weights do not: who knows the seeds can craft that."""
    stranger = nets.save(hub / "stranger.safetensors", nets.net(77))
    codes = {m.signature: hash_file(hub / "hub" / "m3.safetensors", [m]).codes for m in stored()}
    monkeypatch.setattr(
        "whosenet.finding.near.hash_file", lambda p, m, **k: replace(hash_file(p, m, **k), codes=codes[m[0].signature])
    )
    assert one(hub, stranger).matches[0].verdict == "derived"
    assert one(hub, stranger, verify=True).matches[0].verdict == "inconclusive"


def test_an_evaded_code_does_not_clear_what_the_weights_convict(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights agree, codes do not: what rearranging and editing a copy can do, or crafting its noise."""
    copy = nets.save(hub / "copy.safetensors", nets.half(nets.net(3)))
    stranger = nets.save(hub / "stranger.safetensors", nets.net(77))
    codes = {m.signature: hash_file(stranger, [m]).codes for m in stored()}
    monkeypatch.setattr(
        "whosenet.finding.near.hash_file", lambda p, m, **k: replace(hash_file(p, m, **k), codes=codes[m[0].signature])
    )
    monkeypatch.setattr("whosenet.finding.search.CANDIDATE", 0.0)
    theirs = next(m for m in one(hub, copy).matches if m.path.endswith("m3.safetensors"))
    assert theirs.verdict == "independent"
    theirs = next(m for m in one(hub, copy, verify=True).matches if m.path.endswith("m3.safetensors"))
    assert theirs.comparison is not None and theirs.comparison.verdict == "derived" and theirs.verdict == "inconclusive"


def test_a_library_of_another_method_still_searches(tmp_path: Path) -> None:
    for i in range(3):
        nets.save(tmp_path / "hub" / f"m{i}.safetensors", nets.net(i))
    add(tmp_path / "lib", [tmp_path / "hub"], jobs=1, method="nts/1(bits=512)")
    report = one(tmp_path, nets.save(tmp_path / "s.safetensors", nets.noisy(nets.net(1), 0.05)))
    assert report.matches[0].verdict == "derived" and report.matches[0].bits == 512
    assert report.matches[0].method == "nts/1(bits=512)"


def test_a_library_of_an_older_version_says_rehash(tmp_path: Path) -> None:
    from whosenet.hashes.code import Code
    from whosenet.library import Entry

    with ScanLibrary(tmp_path / "lib", create=True) as lib:
        lib.add([Entry("/m", "0" * 64, 1, 1, "npz", 2, 3, codes=(Code("nts/0", b"x" * 32, 500.0),))])
    with pytest.raises((UsageError, LibraryError), match="rehash"):
        ask(tmp_path, nets.save(tmp_path / "s.safetensors", nets.net(1)))


def test_an_empty_library_has_no_matches_but_reads_the_suspect(tmp_path: Path) -> None:
    ScanLibrary(tmp_path / "lib", create=True).close()
    assert one(tmp_path, nets.save(tmp_path / "s.safetensors", nets.net(1))).matches == []
    (answer,) = ask(tmp_path, tmp_path / "missing.pt")
    assert isinstance(answer, UnreadableInput)


def test_one_tensor_alone_is_not_called_derived(tmp_path: Path) -> None:
    model = {"w": nets.net(1)["conv3.weight"]}
    nets.save(tmp_path / "hub" / "m.safetensors", model)
    add(tmp_path / "lib", [tmp_path / "hub"], jobs=1)
    report = one(tmp_path, nets.save(tmp_path / "s.safetensors", nets.noisy(model, 0.2)))
    assert report.matches[0].verdict == "inconclusive" and report.matches[0].log10_p < -6


@pytest.mark.parametrize("pair", [0.0, -0.5, -3, -11.9, -12.1, -300])
@pytest.mark.parametrize("searched", [1, 10, 10**7])
def test_the_correction_is_that_of_the_nearest_of_many(pair: float, searched: int) -> None:
    got = corrected(pair, searched)
    assert pair - 1e-12 <= got <= min(0.0, pair + math.log10(searched) + 1e-9)
    exact = -math.expm1(searched * math.log1p(-min(10.0**pair, 1 - 1e-16)))
    if exact > 0:
        assert got == pytest.approx(math.log10(exact), abs=1e-5)
