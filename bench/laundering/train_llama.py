"""Train small Llamas from independent seeds: `python -m bench.laundering.train_llama --seeds 12`. Goes on where it stopped."""

import argparse
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from bench.laundering import texts
from bench.laundering.llama import Llama, llama
from bench.population.index import default_root
from whosenet.networks.save import save_weights
from whosenet.networks.spec import load_weights

STEPS, BATCH, RATE = 500, 16, 3e-3


def path(seed: int) -> Path:
    return default_root() / "launder" / "llama" / f"{seed}.safetensors"


def train(net: Llama, *, steps: int, seed: int, rate: float = RATE) -> float:
    """AdamW, one cycle, every place of every window counts; the mean loss of the last tenth, in nats."""
    optimiser = torch.optim.AdamW(net.parameters(), rate, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    losses: list[float] = []
    for step in range(steps):
        w = torch.from_numpy(texts.windows(BATCH, seed * 1_000_003 + step).astype("int64"))
        loss = F.cross_entropy(net.every(w[:, :-1]).flatten(0, 1), w[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return sum(losses[-steps // 10 :]) / len(losses[-steps // 10 :])


def made(seed: int) -> Llama:
    """From the store, or trained now."""
    file = path(seed)
    torch.manual_seed(1000 + seed)
    net = llama()
    if file.is_file():
        load_weights(net, file)
        return net.eval()
    file.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    loss = train(net, steps=STEPS, seed=seed)
    save_weights(net.eval(), file)
    print(f"llama {seed}: {loss:.2f} nats a byte, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12)
    torch.set_num_threads(1)
    for seed in range(parser.parse_args().seeds):
        made(seed)


if __name__ == "__main__":
    main()
