"""Saturation mutagenesis of a whole window: gexviz against whole forward passes and tangermeme, in one run.

    python benchmarks/ism.py [--share 0.05] [--whole] [--checkpoint FILE]

Xpresso's 10,500 bp, the demo's cnn (2,000 bp), and a network whose first layer is attention over the whole sequence,
where nothing can be saved. Whole forward passes ("plain") and tangermeme without its fast way are run at a share of the
places, evenly spread, and their times are multiplied up; `--whole` runs them everywhere. tangermeme's fast way, its
default, is always run on the whole window, as it decides by the length of the job whether to use it. Times are of the
clock, the same threads for all; peak memory is that of a process of its own that does only our part.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tangermeme.saturation_mutagenesis import saturation_mutagenesis
from torch import nn

from gexviz.analysis.ism import Saturation, saturation
from gexviz.models import registry
from gexviz.models.base import ModelSpec
from gexviz.models.onehot import one_hot
from gexviz.models.torch_model import TorchSequenceModel

ROOT = Path(__file__).parents[1]
CHECKPOINT = ROOT.parent / "shared" / "geuvadis-chr22" / "models" / "xpresso-GM12878.h5"
DEMO = ROOT / "data" / "demo"
REPEATS = 5

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--share", type=float, default=0.05, help="of the places, for what is slow")
parser.add_argument("--whole", action="store_true", help="run what is slow at every place")
parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)


class Attentive(nn.Module):
    """Attention over the whole sequence comes first: a mutation changes everything."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.attention = nn.Linear(4, 32), nn.MultiheadAttention(32, 4, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From (batch, 4, length) to (batch,)."""
        x = self.into(x.transpose(1, 2))
        return self.out(self.attention(x, x, x, need_weights=False)[0].mean(1)).squeeze(-1)


def xpresso(checkpoint: Path) -> TorchSequenceModel:
    return registry.open_model("xpresso", "xpresso", {"checkpoint": checkpoint})


def demo_cnn(_: Path) -> TorchSequenceModel:
    return registry.open_model("cnn", "cnn", {"config": DEMO / "cnn.json", "weights": DEMO / "cnn.safetensors"})


def attentive(_: Path) -> TorchSequenceModel:
    torch.manual_seed(7)
    spec = ModelSpec("attention first", "torch", "sequence", "none", "output_mean", window=500, anchor=250)
    return TorchSequenceModel(spec, Attentive())


def random_dna(length: int) -> np.ndarray:
    return np.random.default_rng(7).choice(np.frombuffer(b"ACGT", dtype=np.uint8), length)


def timed(work: Callable[[], object]) -> tuple[float, object]:
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def tangermeme(model: TorchSequenceModel, sequence: np.ndarray, index: np.ndarray, *, fast: bool) -> np.ndarray:
    """Raw differences (n, 4) of tangermeme, of places start:end or one by one."""
    network = nn.Sequential(model.network(), nn.Unflatten(0, (-1, 1)))
    encoded = torch.tensor(one_hot(sequence[None]))
    parts = []
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    for places in np.split(index, breaks):
        raw = saturation_mutagenesis(
            network, encoded, device="cpu", raw_outputs=True, fast=fast, start=int(places[0]), end=int(places[-1]) + 1
        )
        parts.append((raw.y_hat - raw.y0[:, None, None])[0, :, :, 0].numpy().T)
    return np.concatenate(parts)


def peak(make: Callable[[Path], TorchSequenceModel], checkpoint: Path, queue: multiprocessing.Queue) -> None:
    """Peak memory in a process of its own, GB: of all, and what the saturation added."""
    model = make(checkpoint)
    sequence = random_dna(model.spec.window or 0)
    model.predict_sequences(one_hot(sequence[None]))
    before = high_water()
    saturation(model, sequence, np.arange(len(sequence)))
    queue.put((high_water(), high_water() - before))


def high_water() -> float:
    """Peak memory of this process so far, GB; on Linux, where ru_maxrss would count the parent too."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6


def compare(make: Callable[[Path], TorchSequenceModel], options: argparse.Namespace) -> None:
    model = make(options.checkpoint)
    length = model.spec.window or 0
    sequence, everywhere = random_dna(length), np.arange(length)
    runs = [timed(lambda: saturation(model, sequence, everywhere)) for _ in range(REPEATS)]
    ours = min(seconds for seconds, _ in runs)
    whole = runs[0][1]
    assert isinstance(whole, Saturation)
    print(f"\n{model.spec.name}, {length:,} bp, {3 * length:,} substitutions", flush=True)
    how = whole.method if whole.reason is None else f"{whole.method}: {whole.reason}"
    every = ", ".join(f"{seconds:.2f}" for seconds, _ in runs)
    print(f"  gexviz              {ours:8.2f} s   ({how}; all runs {every} s)", flush=True)

    blocks = 1 if options.whole else 10
    size = length if options.whole else max(1, round(length * options.share / blocks))
    starts = np.linspace(0, length - size, blocks).astype(int)
    index = everywhere if options.whole else np.unique(np.concatenate([np.arange(s, s + size) for s in starts]))
    said = "" if options.whole else f", from {len(index):,} places"
    seconds, plain = timed(lambda: saturation(model, sequence, index, plain=True))
    assert isinstance(plain, Saturation)
    report("plain", seconds * length / len(index), ours, said, plain.delta - whole.delta[index])
    seconds, theirs = timed(lambda: tangermeme(model, sequence, index, fast=False))
    report("tangermeme, not fast", seconds * length / len(index), ours, said, theirs - whole.delta[index])
    seconds, theirs = timed(lambda: tangermeme(model, sequence, everywhere, fast=True))
    report("tangermeme, default", seconds, ours, "", theirs - whole.delta)

    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=peak, args=(make, options.checkpoint, queue))
    process.start()
    total, added = queue.get()
    process.join()
    print(f"  peak memory of our process {total:.2f} GB, of which the saturation added {added:.2f} GB", flush=True)


def report(name: str, seconds: float, ours: float, said: str, difference: object) -> None:
    largest = np.abs(np.asarray(difference)).max()
    ratio = seconds / ours
    print(f"  {name:<20}{seconds:8.1f} s   {ratio:7.1f} times ours{said}; largest difference {largest:.0e}", flush=True)


def main() -> int:
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    if options.checkpoint.exists():
        compare(xpresso, options)
    else:
        print(f"Xpresso skipped: there is no checkpoint at {options.checkpoint} (give --checkpoint)")
    compare(demo_cnn, options)
    compare(attentive, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
