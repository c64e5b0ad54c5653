"""Damaged and hostile weight files, one function each: what `whosenet` must refuse in a line, or read unharmed."""

from bad_files import bombs, damaged, names, payloads, places
from bad_files.made import CASES, GOOD, MARKER, SEED, Case, good_safetensors
from bad_files.names import nasty_tensors

__all__ = ["CASES", "GOOD", "MARKER", "SEED", "Case", "bombs", "damaged", "good_safetensors", "names", "nasty_tensors",
           "payloads", "places"]  # fmt: skip
