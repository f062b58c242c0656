"""DP-SGD (Abadi et al., CCS 2016, arXiv 1607.00133): per-record gradients, clipped, summed, and noise on the sum.

    g_i <- g_i min(1, C / |g_i|);    direction = (sum_i g_i + N(0, s^2 C^2)) / (q N)

A step takes each of the N slots with probability q = batch / N, independently, which is what accountants assume; the sum
is divided by the EXPECTED batch, because the size of the batch that was drawn is private too. Weight decay and the average
of the recipe act on what is released and cost no privacy.

Shapes are static: a step has room for so many records that it draws more with a probability below 1e-12. What is drawn
beyond is left out, which an accountant does not know of; `DPSGD.notes` gives that probability, which a delta of 1e-5 pays for
in ten million steps.

| guarantee | |
| --- | --- |
| one record changes the sum by | at most C in the Euclidean norm |
| noise 0 and clip inf | the gradient of the same batch, its sum divided by q N |
| batch norm | refused: it mixes records |
| a loss of the batch mean (RelaxLoss) | refused: no record has a share of its own |
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from scipy.stats import binom

from jaxattack.training.learners.standard import Loss
from jaxattack.types import InputError, Model, at_least, config

OVERFLOW = 1e-12
"""The probability that a step draws more records than it has room for, at most; smaller ones cost room, larger ones delta."""


@config
class DPSGD:
    """A gradient rule: clipped per-record gradients of a Poisson sample, with Gaussian noise.

    Attributes:
        clip: C, the largest norm of a record's gradient, above 0; inf for none, which needs noise 0.
        noise: s, the standard deviation of the noise on the sum, in units of C, at least 0.
        microbatch: records whose gradients lie in memory at the same time, at least 1; changes rounding alone.

    Raises:
        InputError: a value outside its range.
    """

    paper = "Abadi et al. 2016, arXiv 1607.00133"

    clip: float = 1.0
    noise: float = 1.0
    microbatch: int = 16

    def __post_init__(self) -> None:
        at_least(1, microbatch=self.microbatch)
        if not self.clip > 0:
            raise InputError(f"clip is {self.clip}: give a norm above 0, or inf for none.")
        if not 0 <= self.noise < math.inf:
            raise InputError(f"noise is {self.noise}: give a number from 0, in units of clip.")
        if self.noise and math.isinf(self.clip):
            raise InputError(f"clip is {self.clip} and noise {self.noise}: give a finite clip, or noise 0.")

    def check(self, model: Model, loss: Loss) -> None:
        """Refuse what has no gradient a record.

        Raises:
            InputError: a model with statistics of its batches, or a loss of the batch mean.
        """
        if not loss.by_record:
            raise InputError(
                f"{loss} is a loss of the batch mean: DP-SGD needs one number a record, as cross entropy is."
            )
        if jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0)).rest):
            raise InputError(
                "the model keeps statistics of its batches (batch norm), which mix records: DP-SGD needs a model without, "
                "as softmax, mlp, cnn or lenet."
            )

    def room(self, slots: int, batch: int) -> int:
        """Records that a step has room for."""
        return min(int(binom.isf(OVERFLOW, slots, batch / slots)) + 1, slots)

    def notes(self, slots: int, batch: int) -> dict[str, float]:
        """The sampling rate, and the probability that a step draws more records than it has room for."""
        rate = batch / slots
        overflow = float(binom.sf(self.room(slots, batch), slots, rate))
        return {"sampling_rate": rate, "overflow_probability": float(f"{overflow:.0e}")}

    def batches(self, key, weight, batch, steps):
        """As `jaxattack.training.single.Gradient`: a Poisson sample for each step."""
        slots = weight.shape[0]

        def draw(key):
            # A slot is in where its number is below the rate; the lowest come first, so that any of them may be left out.
            lowest, order = jax.lax.top_k(-jax.random.uniform(key, (slots,)), self.room(slots, batch))
            return order, weight[order] * (-lowest < batch / slots).astype(weight.dtype)

        return jax.vmap(draw)(jax.random.split(key, steps))

    def __call__(self, loss, params, records, batch, key):
        """As `jaxattack.training.single.Gradient`."""
        x, y, weight = records
        record_key, noise_key = jax.random.split(key)
        size = min(self.microbatch, len(y))
        parts = -(-len(y) // size)
        index = jnp.arange(parts * size)
        present = jnp.where(index < len(y), weight[index.clip(max=len(y) - 1)], 0.0)
        keys = jax.random.split(record_key, parts * size)

        def one(at, key):
            alone = (x[at][None], y[at][None], jnp.ones(1))
            return jax.grad(loss, has_aux=True)(params, *alone, key)[0]

        def add(total, part):
            at, share, keys = part
            gradients = jax.vmap(one)(at, keys)
            return jax.tree.map(jnp.add, total, self.clipped_sum(gradients, share)), None

        cut = jax.tree.map(lambda leaf: leaf.reshape(parts, size), (index.clip(max=len(y) - 1), present, keys))
        total, _ = jax.lax.scan(add, jax.tree.map(jnp.zeros_like, params), cut)
        # `check` saw that there are no batch statistics: what is handed on is their empty place.
        _, rest = jax.eval_shape(loss, params, x[:1], y[:1], weight[:1], key)
        return jax.tree.map(lambda leaf: leaf / batch, self.with_noise(total, noise_key)), rest

    def clipped_sum(self, gradients: Any, weight: jax.Array) -> Any:
        """The weighted sum of clipped gradients, whose leaves lead with the record."""
        norm = jax.vmap(optax.tree.norm)(gradients)
        scale = weight * jnp.minimum(1.0, self.clip / norm)  # a norm of 0 gives inf, and so 1
        return jax.tree.map(lambda leaf: jnp.tensordot(scale, leaf, axes=1), gradients)

    def with_noise(self, total: Any, key: jax.Array) -> Any:
        """A sum of clipped gradients, with noise on every number."""
        if not self.noise:
            return total
        leaves, tree = jax.tree.flatten(total)
        keys = jax.random.split(key, len(leaves))
        spread = self.noise * self.clip
        noisy = [leaf + spread * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
        return jax.tree.unflatten(tree, noisy)
