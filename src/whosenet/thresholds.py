"""Every threshold a verdict of FIND depends on, in one place."""

from __future__ import annotations

ALPHA = 1e-6
"""Default false-match rate of `find` (per suspect, corrected for the library's size) and `compare`."""

INDEPENDENT_P = 0.01
"""A pair is called independent only above this p-value ..."""

POWER = 0.99
"""... and only if a copy by the weakest edit on the list would have been found with this probability."""

WEAKEST_COSINE = 0.75
"""Cosine between a model and the weakest of its listed edits (docs/methods/nts.md, from the development split)."""

WEAKEST_COSINE_LAUNDERED = 0.85
"""The same of the invariant code: rearranged and rounded, or with noise of 5 %. Heavier edits of a rearranged copy are
mostly found, too, but not so surely that a code could clear (docs/methods/invariant.md)."""

MATCHED_SHARE = 0.5
"""Share of both models' weights that must have a tensor of the same shape opposite before 'independent' is said."""

SHARED_START_COSINE = 0.9
"""Below this similarity `shared-start` is named before `fine-tune`. It only orders the two words: gentle trainings from
one start reach 0.96 and more (docs/error-rates.md), so weights that all moved never prove descent by themselves."""

SET_ASIDE = 2
"""So many of the best-matching tensors count for nothing: strangers may share tables nobody trained, and two or three
tensors may be linear maps with one best answer for everybody."""

MIN_TENSORS = SET_ASIDE + 1
"""Fewer tensors than this (but at least two) convict only if they are equal to rounding: no two fits of a model without
hidden layers are. Codes then must not differ by more than NEARLY_EQUAL of their bits."""

NEARLY_EQUAL = 1 / 64

MIN_COVERAGE = 0.2
"""Least share of the weights of one of the two models that must be traced before the pair is called derived ..."""

MIN_COVERAGE_EQUAL = 0.5
"""... or this share, where all that agrees is equal to the bit and the rest denies it (a public table?)."""

COMPARABLE = 0.8
"""A code alone clears only where the numbers of tensors and of weights are within this factor (edits keep both)."""

SAME_BEYOND_BASE = 0.5
"""With a base set aside, units stand in the same places for everybody, and honest fine-tunes on the same data agree
far beyond chance. Only the same numbers (to rounding) in at least this share of what is left of the weights convict."""

HONEST_AGREEMENT = 2.0
"""Hidden units on whose place two matchings of honest strangers may agree, where chance gives one on average ..."""

HONEST_SHARE = 0.1
"""... or this share of the units, if that is more: nets that learn the same task learn some units alike. Measured on
twins: 1.0 units, 1.25 at most in any layer (docs/methods/invariant.md). Only agreement beyond both counts."""

LINK_P = 1e-3
"""Two axes are said to be of one chain if their agreement is rarer than this among all pairs of axes looked at."""

REORDERED_SIMILARITY = 0.7
"""Least similarity of two tensors, in A's order and scale, for their order of units to count. Copies keep 0.8 and more
under the listed edits; the best fit of honest retrainings for one task reaches 0.64 (one tensor of `jarvis`)."""

# TEST: the black-box side (whosenet.judging). INDEPENDENT_P above holds there, too.

PROBE_ALPHA = 1e-3
"""Default rate at which `probe` may accuse an honest model that is drawn like the references."""

MIN_REFERENCES = 10
"""Fewer null references than this: no verdict. The spread between models is then mostly a guess."""

ACCURACY_GAP = 0.06
"""Where the best MIN_REFERENCES of the owner's architecture get so much fewer clean images right than the owner's
model, nobody is accused: better strangers would agree with the owner more. Twins, half of them trained on half of the
data, are 0.02 to 0.06 below (docs/methods/deepcore.md)."""

COPY_P = 0.02
"""A suspect is cleared only if at most this share of derived copies of the owner's own making agrees as little ..."""

MIN_COPIES = 4
"""... judged from at least so many of them."""

MIN_ANSWERED = 0.8
"""Least share of the points with a valid answer."""

BROKEN_P = 0.01
"""A suspect that gets as few control images right as at most this share of honest models is taken for broken."""

DOUBTFUL_P = 0.03
"""... and one that gets as few right as this share is not cleared: fed wrongly, a copy answers like a stranger."""

MIN_CONTROLS = 2
"""A probe that may stop early asks at least so many control images first, if it has them."""

REFERENCE_KNOWS = 0.95
"""Share of control images an honest reference is taken to know ..."""

UNTRAINED_P = 1e-3
"""... and it is refused as untrained or wrongly fed if it would miss so many of them this rarely."""

COPIED_REFERENCE = 0.05
"""Two references nearer to each other than this, by their distance from the owner, are copies of one model. Twins
trained apart: 0.33 and more on digits; siblings fine-tuned from one start on CIFAR-10: 0.12 and more."""

MIN_QUESTIONS_COPIES = 20
"""... judged by so many questions at least."""


# PROVE: marks (whosenet.judging.marks).

VERIFY_ALPHA = 1e-6
"""Default rate at which `verify` may find the mark of a key in a model made without it."""

IDENTITY_ALPHA = 1e-6
"""Rate at which bits read from a picture that has nothing to do with a key may be called its own (`reveal`, gate)."""

VERIFY_BUDGET = 200
"""Default number of questions of `verify`, clean covers and decoys included."""

MARK_CLEAN = 0.3
"""A suspect that gets no more of the clean covers right than this (or twice a guesser) is told to be broken."""

MARKED = 0.95
"""Least share of triggers, on covers held out, that lead to their target for `embed` to call a model marked ..."""

DECOYS_ANSWERED = 0.3
"""... unless patterns that were not embedded lead to a wrong class so often: then `verify` cannot tell the key's."""

LOST_ACCURACY = 0.02
"""... and it writes nothing if the model lost more accuracy than this on images held out ..."""

LOST_Z = 3.0
"""... unless that is within so many standard errors of the paired difference: few images tell little, and a net
that has learnt next to nothing loses or wins five points by chance (at 1.645 one in four of such was refused)."""
