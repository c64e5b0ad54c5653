"""Adding, updating, removing, looking up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from whosenet.errors import LibraryError, UsageError
from whosenet.hashes.code import Code
from whosenet.library import ScanLibrary

from .samples import SIGNATURE, make_entry


def test_what_goes_in_comes_out(library: ScanLibrary) -> None:
    entry = make_entry(7, name="seven", licence="MIT", note="line one\nline two")
    assert library.add([entry]).names == ("seven",)
    stored = library.get("seven")
    assert stored is not None and stored.added_at > 1e9
    assert replace(stored, added_at=0.0) == entry
    assert library.known(entry.path) == stored and list(library.entries()) == [stored]
    assert library.search(entry.codes, 1)[0][0].entry == replace(stored, codes=())
    assert (library.get("eight"), library.known("/nowhere")) == (None, None)


def test_a_library_survives_closing(library: ScanLibrary) -> None:
    library.add([make_entry(i) for i in range(3)])
    library.close()
    with ScanLibrary(library.path) as again:
        assert [e.name for e in again.entries()] == ["m0/w.bin", "m1/w.bin", "m2/w.bin"]
        assert len(again) == 3


def test_same_path_same_digest_is_unchanged(library: ScanLibrary) -> None:
    library.add([make_entry(1, note="kept")])
    done = library.add([make_entry(1, mtime_ns=5), make_entry(2)])
    assert (done.outcomes, done.added, done.updated, done.unchanged) == (("unchanged", "added"), 1, 0, 1)
    assert library.unchanged("/models/m1/w.bin", size=101, mtime_ns=5)
    stored = library.get("m1/w.bin")
    assert stored is not None and stored.note == "kept"


def test_same_path_new_digest_replaces_the_codes(library: ScanLibrary) -> None:
    library.add([make_entry(1), make_entry(2)])
    new = make_entry(1, version=1)
    assert library.add([new]).outcomes == ("updated",)
    assert library.search(new.codes, 1)[0][0].distance == 0
    assert library.search(make_entry(1).codes, 1)[0][0].distance > 0
    assert library.groups()[0].models == len(library) == 2


def test_a_new_method_joins_the_codes_of_an_unchanged_file(library: ScanLibrary) -> None:
    old = make_entry(1)
    library.add([old])
    new = replace(old, codes=(Code("next/1", b"z" * 32, 3.0),))
    assert not library.unchanged(old.path, size=old.bytes, mtime_ns=old.mtime_ns, signature="next/1")
    assert library.add([new]).outcomes == ("updated",)
    stored = library.known(old.path)
    assert stored is not None and stored.codes == (*old.codes, *new.codes)
    assert library.unchanged(old.path, size=old.bytes, mtime_ns=old.mtime_ns, signature="next/1")


def test_unchanged_looks_at_size_time_or_digest(library: ScanLibrary) -> None:
    entry = make_entry(1)
    library.add([entry])
    assert library.unchanged(entry.path, size=entry.bytes, mtime_ns=entry.mtime_ns)
    assert not library.unchanged(entry.path, size=entry.bytes, mtime_ns=1)
    assert not library.unchanged(entry.path, size=1, mtime_ns=entry.mtime_ns)
    assert library.unchanged(entry.path, size=1, mtime_ns=1, digest=entry.digest)
    assert not library.unchanged(entry.path, size=entry.bytes, mtime_ns=entry.mtime_ns, digest="0" * 64)
    assert not library.unchanged("/models/m2/w.bin", size=entry.bytes, mtime_ns=entry.mtime_ns)


def test_names_are_unique(library: ScanLibrary) -> None:
    done = library.add([make_entry(i, name="net") for i in range(3)])
    assert done.names == ("net", "net~2", "net~3")
    assert library.add([make_entry(1, name="net")]).outcomes == ("unchanged",)
    assert library.add([make_entry(1, name="other")]).names == ("other",)


def test_details_given_later_are_an_update(library: ScanLibrary) -> None:
    library.add([make_entry(1)])
    assert library.add([make_entry(1, licence="GPL-3.0")]).outcomes == ("updated",)
    assert library.search(make_entry(1).codes, 1)[0][0].entry.licence == "GPL-3.0"
    assert library.groups()[0].models == 1


def test_remove_is_all_or_nothing(library: ScanLibrary) -> None:
    library.add([make_entry(1), make_entry(2)])
    with pytest.raises(LibraryError, match="no model called 'm9/w.bin'; nothing was removed"):
        library.remove(["m1/w.bin", "m9/w.bin"])
    assert len(library) == 2
    assert library.remove(["m1/w.bin", "m1/w.bin"]) == 1
    assert [hit.entry.name for hit in library.search(make_entry(1).codes, 5)[0]] == ["m2/w.bin"]


def test_paths_need_not_be_unicode(library: ScanLibrary) -> None:
    path = b"/models/caf\xe9/\xff.bin".decode("utf-8", "surrogateescape")
    (name,) = library.add([replace(make_entry(1), path=path)]).names
    name.encode()
    stored = library.known(path)
    assert stored is not None and stored.path == path and library.get(name) == stored


@pytest.mark.parametrize("change", [
    {"path": ""}, {"path": "a\0b"}, {"digest": "ab"}, {"digest": "Z" * 64}, {"bytes": 1 << 63}, {"codes": ()},
    {"codes": (Code(SIGNATURE, b"", 1.0),)}, {"codes": (Code(SIGNATURE, b"1", float("nan")),)},
    {"codes": (Code(SIGNATURE, b"1", 1.0), Code(SIGNATURE, b"2", 1.0))},
])  # fmt: skip
def test_senseless_entries_are_refused(library: ScanLibrary, change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        library.add([make_entry(1), replace(make_entry(2), **change)])  # type: ignore[arg-type]
    assert len(library) == 0


def test_numpy_numbers_are_numbers(library: ScanLibrary) -> None:
    code = Code(SIGNATURE, b"12345678", np.float32(3.5))  # type: ignore[arg-type]
    library.add([replace(make_entry(1), tensors=np.int64(4), codes=(code,))])  # type: ignore[arg-type]
    (hit,) = library.search([code], 1)[0]
    assert (hit.entry.tensors, hit.code.m_eff) == (4, 3.5)


def test_a_closed_library_says_so(library: ScanLibrary) -> None:
    library.close()
    library.close()
    with pytest.raises(UsageError, match="closed"):
        library.groups()


def test_a_path_twice_in_a_batch_is_refused(library: ScanLibrary) -> None:
    with pytest.raises(UsageError, match="twice"):
        library.add([make_entry(1), make_entry(1)])
