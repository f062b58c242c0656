"""One kind of network: each way to train it, what a step of it costs, and how near to its bound the engine comes."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from accelerator_options import CONSOLE, Options, Rows, best_placement, fastest_of, spread, timed
from jax.sharding import Mesh
from kinds import CPU, Kind, records_for
from rich.table import Table
from steps import Step

from jaxattack import Dataset, Recipe
from jaxattack.data.designs import Sized
from jaxattack.models import build
from jaxattack.models.conv import Form
from jaxattack.training import Engine, Placement, Queries, Sweep
from jaxattack.training.images import augment
from jaxattack.training.learners import Standard
from jaxattack.training.program import Way, Work
from jaxattack.training.tuning import measure


def roofline(name: str, kind: Kind, limits: dict[str, Any], options: Options) -> dict[str, Any]:
    """All that is asked about one kind of network."""
    recipe = replace(kind.recipe, precision=options.precision)
    slots = kind.steps * recipe.batch
    dataset = records_for(kind, min(slots, 16384))
    step = Step(kind, dataset, options.precision)
    cost, compiled, compiling = step.cost()
    work = Work(
        build(kind.model, kind.shape, kind.classes),
        Standard(recipe=recipe),
        Queries(),
        ("phi", "correct"),
        slots,
        kind.classes,
    )
    attempts = ways(kind, work, jax.ShapeDtypeStruct(dataset.x.shape, dataset.x.dtype), options.patience)
    loop = timed(lambda: step.loop(compiled, kind.steps // 2), options.repeats)
    rows = {"step loop": {"seconds": spread([s / (kind.steps // 2) for s in loop]), "compile": compiling, "way": "lax"}}
    rows |= engine_rows(kind, recipe, dataset, attempts, options)
    result = {"kind": name, "model": kind.model, "batch": recipe.batch, "precision": options.precision, **cost}
    result |= {"ways": attempts, "rows": rows, "augment_seconds": augmenting(kind, dataset, options)}
    bound(result, limits)
    show(result)
    return result


def ways(kind: Kind, work: Work, x: Any, patience: float) -> Rows:
    """Every form and group, then blocks of questions in the way that trains fastest, until patience is over."""
    mesh = Mesh(np.array(jax.local_devices()[:1]), ("model",))
    pairs: list[tuple[Form, int]] = [(form, group) for group in kind.groups for form in kind.forms]
    begin = time.perf_counter()
    rows: Rows = []

    def attempt(way: Way) -> None:
        late = rows and time.perf_counter() - begin > patience
        figures = {"error": "not tried, out of time"} if late else figures_of(work, mesh, way, x)
        rows.append({**way._asdict(), **figures})

    for form, group in pairs:
        attempt(Way(form, group, 1024))
    best = fastest_of(rows, "step_seconds")
    for block in (4096, 16384) if not CPU else (4096,):
        attempt(Way(best["conv"], best["group"], block))
    return rows


def figures_of(work: Work, mesh: Mesh, way: Way, x: Any) -> dict[str, Any]:
    """What one way takes, or why it did not run."""
    try:
        timing = measure(work, mesh, way, x)._asdict()
    except jax.errors.JaxRuntimeError as error:
        return {"error": str(error).splitlines()[0][:120]}
    return {name: value for name, value in timing.items() if name != "way"}


def engine_rows(kind: Kind, recipe: Recipe, dataset: Dataset, attempts: Rows, options: Options) -> dict[str, Any]:
    """One scanned model, and the ensemble, each in the fastest way found."""
    best = best_placement(attempts)
    one = Placement(vmap=1, conv=fastest_of(attempts, "step_seconds", group=1)["conv"], block=best.block)
    models = max(kind.models, best.vmap or 1)
    return {
        "scanned model": engine_row(kind, recipe, dataset, 1, one, options),
        "ensemble": engine_row(kind, recipe, dataset, models, best, options),
    }


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
