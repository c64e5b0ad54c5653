"""Small versions of five classic convolutional nets, for 16x16 colour images.

LeNet-5 (LeCun 1998) and VGG (Simonyan 2014) without batch norm, as published; ResNet (He 2015, CIFAR form),
DenseNet-BC (Huang 2016) and MobileNetV2 (Sandler 2018) with it. Widths and depths are cut to 20k-300k weights.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F


def conv_bn(inputs: int, outputs: int, size: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """conv, batch norm: a pair that `edits.fold` can merge."""
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Classifier(nn.Module):
    """`features` then `head`; every net here has this form, so that a head is replaced the same way in all."""

    def __init__(self, features: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes] of images [n, 3, 16, 16]."""
        out: torch.Tensor = self.head(self.features(x))
        return out


class GlobalMean(nn.Module):
    """[n, c, h, w] -> [n, c]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))


def lenet(classes: int) -> Classifier:
    """About 60k weights."""
    features = nn.Sequential(
        nn.Conv2d(3, 12, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 16, 96), nn.ReLU(), nn.Linear(96, 64), nn.ReLU(),
    )  # fmt: skip
    return Classifier(features, 64, classes)


def vgg(classes: int) -> Classifier:
    """Six 3x3 layers and one hidden dense layer, Kaiming-normal as in torchvision; about 200k weights."""
    layers: list[nn.Module] = []
    inputs = 3
    for outputs, pool in ((24, False), (24, True), (48, False), (48, True), (96, False), (96, True)):
        conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(conv.bias)
        layers += [conv, nn.ReLU()] + ([nn.MaxPool2d(2)] if pool else [])
        inputs = outputs
    layers += [nn.Flatten(), nn.Linear(96 * 4, 96), nn.ReLU()]
    return Classifier(nn.Sequential(*layers), 96, classes)


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_bn(inputs, outputs, 3, stride=stride)
        self.second = conv_bn(outputs, outputs, 3)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv_bn(inputs, outputs, 1, stride=stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


def resnet(classes: int, blocks: int) -> Classifier:
    """6 * blocks + 2 layers, width 16: 78k weights at one block a stage, 176k at two."""
    layers: list[nn.Module] = [conv_bn(3, 16, 3), nn.ReLU()]
    inputs = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        for block in range(blocks):
            layers.append(Residual(inputs, outputs, stride if block == 0 else 1))
            inputs = outputs
    return Classifier(nn.Sequential(*layers, GlobalMean()), 64, classes)


class DenseLayer(nn.Module):
    """BN, ReLU, 1x1 to 4 growth, BN, ReLU, 3x3 to growth, concatenated to its input."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.squeeze = conv_bn(inputs, 4 * growth, 1)
        self.conv = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.conv(F.relu(self.squeeze(F.relu(self.norm(x)))))], dim=1)


def densenet(classes: int, growth: int) -> Classifier:
    """Three blocks of three layers: about 40k weights at growth 8, 90k at growth 12."""
    layers: list[nn.Module] = [nn.Conv2d(3, 2 * growth, 3, padding=1, bias=False)]
    width = 2 * growth
    for block in range(3):
        for _ in range(3):
            layers.append(DenseLayer(width, growth))
            width += growth
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        if block < 2:
            layers += [nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)]
            width //= 2
    return Classifier(nn.Sequential(*layers, GlobalMean()), width, classes)


class Inverted(nn.Module):
    """Inverted residual: 1x1 expansion by 4, depthwise 3x3, linear 1x1."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        wide = 4 * inputs
        self.expand = conv_bn(inputs, wide, 1)
        self.depthwise = conv_bn(wide, wide, 3, stride=stride, groups=wide)
        self.project = conv_bn(wide, outputs, 1)
        self.same = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.project(F.relu6(self.depthwise(F.relu6(self.expand(x)))))
        return x + out if self.same else out


def mobilenet(classes: int) -> Classifier:
    """Six inverted residuals, about 60k weights."""
    stages = ((16, 16, 1), (16, 24, 2), (24, 24, 1), (24, 40, 2), (40, 40, 1), (40, 40, 1))
    blocks = [Inverted(*stage) for stage in stages]
    last = [conv_bn(40, 128, 1), nn.ReLU6(), GlobalMean()]
    return Classifier(nn.Sequential(conv_bn(3, 16, 3), nn.ReLU6(), *blocks, *last), 128, classes)


ARCHITECTURES: dict[str, Callable[[int], Classifier]] = {
    "lenet": lenet,
    "vgg": vgg,
    "resnet8": lambda classes: resnet(classes, 1),
    "resnet14": lambda classes: resnet(classes, 2),
    "densenet-k8": lambda classes: densenet(classes, 8),
    "densenet-k12": lambda classes: densenet(classes, 12),
    "mobilenetv2": mobilenet,
}


def build(arch: str, classes: int, *, seed: int) -> Classifier:
    """A freshly initialised net; the same seed gives the same weights and leaves torch's own generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ARCHITECTURES[arch](classes)
