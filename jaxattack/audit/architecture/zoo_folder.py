"""A zoo on disk: networks trained a chunk at a time, each chunk kept as it is finished, and taken up where it stopped.

zoo.json            what the networks are trained on and how; another zoo's folder is refused
chunk-00000.npz     codes, accuracy and weights of networks 0 to 31; chunk-00001.npz of the next 32, and so on

Network i depends on the seed and on i alone, so a zoo of 2,000 begins with the zoo of 500, and a folder grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxattack.attacks.architecture import Zoo
from jaxattack.data import fingerprint
from jaxattack.disk import make_folder, read_arrays, read_json, write_arrays, write_json
from jaxattack.models.attribute_grid import ATTRIBUTES, GridNetwork, Weights, draw_codes
from jaxattack.store import differences
from jaxattack.training.grid import GridChunk, GridRecipe, train_grid
from jaxattack.types import Dataset, InputError, Progress

FORMAT = 1

CHUNK = 32
"""Networks of a file, and of a call of the program: a quarter of a minute's work of a core."""

SHARE = 0.75
"""Of the records, on which networks may be trained; the others are asked."""


class Records(NamedTuple):
    """What a zoo is trained on and asked about.

    Attributes:
        pool: what networks are trained on.
        fresh: other records.
    """

    pool: Dataset
    fresh: Dataset


def split_records(dataset: Dataset, seed: int) -> Records:
    """Three quarters of the records at random, in whole fours so that quarters are equal, and the rest."""
    order = np.random.default_rng([seed, 6]).permutation(len(dataset))
    size = int(SHARE * len(dataset)) // 4 * 4
    return Records(dataset.take(order[:size]), dataset.take(order[size:]))


def build_zoo(
    network: GridNetwork,
    recipe: GridRecipe,
    records: Records,
    nets: int,
    *,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Zoo:
    """The first networks of a zoo, of which those that a folder has are read and the others trained.

    Args:
        network: the grid.
        recipe: how they are trained.
        records: on what.
        nets: how many; whole chunks are trained.
        seed: of the zoo.
        folder: that keeps them; None to keep nothing.
        progress: called after each chunk.

    Raises:
        InputError: the folder is another zoo's, damaged, or cannot be written to.
    """
    if folder is not None:
        _claim(folder, network, recipe, records, seed)
    chunks = -(-nets // CHUNK)
    codes = draw_codes(chunks * CHUNK, seed=seed)
    places = [None if folder is None else folder / f"chunk-{number:05d}.npz" for number in range(chunks)]
    parts = {
        number: _read(place, network) for number, place in enumerate(places) if place is not None and place.exists()
    }
    missing = [number for number in range(chunks) if number not in parts]
    numbers = np.concatenate([np.arange(CHUNK) + number * CHUNK for number in missing]) if missing else np.arange(0)
    trained = _train(network, recipe, records, codes, numbers, seed, len(parts) * CHUNK, progress)
    for number, part in zip(missing, trained, strict=True):
        place = places[number]
        if place is not None:
            rows = codes[number * CHUNK : (number + 1) * CHUNK]
            write_arrays(place, {"codes": rows, "accuracy": part.accuracy, **part.weights._asdict()})
        parts[number] = part
    weights = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(parts[number].weights for number in range(chunks)))
    accuracy = np.concatenate([parts[number].accuracy for number in range(chunks)])
    return Zoo(network=network, weights=weights, codes=codes, accuracy=accuracy).take(np.arange(nets))


def _train(
    network: GridNetwork,
    recipe: GridRecipe,
    records: Records,
    codes: np.ndarray,
    numbers: np.ndarray,
    seed: int,
    before: int,
    progress: Progress | None,
) -> Iterator[GridChunk]:
    if not len(numbers):
        return
    total = before + len(numbers)
    if progress:
        progress("networks", before, total)
    tell = progress and (lambda what, count, _: progress(what, before + count, total))
    yield from train_grid(
        network, recipe, records.pool, records.fresh, codes[numbers], numbers, chunk=CHUNK, seed=seed, progress=tell
    )


def _claim(folder: Path, network: GridNetwork, recipe: GridRecipe, records: Records, seed: int) -> None:
    """Make the folder this zoo's, or see that it is.

    Raises:
        InputError: it is another's; the sentence names what differs.
    """
    here = {
        "format": FORMAT,
        "pool": fingerprint(records.pool),
        "fresh": fingerprint(records.fresh),
        "network": {**asdict(network), "shape": list(network.shape)},
        "recipe": asdict(recipe),
        "attributes": {attribute.name: list(attribute.values) for attribute in ATTRIBUTES},
        "seed": seed,
    }
    file = folder / "zoo.json"
    if not file.exists():
        make_folder(folder)
        write_json(file, here)
        return
    if other := [
        f"{place:.80} was {was!r:.60} and is now {now!r:.60}" for place, was, now in differences(here, read_json(file))
    ]:
        raise InputError(f"{folder} keeps another zoo ({'; '.join(other[:3])}): give another folder.")


def _read(file: Path, network: GridNetwork) -> GridChunk:
    """A chunk of a folder.

    Raises:
        InputError: it is damaged, or its arrays are of other shapes.
    """
    like = jax.eval_shape(network.init, jax.random.key(0), np.zeros(len(ATTRIBUTES), np.int32))
    arrays = read_arrays(file, ("accuracy", *Weights._fields))
    shapes = {"accuracy": (CHUNK,)} | {name: (CHUNK, *leaf.shape) for name, leaf in like._asdict().items()}
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise InputError(
                f"{file}: {name} has shape {arrays[name].shape} and type {arrays[name].dtype}, and a zoo's has {shape} and float32: "
                "delete the file, and it is trained again."
            )
    return GridChunk(Weights(*(arrays[name] for name in Weights._fields)), arrays["accuracy"])
