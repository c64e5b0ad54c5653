"""A half-finished training on disk: module, optimiser and finished epochs in one file, never a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from whosenet import files
from whosenet.errors import MalformedFile, UsageError

Run = dict[str, Any]
KIND, VERSION = "checkpoint", 1


def save(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, epochs_done: int, run: Run) -> None:
    """Written beside `path` and moved into place, so a kill leaves the epoch before."""
    arrays = {f"module.{name}": _array(value) for name, value in module.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        arrays |= {f"optimiser.{number}.{key}": _array(value) for key, value in state.items()}
    files.write(path, KIND, VERSION, {"run": run, "epochs_done": epochs_done}, arrays)


def load(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, run: Run) -> int:
    """Put the saved state into `module` and `optimiser`; how many epochs are done (0 if there is no file)."""
    if not path.is_file():
        return 0
    found = files.read(path, KIND, VERSION)
    if found.header.get("run") != run:
        raise UsageError(
            f"{path}: checkpoint of another run ({_differing(found.header.get('run'), run)} differ); "
            "delete it or name another path"
        )
    tensors = {name: torch.from_numpy(array.copy()) for name, array in found.arrays.items()}
    try:
        module.load_state_dict({name[7:]: value for name, value in tensors.items() if name.startswith("module.")})
        optimiser.load_state_dict({**optimiser.state_dict(), "state": _states(tensors)})
        return int(found.header["epochs_done"])
    except (RuntimeError, KeyError, ValueError) as error:
        raise MalformedFile(path, f"does not fit this network ({str(error)[:120]}); delete it to start over") from error


def _differing(theirs: Any, ours: Run) -> str:
    """Names of what two runs do not agree on."""
    theirs = theirs if isinstance(theirs, dict) else {}
    return ", ".join(str(name)[:40] for name in sorted({*theirs, *ours}) if theirs.get(name) != ours.get(name))


def _array(value: Any) -> NDArray[Any]:
    """float32, or int64 for counters."""
    tensor = torch.as_tensor(value).detach().cpu()
    return np.asarray((tensor.float() if tensor.is_floating_point() else tensor.long()).numpy())


def _states(tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    """The optimiser's tensors by the number of the parameter they belong to."""
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, number, key = name.split(".", 2)
            states.setdefault(int(number), {})[key] = value
    return states
