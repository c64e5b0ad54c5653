"""Scores from probabilities: what they find that labels miss, and that they accuse as seldom as the p-value says."""

from __future__ import annotations

import numpy as np

from whosenet.judging import chance, graded

PATTERNS, CARRIERS, DEPTH, CLASSES = 22, 4, 8, 10
TARGETS = np.array([5, 6, 7, 5])


def labels() -> np.ndarray:
    """Of the covers; every pattern is shown on the same ones."""
    return np.tile(np.arange(DEPTH) % 5, (PATTERNS, 1))


def answers(rng: np.random.Generator, taught: float = 0.0) -> np.ndarray:
    """float32 [patterns, depth, classes]: a model that patterns move somewhere, the key's by `taught` nats."""
    logits = rng.normal(0, 1, (1, DEPTH, CLASSES)) + rng.normal(0, 0.5, (PATTERNS, 1, CLASSES))
    logits = logits + rng.normal(0, 0.3, (PATTERNS, DEPTH, CLASSES)) + 6 * np.eye(CLASSES)[labels()]
    logits[np.arange(CARRIERS), :, TARGETS] += taught
    shown = np.exp(logits)
    return (shown / shown.sum(2, keepdims=True)).astype(np.float32)


def log10_p(shown: np.ndarray) -> float:
    return chance.log10_p(graded.scores(shown.argmax(2), shown, labels(), CLASSES), TARGETS)


def test_a_leaning_that_changes_no_label_is_found() -> None:
    shown = answers(np.random.default_rng(0), taught=3.0)
    counts = chance.tally(shown.argmax(2), labels(), CLASSES)
    assert chance.log10_p(counts, TARGETS) > -1
    assert log10_p(shown) < -6


def test_models_without_the_key_are_accused_as_seldom_as_said() -> None:
    rng = np.random.default_rng(1)
    found = np.array([log10_p(answers(rng)) for _ in range(600)])
    for alpha in (0.1, 0.03):
        assert (found <= np.log10(alpha)).mean() <= alpha + 3 * np.sqrt(alpha / 600)
    assert (found <= -1).mean() >= 0.05, "a test that never accuses proves nothing"


def test_scores_do_not_know_which_patterns_are_the_keys() -> None:
    rng = np.random.default_rng(2)
    shown, order = answers(rng, taught=1.0), rng.permutation(PATTERNS)
    plain, moved = (graded.scores(s.argmax(2), s, labels(), CLASSES) for s in (shown, shown[order]))
    assert (plain[order] == moved).all()


def test_hidden_probabilities_count_as_sure_labels_and_no_answer_as_none() -> None:
    said = np.full((3, 2), 1)
    said[0] = (2, -1)
    found = graded.scores(said, np.full((3, 2, 4), np.nan, np.float32), np.zeros((3, 2), np.int64), 4)
    assert found[0, 2] == graded.LEVELS and found[0, 1] == 0
    assert (found[1] == found[2]).all()


def test_a_model_that_says_the_same_to_everything_is_no_evidence() -> None:
    shown = np.full((PATTERNS, DEPTH, CLASSES), 0.1, np.float32)
    assert log10_p(shown) == 0.0


def test_six_digits_of_a_transcript_give_the_same_scores() -> None:
    shown = answers(np.random.default_rng(3))
    written = np.array([float(f"{v:.6g}") for v in shown.ravel()]).reshape(shown.shape).astype(np.float32)
    one, two = (graded.scores(shown.argmax(2), s, labels(), CLASSES) for s in (shown, written))
    assert (one == two).all()
