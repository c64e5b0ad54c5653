"""Weights stored the other way round: [in, out] and HWIO, as TensorFlow has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whosenet.attacks.base import Attack, Context
from whosenet.attacks.same import answers, check_same
from whosenet.attacks.transposed import Transposed, kinds, transposed
from whosenet.errors import UsageError
from whosenet.networks.images import Images
from whosenet.networks.spec import Spec

if TYPE_CHECKING:
    from torch import nn

_FACTORY = '''

NAMES = {names}


def make():
    """The owner's network with the weights of these layers stored transposed; used as they were."""
    from whosenet.attacks.transposed import transposed

    return transposed(owner(), NAMES)
'''


class Transpose(Attack):
    """Every matrix is stored as [in, out] and every kernel as [height, width, in, out]; the network turns them back.

    Source: the storage conventions of TensorFlow and Keras (Dense, Conv2D). No number changes, so the answers are equal
    to the bit.
    """

    name = "transpose"
    family = "laundering"
    changes_factory = True

    def _run(self, module: nn.Module, images: Images, context: Context) -> nn.Module:
        example, before = answers(module, images)
        names = [n for n, m in module.named_modules() if type(m) in kinds() and _plain(m)]
        if not names:
            raise UsageError(f"{type(module).__name__} has no linear or convolution layer to store transposed")
        transposed(module, names)
        check_same(self.name, module, example, before)
        context.on_step(1, 1)
        return module

    def factory_source(self, spec: Spec, module: nn.Module) -> str:
        """The text of `make()` (see attacks/folder.py)."""
        return _FACTORY.format(names=tuple(n for n, m in module.named_modules() if isinstance(m, Transposed)))


def _plain(layer: nn.Module) -> bool:
    """Whether the layer is its weight: not computed from others, nothing but zeros around its input."""
    return "weight" in layer._parameters and getattr(layer, "padding_mode", "zeros") == "zeros"
