"""A key: everything derived from it is fixed for ever, and nothing secret shows."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import traceback
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import SECRET, SIGNING, fixed, hides

from whosenet.errors import UsageError, WhosenetWarning
from whosenet.keys.key import Key, load, load_public, mint, save, save_public, verify_signature


def test_old_keys_keep_working() -> None:
    """Goldens: a change here orphans every key and every mark there is."""
    key = fixed(method={"watermark": "deephiding", "patterns": 8})
    assert (
        key.public_key.hex() == "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
    )  # of 32 zero bytes, as everywhere
    assert key.commitment == "f9d0a4723219345c9261cefb1baec1ec90e79e9b0db6b7899a614ca375d46911"
    assert key.derive("pattern/0").hex() == "e9e4e362e680baa790424c43b77243a175298123989cf59cd60103abab103cb1"
    assert [key.target(i, 10) for i in range(8)] == [1, 8, 6, 0, 4, 0, 6, 4]
    assert key.generator("covers").integers(0, 1000, 6).tolist() == [142, 632, 408, 504, 628, 690]
    assert key.sign(b"hello").hex()[:32] == "e25c8723d039fe8f45d6c9d6a8917fa9"


def test_derivation_is_hkdf_of_rfc_5869_by_the_published_rule() -> None:
    import hmac

    key = fixed()
    salt = sha256(b"whosenet/identity/1/" + key.identity.encode()).digest() + key.public_key
    extracted = hmac.digest(salt, SECRET, "sha256")
    assert key.derive("x") == hmac.digest(extracted, b"whosenet/prove/1/x\x01", "sha256")
    assert key.derive("x", 16) == key.derive("x")[:16] and len(key.derive("x", 1000)) == 1000


def test_two_mints_share_nothing() -> None:
    a, b = mint("Acme"), mint("Acme")
    assert a.secret != b.secret and a.signing != b.signing and a.commitment != b.commitment
    assert a.derive("x") != b.derive("x") and a.derive("x") != a.derive("y")
    assert fixed().derive("x") != fixed(identity="Acme2").derive("x")


def test_the_commitment_binds_name_keys_secret_logo_and_method() -> None:
    key = fixed(logo=np.zeros((4, 6, 3), np.uint8))
    others = [
        fixed(), fixed(logo=np.zeros((6, 4, 3), np.uint8)), replace(key, identity="Acme Inc"),
        replace(key, secret=b"\2" * 32), replace(key, method={"watermark": "deephiding", "patterns": 9}),
        mint("Acme", secret=SECRET, signing=b"\3" * 32, logo=np.zeros((4, 6, 3), np.uint8)),
    ]  # fmt: skip
    assert len({key.commitment, *(o.commitment for o in others)}) == 7
    free = replace(key, note="for the beta", licence_of="resnet", created="2026-01-31")
    assert free.commitment == key.commitment


def test_the_method_is_a_copy_of_its_own() -> None:
    method = {"hiding": {"digest": "ab"}}
    key = fixed(method=method)
    method["hiding"]["digest"] = "cd"
    assert key.method == {"hiding": {"digest": "ab"}}


@given(st.integers(2, 2000), st.integers(0, 1000))
def test_a_target_is_a_class(classes: int, pattern: int) -> None:
    assert 0 <= fixed().target(pattern, classes) < classes


def test_targets_are_uniform() -> None:
    key = fixed()
    counts = np.bincount([key.target(i, 7) for i in range(7000)], minlength=7)
    assert ((counts - 1000) ** 2 / 1000).sum() < 22.5  # chi-square with 6 degrees of freedom, p = 0.001


def test_the_generator_follows_key_and_purpose() -> None:
    key = fixed()
    assert np.array_equal(key.generator("a").random(5), fixed().generator("a").random(5))
    assert not np.array_equal(key.generator("a").random(5), key.generator("b").random(5))


def test_signatures() -> None:
    key = fixed()
    signature = key.sign(b"message")
    assert verify_signature(key.public_key, b"message", signature)
    assert not verify_signature(key.public_key, b"message.", signature)
    assert not verify_signature(mint("Acme").public_key, b"message", signature)
    assert not verify_signature(b"short", b"message", signature)
    assert not verify_signature(key.public_key, b"message", b"")


def test_a_judges_copy_derives_and_does_not_sign(tmp_path: Path) -> None:
    key = fixed()
    save(key.for_judge(), tmp_path / "evidence")
    judge = load(tmp_path / "evidence")
    assert judge.commitment == key.commitment and judge.derive("x") == key.derive("x")
    assert SIGNING not in (tmp_path / "evidence").read_bytes()
    with pytest.raises(UsageError, match="judge's copy"):
        judge.sign(b"x")
    with pytest.raises(UsageError, match="judge's copy"):
        save_public(judge, tmp_path / "public")


@pytest.mark.parametrize("logo", [None, np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)])
def test_round_trip(tmp_path: Path, logo: np.ndarray | None) -> None:
    key = fixed(logo=logo, created="2026-01-31", licence_of="resnet", note="two\nlines")
    save(key, tmp_path / "k")
    found = load(tmp_path / "k")
    names = ("identity", "public_key", "secret", "signing", "method", "created", "licence_of", "note", "commitment")
    assert all(getattr(found, n) == getattr(key, n) for n in names)
    assert (found.logo is None) if logo is None else np.array_equal(found.logo, logo)
    assert load_public(save_public(key, tmp_path / "p")) == key.public


def test_same_key_same_bytes(tmp_path: Path) -> None:
    save(fixed(), tmp_path / "a")
    save(load(tmp_path / "a"), tmp_path / "b")
    save_public(fixed(), tmp_path / "c")
    save_public(load_public(tmp_path / "c"), tmp_path / "d")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "c").read_bytes() == (tmp_path / "d").read_bytes()


def test_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save(fixed(), tmp_path / "k")
        save_public(fixed(), tmp_path / "p")
    finally:
        os.umask(before)
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "p").stat().st_mode & 0o777 == 0o666
    (tmp_path / "k").chmod(0o640)
    with pytest.warns(WhosenetWarning, match="chmod 600"):
        load(tmp_path / "k")


def test_a_key_is_not_overwritten(tmp_path: Path) -> None:
    save(fixed(), tmp_path / "k")
    with pytest.raises(UsageError, match="exists"):
        save(mint("Other"), tmp_path / "k")
    assert load(tmp_path / "k").commitment == fixed().commitment
    save(mint("Other"), tmp_path / "k", force=True)
    assert load(tmp_path / "k").identity == "Other"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["k"]


def test_nothing_secret_shows(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    key = fixed(logo=np.full((5, 5, 3), 77, np.uint8))
    said = [repr(key), str(key), f"{key}", f"{key!r:>200}", repr([key]), repr(vars(key)), repr(key.public),
            f"{key.secret} {key.secret!r} {key.secret:>80}", str(key.signing), repr(replace(key, note="x")),
            json.dumps({"key": key}, default=repr)]  # fmt: skip
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").warning("%s %r", key, key.secret)
    said.append(caplog.text)
    try:
        key.target(0, 1)
    except UsageError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        said.append("".join(shown.format()))
    assert "key = Key('Acme'" in said[-1] and "self" in said[-1]
    save_public(key, tmp_path / "p")
    said.append((tmp_path / "p").read_text("latin-1"))
    assert all(hides(text) for text in said)
    assert "77" not in repr(key) and key.commitment in repr(key)


def test_what_hides_the_secret_can_tell() -> None:
    assert not hides(repr(SECRET)) and not hides(f"x{SIGNING.hex()}") and not hides(str(list(SECRET)))


def test_a_key_is_not_pickled() -> None:
    for value in (fixed(), fixed().secret, {"key": fixed()}):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(value)
    key = fixed()
    assert copy.deepcopy({"key": key})["key"] is key and copy.copy(key) is key


@pytest.mark.parametrize("change", [
    {"secret": b"x"}, {"signing": b"\7" * 32}, {"public_key": b""}, {"identity": " Acme"}, {"identity": ""},
    {"method": {"x": float("nan")}}, {"method": {"x": "y" * 70_000}}, {"method": {"x": {1}}}, {"note": "x" * 3000},
    {"created": "yesterday"}, {"created": "20260131"}, {"logo": np.zeros((300, 2, 3), np.uint8)},
    {"logo": np.zeros((2, 2), np.uint8)}, {"logo": np.zeros((2, 2, 3))}, {"logo": np.zeros((0, 2, 3), np.uint8)},
    {"secret": None}, {"note": 7},
])  # fmt: skip
def test_a_key_that_makes_no_sense_is_not_made(change: dict[str, object]) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (each has its own text)
        replace(fixed(), **change)  # type: ignore[arg-type]
    assert hides(str(error.value))


def test_mint_says_what_is_wrong() -> None:
    for wrong in ({"secret": b"x"}, {"signing": b"x"}, {"created": "yesterday"}, {"method": {"x": {1}}}):
        with pytest.raises(UsageError, match="no key can be made"):
            mint("Acme", **wrong)  # type: ignore[arg-type]
    key = fixed()
    with pytest.raises(UsageError):
        key.target(0, 1)
    with pytest.raises(UsageError):
        key.derive("")


def test_a_large_logo_is_made_smaller() -> None:
    key: Key = mint("Acme", logo=np.zeros((1024, 100, 3), np.uint8))
    assert key.logo is not None and key.logo.shape == (256, 25, 3)
    assert not key.logo.flags.writeable
