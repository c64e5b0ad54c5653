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

MATCHED_SHARE = 0.5
"""Share of both models' weights that must have a tensor of the same shape opposite before 'independent' is said."""

SHARED_START_COSINE = 0.9
"""Below this similarity `shared-start` is named before `fine-tune`. It only orders the two words: gentle trainings from
one start reach 0.96 and more (docs/error-rates.md), so weights that all moved never prove descent by themselves."""

MIN_TENSORS = 2
"""A single tensor never convicts: it may be a fixed basis, or a linear model with one best answer for everybody."""
