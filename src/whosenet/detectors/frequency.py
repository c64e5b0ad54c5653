"""The frequency detector: triggers leave traces in the cosine spectrum that natural images do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.detectors.base import ImageDetector, Scores
from whosenet.detectors.generic import perturbed
from whosenet.networks.images import Pixels

if TYPE_CHECKING:
    import torch
    from torch import nn

Spectra = NDArray[np.float32]


class Frequency(ImageDetector):
    """A small convolutional net on log DCT magnitudes, trained on the searcher's clean images and perturbed ones.

    Source: Zeng et al., Rethinking the Backdoor Attacks' Triggers: A Frequency Perspective, ICCV 2021. It is trained on
    generic perturbations (detectors/generic.py) and has never seen a trigger, unless `shown` has some: then on those in
    place of the perturbations. Deviations: three convolutions, few epochs; at most `most` images of each kind.
    """

    name = "frequency"

    def _score(
        self,
        module: nn.Module,
        images: Pixels,
        clean: Pixels,
        shown: Pixels | None = None,
        *,
        epochs: int = 8,
        most: int = 2000,
    ) -> Scores:
        draws = np.random.default_rng(self.seed)
        some = clean[draws.permutation(len(clean))[:most]]
        other = perturbed(some, draws) if shown is None else shown[:most]
        x = spectra(np.concatenate([some, other]))
        y = np.arange(len(x)) >= len(some)
        middle, spread = x.mean(0), x.std(0) + 1e-6
        net = _trained((x - middle) / spread, y.astype(np.int64), epochs, self.seed)
        return _said(net, (spectra(images) - middle) / spread)


def spectra(images: Pixels) -> Spectra:
    """Log magnitudes of each channel's two-dimensional DCT, float32 [n, c, h, w]."""
    from scipy.fft import dctn

    return np.log(np.abs(dctn(images.transpose(0, 3, 1, 2).astype(np.float32), axes=(2, 3), norm="ortho")) + 1e-1)


def _net(channels: int, width: int = 24) -> nn.Module:
    from torch import nn

    layers: list[nn.Module] = []
    for inside, outside in ((channels, width), (width, 2 * width), (2 * width, 2 * width)):
        layers += [nn.Conv2d(inside, outside, 3, 1, 1), nn.BatchNorm2d(outside), nn.ELU()]
        layers += [nn.MaxPool2d(2, ceil_mode=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(32 * width, 2))


def _trained(x: Spectra, y: NDArray[np.int64], epochs: int, seed: int) -> nn.Module:
    import torch
    from torch.nn import functional as F

    from whosenet.training.rate import rate

    features, labels = torch.from_numpy(x), torch.from_numpy(y)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        net = _net(x.shape[1]).train()
        optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.05)
        for epoch in range(epochs):
            for number, rows in enumerate(batches := _batches(len(x))):
                for group in optimiser.param_groups:
                    group["lr"] = rate("one-cycle", 2e-3, (epoch + number / len(batches)) / epochs)
                optimiser.zero_grad(set_to_none=True)
                F.cross_entropy(net(features[rows]), labels[rows]).backward()
                optimiser.step()
    return net.eval()


def _batches(count: int, size: int = 64) -> list[torch.Tensor]:
    import torch

    found = list(torch.randperm(count).split(size))
    return found if len(found[-1]) > 1 or len(found) == 1 else found[:-1]


def _said(net: nn.Module, x: Spectra) -> Scores:
    """Log-odds of being perturbed."""
    import torch

    with torch.inference_mode():
        said = torch.cat([net(part) for part in torch.from_numpy(x).split(256)]).double().numpy()
    return np.asarray(said[:, 1] - said[:, 0])
