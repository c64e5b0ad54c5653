"""A fingerprint turns an owner's network into questions. The plugin proposes images, this module asks and chooses."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from whosenet.errors import UsageError
from whosenet.fingerprints import choice, transport
from whosenet.networks.architecture import Shapes, architecture_of, shapes_of
from whosenet.networks.images import Images, Pixels
from whosenet.networks.predict import logits, softmax
from whosenet.networks.spec import Network
from whosenet.questions.answers import Kind, Matrix, Stack, empty_stack
from whosenet.questions.queryset import QuerySet

if TYPE_CHECKING:
    from torch import nn

Step = Callable[[int, int], None]
"""Called with (done, total), both in steps of the plugin's own making."""
MIN_QUESTIONS = 10
MAX_QUESTIONS = 10_000


@dataclass(frozen=True)
class Context:
    """What a plugin may use besides the networks and the images."""

    owner: Network
    """`owner.build()` makes a fresh network of the same architecture."""
    seed: int
    on_step: Step
    positives: tuple[nn.Module, ...] = ()
    """Derived copies that may choose points (they are never kept as `copies`), if the caller gave any."""
    classes: int = 0
    """k, of the owner's logits."""
    builds: tuple[Callable[[], nn.Module], ...] = ()
    """Makers of fresh networks, one an architecture: the owner's first, then those of the references."""
    attempt: int = 0
    """How often this was tried before, with too few points kept."""
    memory: dict[str, Any] = field(default_factory=dict)
    """What a plugin keeps from one attempt to the next."""


class Fingerprint(ABC):
    """`make` is final; a plugin has a `name`, says what it does in its docstring, and writes `_candidates`."""

    name: ClassVar[str]
    score: ClassVar[str] = "label"
    """The score that decides, declared beforehand: label, probability or cluster."""
    pool: ClassVar[int] = 1
    """Candidates asked for per point that is kept."""
    survives: ClassVar[bool] = False
    """Whether a point must keep the owner's label through JPEG 90 and resizing."""
    attempts: ClassVar[int] = 1
    """How often it is asked while too few points are kept; `context.attempt` tells it to try harder."""
    balances: ClassVar[bool] = False
    """Whether the owner's labels take turns among the points that are kept, each in the plugin's order."""

    def __init__(self, **parameters: Any) -> None:
        known = self.defaults()
        unknown = set(parameters) - set(known)
        if unknown:
            raise UsageError(
                f"{self.name} has no parameter {sorted(unknown)[0]!r}; it has: {', '.join(known) or 'none'}"
            )
        self.parameters: dict[str, Any] = {**known, **parameters}
        self.check()

    def check(self) -> None:  # noqa: B027 (a method without parameters has nothing to check)
        """Raise UsageError for parameters out of range."""

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Parameters and their defaults: the keyword-only arguments of `_candidates`."""
        found = inspect.signature(cls._candidates).parameters.values()
        return {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY}

    @abstractmethod
    def _candidates(self, owner: nn.Module, images: Images, references: Sequence[nn.Module], count: int,
                    context: Context) -> Pixels:  # fmt: skip
        """uint8 [m, h, w, c], best first; `count` are wanted (fewer only if there are no more).

        Parameters are keyword-only arguments with JSON defaults in the subclass. `owner` and `references` are in
        evaluation mode and must be left as they were. torch's global generator is seeded and restored by the caller;
        use `context.seed` for anything of your own.
        """

    def make(self, owner: Network, images: Images, references: Sequence[Network] = (), *, points: int = 100,
             seed: int = 0, copies: Sequence[tuple[str, Network]] = (), positives: Sequence[Network] = (),
             on_step: Step | None = None) -> QuerySet:  # fmt: skip
        """`points` questions, a tenth of them (at least 2) clean controls. The same arguments give the same bytes.

        `references` and `positives` may choose points, so they can be no null later; `copies` (name, network) only
        answer. Raises UsageError where the networks, the images or their number do not fit.
        """
        import torch

        k = _checked(owner, images, references, copies, positives, points)
        choosers = [*references, *positives]
        controls, about_controls = choice.controls(
            images, [logits(n.module, images.x) for n in (owner, *choosers)], max(2, points // 10)
        )
        wanted = points - len(controls)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            context = Context(
                owner, seed, on_step or (lambda done, total: None), tuple(n.module for n in positives), k,
                _builds([owner, *references]),
            )  # fmt: skip
            rest = images.take(np.setdiff1d(np.arange(len(images)), about_controls))
            kept = self._kept(owner, rest, [n.module for n in references], wanted, context)
        chosen = self._chosen(owner, kept, wanted)
        order = choice.interleaved(self._mixed(owner, chosen, seed), len(controls))
        return self._asked(
            owner, np.concatenate([controls.x, chosen])[order], order < len(controls), images,
            chosen_by=tuple(n.digest for n in choosers), copies=copies, seed=seed,
        )  # fmt: skip

    def _kept(self, owner: Network, images: Images, references: Sequence[nn.Module], wanted: int,
              context: Context) -> Pixels:  # fmt: skip
        """At least `wanted` candidates, the best first."""
        kept = images.x[:0]
        for attempt in range(self.attempts):
            again = replace(context, attempt=attempt)
            found = self._candidates(owner.module, images, references, wanted * self.pool, again, **self.parameters)
            kept = choice.distinct(np.concatenate([kept, self._lasting(owner, found)]))
            if len(kept) >= wanted:
                return kept
        raise UsageError(
            f"{self.name} found only {len(kept)} of {wanted} points; give more images or ask for fewer points"
        )

    def _lasting(self, owner: Network, found: Pixels) -> Pixels:
        """Candidates that keep the owner's label on their way, where the plugin promises that."""
        if not self.survives or not len(found):
            return found
        said = logits(owner.module, found).argmax(1)
        same = [logits(owner.module, x).argmax(1) == said for x in transport.journeys(found).values()]
        return found[np.all(same, axis=0)]

    def _chosen(self, owner: Network, found: Pixels, wanted: int) -> Pixels:
        if not self.balances:
            return found[:wanted]
        rank = np.arange(len(found), dtype=np.float64)
        return found[choice.balanced(logits(owner.module, found).argmax(1), rank, wanted)]

    def _mixed(self, owner: Network, chosen: Pixels, seed: int) -> choice.Rows:
        """The points in the order they are asked: classes take turns, so that the first few are like all."""
        said = logits(owner.module, chosen).argmax(1)
        return choice.balanced(said, np.random.default_rng([seed, 0x6F72646572]).random(len(chosen)), len(chosen))

    def _asked(self, owner: Network, x: Pixels, control: Any, images: Images, *, chosen_by: tuple[str, ...],
               copies: Sequence[tuple[str, Network]], seed: int) -> QuerySet:  # fmt: skip
        said = softmax(logits(owner.module, x))
        names = images.names if len(images.names) == said.shape[1] else ()
        clean = choice.yardstick(images, seed)
        accuracy = clean.accuracy(logits(owner.module, clean.images).argmax(1))
        kind = Kind(architecture_of(owner.module), accuracy).document()
        return QuerySet(
            images=x, expected=said.argmax(1).astype(np.int64), probabilities=said, control=control, method=self.name,
            parameters={**self.parameters, "points": len(x), "seed": seed, **kind}, owner=owner.digest,
            chosen_by=chosen_by, copies=_stack(copies, x, said.shape[1]), names=names, score=self.score,
            data=images.digest, yardstick=clean,
        )  # fmt: skip


def _builds(networks: Sequence[Network]) -> tuple[Callable[[], nn.Module], ...]:
    first: dict[Shapes, Callable[[], nn.Module]] = {}
    for net in networks:
        first.setdefault(shapes_of(net.module), net.build)
    return tuple(first.values())


def _stack(copies: Sequence[tuple[str, Network]], x: Pixels, k: int) -> Stack:
    if not copies:
        return empty_stack(len(x), k)
    said: Matrix = np.stack([softmax(logits(net.module, x)) for _, net in copies])
    names = tuple(name for name, _ in copies)
    return Stack(tuple(n.digest for _, n in copies), names, said.argmax(2).astype(np.int64), said)


def _checked(owner: Network, images: Images, references: Sequence[Network], copies: Sequence[tuple[str, Network]],
             positives: Sequence[Network], points: int) -> int:  # fmt: skip
    """Class count k of all. Raises UsageError for what does not fit."""
    if not MIN_QUESTIONS <= points <= MAX_QUESTIONS:
        raise UsageError(f"points must lie in {MIN_QUESTIONS}..{MAX_QUESTIONS}, got {points}")
    if len(images) < 2 * max(2, points // 10):
        raise UsageError(
            f"{len(images)} images are too few for {points} points; give at least {points} (clean, labelled)"
        )
    k = _classes(owner, images, "the owner's network")
    if images.classes > k:
        raise UsageError(f"the images have {images.classes} classes, the owner's network answers with {k}")
    roles = {"reference": references, "positive": positives, "copy": [net for _, net in copies]}
    seen = {owner.digest: "the owner's network"}
    for role, i, net in ((role, i, net) for role, nets in roles.items() for i, net in enumerate(nets)):
        what = f"{role} {i + 1} ({net.spec})"
        if net.digest in seen:
            raise UsageError(f"{what} has the same weights as {seen[net.digest]}; every network may be given once")
        seen[net.digest] = what
        if (got := _classes(net, images, what)) != k:
            raise UsageError(f"{what} answers with {got} classes, the owner's network with {k}")
    return k


def _classes(net: Network, images: Images, what: str) -> int:
    try:
        said = logits(net.module, images.x[:2])
    except RuntimeError as error:
        shape = list(images.x.shape[1:])
        raise UsageError(f"{what} takes no images of {shape} ({str(error)[:120]}); check the image set") from error
    if said.ndim != 2 or said.shape[1] < 2 or not np.isfinite(said).all():
        raise UsageError(f"{what} must answer two images with finite logits [2, classes], got {list(said.shape)}")
    return int(said.shape[1])
