"""Core points: images far inside a class of the owner's network and its copies, and outside it for everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from whosenet.errors import UsageError
from whosenet.fingerprints import choice, rehearsal, views
from whosenet.fingerprints.ascent import Goal, ascend
from whosenet.fingerprints.base import Context, Fingerprint, Step
from whosenet.networks.images import Images, Labels, Pixels, as_tensor, as_uint8
from whosenet.networks.predict import Matrix, logits, softmax

if TYPE_CHECKING:
    from torch import nn

OBJECTIVES = ("margin", "confidence")
STARTS = ("clean", "noise", "mixed")
TARGETS = ("other", "own")
RELENT = 0.5
"""Share of `repel` that is left at each further attempt: references that are almost the owner leave no points else."""
TRAINING = 60
"""Percent of the progress that training copies counts for."""


class DeepCore(Fingerprint):
    """Points far inside a class of the owner's network and its copies, and outside it for networks trained apart.

    Source: Sun, Zhang, Li, "DeepCore: Simple Fingerprint Construction for Differentiating Homologous and Piracy
    Models", ECML-PKDD 2025 (arXiv 2411.00380).

    The paper's: points are made by optimising the predicted confidence of a few samples, so that they lie far from
    the decision boundary. Its plain form is `objective=confidence, target=own, repel=0, attract=0, shadows=0,
    epsilon=0, smooth=0, transforms=false`; optimiser, steps and starts are our reconstruction.

    Ours (bench/test_points.py varies each part; it has not been run with these defaults, docs/methods/deepcore.md):
    `objective=margin`: softness * softplus(-margin / softness), margin = the target's logit minus the best other.
    `target=other`: every point is steered to another class than its start's, all pairs of classes in turn.
    `repel`: weight of the same loss, turned round, on the references (as conferrable examples, Lukas et al. 2021).
    `attract`: its weight on derived copies of the owner's making: those given as positives, else `shadows` networks
    that are trained here for `shadow_epochs` (up to twice as many if there are fewer images) on the owner's answers to
    `shadow_images` of the images. Every step asks those copies and references that are furthest from their goal, and
    others by lot. A network trained on the owner's answers shares less with it than a twin trained on the owner's data
    does, unless the points are made for what such networks take over.
    `epsilon`: largest change of a pixel, in 1/255 (0: any); if too few points come of it, it is doubled and `repel`
    halved.
    `smooth`: width of the Gaussian that the gradient is blurred with, in pixels.
    `transforms`: every step sees the images mirrored, moved, resized and noisy. With or without it, only points that
    JPEG 90 and resizing leave alone are kept.
    `pool`: so many times more candidates than points are made; those that set the worst copy and the worst reference
    furthest apart are kept (choice.by_contrast).
    """

    name = "deepcore"
    survives = True
    attempts = 8
    balances = True

    def check(self) -> None:
        p = self.parameters
        for key, known in (("objective", OBJECTIVES), ("start", STARTS), ("target", TARGETS)):
            if p[key] not in known:
                raise UsageError(f"deepcore: {key} must be one of {', '.join(known)}, got {p[key]!r}")
        least = {"steps": 1, "lr": 1e-6, "softness": 1e-3, "attract": 0, "repel": 0, "epsilon": 0, "smooth": 0,
                 "pool": 1, "shadows": 0, "shadow_images": 10, "shadow_epochs": 1}  # fmt: skip
        for key, bound in least.items():
            if not p[key] >= bound:
                raise UsageError(f"deepcore: {key} must be at least {bound}, got {p[key]}")
        if p["smooth"] > 1 and p["smooth"] % 2 == 0:
            raise UsageError(f"deepcore: smooth must be odd, got {p['smooth']}")

    def _candidates(self, owner: nn.Module, images: Images, references: Sequence[nn.Module], count: int,
                    context: Context, *, objective: str = "margin", start: str = "clean", target: str = "other",
                    steps: int = 150, lr: float = 0.02, softness: float = 4.0, attract: float = 1.0,
                    repel: float = 1.0, epsilon: float = 32.0, smooth: int = 5, transforms: bool = True,
                    pool: float = 3.0, shadows: int = 6, shadow_images: int = 10_000,
                    shadow_epochs: int = 8) -> Pixels:  # fmt: skip
        import torch

        draws = np.random.default_rng([context.seed, 3, context.attempt])
        x = _starts(images, start, round(count * pool), draws)
        wanted = _targets(logits(owner, x), target)
        mirror = not views.minds_mirrors(owner, images.x[:500])
        copies, step = self._copies(owner, images, context, mirror)
        goal = Goal(owner, copies, references, objective, attract, repel * RELENT**context.attempt, softness)
        reach = epsilon / 255 * 2**context.attempt
        moved = ascend(
            as_tensor(x), torch.from_numpy(wanted), goal, steps=steps, lr=lr, epsilon=reach, smooth=smooth,
            transforms=transforms, mirror=mirror,
            seed=int(draws.integers(2**31)), on_step=step,
        )  # fmt: skip
        return _ranked(as_uint8(moved), wanted, owner, references, copies)

    def _copies(self, owner: nn.Module, images: Images, context: Context,
                mirror: bool) -> tuple[Sequence[nn.Module], Step]:  # fmt: skip
        """Derived copies to make points for, and the progress of what comes after them."""
        p, known = self.parameters, context.memory
        if not p["attract"] or not p["shadows"] or context.positives:
            return context.positives if p["attract"] else (), context.on_step
        if "copies" not in known:
            made = rehearsal.copies(
                owner, context.builds, images, count=p["shadows"], size=p["shadow_images"], epochs=p["shadow_epochs"],
                mirror=mirror, seed=context.seed, on_step=_part(context.on_step, 0, TRAINING),
            )  # fmt: skip
            known["copies"] = list(made)
        return known["copies"], _part(context.on_step, TRAINING, 100)


def _part(on_step: Step, start: int, end: int) -> Step:
    """Progress of a part of the work, `start` to `end` of 100."""
    return lambda done, total: on_step(start + (end - start) * done // total, 100)


def _starts(images: Images, kind: str, count: int, draws: np.random.Generator) -> Pixels:
    """uint8 [count, h, w, c]: clean images (again from the first when they run out), noise, or half of each."""
    rows = np.resize(draws.permutation(len(images)), count)
    noise = views.random_pixels(count, images.x.shape[1:], draws)
    which = {"clean": np.zeros(count, bool), "noise": np.ones(count, bool), "mixed": np.arange(count) % 2 == 1}[kind]
    return np.where(which[:, None, None, None], noise, images.x[rows])


def _targets(said: Matrix, kind: str) -> Labels:
    """int64 [n]: the class the owner says, or one of the others, every pair of classes in turn."""
    own: Labels = said.argmax(1)
    if kind == "own":
        return own
    k = said.shape[1]
    turn = np.zeros(len(own), np.int64)
    for c in range(k):
        turn[own == c] = np.arange((own == c).sum())
    # Starting each class's turn elsewhere keeps the targets even where the starts are few.
    steered: Labels = (own + 1 + (turn + own) % (k - 1)) % k
    return steered


def _ranked(x: Pixels, wanted: Labels, owner: nn.Module, references: Sequence[nn.Module],
            copies: Sequence[nn.Module]) -> Pixels:  # fmt: skip
    """The images that reached their class, best first."""
    reached = logits(owner, x).argmax(1) == wanted
    x, wanted = x[reached], wanted[reached]
    if not len(x):
        return x
    said = [np.array([softmax(logits(net, x)) for net in nets]) for nets in (references, copies)]
    return x[np.argsort(choice.by_contrast(wanted, said[0], said[1]), kind="stable")]
