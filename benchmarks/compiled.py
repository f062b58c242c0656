"""What a training step and its questions move through the memory of an H100, read off the programs compiled for one.

    pip install '.[cuda]'                          or only jax-cuda13-plugin, jax-cuda13-pjrt, nvidia-cuda-nvcc and nvidia-nvvm
    JAX_PLATFORMS=cpu python benchmarks/compiled.py                no GPU is needed: XLA compiles for the chip described here

The residual network of the CIFAR-10 sweep is compiled three times: as this package has it, with patches for convolutions, and
written with Flax's batch norm and the gradients that JAX derives, as one would write it; the network of Purchase size by
itself. Each kernel of the innermost loop is taken to read its operands and write its results once, but for the data set, of
which a batch is read; kernels below 1 MiB cost their launch. Nothing is run: the least time is bytes over the bandwidth of the
data sheet, says nothing of how fast products are, and is no measurement. Choices that XLA makes by timing kernels
are its defaults here.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding
from kinds import FULL, Kind, records_for
from rich.console import Console
from rich.table import Table

from jaxattack.models import build, from_nnx
from jaxattack.models.layers import conv3, last
from jaxattack.release import release
from jaxattack.training import Queries
from jaxattack.training.learners import Standard
from jaxattack.training.program import EVERYWHERE, Program, Way, Work, compiled
from jaxattack.types import InputError, Model

H100 = """
platform_name: "CUDA"
device_description_str: "NVIDIA H100 80GB HBM3"
gpu_device_info {
  cuda_compute_capability { major: 9 }
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448 shared_memory_per_core: 233472
  registers_per_block_limit: 65536 registers_per_core_limit: 65536
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 device_memory_size: 84929347584
}
dnn_version_info { major: 9 minor: 7 }
runtime_version { major: 12 minor: 8 patch: 0 }
"""
BANDWIDTH, SMALL = 3.35e12, 2**20
WIDTHS = {"pred": 1, "u8": 1, "s8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
FREE = {"parameter", "get-tuple-element", "tuple", "constant", "bitcast"}
INSTRUCTION = re.compile(r"(?:ROOT )?%([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*?)\)(?:, |$)")


class Kernel(NamedTuple):
    """One kernel of a compiled program.

    Attributes:
        product: whether it multiplies matrices or convolves.
        moved: bytes of its operands and results.
    """

    product: bool
    moved: float


def computations(text: str) -> dict[str, list[str]]:
    """The instructions of each computation of a compiled program's text."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        head = re.match(r"(?:ENTRY )?%([\w.\-]+) .*\{$", line)
        if head:
            found[head[1]] = []
        elif found and line.startswith("  "):
            found[next(reversed(found))].append(line.strip())
    return found


def size(kind: str) -> int:
    """Bytes of an HLO type, or of all in a tuple."""
    arrays = re.findall(r"(\w+)\[([\d,]*)\]", kind)
    return sum(WIDTHS.get(name, 0) * int(np.prod([int(n) for n in dims.split(",") if n])) for name, dims in arrays)


def kernels(instructions: list[str], data: int) -> Iterator[Kernel]:
    """The kernels of one pass through a loop; of an operand of ``data`` bytes as much is read as is written."""
    sizes: dict[str, int] = {}
    for instruction in instructions:
        found = INSTRUCTION.match(re.sub(r"/\*.*?\*/", "", instruction))
        if not found:
            continue
        name, kind, operation, operands = found.groups()
        sizes[name] = size(kind)
        if operation in FREE:
            continue
        read = [sizes.get(operand, 0) for operand in re.findall(r"%([\w.\-]+)", operands)]
        product = "cudnn" in instruction or "cublas" in instruction or "gemm" in name
        yield Kernel(product, sizes[name] + sum(sizes[name] if each >= data else each for each in read))


def innermost(text: str) -> list[str]:
    """The instructions of the loop that has the most: a step, or one view of a block of records."""
    found = computations(text)
    return max((found[name] for name in re.findall(r"body=%([\w.\-]+)", text)), key=len)


def summary(text: str, data: int, group: int) -> dict[str, float]:
    """What the innermost loop of a program does for one model."""
    every = list(kernels(innermost(text), data))
    large = [kernel for kernel in every if kernel.moved >= SMALL]
    moved = {kind: sum(k.moved for k in large if k.product == kind) / group for kind in (True, False)}
    return {
        "kernels": len(every) / group,
        "below_1_mib": (len(every) - len(large)) / group,
        "product_bytes": moved[True],
        "other_bytes": moved[False],
        "least_seconds": sum(moved.values()) / BANDWIDTH,
    }


def for_h100(work: Work, way: Way, x: Any) -> Program:
    """The programs of a chunk of as many models as are handled at a time.

    Raises:
        InputError: JAX's plugin for CUDA is not installed.
    """
    try:
        chip = topologies.get_topology_desc("h100", "cuda", target_config=H100, topology="1x1x1")
    except Exception as error:
        raise InputError(
            f"JAX cannot compile for CUDA here: pip install '.[cuda]', and set JAX_PLATFORMS=cpu ({error})."
        ) from error
    mesh = Mesh(np.array(chip.devices), ("model",))
    shared = NamedSharding(mesh, EVERYWHERE)
    records = jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=shared)
    labels = jax.ShapeDtypeStruct(x.shape[:1], jnp.int32, sharding=shared)
    return compiled.__wrapped__(work, mesh, way.group, way, records, labels)


class Plain(nnx.Module):
    """The residual network of `jaxattack.models.residual` as one would write it with Flax."""

    def __init__(self, width: int, rngs: nnx.Rngs):
        sizes = [3, *(width * factor for factor in (1, 2, 2, 2, 4, 8, 8, 8))]
        self.convs = nnx.List([conv3(a, b, rngs) for a, b in pairwise(sizes)])
        self.norms = nnx.List([nnx.BatchNorm(b, momentum=0.9, rngs=rngs) for b in sizes[1:]])
        self.head = last(sizes[-1], 10, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            before, x = x, conv(x)
            if number in (1, 4, 5):
                x = nnx.max_pool(x, (2, 2), (2, 2))
            x = nnx.gelu(norm(x)).astype(x.dtype)
            if number in (2, 6):
                start = before
            if number in (3, 7):
                x = start + x
        return self.head(jnp.max(x, axis=(1, 2))) / 8


def rows() -> Mapping[str, tuple[Kind, Model | None, Way]]:
    """What is compared: a kind, another network for it, and the way through the models."""
    resnet9, mlp = FULL["resnet9"], FULL["mlp"]
    return {
        "resnet9:32": (resnet9, None, Way("lax", 1, 1024)),
        "resnet9:32, four at a time": (resnet9, None, Way("patches", 4, 1024)),
        "resnet9:32, plain Flax": (resnet9, from_nnx(lambda rngs: Plain(32, rngs)), Way("lax", 1, 1024)),
        "mlp:512-256-128, 64 at a time": (mlp, None, Way("lax", 64, 1024)),
    }


def main() -> None:
    """Compile, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()
    results: dict[str, Any] = {"environment": {name: release(name) for name in ("jaxattack", "jax", "flax")}}
    results["environment"]["chip"] = "H100, described and not present"
    table = Table(title="Per model, on an H100 that is described and not present", title_justify="left")
    for column in (
        "what",
        "conv",
        "loop",
        "kernels",
        "below 1 MiB",
        "products MiB",
        "rest MiB",
        "least ms",
        "compile s",
    ):
        table.add_column(column, justify="left" if column in ("what", "conv", "loop") else "right")
    for name, (kind, model, way) in rows().items():
        images = len(kind.shape) == 3
        recipe = replace(kind.recipe, precision="bfloat16", epochs=2)
        slots, queries = (25_000, Queries.counting(18)) if images else (10_000, Queries())
        x = records_for(kind, 2 * slots).x
        work = Work(
            model or build(kind.model, kind.shape, kind.classes),
            Standard(recipe=recipe),
            queries,
            ("phi", "correct"),
            slots,
            kind.classes,
        )
        begin = time.perf_counter()
        try:
            program = for_h100(work, way, x)
        except InputError as error:
            parser.error(str(error))
        seconds = time.perf_counter() - begin
        found = results[name] = {"way": way._asdict(), "batch": recipe.batch, "compile_seconds": seconds}
        for loop, one in (("step", program.train), ("block of questions", program.observe)):
            each = found[loop] = summary(one.as_text(), x.nbytes, way.group)
            counts = f"{each['kernels']:,.1f}", f"{each['below_1_mib']:,.1f}"
            moved = (f"{each[key] / 2**20:,.1f}" for key in ("product_bytes", "other_bytes"))
            table.add_row(name, way.conv, loop, *counts, *moved, f"{each['least_seconds'] * 1e3:.3f}", f"{seconds:.0f}")
    Console(width=150).print(table)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")
        print(f"Wrote {options.out}")


if __name__ == "__main__":
    main()
