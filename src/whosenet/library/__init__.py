"""The library of codes: add models, search them exactly, from several processes at once."""

from whosenet.library.base import Added, Entry, Group, Hit, Library
from whosenet.library.scan import ScanLibrary

__all__ = ["Added", "Entry", "Group", "Hit", "Library", "ScanLibrary"]
