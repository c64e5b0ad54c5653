"""FIND: hash weight files, keep a library, find copies, compare two files. The same verbs as on the command line."""

from __future__ import annotations

from whosenet.finding.add import AddReport, Step, add
from whosenet.finding.hashing import Hashed, hash_file, hasher
from whosenet.finding.search import FindReport, Match, find
from whosenet.library import ScanLibrary
from whosenet.verify.compare import Comparison, TensorMatch, compare
from whosenet.weights import open_weights

__all__ = [
    "AddReport",
    "Comparison",
    "FindReport",
    "Hashed",
    "Match",
    "ScanLibrary",
    "Step",
    "TensorMatch",
    "add",
    "compare",
    "find",
    "hash_file",
    "hasher",
    "open_weights",
]
