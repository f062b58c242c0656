"""How one model is trained. A Recipe is a value: hashable, so that a compiled program is found again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import optax

from jaxattack.models import Precision
from jaxattack.types import InputError, config

Optimizer = Literal["adam", "adamw", "sgd"]
Schedule = Literal["constant", "cosine", "linear", "fixmatch"]


@config
class Recipe:
    """A training recipe.

    Attributes:
        epochs: passes over the members, at least 1.
        batch: records a step, at least 1; at most the members. A last short batch of a pass is left out, another
            one each pass.
        optimizer: adam; adamw, whose weight decay is decoupled; sgd with Nesterov momentum.
        learning_rate: its peak, above 0.
        momentum: of sgd, 0 to below 1.
        schedule: constant; cosine to 0; linear to 0; fixmatch, lr cos(7 pi t / 16), which the LiRA paper's code uses.
        warmup: the share of all steps over which the rate rises linearly from 0, 0 to below 1.
        weight_decay: L2 coefficient on arrays of two or more axes (not on biases or norm scales), at least 0.
        label_smoothing: mass spread over all classes, 0 to below 1.
        ema: decay a step of the average of all variables that is deployed instead of the last ones; 0 is off. After t
            steps the decay is at most (1 + t) / (10 + t).
        flip: mirror half of the images left to right (images only).
        crop: pixels of reflect padding before a random crop of the first size (images only); 0 is off.
        cutout: side in pixels of a random square set to 0 (images only); 0 is off.
        precision: float32; or bfloat16, in which a sweep's networks compute, trained and asked, while weights, batch
            statistics, softmax, loss and signals stay float32; a victim of `jaxattack train` is then asked in float32. The
            float32 of an accelerator's products is its own: GPUs from Ampere on round their inputs to TF32 unless
            JAX_DEFAULT_MATMUL_PRECISION=highest is set.

    Raises:
        InputError: a value outside its range.

    Example:
        >>> ja.Recipe(epochs=10, batch=50).steps(120)  # gradient steps of a model with so many members
        20
    """

    epochs: int = 30
    batch: int = 64
    optimizer: Optimizer = "adam"
    learning_rate: float = 2e-3
    momentum: float = 0.9
    schedule: Schedule = "constant"
    warmup: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    ema: float = 0.0
    flip: bool = False
    crop: int = 0
    cutout: int = 0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            self._check(name, "a whole number from 1", lambda value: isinstance(value, int) and value >= 1)
        for name in ("crop", "cutout"):
            self._check(name, "a whole number from 0", lambda value: isinstance(value, int) and value >= 0)
        self._check("weight_decay", "0 or more", lambda value: 0 <= value < float("inf"))
        for name in ("momentum", "warmup", "label_smoothing", "ema"):
            self._check(name, "a share from 0 to below 1", lambda value: 0 <= value < 1)
        self._check("learning_rate", "a number above 0", lambda value: 0 < value < float("inf"))
        for name, kind in (("optimizer", Optimizer), ("schedule", Schedule), ("precision", Precision)):
            choices = get_args(kind)
            self._check(name, f"one of {', '.join(choices)}", lambda value, choices=choices: value in choices)

    def _check(self, name: str, remedy: str, holds: Callable[..., bool]) -> None:
        if not holds(value := getattr(self, name)):
            raise InputError(f"{name} is {value!r}: give {remedy}.")

    def steps(self, slots: int) -> int:
        """Gradient steps of a model with so many members."""
        return self.epochs * (slots // min(self.batch, slots))

    @property
    def augments(self) -> bool:
        """Whether training changes the images."""
        return bool(self.flip or self.crop or self.cutout)


def learning_rate(recipe: Recipe, steps: int) -> optax.Schedule:
    """The learning rate at each of so many steps."""
    rise = round(recipe.warmup * steps)
    fall = max(steps - rise, 1)
    peak = recipe.learning_rate
    after = {
        "constant": optax.constant_schedule(peak),
        "cosine": optax.cosine_decay_schedule(peak, fall),
        "linear": optax.linear_schedule(peak, 0.0, fall),
        "fixmatch": lambda step: peak * jnp.cos(7 * jnp.pi / 16 * jnp.asarray(step, float) / fall),
    }[recipe.schedule]
    return optax.join_schedules([optax.linear_schedule(0.0, peak, rise), after], [rise]) if rise else after


def optimizer(recipe: Recipe, steps: int) -> optax.GradientTransformation:
    """The optax transformation of a recipe that takes so many steps."""

    def weights(params):
        return jax.tree.map(lambda leaf: leaf.ndim > 1, params)

    # A schedule costs a counter and its arithmetic each step, which shows beside a small network's own work.
    rate = learning_rate(recipe, steps) if recipe.schedule != "constant" or recipe.warmup else recipe.learning_rate
    decay = [optax.add_decayed_weights(recipe.weight_decay, weights)] if recipe.weight_decay else []
    direction = {
        "adam": [*decay, optax.scale_by_adam()],
        "adamw": [optax.scale_by_adam(), *decay],
        "sgd": [*decay, optax.trace(recipe.momentum, nesterov=True)] if recipe.momentum else decay,
    }[recipe.optimizer]
    return optax.chain(*direction, optax.scale_by_learning_rate(rate))
