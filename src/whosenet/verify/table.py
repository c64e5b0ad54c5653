"""The rows of a comparison: tensor by tensor, what became of it, and the likely story of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from whosenet.structure.rearranged import Rearranged
from whosenet.verify.evidence import Evidence, Tested
from whosenet.verify.folding import FOLDED, Folding
from whosenet.verify.relation import Traced, relation
from whosenet.verify.reordered import moved
from whosenet.verify.values import values
from whosenet.weights.base import Tensor, Weights

NOT_TRACED = "not traced"


@dataclass(frozen=True)
class TensorMatch:
    """One row of the table. `a` or `b` is None for a tensor without a counterpart."""

    a: str | None
    b: str | None
    log10_p: float | None
    """For this tensor alone, before any correction."""
    similarity: float | None
    """Pearson correlation of the aligned numbers, -1..1."""
    note: str


@dataclass(frozen=True)
class Both:
    """Two models, of which rows and story are told."""

    a: Weights
    b: Weights
    ours: list[Tensor]
    theirs: list[Tensor]
    silent: dict[str, str]
    """B's tensors that may not testify, and why."""

    def share(self, some: list[Tested], e: Evidence) -> tuple[float, float]:
        return e.share(some, self.ours, self.theirs)

    def in_place(self, pairs: list[Tested], found: list[Tested]) -> tuple[list[TensorMatch], list[str]]:
        """Rows of all pairs, of which `found` are traced, and the words of the whole (none if nothing is)."""
        traced, folding = {id(t) for t in found}, Folding(self.a, self.b) if found else None
        folded = {id(t) for t in found if folding is not None and _folded(t, folding)}
        rows = [
            TensorMatch(t.pair.a.name, t.pair.b.name, t.result.log10_p, t.traced.similarity, _note(t, traced, folded))
            for t in pairs
        ]
        known = {t.pair.b.name for t in found} | {t.pair.b.name for t in pairs if t.traced.same_numbers}
        story = self.story([t.traced for t in found], known, bool(folded)) if found else []
        return self._all(rows), story

    def reordered(self, seen: Rearranged) -> tuple[list[TensorMatch], list[str]]:
        """The same for models whose units were re-ordered."""
        folding = Folding(self.a, self.b)
        moves = {k: moved(seen.found[k], folding) for k in sorted(seen.linked)}
        rows = [
            TensorMatch(
                m.a.name,
                m.b.name,
                seen.alone.get(k),
                m.matching.similarity,
                moves[k].note if k in moves else NOT_TRACED,
            )
            for k, m in enumerate(seen.found)
        ]
        changes = set[str]().union(*(m.changes for m in moves.values()))
        words = [w for w in ("re-ordered", "rescaled", "widened") if w in changes]
        known = {m.matched.b.name for m in moves.values()}
        casts = {m.matched.a.dtype != m.matched.b.dtype for m in moves.values()}
        more = self.story([m.traced for m in moves.values()], known, "folded" in changes)
        drop = {*words, "re-save"} | (set() if True in casts else {"cast"})
        return self._all(rows), words + [w for w in more if w not in drop]

    def story(self, found: list[Traced], known: set[str], folded: bool) -> list[str]:
        lost = sum(t.name not in known for t in self.theirs)
        words = relation(found, lost, (self.a.format, self.b.format))
        return [*words[:1], "folded", *words[1:]] if folded and words[0] == "export" else words + ["folded"] * folded

    def _all(self, rows: list[TensorMatch]) -> list[TensorMatch]:
        """With the tensors that have no counterpart, and those that may not testify."""
        lone = partial(TensorMatch, log10_p=None, similarity=None)
        used_a, used_b = {r.a for r in rows}, {r.b for r in rows}
        more = [lone(t.name, None, note="no counterpart in B") for t in self.ours if t.name not in used_a]
        more += [lone(None, t.name, note="no counterpart in A") for t in self.theirs if t.name not in used_b]
        return rows + more + [lone(None, name, note=f"left out: {why}") for name, why in self.silent.items()]


def _folded(tested: Tested, folding: Folding) -> bool:
    if tested.traced.change in ("identical", "cast") or not any(map(folding.possible, tested.pair.b.shape)):
        return False
    return folding.explains(values(tested.pair.a), values(tested.pair.b).transpose(tested.pair.order))


def _note(tested: Tested, traced: set[int], folded: set[int]) -> str:
    if id(tested) not in traced and not tested.traced.same_numbers:
        return NOT_TRACED
    note = tested.traced.note
    if id(tested) not in folded:
        return note
    return note.replace("rescaled", FOLDED) if "rescaled" in note else f"{FOLDED}, {note}"
