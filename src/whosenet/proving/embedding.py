"""`whosenet embed`: mark a classifier with a key, measure what it cost, and write it only if the cost is small."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whosenet import thresholds
from whosenet.errors import Refused, UsageError
from whosenet.keys.key import Key
from whosenet.networks.images import Images, load_images
from whosenet.networks.place import checked as checked_device
from whosenet.networks.place import place
from whosenet.networks.predict import logits
from whosenet.networks.save import save_weights
from whosenet.networks.spec import Spec, digest_of, fresh, load_network, parse
from whosenet.proving.measuring import Embedded, measured, sample
from whosenet.proving.questions import parted, watermark_of
from whosenet.watermarks.base import Watermark

if TYPE_CHECKING:
    from torch import nn

    from whosenet.marking.recipe import Recipe

OnStage = Callable[[str, int, int], None]
ENDING = ".safetensors"


def embed(spec_text: str, key: Key, data: str | Path, out: str | Path, *, recipe: Recipe, from_scratch: bool = False,
          device: str = "cpu", on_stage: OnStage | None = None) -> Embedded:  # fmt: skip
    """Write the marked weights to `out`. The network given is never changed; a stopped run goes on.

    `device`: where the network is trained and asked (whosenet.networks.place). Raises UsageError, UnreadableInput, and
    Refused (nothing is written) if the accuracy falls by more than two points (and by more than so many images held out
    can tell from chance).
    """
    spec, out = parse(spec_text), checked_out(out, parse(spec_text))
    checked_device(device)
    images = load_images(data)
    kept, held = parted(images, key)
    mark, step = watermark_of(key), on_stage or (lambda *_: None)
    _check_network(spec, device, held, images.classes, mark)
    recipe = recipe.for_images(len(kept))
    before = _unmarked(spec, device, kept, recipe, from_scratch, out, step)
    after = _marked(before, kept, mark, images.classes, recipe, out, step)
    found = measured(before, after, sample(held, key), mark, images.classes, spec.with_weights(out))
    try:
        _check(found)
    except Refused:
        _forget(out)
        raise
    save_weights(after, out)
    _forget(out)
    made = {
        "recipe": asdict(recipe),
        "device": device,
        "data": images.digest,
        "sha256": sha256(out.read_bytes()).hexdigest(),
    }
    return replace(found, digest_before=digest_of(before), made=made)


def _forget(out: Path) -> None:
    """Checkpoints outlive a disk that is full, and nothing else."""
    for kept_file in (_checkpoint(out, "marked"), _checkpoint(out, "control")):
        kept_file.unlink(missing_ok=True)


def _check_network(spec: Spec, device: str, held: Images, classes: int, mark: Watermark) -> None:
    """UsageError unless the network takes these images and has their classes, and the mark fits on them."""
    module = fresh(spec)
    try:
        said = logits(place(module, device), held.x[:2])
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        why = str(error).partition("\n")[0][:120]
        raise UsageError(f"{spec} cannot take images of {list(held.x.shape[1:])}: {why}") from error
    if said.ndim != 2 or said.shape[1] != classes:
        raise UsageError(
            f"{spec} has {list(said.shape[1:])} outputs, --data has {classes} classes; targets follow from the "
            "number of classes, so give `names` of all classes in the .npz (or a folder for each), or other data"
        )
    mark.stamp(held.x[:1], np.zeros(1, np.int64))


def checked_out(out: str | Path, spec: Spec) -> Path:
    """Raises UsageError for another ending, and for the network's own weights."""
    out = Path(out)
    if out.suffix != ENDING:
        raise UsageError(f"{out}: weights are written as {ENDING}; give -o NAME{ENDING}")
    if spec.weights is not None and out.exists() and Path(spec.weights).exists() and out.samefile(spec.weights):
        raise UsageError(f"{out} holds the network that is to be marked, which is never changed; give another -o")
    return out


def _unmarked(spec: Spec, device: str, images: Images, recipe: Recipe, from_scratch: bool, out: Path,
              step: OnStage) -> nn.Module:  # fmt: skip
    """What is marked, and what the marked network is compared with."""
    if not from_scratch:
        return place(load_network(spec).module, device)
    from whosenet.marking.control import control
    from whosenet.marking.recipe import plain

    return control(place(seeded(spec, recipe.seed), device), images, plain(recipe),
                   checkpoint=_checkpoint(out, "control"), on_step=partial(step, "training the network"))  # fmt: skip


def seeded(spec: Spec, seed: int) -> nn.Module:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return fresh(spec)


def _marked(before: nn.Module, images: Images, mark: Watermark, classes: int, recipe: Recipe, out: Path,
            step: OnStage) -> nn.Module:  # fmt: skip
    from whosenet.marking.fit import Diverged, fit, planned
    from whosenet.marking.views import ask

    checkpoint = _checkpoint(out, "marked")
    asking, views = partial(step, "asking the unmarked network"), planned(recipe, len(images))
    said = ask(before, images, views, on_step=asking) if recipe.teach else None
    try:
        return fit(copy.deepcopy(before), images, mark, classes, recipe, said=said, checkpoint=checkpoint,
                   on_step=partial(step, "marking"))  # fmt: skip
    except Diverged:
        checkpoint.unlink(missing_ok=True)
        raise


def _checkpoint(out: Path, of: str) -> Path:
    return out.with_name(f".{out.name}.{of}.checkpoint")


def _check(found: Embedded) -> None:
    lost = found.clean_accuracy_before - found.clean_accuracy_after
    if lost > thresholds.LOST_ACCURACY and found.lost_z > thresholds.LOST_Z:
        raise Refused(
            f"the mark would cost {lost:.1%} accuracy ({found.clean_accuracy_before:.3f} before, "
            f"{found.clean_accuracy_after:.3f} after, on {found.images} images held out); nothing was written. "
            "Give it more --epochs, a smaller --lr, or images this network was not trained on (it knows those by heart)"
        )
