"""probe as a flow: who may be a reference, what is kept, what is refused, and that nobody honest is accused for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import world

from whosenet.errors import SuspectUnreachable, UnreadableInput, UsageError
from whosenet.judging import judge, own_kind
from whosenet.probing.asking import ask_references, probe
from whosenet.probing.making import load_references
from whosenet.questions import queryset, transcript
from whosenet.suspects.open import open_suspect

ALPHA = 1e-3


def ask(made: world.World, fingerprint: Path, suspect: str, references: tuple[str, ...] | None = None, **more):  # type: ignore[no-untyped-def]
    null = made.twins[4:16] if references is None else references
    with open_suspect(suspect) as opened:
        return probe(opened, queryset.load(fingerprint), load_references(null), alpha=ALPHA, **more)


def test_owner_and_stranger(made: world.World, fingerprint: Path) -> None:
    same, other = ask(made, fingerprint, made.owner).judgement, ask(made, fingerprint, made.twins[17]).judgement
    assert same.scores["label"] == 1 and same.verdict != "independent" and same.queries == 30 and same.references == 12
    assert other.verdict != "derived" and other.p_value > same.p_value


@pytest.mark.parametrize("who", ["chooser", "owner", "suspect", "copy"])
def test_who_can_be_no_null(made: world.World, fingerprint: Path, who: str) -> None:
    copy = f"{made.owner.partition('@')[0]}@{fingerprint}.copies/ftal/weights.safetensors"
    guilty = {"chooser": made.twins[0], "owner": made.owner, "suspect": made.twins[17], "copy": copy}[who]
    with pytest.raises(UsageError, match="--reference"):
        ask(made, fingerprint, made.twins[17], (*made.twins[4:15], guilty))


def test_a_reference_counts_once(made: world.World) -> None:
    with pytest.raises(UsageError, match="give others"):
        load_references((made.twins[1], made.twins[2], made.twins[1]))


def test_too_few_references(made: world.World, fingerprint: Path) -> None:
    for count in (0, 3, 9):
        found = ask(made, fingerprint, made.owner, made.twins[4 : 4 + count]).judgement
        assert found.verdict == "inconclusive" and found.references_needed >= 10 - count and found.reasons


def test_judged_again_offline_it_is_the_same(made: world.World, fingerprint: Path, tmp_path: Path) -> None:
    for sequential in (False, True):
        path = tmp_path / f"t{sequential}"
        first = ask(made, fingerprint, made.twins[17], transcript=path, sequential=sequential)
        again = judge(transcript.read(path).evidence, alpha=ALPHA, sequential=sequential)
        assert (again.verdict, again.queries) == (first.judgement.verdict, first.judgement.queries)
        assert again.reasons == first.judgement.reasons
        assert again.references_needed == first.judgement.references_needed
        assert again.log10_p == pytest.approx(first.judgement.log10_p, abs=1e-4)


def test_references_of_another_architecture_accuse_nobody(made: world.World, fingerprint: Path) -> None:
    questions, told = queryset.load(fingerprint), []
    null = ask_references(questions, load_references(made.twins[4:16]))
    assert {kind.architecture for kind in null.kinds} == {questions.kind.architecture}
    gap = (questions.kind.accuracy or 0) - float(np.mean([kind.accuracy or 0 for kind in null.kinds]))
    assert abs(gap) < 0.1 and not own_kind.shortage(questions.kind, null).why
    others = (*made.others, *made.twins[4:12])
    found = ask(made, fingerprint, made.owner, others, on_note=told.append).judgement
    assert found.verdict == "inconclusive" and found.references == 12 and found.references_needed >= 2
    assert len(told) == 1 and "8 of the 12 references are known to be of the owner's architecture" in told[0]


def test_a_fingerprint_that_says_nothing_of_its_owner_accuses_nobody(
    made: world.World, fingerprint: Path, tmp_path: Path
) -> None:
    questions = queryset.load(fingerprint)
    old = {key: value for key, value in questions.parameters.items() if key not in ("architecture", "accuracy")}
    replace(questions, parameters=old, yardstick=queryset.no_yardstick()).save(tmp_path / "old")
    told: list[str] = []
    found = ask(made, tmp_path / "old", made.owner, on_note=told.append).judgement
    assert found.verdict == "inconclusive" and "make the fingerprint again" in told[0]


def test_a_budget_is_kept_and_more_can_be_asked_later(made: world.World, fingerprint: Path, tmp_path: Path) -> None:
    part = ask(made, fingerprint, made.twins[17], transcript=tmp_path / "t", budget=12)
    assert part.judgement.queries == 12 and part.tally.spent == 12
    rest = ask(made, fingerprint, made.twins[17], transcript=tmp_path / "t")
    assert rest.judgement.queries == 30 and rest.tally.spent == 18 and rest.tally.resumed == 12


def test_the_transcript_belongs_to_one_trial(made: world.World, fingerprint: Path, tmp_path: Path) -> None:
    ask(made, fingerprint, made.twins[17], transcript=tmp_path / "t")
    with pytest.raises(UsageError, match="--transcript"):
        ask(made, fingerprint, made.twins[16], transcript=tmp_path / "t")
    with pytest.raises(UsageError, match="--transcript"):
        ask(made, fingerprint, made.twins[17], transcript=tmp_path / "t", labels_only=True)


def test_labels_only_hides_the_other_scores(made: world.World, fingerprint: Path) -> None:
    scores = ask(made, fingerprint, made.owner, labels_only=True).judgement.scores
    assert scores["label"] == 1 and scores["probability"] is None


@pytest.mark.parametrize("factory", ["five", "larger"])
def test_suspects_that_do_not_fit_are_never_accused(made: world.World, fingerprint: Path, factory: str) -> None:
    from whosenet.networks.save import save_weights
    from whosenet.networks.spec import Spec, fresh

    code = made.folder / "net.py"
    path = save_weights(fresh(Spec(str(code), factory, None)), made.folder / f"{factory}.safetensors")
    try:
        found = ask(made, fingerprint, f"{code}:{factory}@{path}").judgement
    except (UsageError, SuspectUnreachable) as error:
        assert len(str(error)) > 20
    else:
        assert found.verdict == "inconclusive" and found.reasons


def test_a_reference_of_other_classes_is_named(made: world.World, fingerprint: Path) -> None:
    from whosenet.networks.save import save_weights
    from whosenet.networks.spec import Spec, fresh

    code = made.folder / "net.py"
    path = save_weights(fresh(Spec(str(code), "five", None)), made.folder / "five2.safetensors")
    with pytest.raises(UsageError, match="5 classes, the fingerprint 4"):
        ask(made, fingerprint, made.owner, (*made.twins[4:15], f"{code}:five@{path}"))


def test_wrongly_fed_suspects_are_no_culprits(made: world.World, fingerprint: Path) -> None:
    """A constant answer that happens to agree much: the controls tell."""
    from whosenet.probing.asking import evidence_of
    from whosenet.questions.answers import Answers
    from whosenet.suspects.reply import Asked

    questions = queryset.load(fingerprint)
    labels = np.where(questions.control, (questions.expected + 1) % 4, questions.expected)
    answers = Asked(labels, None, (), np.arange(len(questions)))
    evidence = evidence_of(questions, ask_references(questions, load_references(made.twins[4:16])), answers)
    found = judge(evidence, alpha=ALPHA)
    assert isinstance(answers, Answers) and found.verdict == "inconclusive" and found.control_accuracy == 0


def test_an_altered_fingerprint_is_refused(made: world.World, fingerprint: Path, tmp_path: Path) -> None:
    data = bytearray(fingerprint.read_bytes())
    data[-100] ^= 255
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(UnreadableInput, match="changed"):
        ask(made, tmp_path / "f", made.owner)


def test_noisy_copies_of_one_network_are_no_null(made: world.World, fingerprint: Path) -> None:
    import torch

    from whosenet.networks.save import save_weights

    code = made.owner.partition("@")[0]
    first = load_references(made.twins[4:5])[0]
    specs = list(made.twins[4:5])
    for i in range(11):
        with torch.no_grad():
            for tensor in first.module.parameters():
                tensor.mul_(1 + 1e-5)
        specs.append(f"{code}@{save_weights(first.module, made.folder / f'noisy{i}.safetensors')}")
    with pytest.raises(UsageError, match="as only copies do"):
        ask(made, fingerprint, made.twins[17], tuple(specs))
