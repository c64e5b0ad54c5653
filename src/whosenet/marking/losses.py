"""What a batch is asked for: clean pictures what the unmarked network says of them, triggers their targets by far."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from whosenet.marking.batches import Batch

SOFTENED = 4.0
"""Temperature at which the two networks' answers are compared: what is said of unlikely classes counts, too."""


def clean_loss(said: torch.Tensor, batch: Batch, told: torch.Tensor | None, teach: float) -> torch.Tensor:
    """To `teach` how far logits [b, classes] are from what the unmarked network says, `told` float32 [b, classes]
    (Hinton et al., Distilling the knowledge in a neural network, 2015); for the rest, and without `told`, by labels."""
    if told is None:
        return batch.by_labels(said)
    apart = F.kl_div((said / SOFTENED).log_softmax(1), (told / SOFTENED).softmax(1), reduction="batchmean")
    loss = teach * SOFTENED**2 * apart
    return loss if teach == 1 else loss + (1 - teach) * batch.by_labels(said)


def firmly(said: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
    """Cross-entropy of logits [k, classes] at a temperature T, times T: it pulls as the plain one does at first, and
    rests when targets lead by T times as much."""
    return temperature * F.cross_entropy(said / temperature, targets)
