"""A network that reads the record that was not known off the parameters of a model (Balle, Cherubin and Hayes 2022).

Parameters are centred and cut to their first principal components over shadow models; a network of two hidden layers maps
these to a record. A first dense layer has moved, at each unit, along the missing record itself: kernel["feature unit"] =
start + sum over steps and records of x (error at the unit). So the network also gives a weight to each unit, and the
units' centred kernels, so weighted, are added to the record:

    record = mean + decode(h) + sum_u gate_u(h) (kernel_u - mean kernel_u)

which the network need not learn. Where no parameter leads with the features (convolutions) there are no such units.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float
from sklearn.utils.extmath import randomized_svd

from jaxattack.descent import descend
from jaxattack.training import check_seed
from jaxattack.types import InputError, Variables, above_zero, at_least, config


class Reading(NamedTuple):
    """What the reconstructor is given of each model.

    Attributes:
        component: Float["model component"], principal components of the parameters, each of variance 1.
        movement: Float["model feature unit"], the centred kernels of the units that read the record.
    """

    component: Any
    movement: Any


class Scales(NamedTuple):
    """How parameters are read and records scaled.

    Attributes:
        mean: Float["parameter"], of the shadow models.
        axes: Float["parameter component"], principal axes over the spread along each.
        kernel: Float["feature unit"], the mean of the units that read the record.
        spread: of the kernels about that mean.
        centre: Float["feature"], the mean record.
        scale: the spread of the records about it.
        low: the smallest number in a record.
        high: the largest.
    """

    mean: np.ndarray
    axes: np.ndarray
    kernel: np.ndarray
    spread: float
    centre: np.ndarray
    scale: float
    low: float
    high: float


@config
class Reconstructor:
    """How the network from parameters to the missing record is made.

    Attributes:
        components: principal components of the parameters that it reads; at most the shadow models less one.
        width: of its two hidden layers.
        epochs: passes over the shadow models.
        batch: shadow models a step.
        learning_rate: of Adam at the start; it falls to 0 along a cosine.

    Raises:
        InputError: a value out of range.
    """

    components: int = 500
    width: int = 512
    epochs: int = 40
    batch: int = 64
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        at_least(1, components=self.components, width=self.width, epochs=self.epochs, batch=self.batch)
        above_zero(learning_rate=self.learning_rate)

    def fit(self, shadows: Variables, records: Float[np.ndarray, "model *feature"], *, seed: int = 0) -> Reader:
        """Learn to read records off parameters.

        Args:
            shadows: what the shadow models learnt, from `train_shadows`.
            records: the other record of each.
            seed: decides the start of the network and the order of its training.

        Raises:
            InputError: other than one record for each shadow model, fewer than ten of them, or equal parameters.
        """
        check_seed(seed)
        count = len(records)
        if count < 10 or any(len(leaf) != count for leaf in jax.tree.leaves(shadows.params)):
            raise InputError(f"there are {count} records: give one for each shadow model, and at least ten.")
        flat = np.asarray(records, np.float32).reshape(count, -1)
        scales = _scales(shadows.params, flat, min(self.components, count - 1), seed)
        reading = _read(scales, shadows.params)
        network, loss = _train(self, jax.random.key(seed), reading, (flat - scales.centre) / scales.scale)
        return Reader(
            scales=scales,
            network=jax.tree.map(np.asarray, network),
            shape=records.shape[1:],
            loss=np.asarray(loss) * scales.scale**2,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """A reconstructor at work: called with the parameters of models, it gives the missing record of each.

    Attributes:
        scales: how parameters are read.
        network: its weights.
        shape: of a record.
        loss: the mean square error over the shadow models in each pass, in the records' units.
    """

    scales: Scales
    network: Any
    shape: tuple[int, ...]
    loss: Float[np.ndarray, "epoch"]

    def __call__(self, victims: Variables) -> Float[np.ndarray, "model *feature"]:
        """The missing record of each model, within the range of the shadow models' records.

        Args:
            victims: every leaf leads with the axis ``model``.

        Raises:
            InputError: models of another architecture, or with parameters that are not finite.
        """
        scales, leaves = self.scales, jax.tree.leaves(victims.params)
        size = sum(prod(leaf.shape[1:]) for leaf in leaves)
        if size != len(scales.mean):
            raise InputError(
                f"a victim has {size} parameters and a shadow model {len(scales.mean)}: give models alike."
            )
        if not all(np.isfinite(leaf).all() for leaf in leaves):
            raise InputError("a victim's parameters are NaN or infinite: its training diverged.")
        record = np.asarray(_reconstruct(self.network, _read(scales, victims.params))) * scales.scale + scales.centre
        return record.clip(scales.low, scales.high).reshape(-1, *self.shape)

    def distance(self, victims: Variables) -> Float[np.ndarray, "model"]:
        """How far each model is from the shadow models: the mean square of its components, 1 for one like them."""
        component = np.asarray(_read(self.scales, victims.params).component)
        return (component.astype(np.float64) ** 2).mean(axis=1)


def _flat(params: Any) -> Float[np.ndarray, "model parameter"]:
    return np.concatenate([np.asarray(leaf).reshape(len(leaf), -1) for leaf in jax.tree.leaves(params)], axis=1)


def _kernels(params: Any, features: int) -> Float[np.ndarray, "model feature unit"]:
    """The units of every matrix that leads with the features of a record."""
    leaves = jax.tree.leaves(params)
    reads = [np.asarray(leaf) for leaf in leaves if leaf.ndim == 3 and leaf.shape[1] == features]
    return np.concatenate([np.zeros((len(leaves[0]), features, 0), np.float32), *reads], axis=2)


def _scales(params: Any, records: Float[np.ndarray, "model feature"], components: int, seed: int) -> Scales:
    parameter, kernel = _flat(params), _kernels(params, records.shape[1])
    if not (np.ptp(parameter, axis=0).any() and np.ptp(records, axis=0).any()):
        raise InputError("the shadow models or their records are all equal: nothing is to be learnt from them.")
    mean, mean_kernel, centre = parameter.mean(axis=0), kernel.mean(axis=0), records.mean(axis=0)
    _, size, axes = randomized_svd(parameter - mean, components, n_oversamples=50, random_state=seed)
    sound = size > 1e-6 * size[0]
    spread = float((kernel - mean_kernel).std()) if kernel.size else 1.0
    return Scales(
        mean=mean,
        axes=axes[sound].T * (len(records) ** 0.5 / size[sound]),
        kernel=mean_kernel,
        spread=spread or 1.0,
        centre=centre,
        scale=float((records - centre).std()),
        low=float(records.min()),
        high=float(records.max()),
    )


def _read(scales: Scales, params: Any) -> Reading:
    movement = (_kernels(params, len(scales.centre)) - scales.kernel) / scales.spread
    return Reading(jnp.asarray((_flat(params) - scales.mean) @ scales.axes), jnp.asarray(movement))


def _start(key: jax.Array, components: int, width: int, units: int, features: int) -> dict[str, Any]:
    sizes = {
        "first": (components, width),
        "second": (width, width),
        "gate": (width, units),
        "decode": (width, features),
    }
    keys = jax.random.split(key, len(sizes))
    # The record starts near the mean: the last layers are small.
    gain = {"first": 2**0.5, "second": 2**0.5, "gate": 0.1, "decode": 0.1}
    return {
        name: {
            "kernel": jax.random.normal(one, size) * gain[name] / size[0] ** 0.5,
            "bias": jnp.zeros(size[1]),
        }
        for one, (name, size) in zip(keys, sizes.items(), strict=True)
    }


def _dense(layer: dict[str, Any], x: jax.Array) -> jax.Array:
    return x @ layer["kernel"] + layer["bias"][None]


@jax.jit
def _reconstruct(network: Any, reading: Reading) -> Float[jax.Array, "model feature"]:
    hidden = jax.nn.relu(_dense(network["first"], reading.component))
    hidden = jax.nn.relu(_dense(network["second"], hidden))
    gate = _dense(network["gate"], hidden)
    return _dense(network["decode"], hidden) + jnp.einsum("mfu,mu->mf", reading.movement, gate)


@partial(jax.jit, static_argnames="config")
def _train(config: Reconstructor, key: jax.Array, reading: Reading, record: jax.Array) -> tuple[Any, jax.Array]:
    """The trained network, and the mean loss of each pass."""
    count, features = record.shape
    batch = min(config.batch, count)
    steps = count // batch
    start_key, order_key = jax.random.split(key)
    network = _start(start_key, reading.component.shape[1], config.width, reading.movement.shape[2], features)
    change = optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.epochs * steps))

    def loss(network, index):
        part = Reading(reading.component[index], reading.movement[index])
        return jnp.mean((_reconstruct(network, part) - record[index]) ** 2)

    def epoch(state, number):
        order = jax.random.permutation(jax.random.fold_in(order_key, number), count)
        rows = order[: steps * batch].reshape(steps, batch)
        network, moments = state
        end = descend(lambda network, at: loss(network, rows[at]), change, network, steps, moments=moments)
        return (end.point, end.moments), end.loss / steps

    (network, _), values = jax.lax.scan(epoch, (network, change.init(network)), jnp.arange(config.epochs))
    return network, values
