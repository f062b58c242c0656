"""The kinds of network that a sweep trains, with their recipes, in full and small enough for a CPU."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import numpy as np

from jaxattack import Dataset, Recipe
from jaxattack.models.conv import Form

CPU = jax.default_backend() == "cpu"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A network with the recipe it is trained by."""

    model: str
    shape: tuple[int, ...]
    classes: int
    recipe: Recipe
    groups: tuple[int, ...] = (1, 4, 16)
    # In a loop on a CPU alone, XLA's gradient of a convolution takes 25 to 180 times as long: `benchmarks/ensemble.py` shows it.
    forms: tuple[Form, ...] = ("mixed", "patches") if CPU else ("lax", "patches")
    models: int = 16
    steps: int = 96


IMAGES = Recipe(
    epochs=1,
    batch=512,
    optimizer="sgd",
    learning_rate=0.4,
    schedule="linear",
    warmup=0.2,
    weight_decay=5e-4,
    flip=True,
    crop=2,
)
PAPER = replace(IMAGES, batch=256, learning_rate=0.1, schedule="fixmatch", warmup=0.0, crop=4)
TABLE = Recipe(epochs=1, batch=100, learning_rate=1e-3)
PICTURE, PURCHASE = (32, 32, 3), (600,)

FULL = {
    "resnet9": Kind(model="resnet9:32", shape=PICTURE, classes=10, recipe=IMAGES),
    "mlp": Kind(
        model="mlp:512-256-128",
        shape=PURCHASE,
        classes=100,
        recipe=TABLE,
        groups=(1, 4, 16, 64, 256),
        forms=("lax",),
        models=256,
        steps=200,
    ),
    "wrn": Kind(model="wrn:28-2", shape=PICTURE, classes=10, recipe=PAPER, models=4, steps=48),
    "cnn": Kind(model="cnn:16-32", shape=PICTURE, classes=10, recipe=replace(IMAGES, batch=128, learning_rate=0.05)),
}


def shrunk(name: str, model: str) -> Kind:
    """The kind with a smaller network, in one way only."""
    kind = FULL[name]
    recipe, forms = replace(kind.recipe, batch=32), kind.forms[:1]
    return replace(kind, model=model, recipe=recipe, groups=(1,), forms=forms, models=1, steps=16)


SMALL = {
    "resnet9": shrunk("resnet9", "resnet9:8"),
    "mlp": replace(FULL["mlp"], groups=(1, 2, 4), models=4, steps=50),
    "wrn": shrunk("wrn", "wrn:10-1"),
    "cnn": replace(FULL["cnn"], recipe=replace(FULL["cnn"].recipe, batch=32), groups=(1, 2), models=2, steps=16),
}


def records_for(kind: Kind, count: int) -> Dataset:
    """Random records, as only speed is asked for."""
    random = np.random.default_rng(0)
    images = len(kind.shape) == 3
    x = random.integers(0, 256, (count, *kind.shape)).astype(np.uint8) if images else None
    values = x if x is not None else random.standard_normal((count, *kind.shape), np.float32)
    return Dataset(x=values, y=random.integers(0, kind.classes, count), classes=kind.classes, name="random")
