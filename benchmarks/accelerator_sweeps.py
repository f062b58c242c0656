"""Whole sweeps, from a sample of their models: CIFAR-10's, and 1,000 networks of the size that Purchase-100 is attacked with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from accelerator_options import CONSOLE, Options, best_placement
from kinds import CPU, FULL, PICTURE, records_for

from jaxattack import Dataset, Recipe, load
from jaxattack.data.designs import Sized
from jaxattack.models import build
from jaxattack.training import Engine, Placement, Queries, Sweep
from jaxattack.types import InputError


class Trained(NamedTuple):
    """Models that were trained on half of the records and asked about all.

    Attributes:
        engine: that trained them.
        train: seconds of training, all models together.
        observe: seconds of asking.
        accuracy: right answers to the plain record, among members and among the others.
    """

    engine: Engine
    train: float
    observe: float
    accuracy: tuple[float, float]


def train(
    name: str, recipe: Recipe, dataset: Dataset, models: int, placement: Placement, queries: Queries | None = None
) -> Trained:
    """So many models, each on half of the records."""
    slots = len(dataset) // 2
    member = Sized(members=slots)(models, len(dataset), seed=0)
    network = build(name, dataset.shape, dataset.classes)
    sweep = Sweep(model=network, recipe=recipe, queries=queries or Queries())
    engine = Engine(sweep, dataset, models=models, slots=slots, placement=placement)
    chunks = list(engine.run_all(range(models), member))
    right = np.concatenate([chunk.signals["correct"][..., 0] for chunk in chunks])
    return Trained(
        engine,
        sum(chunk.train_seconds for chunk in chunks),
        sum(chunk.observe_seconds for chunk in chunks),
        (float(right[member].mean()), float(right[~member].mean())),
    )


def placement_of(results: dict[str, Any], kind: str) -> Placement:
    """The way that a roofline measured before found fastest; without one the engine measures."""
    return best_placement(results[kind]["ways"]) if kind in results else Placement()


def images(options: Options, records: int) -> Dataset:
    """The first records of --data, or random ones.

    Raises:
        InputError: --data cannot be read, or has fewer.
    """
    if options.data is None:
        return records_for(FULL["resnet9"], records)
    dataset = load(options.data)
    if dataset.shape != PICTURE or len(dataset) < records:
        raise InputError(f"data is {len(dataset)} records of shape {dataset.shape}: give {records} of {PICTURE}.")
    return dataset.take(np.arange(records))


def cifar(results: dict[str, Any], options: Options) -> Iterator[dict[str, Any]]:
    """A few models of the CIFAR-10 sweep, whole trainings, scaled to 256; how much of it is asking; how well they fit."""
    if options.quick:
        trials, records, models, queries = [("resnet9:8", 1)], 1024, 1, 2
    else:
        trials, records, models, queries = [("resnet9:32", 24), ("resnet9:32", 30), ("resnet9:64", 16)], 50_000, 4, 18
    dataset, placement = images(options, records), placement_of(results, "resnet9")
    models = max(models, placement.vmap or 1)
    for name, epochs in trials:
        if time.perf_counter() > options.deadline:
            return
        recipe = replace(FULL["resnet9"].recipe, epochs=epochs, precision=options.precision)
        recipe = replace(recipe, batch=64) if options.quick else recipe
        each = train(name, recipe, dataset, models, replace(placement, chunk=models), Queries.counting(queries))
        row = {
            "model": name,
            "epochs": epochs,
            "records": records,
            "members": records // 2,
            "queries": queries,
            **cifar_figures(each, models, real=options.data is not None),
        }
        show_cifar(row)
        yield row


def cifar_figures(trained: Trained, models: int, *, real: bool) -> dict[str, Any]:
    """What a model of the sweep took; its accuracy on real images."""
    seconds = trained.train + trained.observe
    within, without = trained.accuracy
    return {
        "models": models,
        "placement": str(trained.engine.placement),
        "compile_seconds": trained.engine.compile_seconds,
        "train_seconds_a_model": trained.train / models,
        "observe_seconds_a_model": trained.observe / models,
        "observing_share": trained.observe / seconds,
        "seconds_of_256_scaled": 256 * seconds / models,
        "train_accuracy": within if real else None,
        "test_accuracy": without if real else None,
    }


def show_cifar(row: dict[str, Any]) -> None:
    """Print a trial of the CIFAR-10 sweep."""
    accuracy = (
        f" Right on {row['train_accuracy']:.2%} of members, {row['test_accuracy']:.2%} of the others."
        if row["train_accuracy"] is not None
        else ""
    )
    CONSOLE.print(
        f"\n[bold]sweep[/bold]: {row['model']}, {row['epochs']} epochs, {row['members']:,} of {row['records']:,} records, "
        f"{row['queries']} queries: n = {row['models']} models, {row['train_seconds_a_model']:.2f} s training and "
        f"{row['observe_seconds_a_model']:.2f} s asking a model ({row['observing_share']:.0%} is asking), compiling "
        f"{row['compile_seconds']:.0f} s. 256 models, scaled: {row['seconds_of_256_scaled'] / 60:.1f} minutes.{accuracy}"
    )


def purchase(results: dict[str, Any], options: Options) -> dict[str, Any]:
    """1,000 networks of the size that Purchase-100 is attacked with, from a sample, or all of them."""
    kind = FULL["mlp"]
    epochs, records = (1, 4000) if options.quick else (50, 20_000)
    models = 1000 if options.whole else 4 if CPU else 256
    members = records // 2
    recipe = replace(kind.recipe, epochs=epochs, precision=options.precision)
    placement = replace(placement_of(results, "mlp"), chunk=min(models, 256))
    sample = train(kind.model, recipe, records_for(kind, records), models, placement)
    scale = 1000 / models * (50 * 10_000) / (epochs * members)
    seconds, compiling = scale * sample.train, sample.engine.compile_seconds
    how = (
        "measured whole" if scale == 1 else f"scaled from n = {models} models of {epochs} epochs on {members:,} records"
    )
    CONSOLE.print(
        f"\n[bold]purchase[/bold]: 1,000 networks {kind.model}, 10,000 records, 50 epochs, batch {recipe.batch}, "
        f"{recipe.precision}: {seconds:.1f} s of training, {how}; compiling {compiling:.1f} s."
    )
    return {
        "models": models,
        "epochs": epochs,
        "members": members,
        "batch": recipe.batch,
        "precision": recipe.precision,
        "placement": str(sample.engine.placement),
        "compile_seconds": compiling,
        "train_seconds": sample.train,
        "observe_seconds": sample.observe,
        "train_seconds_of_1000": seconds,
    }
