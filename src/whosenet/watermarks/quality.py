"""How far stamped images are from their covers, by the field's two measures (SSIM by kornia)."""

from __future__ import annotations

import numpy as np

from whosenet.networks.images import Pixels, as_tensor


def psnr(covers: Pixels, stamped: Pixels) -> float:
    """Mean over images of 10 log10(255^2 / mean squared error), dB; identical images count as 99."""
    error = (covers.astype(np.float64) - stamped).reshape(len(covers), -1)
    squared = np.maximum((error**2).mean(1), 255**2 / 10**9.9)
    return float((10 * np.log10(255**2 / squared)).mean())


def ssim(covers: Pixels, stamped: Pixels) -> float:
    """Mean structural similarity (Wang et al., IEEE TIP 2004; 11x11 window), 0..1."""
    import torch
    from kornia.metrics import ssim as maps

    with torch.inference_mode():
        found = maps(as_tensor(covers).expand(-1, 3, -1, -1), as_tensor(stamped).expand(-1, 3, -1, -1), 11)
    return float(found.mean())
