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
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from kinds import CPU, FULL, PICTURE, SMALL, Kind, records_for
from rich.console import Console
from rich.table import Table
from steps import Step

from jaxattack import Dataset, Recipe, load
from jaxattack.audit.environment import device, peak_memory
from jaxattack.data.designs import Sized
from jaxattack.models import build
from jaxattack.models.conv import Form
from jaxattack.release import release
from jaxattack.training import Engine, Placement, Queries, Sweep
from jaxattack.training.images import augment
from jaxattack.training.learners import Standard
from jaxattack.training.program import Way, Work
from jaxattack.training.tuning import Timing, measure
from jaxattack.types import InputError

Rows = list[dict[str, Any]]
CONSOLE = Console(width=150)


@dataclass(frozen=True)
class Options:
    """What is measured, and for how long."""

    precision: str
    repeats: int
    patience: float
    deadline: float
    quick: bool
    whole: bool
    data: str | None


def timed(run: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of each repeat; the first call, which warms up, is not counted."""
    jax.block_until_ready(run())
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - begin)
    return seconds


def spread(values: list[float]) -> dict[str, float]:
    """The median, the least and the most."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "n": len(values)}


def ceilings(options: Options) -> dict[str, Any]:
    """FLOP/s of a large product by precision, and bytes a second of a copy; on random numbers."""
    size, copied = (1024, 2**26) if CPU else (8192, 2**31)
    random = jax.random.normal(jax.random.key(0), (size, size))
    found: dict[str, Any] = {"matrix": size, "copied_bytes": copied}
    for name, dtype, precision in (
        ("bfloat16", jnp.bfloat16, "default"),
        ("float32", jnp.float32, "default"),
        ("float32 exact", jnp.float32, "highest"),
    ):
        a = random.astype(dtype)
        product = jax.jit(lambda a, precision=precision: jnp.matmul(a, a, precision=precision))
        found[name] = spread([2.0 * size**3 / each for each in timed(lambda f=product, a=a: f(a), options.repeats)])
    many = jnp.ones(copied // 4, jnp.float32)
    copy = jax.jit(lambda many: many * 1.5)
    found["copy"] = spread([2.0 * copied / each for each in timed(lambda: copy(many), options.repeats)])
    table = Table(title="Ceilings", title_justify="left")
    for column in ("what", "median", "low - high", "n"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name in ("bfloat16", "float32", "float32 exact", "copy"):
        unit, each = ("GB/s" if name == "copy" else "TFLOP/s"), found[name]
        scale = 1e-9 if name == "copy" else 1e-12
        median, low, high = (f"{each[key] * scale:,.2f}" for key in ("median", "low", "high"))
        table.add_row(name, f"{median} {unit}", f"{low} - {high}", str(each["n"]))
    CONSOLE.print(table)
    return found


def ways(kind: Kind, work: Work, x: Any, patience: float) -> Rows:
    """Every form and group, then blocks of questions in the way that trains fastest, until patience is over."""
    mesh = Mesh(np.array(jax.local_devices()[:1]), ("model",))
    pairs: list[tuple[Form, int]] = [(form, group) for group in kind.groups for form in kind.forms]
    begin = time.perf_counter()
    found: Rows = []

    def attempt(form: Form, group: int, block: int) -> None:
        way = Way(form, group, block)
        if found and time.perf_counter() - begin > patience:
            found.append({**way._asdict(), "error": "not tried, out of time"})
            return
        try:
            timing: Timing = measure(work, mesh, way, x)
            found.append(
                {**way._asdict(), **{name: value for name, value in timing._asdict().items() if name != "way"}}
            )
        except jax.errors.JaxRuntimeError as error:
            found.append({**way._asdict(), "error": str(error).splitlines()[0][:120]})

    for form, group in pairs:
        attempt(form, group, 1024)
    best = fastest_of(found, "step_seconds")
    for block in (4096, 16384) if not CPU else (4096,):
        attempt(best["conv"], best["group"], block)
    return found


def fastest_of(found: Rows, key: str, **same: object) -> dict[str, Any]:
    """The way of least seconds among those that ran."""
    ran = [way for way in found if key in way and all(way[name] == value for name, value in same.items())]
    if not ran:
        raise RuntimeError(f"no way ran: {found}")
    return min(ran, key=lambda way: way[key])


def roofline(name: str, kind: Kind, limits: dict[str, Any], options: Options) -> dict[str, Any]:
    """All that is asked about one kind of network."""
    recipe = replace(kind.recipe, precision=options.precision)
    slots = kind.steps * recipe.batch
    dataset = records_for(kind, min(slots, 16384))
    step = Step(kind, dataset, options.precision)
    cost, compiled, compiling = step.cost()
    model = build(kind.model, kind.shape, kind.classes)
    x = jax.ShapeDtypeStruct(dataset.x.shape, dataset.x.dtype)
    tried = ways(
        kind,
        Work(model, Standard(recipe=recipe), Queries(), ("phi", "correct"), slots, kind.classes),
        x,
        options.patience,
    )
    best = fastest_of(tried, "step_seconds")
    block = fastest_of(tried, "answer_seconds", conv=best["conv"], group=best["group"])["block"]
    one = fastest_of(tried, "step_seconds", group=1)
    loop = timed(lambda: step.loop(compiled, kind.steps // 2), options.repeats)
    rows = {"step loop": {"seconds": spread([s / (kind.steps // 2) for s in loop]), "compile": compiling, "way": "lax"}}
    rows["scanned model"] = engine_row(
        kind, recipe, dataset, 1, Placement(vmap=1, conv=one["conv"], block=block), options
    )
    placement = Placement(vmap=best["group"], conv=best["conv"], block=block)
    rows["ensemble"] = engine_row(kind, recipe, dataset, max(kind.models, best["group"]), placement, options)
    result = {"kind": name, "model": kind.model, "batch": recipe.batch, "precision": options.precision, **cost}
    result |= {"ways": tried, "rows": rows, "augment_seconds": augmenting(kind, dataset, options)}
    bound(result, limits)
    show(result)
    return result


def engine_row(
    kind: Kind, recipe: Recipe, dataset: Dataset, models: int, placement: Placement, options: Options
) -> dict[str, Any]:
    """Seconds a step of one model, when the engine trains so many of them, and seconds an answer."""
    slots = min(len(dataset) // 2 // recipe.batch, kind.steps) * recipe.batch
    epochs = max(1, kind.steps * recipe.batch // slots)
    sweep = Sweep(model=build(kind.model, kind.shape, kind.classes), recipe=replace(recipe, epochs=epochs))
    member = Sized(members=slots)(models, len(dataset), seed=0)
    engine = Engine(sweep, dataset, models=models, slots=slots, placement=replace(placement, chunk=models))
    list(engine.run_all(range(models), member))
    steps, answers = models * sweep.recipe.steps(slots), models * len(dataset)
    chunks = [list(engine.run_all(range(models), member)) for _ in range(options.repeats)]
    return {
        "seconds": spread([sum(chunk.train_seconds for chunk in each) / steps for each in chunks]),
        "answer": spread([sum(chunk.observe_seconds for chunk in each) / answers for each in chunks]),
        "compile": engine.compile_seconds,
        "way": f"{models} models, {placement.conv}, {engine.group} at a time, block {placement.block}",
    }


def augmenting(kind: Kind, dataset: Dataset, options: Options) -> float | None:
    """Seconds that moving a batch of images takes by itself."""
    if not kind.recipe.augments:
        return None
    x, batch, count = jnp.asarray(dataset.x), kind.recipe.batch, 16

    def moved(total, key):
        index = jax.random.randint(key, (batch,), 0, len(x))
        return total + augment(kind.recipe, key, x[index]), None

    zero, keys = jnp.zeros((batch, *kind.shape)), jax.random.split(jax.random.key(0), count)
    run = jax.jit(lambda keys: jax.lax.scan(moved, zero, keys)[0])
    return statistics.median(timed(lambda: run(keys), options.repeats)) / count


def bound(result: dict[str, Any], limits: dict[str, Any]) -> None:
    """Add the least time that a step can take by either ceiling, the binding one, and the fraction that is reached."""
    by = {
        "products": result["flops"] / limits[result["precision"]]["median"],
        "memory": result["bytes"] / limits["copy"]["median"],
    }
    binding = max(by, key=lambda ceiling: by[ceiling])
    result |= {
        "bound_seconds": by,
        "binding": binding,
        "xla_memory_seconds": result["xla_bytes"] / limits["copy"]["median"],
    }
    for row in result["rows"].values():
        row["reached"] = by[binding] / row["seconds"]["median"]
        row["of_products"] = by["products"] / row["seconds"]["median"]


def show(result: dict[str, Any]) -> None:
    """Print the tables of a kind of network."""
    by = result["bound_seconds"]
    CONSOLE.print(
        f"\n[bold]{result['kind']}[/bold]: {result['model']}, batch {result['batch']}, {result['precision']}, "
        f"{result['parameters']:,} parameters. A step: {result['flops'] * 1e-9:,.2f} GFLOP counted, "
        f"{result['xla_flops'] * 1e-9:,.2f} XLA's; {result['bytes'] * 1e-6:,.1f} MB counted, {result['xla_bytes'] * 1e-6:,.1f} "
        f"XLA's. Least time {by['products'] * 1e3:.3f} ms by products, {by['memory'] * 1e3:.3f} ms by memory "
        f"({result['xla_memory_seconds'] * 1e3:.3f} ms for XLA's bytes): {result['binding']} bind."
    )
    if result["augment_seconds"]:
        CONSOLE.print(f"Flip and crop of a batch, by themselves: {result['augment_seconds'] * 1e3:.3f} ms.")
    table = Table()
    for column in ("conv", "models at a time", "block", "step ms", "answer us", "compile s", "MiB", ""):
        table.add_column(column, justify="left" if column in ("conv", "") else "right")
    for way in result["ways"]:
        head = (way["conv"], str(way["group"]), str(way["block"]))
        if "error" in way:
            table.add_row(*head, "", "", "", "", way["error"])
            continue
        figures = way["step_seconds"] * 1e3, way["answer_seconds"] * 1e6, way["compile_seconds"]
        table.add_row(*head, *(f"{each:.3f}" for each in figures), f"{way['bytes_per_device'] / 2**20:,.0f}", "")
    CONSOLE.print(table)
    table = Table()
    for column in ("row", "step ms", "low - high", "n", "TFLOP/s", "of the products", "of the bound", "compile s", ""):
        table.add_column(column, justify="left" if column in ("row", "") else "right")
    for name, row in result["rows"].items():
        each = row["seconds"]
        table.add_row(
            name,
            f"{each['median'] * 1e3:.3f}",
            f"{each['low'] * 1e3:.3f} - {each['high'] * 1e3:.3f}",
            str(each["n"]),
            f"{result['flops'] / each['median'] * 1e-12:.3f}",
            f"{row['of_products']:.0%}",
            f"{row['reached']:.0%}",
            f"{row['compile']:.1f}",
            row["way"],
        )
    CONSOLE.print(table)


def best_placement(results: dict[str, Any], name: str) -> Placement:
    """The way that a roofline measured before found fastest; without one the engine measures."""
    if name not in results:
        return Placement()
    tried = results[name]["ways"]
    best = fastest_of(tried, "step_seconds")
    block = fastest_of(tried, "answer_seconds", conv=best["conv"], group=best["group"])["block"]
    return Placement(vmap=best["group"], conv=best["conv"], block=block)


def images(options: Options, records: int) -> Dataset:
    """The first records of --data, or random ones.

    Raises:
        InputError: --data cannot be read, or has fewer.
    """
    if options.data is None:
        return records_for(FULL["resnet9"], records)
    found = load(options.data)
    if found.shape != PICTURE or len(found) < records:
        raise InputError(f"data is {len(found)} records of shape {found.shape}: give {records} of {PICTURE}.")
    return found.take(np.arange(records))


def sweep(results: dict[str, Any], options: Options) -> Iterator[dict[str, Any]]:
    """A few models of the CIFAR-10 sweep, whole trainings, scaled to 256; how much of it is asking; how well they fit."""
    if options.quick:
        trials, records, models, queries = [("resnet9:8", 1)], 1024, 1, 2
    else:
        trials, records, models, queries = [("resnet9:32", 24), ("resnet9:32", 30), ("resnet9:64", 16)], 50_000, 4, 18
    kind, dataset, found_before = FULL["resnet9"], images(options, records), best_placement(results, "resnet9")
    models = max(models, found_before.vmap or 1)
    for model, epochs in trials:
        if time.perf_counter() > options.deadline:
            return
        recipe = replace(kind.recipe, epochs=epochs, precision=options.precision)
        recipe = replace(recipe, batch=64) if options.quick else recipe
        slots = records // 2
        asked = Queries.counting(queries)
        network = build(model, dataset.shape, dataset.classes)
        member = Sized(members=slots)(models, records, seed=0)
        placement = replace(found_before, chunk=models)
        engine = Engine(
            Sweep(model=network, recipe=recipe, queries=asked), dataset, models=models, slots=slots, placement=placement
        )
        chunks = list(engine.run_all(range(models), member))
        train, observe = (sum(getattr(c, f"{phase}_seconds") for c in chunks) for phase in ("train", "observe"))
        right = np.concatenate([chunk.signals["correct"][..., 0] for chunk in chunks])
        found = {
            "model": model,
            "epochs": epochs,
            "records": records,
            "members": slots,
            "queries": queries,
            "models": models,
            "placement": str(engine.placement),
            "compile_seconds": engine.compile_seconds,
            "train_seconds_a_model": train / models,
            "observe_seconds_a_model": observe / models,
            "observing_share": observe / (train + observe),
            "seconds_of_256_scaled": 256 * (train + observe) / models,
            "train_accuracy": float(right[member].mean()) if options.data else None,
            "test_accuracy": float(right[~member].mean()) if options.data else None,
        }
        accuracy = (
            f" Right on {found['train_accuracy']:.2%} of members, {found['test_accuracy']:.2%} of the others."
            if options.data
            else ""
        )
        CONSOLE.print(
            f"\n[bold]sweep[/bold]: {model}, {epochs} epochs, {slots:,} of {records:,} records, {queries} queries: n = {models} "
            f"models, {train / models:.2f} s training and {observe / models:.2f} s asking a model "
            f"({found['observing_share']:.0%} is asking), compiling {engine.compile_seconds:.0f} s. 256 models, scaled: "
            f"{found['seconds_of_256_scaled'] / 60:.1f} minutes.{accuracy}"
        )
        yield found


def purchase(results: dict[str, Any], options: Options) -> dict[str, Any]:
    """1,000 networks of the size that Purchase-100 is attacked with, from a sample, or all of them."""
    kind = FULL["mlp"]
    epochs, records = (1, 4000) if options.quick else (50, 20_000)
    models = 1000 if options.whole else 4 if CPU else 256
    members = records // 2
    recipe = replace(kind.recipe, epochs=epochs, precision=options.precision)
    network = build(kind.model, kind.shape, kind.classes)
    member = Sized(members=members)(models, records, seed=0)
    placement = best_placement(results, "mlp")
    engine = Engine(
        Sweep(model=network, recipe=recipe),
        records_for(kind, records),
        models=models,
        slots=members,
        placement=replace(placement, chunk=min(models, 256)),
    )
    chunks = list(engine.run_all(range(models), member))
    train, observe = (sum(getattr(c, f"{phase}_seconds") for c in chunks) for phase in ("train", "observe"))
    scale = 1000 / models * (50 * 10_000) / (epochs * members)
    found = {
        "models": models,
        "epochs": epochs,
        "members": members,
        "batch": recipe.batch,
        "precision": recipe.precision,
        "placement": str(engine.placement),
        "compile_seconds": engine.compile_seconds,
        "train_seconds": train,
        "observe_seconds": observe,
        "train_seconds_of_1000": scale * train,
    }
    how = (
        "measured whole" if scale == 1 else f"scaled from n = {models} models of {epochs} epochs on {members:,} records"
    )
    CONSOLE.print(
        f"\n[bold]purchase[/bold]: 1,000 networks {kind.model}, 10,000 records, 50 epochs, batch {recipe.batch}, "
        f"{recipe.precision}: {scale * train:.1f} s of training, {how}; compiling {engine.compile_seconds:.1f} s."
    )
    return found


def versions() -> dict[str, Any]:
    """On what this was measured."""
    names = ("jaxattack", "jax", "jaxlib", "flax", "optax", "numpy")
    return {name: release(name) for name in names} | {"device": device()}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ["resnet9", "sweep", "mlp", "purchase", "wrn", "cnn"]
    parser.add_argument(
        "--only", choices=parts, action="append", help="these parts beside the ceilings; all by default"
    )
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32" if CPU else "bfloat16")
    parser.add_argument("--data", help="real CIFAR-10 as jaxattack.load takes it, so that accuracy is reported")
    parser.add_argument("--quick", action="store_true", help="smaller networks")
    parser.add_argument("--whole", action="store_true", help="train all 1,000 Purchase-size networks")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=float, help="begin nothing after so many, above 0; 8, or 2 with --quick")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    asked = parser.parse_args()
    minutes = asked.minutes or (2.0 if asked.quick else 8.0)
    if len(jax.local_devices()) > 1:
        raise SystemExit(
            f"there are {len(jax.local_devices())} devices: make one visible, as CUDA_VISIBLE_DEVICES=0 does."
        )
    options = Options(
        precision=asked.precision,
        repeats=asked.repeats,
        patience=minutes * 60 / 8,
        deadline=time.perf_counter() + minutes * 60,
        quick=asked.quick,
        whole=asked.whole,
        data=asked.data,
    )
    try:
        images(options, 1024 if asked.quick else 50_000)
    except InputError as error:
        parser.error(str(error))
    kinds = SMALL if asked.quick else FULL
    results: dict[str, Any] = {"environment": versions(), "quick": asked.quick}
    CONSOLE.print(str(results["environment"]))

    def keep() -> None:
        results["peak_memory_bytes"] = peak_memory()
        if asked.out:
            asked.out.write_text(json.dumps(results, indent=1) + "\n")

    limits = results["ceilings"] = ceilings(options)
    keep()
    for part in asked.only or parts:
        if time.perf_counter() > options.deadline:
            results.setdefault("failures", {})[part] = "not begun: out of time"
            CONSOLE.print(f"\n{part}: not begun, out of time")
            continue
        try:
            if part == "sweep":
                results[part] = []
                for found in sweep(results, options):
                    results[part].append(found)
                    keep()
            elif part == "purchase":
                results[part] = purchase(results, options)
            else:
                results[part] = roofline(part, kinds[part], limits, options)
        except (jax.errors.JaxRuntimeError, RuntimeError) as error:
            results.setdefault("failures", {})[part] = str(error)[:500]
            CONSOLE.print(f"\n{part} failed: {str(error)[:500]}")
        keep()
    if asked.out:
        CONSOLE.print(f"Wrote {asked.out}")


if __name__ == "__main__":
    main()
