"""Words that several layers share."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["derived", "independent", "inconclusive"]
"""`derived`: the two share a start and training beyond chance; it says neither direction nor intent."""
