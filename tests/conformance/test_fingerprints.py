"""Laws of every fingerprint, found by walking the registry."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fingerprints import small  # noqa: E402

from whosenet import registry  # noqa: E402
from whosenet.errors import UsageError  # noqa: E402
from whosenet.fingerprints.base import Fingerprint  # noqa: E402
from whosenet.fingerprints.transport import journeys  # noqa: E402
from whosenet.networks.predict import logits, probabilities  # noqa: E402
from whosenet.networks.spec import digest_of  # noqa: E402
from whosenet.questions import queryset  # noqa: E402
from whosenet.questions.queryset import QuerySet  # noqa: E402

POINTS = 20
every_fingerprint = pytest.mark.parametrize("name", registry.names("fingerprint"))


def make(name: str, seed: int = 0, points: int = POINTS) -> QuerySet:
    method: Fingerprint = registry.load("fingerprint", name)()
    copies = [("ftal", small.tuned()), ("extract", small.extracted())]
    return method.make(small.owner(), small.images(), small.twins()[:3], points=points, seed=seed, copies=copies)


@cache
def made(name: str) -> QuerySet:
    return make(name)


@every_fingerprint
def test_the_same_seed_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    made(name).save(tmp_path / "a")
    make(name).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert make(name, seed=1).digest != made(name).digest


@every_fingerprint
def test_as_many_questions_as_asked_for_a_tenth_of_them_controls(name: str) -> None:
    questions = made(name)
    assert len(questions) == POINTS and questions.control.sum() == 2
    assert np.flatnonzero(questions.control).tolist() == [0, POINTS // 2]


@every_fingerprint
def test_controls_are_clean_images_that_everybody_who_chose_gets_right(name: str) -> None:
    questions, images = made(name), small.images()
    for x, y in zip(questions.images[questions.control], questions.expected[questions.control], strict=True):
        same = np.flatnonzero((images.x == x).all((1, 2, 3)))
        assert len(same) and images.y[same[0]] == y
        assert all(logits(n.module, x[None]).argmax() == y for n in (small.owner(), *small.twins()[:3]))


@every_fingerprint
def test_every_answer_on_record_is_what_the_network_says_of_the_stored_pixels(name: str) -> None:
    questions = made(name)
    said = probabilities(small.owner().module, questions.images)
    assert (said.argmax(1) == questions.expected).all()
    assert np.allclose(said, questions.probabilities, atol=1e-6)
    for i, net in enumerate((small.tuned(), small.extracted())):
        assert questions.copies.digests[i] == net.digest
        assert (logits(net.module, questions.images).argmax(1) == questions.copies.labels[i]).all()


@every_fingerprint
def test_no_question_is_asked_twice(name: str) -> None:
    assert len({x.tobytes() for x in made(name).images}) == POINTS


@every_fingerprint
def test_it_says_what_made_it(name: str, tmp_path: Path) -> None:
    questions = made(name)
    method = registry.load("fingerprint", name)
    assert questions.method == name and questions.score == method.score
    assert questions.owner == small.owner().digest and questions.data == small.images().digest
    assert questions.chosen_by == tuple(n.digest for n in small.twins()[:3])
    said = json.loads(json.dumps(questions.parameters))
    assert said.pop("architecture") and 0 <= said.pop("accuracy") <= 1
    assert said == {**method().parameters, "points": POINTS, "seed": 0}
    questions.save(tmp_path / "f")
    assert queryset.load(tmp_path / "f").digest == questions.digest


@every_fingerprint
def test_nothing_it_was_given_is_changed(name: str) -> None:
    nets = [small.owner(), *small.twins()[:3], small.tuned(), small.extracted()]
    flags = [[(p.requires_grad, p.grad is None) for p in n.module.parameters()] for n in nets]
    pixels, state = small.images().x.copy(), torch.get_rng_state()
    make(name)
    assert [digest_of(n.module) for n in nets] == [n.digest for n in nets]
    assert [[(p.requires_grad, p.grad is None) for p in n.module.parameters()] for n in nets] == flags
    assert not any(n.module.training for n in nets)
    assert (small.images().x == pixels).all() and torch.equal(torch.get_rng_state(), state)


@every_fingerprint
def test_points_survive_the_way_to_a_service_where_that_is_promised(name: str) -> None:
    questions = made(name)
    if not registry.load("fingerprint", name).survives:
        pytest.skip("not promised")
    points = questions.images[~questions.control]
    for way, arrived in journeys(points).items():
        said = logits(small.owner().module, arrived).argmax(1)
        assert (said == questions.expected[~questions.control]).all(), way


@every_fingerprint
def test_the_owner_passes_its_own_test(name: str) -> None:
    again = copy.deepcopy(small.owner().module)
    assert (logits(again, made(name).images).argmax(1) == made(name).expected).all()


@every_fingerprint
def test_an_unknown_parameter_is_named(name: str) -> None:
    with pytest.raises(UsageError, match="no parameter 'bogus'"):
        registry.load("fingerprint", name)(bogus=1)


@every_fingerprint
def test_without_references_it_works_or_says_that_it_needs_them(name: str) -> None:
    try:
        questions = registry.load("fingerprint", name)().make(small.owner(), small.images(), points=POINTS)
    except UsageError as error:
        assert "reference" in str(error)
    else:
        assert len(questions) == POINTS and questions.chosen_by == ()
