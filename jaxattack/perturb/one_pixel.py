"""One pixel: differential evolution over a place and a colour, by confidences (Su, Vargas and Sakurai 2019).

A candidate is a row, a column and a value of each channel, of one pixel or of several. Of the first generation places are
uniform and values normal, N(.5, .5) in shares of the range (the paper's N(128, 127)). Of each other

    child_i = r_1 + F (r_2 - r_3)       r_1, r_2, r_3 different candidates other than i, F = .5, no crossover

takes the place of its own parent alone, where the confidence in the record's label is no larger: on a plateau candidates
move on. Genes that leave their range come back to its ends. The paper's 400 candidates and 100 generations are 40,400
questions a record, less where an example is met before: a record that is labelled otherwise is through.

A record that is no picture has a feature for a pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from jaxattack.perturb.ask import Query, Record, Reply
from jaxattack.perturb.box import picture
from jaxattack.types import above_zero, at_least, config


class State(NamedTuple):
    """Of one record.

    Attributes:
        genes: of each candidate and pixel: row and column as shares of the picture, then values.
        fitness: the logarithm of the confidence in the record's label.
    """

    genes: Float[jax.Array, "candidate pixel gene"]
    fitness: Float[jax.Array, "candidate"]


@config
class Evolution:
    """The search for one record, as `jaxattack.perturb.ask.Method`.

    Attributes:
        pixels: that a candidate changes, at most.
        population: candidates, at least 4.
        generations: after the first.
        weight: F.

    Raises:
        InputError: a value out of range.
    """

    pixels: int = 1
    population: int = 400
    generations: int = 100
    weight: float = 0.5

    minimises = False

    def __post_init__(self) -> None:
        at_least(1, pixels=self.pixels)
        at_least(4, population=self.population)
        at_least(0, generations=self.generations)
        above_zero(weight=self.weight)

    @property
    def rounds(self) -> int:
        """A generation in each."""
        return 1 + self.generations

    @property
    def points(self) -> int:
        """A candidate each."""
        return self.population

    def begin(self, record: Record) -> State:
        """The first generation, of which nothing is known."""
        places, values = jax.random.split(jax.random.fold_in(record.key, 0))
        several, channels = (self.population, self.pixels), picture(record.x.shape)[2]
        value = jnp.clip(0.5 + 0.5 * jax.random.normal(values, (*several, channels)), 0, 1)
        genes = jnp.concatenate([jax.random.uniform(places, (*several, 2)), value], axis=2)
        return State(genes, jnp.full(self.population, jnp.inf))

    def ask(self, state: State, record: Record, number: jax.Array) -> Query:
        """The first generation, or a child of each candidate."""
        key = jax.random.fold_in(record.key, number)
        genes = jnp.where(number == 1, state.genes, self._children(key, state.genes))
        points = jax.vmap(lambda each: paint(record, each))(genes)
        return Query(points, genes)

    def tell(self, state: State, record: Record, number: jax.Array, query: Query, reply: Reply) -> State:  # noqa: ARG002 (as all methods)
        """Each child that is no less fit takes its parent's place."""
        fitter = reply.log_p <= state.fitness
        return State(
            jnp.where(fitter[:, None, None], query.draws, state.genes), jnp.minimum(reply.log_p, state.fitness)
        )

    def through(self, state: State) -> Bool[jax.Array, ""]:  # noqa: ARG002 (as all methods)
        """Never."""
        return jnp.zeros((), bool)

    def _children(self, key: jax.Array, genes: jax.Array) -> jax.Array:
        first, second, third = others(key, self.population)
        return jnp.clip(genes[first] + self.weight * (genes[second] - genes[third]), 0, 1)


def paint(record: Record, genes: Float[jax.Array, "pixel gene"]) -> Float[jax.Array, "*feature"]:
    """The record with the values of some genes at their places, as far as its features may go."""
    height, width, channels = picture(record.x.shape)
    row, column = (jnp.minimum((genes[:, at] * size).astype(int), size - 1) for at, size in ((0, height), (1, width)))
    x = record.x.reshape(height, width, channels)
    return jnp.clip(x.at[row, column].set(genes[:, 2:]).reshape(record.x.shape), record.low, record.high)


def others(key: jax.Array, population: int) -> Int[jax.Array, "three candidate"]:
    """Three different candidates for each, none of them itself."""
    draws = jax.random.uniform(key, (3, population))
    first, second, third = (1 + (draw * (population - 1 - skip)).astype(int) for skip, draw in enumerate(draws))
    second = jnp.where(second >= first, second + 1, second)
    low, high = jnp.minimum(first, second), jnp.maximum(first, second)
    third = jnp.where(third >= low, third + 1, third)
    third = jnp.where(third >= high, third + 1, third)
    return (jnp.arange(population)[None] + jnp.stack([first, second, third])) % population
