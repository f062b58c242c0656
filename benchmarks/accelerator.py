"""The roofline of this device: what a training step costs, what bounds it, and how near to that bound the engine comes.

    python benchmarks/accelerator.py --data cifar10.npz --out accelerator.json     everything, in about 9 minutes
    python benchmarks/accelerator.py --quick                                       smaller networks, under 3 minutes on a CPU
    python benchmarks/accelerator.py --only purchase --whole                       all 1,000 networks instead of a sample

Parts, the residual network and its sweep first; each is written to --out once it is done, and none is begun after --minutes:

    ceilings      a large matrix product in bfloat16, in the backend's float32 and in exact float32; a copy
    resnet9, mlp, wrn, cnn
                  FLOPs and bytes of a step, counted and as XLA's cost analysis of the compiled step has them (which leaves out
                  what it calls a library for); each form of convolution with 1, 4, 16, ... models at the same time; blocks of
                  questions; then three rows: a Python loop of steps, one scanned model, the ensemble in the fastest way found
    sweep         CIFAR-10, 25,000 members a model, 18 queries a record: a few models, scaled to 256
    purchase      networks 600-512-256-128-100 on 10,000 records for 50 epochs: a few models, scaled to 1,000

A count has the products and convolutions of forward and backward passes (2 FLOPs a multiply-add), and bytes as if each product
read its operands and wrote its result once and the optimiser read and wrote what it keeps: what no program can do without, but
for keeping results in registers and caches. The bound is the larger of counted FLOPs at the product ceiling of the precision
and counted bytes at the copy ceiling; the fraction reached is that bound over the measured time. One device is measured; a CPU
counts as one. Without --data the images are random, and there is no accuracy to report.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from accelerator_ceilings import ceilings
from accelerator_options import CONSOLE, Options, Rows
from accelerator_roofline import roofline
from accelerator_sweeps import cifar, images, purchase
from kinds import CPU, FULL, SMALL

from jaxattack.audit.environment import device, peak_memory
from jaxattack.release import release
from jaxattack.types import InputError

PARTS = ("resnet9", "sweep", "mlp", "purchase", "wrn", "cnn")


def versions() -> dict[str, Any]:
    """On what this was measured."""
    names = ("jaxattack", "jax", "jaxlib", "flax", "optax", "numpy")
    return {name: release(name) for name in names} | {"device": device()}


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--only", choices=PARTS, action="append", help="these parts beside the ceilings; all by default"
    )
    options.add_argument("--precision", choices=("float32", "bfloat16"), default="float32" if CPU else "bfloat16")
    options.add_argument("--data", help="real CIFAR-10 as jaxattack.load takes it, so that accuracy is reported")
    options.add_argument("--quick", action="store_true", help="smaller networks")
    options.add_argument("--whole", action="store_true", help="train all 1,000 Purchase-size networks")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--minutes", type=float, help="begin nothing after so many, above 0; 8, or 2 with --quick")
    options.add_argument("--out", type=Path, help="write the figures to this JSON file")
    return options


def options_of(words: argparse.Namespace) -> Options:
    """What the words of the command line ask for."""
    minutes = words.minutes or (2.0 if words.quick else 8.0)
    return Options(
        parts=tuple(words.only or PARTS),
        precision=words.precision,
        repeats=words.repeats,
        patience=minutes * 60 / 8,
        deadline=time.perf_counter() + minutes * 60,
        quick=words.quick,
        whole=words.whole,
        data=words.data,
        out=words.out,
    )


def figures(part: str, results: dict[str, Any], options: Options) -> Iterator[Any]:
    """A part's figures, once more each time that there are more of them."""
    if part == "sweep":
        trials: Rows = []
        yield trials
        for trial in cifar(results, options):
            trials.append(trial)
            yield trials
    elif part == "purchase":
        yield purchase(results, options)
    else:
        yield roofline(part, (SMALL if options.quick else FULL)[part], results["ceilings"], options)


def keep(results: dict[str, Any], options: Options) -> None:
    """Write what there is so far."""
    results["peak_memory_bytes"] = peak_memory()
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


def measure(part: str, results: dict[str, Any], options: Options) -> None:
    """Add a part's figures, or why there are none, and keep them."""
    try:
        if time.perf_counter() > options.deadline:
            raise TimeoutError("not begun: out of time")
        for figure in figures(part, results, options):
            results[part] = figure
            keep(results, options)
    except (jax.errors.JaxRuntimeError, RuntimeError, TimeoutError) as error:
        results.setdefault("failures", {})[part] = str(error)[:500]
        CONSOLE.print(f"\n{part} failed: {str(error)[:500]}")
        keep(results, options)


def main() -> None:
    """Run the benchmark."""
    commands = parser()
    options = options_of(commands.parse_args())
    if len(jax.local_devices()) > 1:
        raise SystemExit(
            f"there are {len(jax.local_devices())} devices: make one visible, as CUDA_VISIBLE_DEVICES=0 does."
        )
    try:
        images(options, 1024 if options.quick else 50_000)
    except InputError as error:
        commands.error(str(error))
    results: dict[str, Any] = {"environment": versions(), "quick": options.quick}
    CONSOLE.print(str(results["environment"]))
    results["ceilings"] = ceilings(options.repeats)
    keep(results, options)
    for part in options.parts:
        measure(part, results, options)
    if options.out:
        CONSOLE.print(f"Wrote {options.out}")


if __name__ == "__main__":
    main()
