"""Who gets in, and everything that must not."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.guard.people import NAME, Clock, cover, gate, licensee, shown
from tests.keys.samples import hides
from whosenet.errors import Refused, UsageError
from whosenet.guard.carrier import png_of
from whosenet.guard.challenge import Challenge, signed_text
from whosenet.guard.client import present
from whosenet.guard.gate import BUSY, TOO_OFTEN, Admission, Gate
from whosenet.guard.register import gate_key
from whosenet.keys.key import mint, verify_signature
from whosenet.watermarks.deephiding import DeepHiding


def answered(door: Gate, asked: Challenge, number: int = 0, **other: object) -> Admission:
    given = shown(asked, number)
    parts = {"carrier": given.carrier, "challenge": asked, "signature": given.signature, **other}
    return door.admit(**parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", range(5))
def test_a_licensee_gets_in_under_his_own_name(number: int) -> None:
    door = gate()
    found = answered(door, door.challenge("one"), number)
    assert found.identity == f"Licensee {number}" and not found.refused
    assert found.log10_p is not None and found.log10_p < -6


def test_the_same_answer_twice_is_refused() -> None:
    door = gate()
    asked = door.challenge("one")
    given = shown(asked)
    assert door.admit(given.carrier, asked, given.signature).identity
    assert door.admit(given.carrier, asked, given.signature).refused == "unknown or used challenge"


def test_an_old_carrier_and_signature_do_not_answer_a_new_challenge() -> None:
    door = gate()
    old = shown(door.challenge("one"))
    assert door.admit(old.carrier, door.challenge("one"), old.signature).refused == "wrong signature"


def test_a_pattern_taken_from_a_carrier_is_not_enough() -> None:
    """Whoever saw one carrier and its cover puts the pattern on any image; without the signing key it opens nothing."""
    door = gate()
    seen = shown(door.challenge("one"))
    asked = door.challenge("two")
    thief = present(licensee(99), cover(), asked)
    assert door.admit(seen.carrier, asked, thief.signature).refused == "wrong signature"


def test_a_failed_answer_uses_the_challenge_up() -> None:
    door = gate()
    asked = door.challenge("one")
    assert answered(door, asked, signature=bytes(64)).refused == "wrong signature"
    assert answered(door, asked).refused == "unknown or used challenge"


def test_a_challenge_expires() -> None:
    clock = Clock()
    door = gate(clock=clock, seconds=60.0)
    in_time, late = door.challenge("one"), door.challenge("one")
    clock.now += 59.9
    assert answered(door, in_time).identity
    clock.now += 0.2
    assert answered(door, late).refused == "expired challenge"


@pytest.mark.parametrize(
    "change", [{"session": "two"}, {"purpose": "train"}, {"gate": "another"}, {"expires": 1 << 50}]
)
def test_a_challenge_that_was_changed_is_refused(change: dict[str, object]) -> None:
    door = gate()
    other = replace(door.challenge("one"), **change)  # type: ignore[arg-type]
    given = present(licensee(0), cover(), other, purpose=other.purpose)
    assert door.admit(given.carrier, other, given.signature).refused == "changed challenge"


def test_a_challenge_of_another_gate_is_unknown_and_the_client_does_not_sign_it() -> None:
    asked = Gate([gate_key(licensee(0))], name="another").challenge("one")
    with pytest.raises(UsageError, match="another"):
        shown(asked)
    given = present(licensee(0), cover(), asked)
    assert gate().admit(given.carrier, asked, given.signature).refused == "unknown or used challenge"


def test_a_challenge_serves_only_its_session_purpose_and_caller() -> None:
    door = gate()
    assert answered(door, door.challenge("one"), session="two").refused == "a challenge of another session"
    assert answered(door, door.challenge("one"), session="one").identity
    assert answered(door, door.challenge("one", peer="a"), peer="b").refused.endswith("to another caller")
    asked = door.challenge("one", purpose="train")
    given = present(licensee(0), cover(), asked, purpose="train")
    assert door.admit(given.carrier, asked, given.signature).refused == "a challenge for another purpose"


def test_a_signature_of_another_licensee_is_wrong() -> None:
    door = gate()
    asked = door.challenge("one")
    other = present(licensee(1), cover(), asked)
    mine = shown(asked, 0)
    signature = licensee(1).sign(signed_text(asked, mine.carrier))
    assert signature != other.signature
    assert door.admit(mine.carrier, asked, signature).refused == "wrong signature"


def test_the_signature_is_bound_to_the_carrier() -> None:
    door = gate()
    asked = door.challenge("one")
    another = shown(asked, 0, seed=5).carrier
    assert answered(door, asked, carrier=another).refused == "wrong signature"


def test_unknown_keys_and_plain_pictures_are_unknown() -> None:
    door = gate()
    assert answered(door, door.challenge("one"), 7).refused == "unknown identity"
    draws = np.random.default_rng(0)
    for seed in range(20):
        noise = draws.integers(0, 256, (32, 32, 3)).astype(np.uint8)
        for picture in (noise, cover(seed)):
            asked = door.challenge("one")
            signature = licensee(0).sign(signed_text(asked, png_of(picture)))
            assert door.admit(png_of(picture), asked, signature).refused == "unknown identity"


def test_a_trigger_of_the_marked_model_is_no_carrier_of_the_gate() -> None:
    """The two patterns have nothing in common, so showing oneself at a gate gives no trigger away."""
    door, key = gate(), licensee(0)
    picture = png_of(DeepHiding(key).stamp(cover()[None], np.zeros(1, np.int64))[0])
    asked = door.challenge("one")
    assert door.admit(picture, asked, key.sign(signed_text(asked, picture))).refused == "unknown identity"


def test_jpeg_carriers_of_decent_size_are_read() -> None:
    import io

    from PIL import Image

    door = gate()
    asked = door.challenge("one")
    picture = present(licensee(2), cover(side=128), asked).carrier
    data = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(data, "JPEG", quality=90)
    signature = licensee(2).sign(signed_text(asked, data.getvalue()))
    assert door.admit(data.getvalue(), asked, signature).identity == "Licensee 2"


@pytest.mark.parametrize("broken", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(50), bytes(1000), "cut", "flipped"])
def test_what_is_no_picture_is_refused(broken: bytes | str) -> None:
    door = gate()
    asked = door.challenge("one")
    whole = shown(asked).carrier
    data = {"cut": whole[:200], "flipped": whole[:60] + bytes([whole[60] ^ 255]) + whole[61:]}.get(str(broken), broken)
    assert isinstance(data, bytes)
    found = door.admit(data, asked, licensee(0).sign(signed_text(asked, data)))
    assert found.identity is None and found.told == "refused"


def test_pictures_too_large_or_too_small_are_refused_before_they_are_read() -> None:
    door = gate(max_side=64, max_bytes=20_000)
    for picture, why in ((cover(side=65), "pixels"), (cover(side=4), "tile")):
        asked = door.challenge("one")
        data = png_of(picture)
        assert why in door.admit(data, asked, licensee(0).sign(signed_text(asked, data))).refused
    asked = door.challenge("one")
    assert "bytes" in door.admit(bytes(20_001), asked, bytes(64)).refused


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65)])
def test_malformed_signatures_are_wrong(signature: bytes) -> None:
    door = gate()
    assert answered(door, door.challenge("one"), signature=signature).refused == "wrong signature"


def test_a_stranger_is_told_nothing_about_what_was_wrong() -> None:
    door = gate()
    wrong = answered(door, door.challenge("one"), signature=bytes(64))
    unknown = answered(door, door.challenge("one"), 9)
    assert wrong.told == unknown.told == "refused" and wrong.refused != unknown.refused


def test_one_answer_at_once_from_many_threads_gets_in_once() -> None:
    door = gate(at_once=16)
    asked = door.challenge("one")
    given = shown(asked)
    together = threading.Barrier(8)

    def knock(_: int) -> Admission:
        together.wait()
        return door.admit(given.carrier, asked, given.signature)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(knock, range(8)))
    assert sum(one.identity is not None for one in found) == 1


def test_many_callers_at_once_each_get_in_under_their_own_name() -> None:
    door = gate(at_once=16)

    def visit(number: int) -> str | None:
        return answered(door, door.challenge(f"session {number}"), number % 5).identity

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(visit, range(24))) == [f"Licensee {i % 5}" for i in range(24)]


def test_too_many_readers_leave_the_challenge_good() -> None:
    door = gate(at_once=1)
    asked = door.challenge("one")
    with door._readers:
        assert answered(door, asked).refused == BUSY
    assert answered(door, asked).identity


def test_open_challenges_are_bounded_for_all_and_for_each() -> None:
    clock = Clock()
    door = gate(clock=clock, outstanding=5, outstanding_each=3)
    for _ in range(3):
        door.challenge("one", peer="a")
    with pytest.raises(Refused, match="too many"):
        door.challenge("one", peer="a")
    for _ in range(2):
        door.challenge("one", peer="b")
    with pytest.raises(Refused, match="too many"):
        door.challenge("one", peer="b")
    clock.now += 61
    assert answered(door, door.challenge("one", peer="a"), peer="a").identity


def test_tries_are_counted_for_each_caller_and_come_back_with_time() -> None:
    clock = Clock()
    door = gate(clock=clock, burst=2, per_second=1.0)
    asked = door.challenge("one", peer="a")
    assert answered(door, asked, peer="a").identity
    with pytest.raises(Refused, match="wait"):
        door.challenge("one", peer="a")
    assert answered(door, asked, peer="a").refused == TOO_OFTEN
    door.challenge("one", peer="b")
    clock.now += 1
    door.challenge("one", peer="a")


@pytest.mark.parametrize("session", ["", "x" * 201, "a\nb", None, 5, ["a"]])
def test_a_session_that_is_none(session: object) -> None:
    with pytest.raises(UsageError):
        gate().challenge(session)  # type: ignore[arg-type]


def test_the_log_names_who_came_keeps_no_secret_and_its_signatures_can_be_checked(tmp_path: Path) -> None:
    path = tmp_path / "gate.log"
    door = gate(log=path)
    asked = door.challenge("one")
    given = shown(asked)
    door.admit(given.carrier, asked, given.signature)
    answered(door, door.challenge("one"), 9)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first["event"] == "admitted" and first["identity"] == "Licensee 0"
    assert verify_signature(licensee(0).public_key, first["signed"].encode(), bytes.fromhex(first["signature"]))
    assert second["event"] == "refused" and second["reason"] == "unknown identity" and "identity" not in second
    text = path.read_text()
    assert path.stat().st_mode & 0o077 == 0 and len(text) < 2000
    for secret in (licensee(0).secret, gate_key(licensee(0)).secret, licensee(0).signing, given.carrier):
        assert bytes(secret).hex() not in text
    assert hides(text)


def test_nobody_gets_in_unlogged(tmp_path: Path) -> None:
    door = gate(log=tmp_path / "folder" / "gate.log")
    (tmp_path / "folder" / "gate.log").unlink()
    (tmp_path / "folder").rmdir()
    assert answered(door, door.challenge("one")).identity is None
    with pytest.raises(UsageError, match="cannot be written"):
        gate(log=tmp_path)


def test_a_gate_takes_gate_keys_of_one_kind_alone() -> None:
    with pytest.raises(UsageError, match="gate keys"):
        Gate([licensee(0)])
    with pytest.raises(UsageError, match="at least one"):
        Gate([])
    with pytest.raises(UsageError, match="doubled"):
        Gate([gate_key(licensee(0)), gate_key(licensee(0))])
    with pytest.raises(UsageError, match="hiding pair"):
        Gate([gate_key(mint("A", method={"hiding": "0" * 64}))])


def test_a_gate_key_gives_nothing_of_the_licensees_key_away() -> None:
    key = licensee(0)
    held = gate_key(key)
    assert held.signing == b"" and bytes(held.secret) != bytes(key.secret)
    assert held.identity == key.identity and held.public_key == key.public_key
    assert held.derive("mask/0") != key.derive("mask/0")
    assert gate_key(held).derive("mask/0") == held.derive("mask/0")
    with pytest.raises(UsageError, match="signing"):
        shown_by = Gate([held], name=NAME)
        present(held, cover(), shown_by.challenge("one"))
