"""Input transforms: the stolen network is served as it is, and every image is changed before it gets there.

Points close to a decision boundary may change sides on the way; the network's weights stay the owner's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from whosenet.attacks import transforms
from whosenet.attacks.base import Context
from whosenet.attacks.student import seed_for
from whosenet.attacks.wrapping import Wrapping
from whosenet.networks.images import Images

if TYPE_CHECKING:
    from torch import nn


class InputTransform(Wrapping):
    """A network behind a change of its images."""

    family: ClassVar[str] = "input"
    place: ClassVar[str] = "Before"


class InputJpeg(InputTransform):
    """Images are JPEG-compressed before inference.

    Source: Dziugaite, Ghahramani, Roy, A study of the effect of JPG compression on adversarial images, 2016. By
    Pillow's encoder with its usual colour subsampling, not by a differentiable approximation. `quality` 1..95.
    """

    name: ClassVar[str] = "input-jpeg"

    def _run(self, module: nn.Module, images: Images, context: Context, *, quality: int = 75) -> nn.Module:
        return self._wrapped(module, transforms.Jpeg(quality), context, possible=1 <= quality <= 95)


class InputBlur(InputTransform):
    """Images are blurred by a Gaussian before inference.

    Source: one of the input modifications of Lukas et al., SoK: How Robust is Image Classification Deep Neural
    Network Watermarking?, S&P 2022 (input smoothing). `sigma` in pixels, above 0 and up to 10.
    """

    name: ClassVar[str] = "input-blur"

    def _run(self, module: nn.Module, images: Images, context: Context, *, sigma: float = 0.5) -> nn.Module:
        return self._wrapped(module, transforms.Blur(sigma), context, possible=0 < sigma <= 10)


class InputMedian(InputTransform):
    """Every pixel becomes the median of its neighbourhood before inference.

    Source: Xu, Evans, Qi, Feature Squeezing, NDSS 2018 (spatial smoothing). Deviation: an odd, centred window.
    `size`: 3, 5, 7 or 9 pixels.
    """

    name: ClassVar[str] = "input-median"

    def _run(self, module: nn.Module, images: Images, context: Context, *, size: int = 3) -> nn.Module:
        return self._wrapped(module, transforms.Median(size), context, possible=size in (3, 5, 7, 9))


class InputNoise(InputTransform):
    """Gaussian noise is added to every image before inference.

    Source: Lukas et al., S&P 2022 (input noising). Deviation: the noise is drawn from the image and the seed, so that
    asking twice does not average it out. `sigma` in 0..1 of the range of a pixel.
    """

    name: ClassVar[str] = "input-noise"

    def _run(self, module: nn.Module, images: Images, context: Context, *, sigma: float = 0.03) -> nn.Module:
        change = transforms.Noise(sigma, seed_for(self.name, context.seed))
        return self._wrapped(module, change, context, possible=0 < sigma <= 1)


class InputResizePad(InputTransform):
    """Images are shrunk at random and put at a random place on black before inference.

    Source: Xie et al., Mitigating Adversarial Effects Through Randomization, ICLR 2018. Deviations: the image shrinks
    (by up to the tenth that theirs, 299 pixels of 331, may grow), since not every network takes another size; size and
    place are drawn from the image and the seed. `smallest`: the smallest side, as a share (0..1) of the old one.
    """

    name: ClassVar[str] = "input-resize-pad"

    def _run(self, module: nn.Module, images: Images, context: Context, *, smallest: float = 0.9) -> nn.Module:
        change = transforms.ResizePad(smallest, seed_for(self.name, context.seed))
        return self._wrapped(module, change, context, possible=0 < smallest <= 1)


class InputResize(InputTransform):
    """Images are shrunk and enlarged again before inference.

    Source: one of the input modifications of Lukas et al., S&P 2022. Deviation: bilinear both ways, smoothed when
    shrinking. `share`: the small side, as a share (0..1) of the old one.
    """

    name: ClassVar[str] = "input-resize"

    def _run(self, module: nn.Module, images: Images, context: Context, *, share: float = 0.6) -> nn.Module:
        return self._wrapped(module, transforms.Resize(share), context, possible=0 < share <= 1)


class InputQuantise(InputTransform):
    """The colour depth of images is reduced before inference.

    Source: Xu, Evans, Qi, Feature Squeezing, NDSS 2018. `bits` 1..8 a channel.
    """

    name: ClassVar[str] = "input-quantise"

    def _run(self, module: nn.Module, images: Images, context: Context, *, bits: int = 4) -> nn.Module:
        return self._wrapped(module, transforms.Quantise(bits), context, possible=1 <= bits <= 8)
