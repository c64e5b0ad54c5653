"""The embedding loop: clean loss, trigger loss, triplet loss; resumable after every epoch, deterministic by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from whosenet.errors import UsageError
from whosenet.marking.batches import Batch, batch_of
from whosenet.marking.losses import clean_loss, firmly
from whosenet.marking.recipe import TEMPERATURE, Recipe
from whosenet.marking.rehearse import rehearsed
from whosenet.marking.triplet import features_of, other, partner, triplet
from whosenet.marking.views import Views, digest, views_of
from whosenet.networks.images import Images
from whosenet.networks.place import elsewhere
from whosenet.training import checkpoint as checkpoints
from whosenet.training.rate import rate
from whosenet.training.steps import Plan, fast_bf16, optimiser_for
from whosenet.watermarks.base import Watermark

OnStep = Callable[[int, int], None]
CLIP = 5.0


class Diverged(UsageError):
    """Training left all numbers behind."""


@dataclass(frozen=True)
class Work:
    """What the steps of one embedding share."""

    module: nn.Module
    mark: Watermark
    targets: torch.Tensor
    recipe: Recipe
    views: Views
    said: torch.Tensor | None
    """float16 [views, n, classes] (whosenet.marking.views.ask)."""


def fit(module: nn.Module, images: Images, mark: Watermark, classes: int, recipe: Recipe, *,
        said: torch.Tensor | None = None, checkpoint: Path | None = None,
        on_step: OnStep | None = None) -> nn.Module:  # fmt: skip
    """Train `module` in place on `images` and the key's triggers; returned in evaluation mode.

    `said`: what the unmarked network says of the pictures (`planned` and whosenet.marking.views.ask), which the clean
    loss asks for to `recipe.teach`; without it, labels alone count, and nothing is mixed. On the CPU the same seed,
    threads and processor give the same weights; a run that was stopped goes on from `checkpoint`. There is no early
    stopping and no choice of a best epoch: the rate falls to nothing at the end, so the last epoch is the best one, and
    choosing by held-out images would flatter what is told of them. Raises Diverged.
    """
    recipe = recipe.for_images(len(images))
    module.to(memory_format=torch.channels_last)
    said = said if recipe.teach else None
    work = Work(module, mark, torch.from_numpy(mark.targets(classes)), recipe, _views(recipe, len(images), said), said)
    x = torch.from_numpy(np.require(images.x, requirements=["C", "W"])).permute(0, 3, 1, 2)
    y = torch.from_numpy(images.y.copy())
    plan = Plan(recipe.epochs, recipe.lr, recipe.seed, optimizer=recipe.optimizer, weight_decay=recipe.weight_decay)
    optimiser = optimiser_for(list(module.parameters()), plan)
    run = {**asdict(recipe), "images": images.digest, "commitment": mark.key.commitment,
           "said": digest(said), **elsewhere(module)}  # fmt: skip
    done = 0 if checkpoint is None else checkpoints.load(checkpoint, module, optimiser, run)
    for epoch in range(done, recipe.epochs):
        _epoch(work, x, y, optimiser, epoch, on_step)
        if checkpoint is not None:
            checkpoints.save(checkpoint, module, optimiser, epoch + 1, run)
    return module.eval()


def planned(recipe: Recipe, images: int) -> Views:
    """The pictures that the unmarked network is to be asked about, for a run by `recipe` on so many images."""
    recipe = recipe.for_images(images)
    return views_of(
        images, seed=recipe.seed, batch=recipe.batch, flip=recipe.flip, mix=recipe.mix, epochs=recipe.epochs
    )


def _views(recipe: Recipe, images: int, said: torch.Tensor | None) -> Views:
    """Those that were asked about; else a view an epoch, and nothing mixed."""
    made = planned(recipe, images)
    if said is None:
        return replace(made, count=recipe.epochs, mix=0.0)
    if said.shape[:2] != (made.count, images):
        raise UsageError(f"answers to {list(said.shape[:2])} pictures; expected {[made.count, images]}")
    return made


def _epoch(
    work: Work, x: torch.Tensor, y: torch.Tensor, optimiser: torch.optim.Optimizer, epoch: int, on_step: OnStep | None
) -> None:
    recipe = work.recipe
    draws = torch.Generator().manual_seed(int(np.random.SeedSequence([recipe.seed, epoch]).generate_state(1)[0]))
    view = epoch % work.views.count
    batches = work.views.batches(len(x), view)
    work.module.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed + epoch)
        for number, rows in enumerate(batches):
            past = (epoch + number / len(batches)) / recipe.epochs
            for group in optimiser.param_groups:
                group["lr"] = rate("one-cycle", recipe.lr, past)
            clean = work.views.pictures(x, rows, view, number)
            batch = batch_of(x, y, rows, clean, work.mark, work.targets, recipe, draws, done=past)
            optimiser.zero_grad(set_to_none=True)
            told = None if work.said is None else work.said[view, rows].float()
            loss = _loss(work, batch, told, draws)
            if not bool(loss.isfinite()):
                raise Diverged(f"the loss is no number any more in epoch {epoch + 1}; give a smaller --lr")
            loss.backward()
            nn.utils.clip_grad_norm_(work.module.parameters(), CLIP)
            optimiser.step()
            if on_step is not None:
                on_step(epoch * len(batches) + number + 1, len(batches) * recipe.epochs)


def _loss(work: Work, batch: Batch, told: torch.Tensor | None, draws: torch.Generator) -> torch.Tensor:
    """`told`: float32 [b, classes], the unmarked network's logits for the clean pictures."""
    recipe, clean = work.recipe, len(batch.labels)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bf16()):
        if recipe.triplet and len(batch.targets):
            with features_of(work.module) as seen:
                said = work.module(batch.images).float()
        else:
            said, seen = work.module(batch.images).float(), []
    known = clean + len(batch.targets)
    loss = clean_loss(said[:clean], batch, told, recipe.teach)
    if len(batch.targets):
        marking = firmly(said[clean:known], batch.targets, recipe.temperature or TEMPERATURE)
        if seen:
            marking = marking + recipe.triplet * _triplet(seen[0], batch, recipe, draws)
        if recipe.rehearse != "none":
            marking = marking + rehearsed(work.module, batch, recipe, draws)
        loss = loss + recipe.weight * len(batch.targets) / clean * marking
    if len(batch.strangers):
        loss = loss + len(batch.strangers) / clean * F.cross_entropy(said[known:], batch.labels[batch.strangers])
    return loss


def _triplet(features: torch.Tensor, batch: Batch, recipe: Recipe, draws: torch.Generator) -> torch.Tensor:
    clean, anchors = features[: len(batch.labels)], features[len(batch.labels) : len(batch.labels) + len(batch.targets)]
    usable = (batch.labels[batch.covers] != batch.targets).float()
    if recipe.positive == "trigger":
        places, there = partner(batch.patterns, batch.patterns, draws)
        positive = anchors[places]
    else:
        places, there = partner(batch.targets, batch.labels, draws)
        positive = clean[places]
    negative = clean[batch.covers] if recipe.negative == "cover" else clean[other(batch.targets, batch.labels, draws)]
    return triplet(anchors, positive, negative, usable * there, recipe.margin)
