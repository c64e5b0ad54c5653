"""What is tried beside the default, on development nets, and what is done to it; as data."""

from __future__ import annotations

from typing import Any

PSNR = 34.0
CURVE = (28, 31, 37, 40)
"""Decibels beside the 34 of all others on CIFAR-10."""
ABLATION: dict[str, Any] = {"epochs": 8}
"""Ablation's nets are marked half as long, variants and the `half as long` they are compared with alike."""
VARIANTS: dict[str, dict[str, Any]] = {
    "half as long": {},
    "temperature 1": {"temperature": 1.0},
    "no-triplet": {"triplet": 0.0},
    "from scratch": {"from": "random", "lr": 0.1, "epochs": 16},
    "labels-alone": {"teach": 0.0},
    "spectrum-shaped": {"watermark": "spectrum-shaped"},
    "rehearse-fine-tune": {"rehearse": "fine-tune"},
    "journeys": {"journeys": 0.5},
    "no-strangers": {"strangers": 0.0},
    "no-boost": {"boost": 1.0},
    "white": {"watermark": "white"},
    "low-frequency": {"watermark": "low-frequency"},
    "triplet x6": {"triplet": 1.5},
    "triplet x6, target-cover": {"triplet": 1.5, "positive": "target", "negative": "cover"},
    "triplet x6, target-other": {"triplet": 1.5, "positive": "target", "negative": "other"},
    "triplet x6, trigger-other": {"triplet": 1.5, "positive": "trigger", "negative": "other"},
    "share x2": {"share": 0.2},
    "nothing mixed": {"mix": 0.0},
    "half labels": {"teach": 0.5},
    "rehearse-prune": {"rehearse": "prune"},
    "one-pattern": {"patterns": 1},
    "eight-patterns": {"patterns": 8},
    "journeys-always": {"journeys": 1.0},
}
"""Ablation: what differs from the default; `patterns` and `watermark` belong to the key, `from` to the start."""
TRIALS: dict[tuple[str, str, int], dict[str, dict[str, Any]]] = {
    ("gtsrb", "resnet", 0): {
        "settled 0.35": {"settled": 0.35},
        "settled 0.5": {"settled": 0.5},
        "settled 1": {"settled": 1.0},
        "weight 2": {"weight": 2.0},
        "100 passes": {"epochs": 100},
    },
    ("tiny", "vgg", 9): {"settled 0.5": {"settled": 0.5}},
}
"""Development nets of the other two image sets, marked as long as by default: what decides how many triggers are learnt
and how deep (bench/prove_trials.py)."""
SHORT = ("ftal", "ftal-10x", "rtal")
"""Attacks on the owners' other seeds ..."""
AGAIN = ("rtal-2", "rtal-3")
"""... and on the ablation's variants, on CHOICES with RTAL twice more, by other seeds: what it leaves varies. ..."""
CHOICES = ("default", "half-as-long", "temperature-1", "no-triplet", "from-scratch", "low-frequency", "rehearse-fine-tune",
           "rehearse-prune", "triplet-x6", "triplet-x6-target-cover", "triplet-x6-target-other",
           "triplet-x6-trigger-other")  # fmt: skip
HARD = {
    "extract-probability": ("default", "rehearse-fine-tune"),
    "overwrite": ("half-as-long", "temperature-1", "no-triplet", "rehearse-fine-tune", "journeys", "journeys-always",
                  "from-scratch", "eight-patterns", "psnr-28", "psnr-31"),
    "adversarial-training": ("half-as-long", "rehearse-fine-tune", "journeys", "journeys-always", "low-frequency",
                             "eight-patterns", "psnr-28", "psnr-31"),
}  # fmt: skip
"""... Thefts that remove the default's mark, and the variants that might outlive them."""
SANITISED = ("half-as-long", "journeys", "journeys-always", "psnr-28", "psnr-31")
HIDING = ("input-jpeg", "input-median", "input-resize-pad")
"""The same of what hides it, which takes no training."""
REMOVING = ("adversarial-training", "ftal-10x", "overwrite")
"""What is done to owners' nets that were marked with `--journeys`, beside HIDING."""
