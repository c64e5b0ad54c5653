"""The identity code of PROVE by itself: what it reads back through noise and cover, and whom it names by mistake.

    python bench/prove_identity_code.py [--words 400] [--seed 77]      # results/prove_identity_code.{json,md}

Simulated readings, no images: soft bits are +-1 and Gaussian noise on each, or parts that are covered (any sure value)
or wiped (hardly any value). The two constants of the decoder were chosen with seed 2; report with another.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from whosenet.keys import identity_code
from whosenet.keys import reed_solomon as code
from whosenet.keys.key import Key, mint

Values = NDArray[np.float64]
Noise = Callable[[Values, np.random.Generator], Values]
KEYS, PATTERNS = 1000, 10


def gauss(spread: float) -> Noise:
    return lambda values, r: values + spread * r.standard_normal(code.BITS)


def parts(covered: int, wiped: int) -> Noise:
    """So many of the 15 symbols covered or wiped, a little noise (0.4) on the rest."""

    def change(values: Values, r: np.random.Generator) -> Values:
        symbols = gauss(0.4)(values, r).reshape(code.SYMBOLS, code.SYMBOL)
        places = r.permutation(code.SYMBOLS)
        symbols[places[:covered]] = r.choice([-1, 1], (covered, code.SYMBOL))
        symbols[places[covered : covered + wiped]] = 0.1 * r.standard_normal((wiped, code.SYMBOL))
        return symbols.reshape(-1)

    return change


def signs_alone(values: Values) -> int | None:
    return next(code._repaired((values > 0).astype(np.uint8), values))


def erasing(values: Values) -> int | None:
    """The library's decoder, of all numbers of erased symbols the word that correlates best."""
    found = [p for p in code._repaired((values > 0).astype(np.uint8), values) if p is not None]
    return max(found, key=lambda p: float((2.0 * code.encode(p) - 1) @ values), default=None)


def shares(noise: Noise, words: int, seed: int) -> dict[str, float]:
    r = np.random.default_rng(seed)
    decoders = {"signs alone": signs_alone, "erasures": erasing, "ours": lambda values: code.decode(values)[0]}
    right, wrong_bits = dict.fromkeys(decoders, 0), 0.0
    for _ in range(words):
        payload = int(r.integers(1 << code.PAYLOAD))
        values = noise(code.encode(payload) * 2.0 - 1, r)
        wrong_bits += float(((values > 0) != code.encode(payload)).mean())
        for name, decoder in decoders.items():
            right[name] += decoder(values) == payload
    return {"wrong bits": wrong_bits / words, **{name: count / words for name, count in right.items()}}


def rows(words: int, seed: int) -> Iterator[dict[str, Any]]:
    for spread in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2):
        yield {"reading": f"noise {spread} on every bit", **shares(gauss(spread), words, seed)}
    for covered, wiped in ((2, 0), (4, 0), (5, 0), (3, 3), (2, 5), (0, 8)):
        yield {"reading": f"{covered} symbols covered, {wiped} wiped", **shares(parts(covered, wiped), words, seed)}


def named(seed: int) -> dict[str, Any]:
    """One perfect carrier before 1,000 wrong keys, and before as many keys with the right one among them."""
    r = np.random.default_rng(seed)
    keys = [mint(f"licensee {i}", secret=r.bytes(32), signing=r.bytes(32)) for i in range(KEYS)]
    owner: Key = mint("owner", secret=r.bytes(32), signing=r.bytes(32))
    soft = identity_code.carried(owner, 3) * 2.0 - 1
    readings = [identity_code.read(key, soft, PATTERNS) for key in keys]
    start = time.perf_counter()
    found = identity_code.identify([*keys[:-1], owner], soft, PATTERNS)
    return {
        "wrong keys": KEYS, "patterns": PATTERNS, "called the identity": sum(one.identity_ok for one in readings),
        "p at most 1e-6": sum(one.log10_p <= -6 for one in readings), "fewest wrong bits": min(o.bit_errors for o in readings),
        "least log10_p": min(one.log10_p for one in readings), "identified": found is not None and found.key is owner,
        "identified, log10_p": found.reading.log10_p if found else None, "seconds to identify": time.perf_counter() - start,
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--words", type=int, default=400)
    options.add_argument("--seed", type=int, default=77)
    chosen = options.parse_args()
    measured = list(rows(chosen.words, chosen.seed))
    tried = named(chosen.seed)
    text = "# The identity code by itself\n\nShare of payloads read back exactly.\n\n"
    text += record.table(list(measured[0]), [list(row.values()) for row in measured])
    text += f"\n\n{chosen.words} simulated words a row.\n\n" + record.table(list(tried), [list(tried.values())])
    print(text)
    record.write("prove_identity_code", {"readings": measured, "keys": tried}, text, seed=chosen.seed)


if __name__ == "__main__":
    main()
