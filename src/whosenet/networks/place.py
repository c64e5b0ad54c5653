"""Weights on an accelerator, all else on the CPU: a module that fetches its images and returns its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whosenet.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn


def place(module: nn.Module, device: str) -> nn.Module:
    """Move `module` in place to `device` ("cpu", "cuda", "cuda:1", "mps"); it then takes float32 images from the CPU
    and answers there, gradients included, so that no loop, attack or detector has to know where it is. Copies of it
    (`copy.deepcopy`) do likewise. It takes one tensor of images and returns one of logits. Nothing is hooked on the
    CPU. What an accelerator computes is not the same to the bit from run to run.

    Raises UsageError where torch knows or sees no such device.
    """
    where = checked(device)
    if where.type != "cpu":
        module.to(where)
        hook(module)
    return module


def checked(device: str) -> torch.device:
    """Raises UsageError unless a tensor can be made there, MissingExtra without torch."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("torch", "training and asking networks") from error
    try:
        where = torch.device(device)
        torch.empty(1, device=where).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        why = str(error).partition("\n")[0][:120]
        raise UsageError(f"no device {device!r} to compute on ({why}); leave --device out for the CPU") from error
    return where


def elsewhere(module: nn.Module) -> dict[str, str]:
    """{"device": its name} for what has to go on where it began; nothing for the CPU."""
    where = next((weight.device.type for weight in module.parameters()), "cpu")
    return {} if where == "cpu" else {"device": where}


def hook(module: nn.Module) -> None:
    """Images go to where (and in the precision in which) the first parameter is; answers come back as float32."""
    module.register_forward_pre_hook(_there)
    module.register_forward_hook(_back)


def _there(module: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    weight = next(module.parameters())
    return tuple(images.to(weight.device, weight.dtype, non_blocking=True) for images in given)


def _back(module: nn.Module, given: Any, said: torch.Tensor) -> torch.Tensor:
    import torch

    return said.to("cpu", torch.float32)
