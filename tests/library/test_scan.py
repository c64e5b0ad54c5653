"""The scan against an oracle in NumPy: distances by unpackbits, ties by the order of adding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from whosenet.errors import LibraryError, UsageError
from whosenet.hashes.code import Code
from whosenet.library import ScanLibrary, compact

from .samples import SIGNATURE, make_entry


def distances(query: bytes, rows: list[bytes]) -> NDArray[np.int64]:
    """int64 [rows]: the slow and obvious way."""
    table = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
    return np.unpackbits(table ^ np.frombuffer(query, np.uint8), axis=1).sum(axis=1, dtype=np.int64)


def nearest(query: bytes, rows: list[bytes], k: int) -> list[tuple[int, bytes]]:
    far = distances(query, rows)
    return [(int(far[i]), rows[i]) for i in np.argsort(far, kind="stable")[:k]]


def few(rng: np.random.Generator, count: int, width: int) -> list[bytes]:
    """Codes with only a few bits set, so that most distances are ties."""
    return [bytes(row) for row in (rng.random((count, width)) < 0.2).astype(np.uint8)]


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    width=st.sampled_from([1, 8, 20, 32, 128]),
    k=st.integers(1, 80),
    batch=st.integers(1, 40),
)
def test_search_equals_the_oracle(
    tmp_path_factory: pytest.TempPathFactory, seed: int, width: int, k: int, batch: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = few(rng, 60, width)
    removed = set(rng.choice(60, 20, replace=False).tolist())
    left = [i for i in range(60) if i not in removed]
    queries = few(rng, 3, width) + [codes[left[0]]]
    with ScanLibrary(tmp_path_factory.mktemp("lib"), create=True) as library:
        assert library.bulk_add((make_entry(i, code) for i, code in enumerate(codes)), batch=batch) == 60
        library.remove([f"m{i}/w.bin" for i in removed])
        found = library.search([Code(SIGNATURE, q, 9.0) for q in queries], k)
        for query, hits in zip(queries, found, strict=True):
            assert [(h.distance, h.code.data) for h in hits] == nearest(query, [codes[i] for i in left], k)
            order = [(h.distance, int(h.entry.path[9:].split("/")[0])) for h in hits]
            assert order == sorted(order)
        far = distances(queries[0], [codes[i] for i in left])
        query = Code(SIGNATURE, queries[0], 9.0)
        assert library.histogram(query).tolist() == np.bincount(far, minlength=8 * width + 1).tolist()
        assert library.within(query, 2) == [hit for hit in library.search([query], 60)[0] if hit.distance <= 2]


def test_search_sees_rows_added_after_it_mapped_the_file(library: ScanLibrary) -> None:
    for number in range(5):
        library.add([make_entry(number)])
        for i in range(number + 1):
            (hit,) = library.search([make_entry(i).codes[0]], 1)[0]
            assert (hit.distance, hit.entry.name, hit.code) == (0, f"m{i}/w.bin", make_entry(i).codes[0])


def test_empty_library_finds_nothing(library: ScanLibrary) -> None:
    query = make_entry(0).codes[0]
    assert library.search([query, query], 5) == [[], []]
    assert (library.within(query, 64), library.histogram(query).sum(), len(library), library.groups()) == ([], 0, 0, [])
    library.add([make_entry(0)])
    library.remove(["m0/w.bin"])
    assert library.search([query], 5) == [[]]


def test_methods_live_side_by_side(library: ScanLibrary) -> None:
    library.add([make_entry(0), make_entry(1), make_entry(2, b"x" * 32, signature="other/2(x=1)")])
    assert [(g.signature, g.bits, g.models) for g in library.groups()] == [(SIGNATURE, 64, 2), ("other/2(x=1)", 256, 1)]
    mixed = [make_entry(1).codes[0], Code("other/2(x=1)", b"x" * 32, 1.0), make_entry(0).codes[0]]
    assert [hits[0].entry.path for hits in library.search(mixed, 1)] == [f"/models/m{i}/w.bin" for i in (1, 2, 0)]
    with pytest.raises(LibraryError, match=r"holds no codes of new/1.*nts/1\(bits=64\) \(64 bits, 2 models\)"):
        library.search([Code("new/1", b"12345678", 1.0)])
    with pytest.raises(LibraryError, match="holds no codes"):
        library.search([Code(SIGNATURE, b"too long for this group", 1.0)])


@pytest.mark.parametrize("k", [0, -1, 10**7])
def test_a_senseless_k_is_refused(library: ScanLibrary, k: int) -> None:
    with pytest.raises(UsageError, match="give a number"):
        library.search([make_entry(0).codes[0]], k)


def test_compaction_keeps_order_and_other_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "MIN_DEAD", 10)
    with ScanLibrary(tmp_path / "a", create=True) as library, ScanLibrary(tmp_path / "a") as reader:
        library.add([make_entry(i, bytes([i % 3, 0])) for i in range(40)])
        query = Code(SIGNATURE, bytes(2), 1.0)
        before = reader.search([query], 40)[0]
        library.remove([f"m{i}/w.bin" for i in range(0, 40, 2)])
        want = [hit for hit in before if int(hit.entry.path[9:].split("/")[0]) % 2]
        assert library.search([query], 40)[0] == want == reader.search([query], 40)[0]
        assert [file.stat().st_size for file in (tmp_path / "a" / "codes").iterdir()] == [40]
        library.add([make_entry(99, b"\xff\xff")])
        assert reader.search([Code(SIGNATURE, b"\xff\xff", 1.0)], 1)[0][0].entry.name == "m99/w.bin"
