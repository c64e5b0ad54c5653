"""The family of settings: the paper's plain points, then one part of ours after another, then each knob of the default."""

from dataclasses import dataclass, field
from typing import Any

PLAIN: dict[str, Any] = {
    "attract": 0.0,
    "repel": 0.0,
    "shadows": 0,
    "epsilon": 0.0,
    "smooth": 0,
    "transforms": False,
    "pool": 1.0,
    "steps": 100,
}
"""No copies, no references, any change of the image."""
BOTH = {**PLAIN, "attract": 1.0, "repel": 1.0}


@dataclass(frozen=True)
class Member:
    """One fingerprint method with its settings; `references` and `shadows`: how many of them choose points."""

    group: str
    name: str
    method: str = "deepcore"
    settings: dict[str, Any] = field(default_factory=dict)
    references: int | None = None
    """None: all of them, of every kind of honest net."""
    shadows: int = 6


FEW: dict[str, Any] = {"pool": 1.0}
"""The knobs are turned without a choice among candidates: a third of the time."""


REDUCED = {
    ("baseline", "null"),
    ("baseline", "akh"),
    ("plain", "confidence, clean start, own class"),
    ("plain", "confidence, noise start, own class"),
    ("plain", "margin, clean start, own class"),
    ("plain", "margin, clean start, other class"),
    ("parts", "margin + repel"),
    ("parts", "margin + attract"),
    ("parts", "margin + both"),
    ("default", "default"),
    ("default", "pool 1"),
    ("pool 1", "0 references"),
    ("pool 1", "0 copies"),
    ("pool 1", "confidence"),
}
"""For a first look: the paper's points, and what each part of ours adds."""


def members() -> list[Member]:
    return [
        *(Member("baseline", name, name, references=0, shadows=0) for name in ("null", "akh")),
        *(
            Member("plain", f"{objective}, {start} start, {target} class", settings={**PLAIN, "objective": objective, "start": start, "target": target}, references=0, shadows=0)
            for objective in ("confidence", "margin")
            for start, target in (("clean", "own"), ("noise", "own"), ("clean", "other"))
        ),
        Member("parts", "margin + repel", settings={**PLAIN, "repel": 1.0}, shadows=0),
        Member("parts", "margin + attract", settings={**PLAIN, "attract": 1.0}, references=0),
        Member("parts", "margin + both", settings=BOTH),
        Member("parts", "margin + both + transforms", settings={**BOTH, "transforms": True}),
        Member("parts", "margin + both + smooth", settings={**BOTH, "smooth": 5}),
        Member("parts", "margin + both + epsilon", settings={**BOTH, "epsilon": 32.0}),
        Member("default", "default"),
        Member("default", "pool 1", settings=FEW),
        Member("pool 1", "confidence", settings={**FEW, "objective": "confidence"}),
        Member("pool 1", "own class", settings={**FEW, "target": "own"}),
        *(Member("pool 1", f"{n} references", settings=FEW, references=n) for n in (0, 6)),
        Member("pool 1", "0 copies", settings={**FEW, "shadows": 0}, shadows=0),
        Member("pool 1", "3 copies", settings=FEW, shadows=3),
        Member("pool 1", "no transforms", settings={**FEW, "transforms": False}),
        Member("pool 1", "not smooth", settings={**FEW, "smooth": 0}),
    ]  # fmt: skip
