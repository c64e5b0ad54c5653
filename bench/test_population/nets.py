"""Three small image classifiers of clearly different structure; float32 [n, 3, side, side] in 0..1 to logits [n, k].

A SPEC names a factory without arguments: `bench/test_population/nets.py:resnet_gtsrb` and its like. The stem
brings images of any size down to 16x16, so that a net trains in about a minute on one core. `resnet18` is one at full
size, for where there is an accelerator.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Scaled(nn.Module):
    """Pixels of 0..1 to about zero mean and unit spread, so that no caller has to know."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - 0.45) / 0.25


def _conv(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)
    )


def _stem(width: int, side: int, contrast: bool) -> nn.Sequential:
    """A strided convolution down to 16x16 whatever the image."""
    stride = max(1, side // 16)
    first = nn.Conv2d(3, width, stride + 2, stride, 1, bias=False)
    return nn.Sequential(Contrast() if contrast else Scaled(), first, nn.BatchNorm2d(width), nn.ReLU())


class Contrast(nn.Module):
    """Every image to zero mean and about unit spread: traffic signs are photographed by day and by night."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 0.05)


class Residual(nn.Module):
    """Two 3x3 convolutions around a short cut, projected where shapes differ (He et al., CVPR 2016)."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _conv(inside, outside, stride)
        self.second = nn.Sequential(nn.Conv2d(outside, outside, 3, 1, 1, bias=False), nn.BatchNorm2d(outside))
        if (inside, stride) == (outside, 1):
            self.short: nn.Module = nn.Identity()
        else:
            self.short = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.second(self.first(x)) + self.short(x))


class Growing(nn.Module):
    """A 3x3 convolution of everything so far, put beside it (Huang et al., CVPR 2017, without the bottleneck)."""

    def __init__(self, inside: int, growth: int) -> None:
        super().__init__()
        self.new = _conv(inside, growth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.new(x)], 1)


class Net(nn.Module):
    """Features, then a classifier named `head` on what remains of each channel."""

    def __init__(self, features: nn.Sequential, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def resnet(classes: int = 10, width: int = 32, side: int = 32, contrast: bool = False) -> Net:
    """Two residual blocks at 8x8 and 4x4, the strongest response of each channel, a linear head."""
    layers = [nn.MaxPool2d(2), Residual(width, 2 * width), nn.MaxPool2d(2), Residual(2 * width, 4 * width)]
    features = nn.Sequential(_stem(width, side, contrast), *layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())
    return Net(features, nn.Linear(4 * width, classes))


def vgg(classes: int = 10, width: int = 32, side: int = 32, contrast: bool = False) -> Net:
    """Plain stacked convolutions with max pooling and a two-layer head (Simonyan and Zisserman, ICLR 2015)."""
    layers = [_conv(width, width), nn.MaxPool2d(2), _conv(width, 2 * width), _conv(2 * width, 2 * width)]
    layers += [nn.MaxPool2d(2), _conv(2 * width, 4 * width), nn.MaxPool2d(2), nn.Flatten()]
    hidden = nn.Linear(4 * width * 4, 4 * width), nn.ReLU(inplace=True)
    return Net(nn.Sequential(_stem(width, side, contrast), *layers, *hidden), nn.Linear(4 * width, classes))


def dense(classes: int = 10, width: int = 24, side: int = 32, contrast: bool = False) -> Net:
    """Layers that see all earlier ones by concatenation, the strongest response of each channel, a linear head."""
    layers = [Growing(width, width), nn.MaxPool2d(2), Growing(2 * width, 2 * width), Growing(4 * width, 2 * width)]
    layers += [nn.MaxPool2d(2), Growing(6 * width, 4 * width), nn.AdaptiveMaxPool2d(1), nn.Flatten()]
    return Net(nn.Sequential(_stem(width, side, contrast), *layers), nn.Linear(10 * width, classes))


def resnet18(classes: int = 10, width: int = 64, side: int = 32, contrast: bool = False) -> Net:
    """ResNet-18 as it is used on 32x32 images (He et al., CVPR 2016): the first convolution without stride and no pooling
    after it, four stages of two blocks, 11 million weights. Images of 64x64 are halved by the first convolution."""
    first = nn.Conv2d(3, width, 3, max(1, side // 32), 1, bias=False)
    layers = [Contrast() if contrast else Scaled(), first, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    inside = width
    for stage in range(4):
        outside = width * 2**stage
        layers += [Residual(inside, outside, 1 if stage == 0 else 2), Residual(outside, outside)]
        inside = outside
    return Net(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(inside, classes))


def build(architecture: str, image_set: str, classes: int) -> Net:
    """By name, at its default width, for images of `image_set`."""
    make = {"resnet": resnet, "vgg": vgg, "dense": dense, "resnet18": resnet18}[architecture]
    return make(classes, side=64 if image_set == "tiny" else 32, contrast=image_set == "gtsrb")


def resnet_gtsrb() -> Net:
    return resnet(classes=43, contrast=True)


def vgg_gtsrb() -> Net:
    return vgg(classes=43, contrast=True)


def dense_gtsrb() -> Net:
    return dense(classes=43, contrast=True)


def resnet_tiny() -> Net:
    return resnet(side=64)


def vgg_tiny() -> Net:
    return vgg(side=64)


def dense_tiny() -> Net:
    return dense(side=64)
