"""Gradient attributions of Xpresso against tangermeme and bare captum in one run, and memory of a 196,608 bp window.

    python benchmarks/gradients.py [--references 20] [--steps 50] [--threads 2]

All get the same sequence and the same references. The checkpoint is looked for in the real cohort beside the checkout,
or where GEXVIZ_REAL_COHORT says. Memory is the peak of a process of its own, torch included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import captum.attr
import numpy as np
import torch
from tangermeme.deep_lift_shap import deep_lift_shap
from torch import nn

from gexviz.analysis.gradients import GradientSettings, attribute
from gexviz.analysis.shuffling import dinucleotide_shuffles
from gexviz.models.onehot import one_hot
from gexviz.models.options import XpressoOptions
from gexviz.models.xpresso import open_model

COHORT = Path(os.environ.get("GEXVIZ_REAL_COHORT", Path(__file__).parents[2] / "shared" / "geuvadis-chr22"))
WINDOW, REPEATS = 10_500, 3

LONG = """
import sys, time, numpy as np, torch
from torch import nn
from gexviz.analysis.gradients import GradientSettings, attribute
from gexviz.models.base import ModelSpec
from gexviz.models.torch_model import TorchSequenceModel
torch.manual_seed(0)
torch.set_num_threads(int(sys.argv[2]))
layers = [nn.Conv1d(4, 32, 15, padding=7), nn.ReLU()]
for k in range(1, 8):
    layers += [nn.Conv1d(32, 32, 3, padding=2**k, dilation=2**k), nn.ReLU()]
network = nn.Sequential(*layers, nn.AvgPool1d(128), nn.Flatten(), nn.Linear(32 * 1536, 1), nn.Flatten(0))
spec = ModelSpec(name="dilated", family="torch", input="sequence", scale="", haplotypes="output_mean", window=196_608)
sequence = np.random.default_rng(0).choice(np.frombuffer(b"ACGT", dtype=np.uint8), 196_608)
begin = time.perf_counter()
settings = GradientSettings(n_baselines=2, n_steps=10)
attribute(TorchSequenceModel(spec, network), sequence, sys.argv[1], settings=settings)
seconds = time.perf_counter() - begin
print(seconds, int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024)
"""


class Timed(NamedTuple):
    """Best of three: CPU seconds of all threads, which other work on the machine disturbs less, and the clock's."""

    cpu: float
    clock: float
    values: np.ndarray


def timed(work: Callable[[], np.ndarray]) -> Timed:
    cpu, clock = [], []
    for _ in range(REPEATS):
        begin, began = time.perf_counter(), time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = work()
        clock.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - began)
    return Timed(min(cpu), min(clock), values)


def report(name: str, ours: Timed, peer: Timed, difference: float) -> None:
    """Times, how often ours, how far both are apart, and how far from complete."""
    print(
        f"  {name}: {peer.clock:.2f} s, {peer.clock / ours.clock:.2f} times ours (CPU {peer.cpu / ours.cpu:.2f} times)"
    )
    print(
        f"    largest difference {np.abs(peer.values - ours.values).max():.1e}; "
        f"sum of values {peer.values.sum():+.6f}, should be {difference:+.6f}"
    )


def main(references: int, steps: int, threads: int) -> None:
    checkpoint = COHORT / "models" / "xpresso-GM12878.h5"
    if not checkpoint.exists():
        print(f"skipped: there is no checkpoint at {checkpoint} (set GEXVIZ_REAL_COHORT)")
        return
    torch.set_num_threads(threads)
    model = open_model("xpresso", XpressoOptions(checkpoint=checkpoint))
    two_axes = nn.Sequential(model.network(), nn.Unflatten(0, (-1, 1)))
    sequence = np.random.default_rng(0).choice(np.frombuffer(b"ACGT", dtype=np.uint8), WINDOW)
    x = torch.from_numpy(one_hot(sequence[None]))
    others = torch.from_numpy(one_hot(dinucleotide_shuffles(sequence, references, 0)))
    settings = GradientSettings(n_baselines=references, n_steps=steps)
    predicted = model.predict_sequences(np.concatenate([x.numpy(), others.numpy()])).astype(np.float64)
    difference = predicted[0] - predicted[1:].mean()

    def of_tangermeme() -> np.ndarray:
        return deep_lift_shap(two_axes, x, references=others[None], device="cpu")[0].sum(dim=0).numpy()

    def of_captum() -> np.ndarray:
        return captum.attr.DeepLiftShap(two_axes).attribute(x, others, target=0)[0].sum(dim=0).detach().numpy()

    def integrated() -> np.ndarray:
        method = captum.attr.IntegratedGradients(model.network())
        found = [method.attribute(x, one[None], n_steps=steps, internal_batch_size=24) for one in others]
        return torch.cat(found).mean(dim=0).sum(dim=0).detach().numpy()

    print(f"Xpresso, {WINDOW:,} bp, {references} references, {threads} threads, best of {REPEATS}")
    ours = timed(lambda: attribute(model, sequence, "deeplift_shap", settings=settings).values)
    print(f"DeepLIFT with shuffled references: ours {ours.clock:.2f} s (CPU {ours.cpu:.2f} s)")
    print(f"    sum of values {ours.values.sum():+.6f}, should be {difference:+.6f}")
    report("tangermeme.deep_lift_shap", ours, timed(of_tangermeme), difference)
    report("captum DeepLiftShap", ours, timed(of_captum), difference)
    ours = timed(lambda: attribute(model, sequence, "integrated_gradients", settings=settings).values)
    print(f"integrated gradients, {steps} steps: ours {ours.clock:.2f} s (CPU {ours.cpu:.2f} s)")
    report("captum IntegratedGradients", ours, timed(integrated), difference)
    print("196,608 bp, a dilated network of 8 convolutions to 32 channels, 2 references")
    for method in ("deeplift_shap", "integrated_gradients"):
        done = subprocess.run(
            [sys.executable, "-c", LONG, method, str(threads)], capture_output=True, text=True, check=True
        )
        seconds, peak = (float(part) for part in done.stdout.split())
        print(f"  {method:<28} {seconds:7.1f} s, peak {peak:,.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=int, default=20)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    main(**vars(parser.parse_args()))
