"""A model of a sweep as whoever asks it sees it: behind its defences, which are fitted to it first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, Key, PRNGKeyArray, Shaped

from jaxattack import defences as answers
from jaxattack.defences.asking import answer_to
from jaxattack.signals.scores import TINY
from jaxattack.types import (
    Access,
    Answer,
    Dataset,
    Defence,
    Endpoint,
    Inputs,
    Model,
    Sight,
    Variables,
    any_detects,
    resolution_behind,
)

_VIEWS = 2**20
"""Told apart from the numbers of defences, where keys are drawn."""

Chain = tuple[tuple[Defence, Any], ...]
"""Defences with what each has learnt, the first nearest to the model."""


def terms(dataset: Dataset, defences: tuple[Defence, ...]) -> Access:
    """On which terms a model of a sweep answers behind defences, the first of which is handed confidences.

    Raises:
        InputError: a defence can do nothing with what the one before it answers.
    """
    inputs = Inputs.box(-1.0, 1.0, dataset.shape)
    access = Access(level="probability", classes=dataset.classes, inputs=inputs, precision="float32")
    return answers.terms_behind(defences, access)


def sight(dataset: Dataset, defences: tuple[Defence, ...]) -> Sight:
    """How much of a model of a sweep may be seen: all of it, or what its defences answer.

    Raises:
        InputError: a defence can do nothing with what the one before it answers.
    """
    return terms(dataset, defences).level if defences else "weights"


class View:
    """One model behind its defences, as `jaxattack.types.View`; a batch that is asked again is answered once."""

    def __init__(
        self,
        model: Model,
        variables: Variables,
        chain: Chain | None = None,
        keys: Key[jax.Array, "query"] | None = None,
        classes: int = 1,
    ):
        """Look at a model.

        Args:
            model: the architecture.
            variables: what it learnt.
            chain: its defences, behind which it answers with confidences; None for its raw outputs.
            keys: one for each query, for defences that draw.
            classes: of its answers, where there are defences.
        """
        self.model, self.variables, self._chain, self._keys, self._classes = model, variables, chain, keys, classes
        self._last: tuple[jax.Array, Answer] | None = None

    @property
    def floor(self) -> float:
        """The smallest confidence that an answer tells from 0."""
        return max(TINY, resolution_behind((defence for defence, _ in self._chain or ()), self._classes))

    @property
    def refuses(self) -> bool:
        """Whether a defence may refuse to answer."""
        return any_detects(defence for defence, _ in self._chain or ())

    def answer(self, x: jax.Array, repetition: jax.Array | None = None) -> Answer:
        """As `jaxattack.types.View`."""
        if repetition is not None:
            return self._defended(x, repetition)
        if self._last is None or self._last[0] is not x:
            self._last = x, self._defended(x, 0)
        return self._last[1]

    def _defended(self, x: jax.Array, repetition: jax.Array | int) -> Answer:
        if self._chain is None:
            logit = self.model.apply(self.variables, x)
            return Answer(jnp.argmax(logit, axis=1), None, logit)  # pyright: ignore[reportArgumentType] (traced)
        return self._behind(len(self._chain), x, self._keys, repetition)

    def _behind(
        self, depth: int, x: jax.Array, keys: Key[jax.Array, "query"] | None, repetition: jax.Array | int
    ) -> Answer:
        """The answer behind the first so many defences."""
        if not depth:
            logit = self.model.apply(self.variables, x)
            return Answer(jnp.argmax(logit, axis=1), jax.nn.softmax(logit))  # pyright: ignore[reportArgumentType]
        defence, state = (self._chain or ())[depth - 1]

        def ask(questions: jax.Array) -> Answer:
            return self._behind(depth - 1, questions, _keys_of_views(keys, len(questions)), repetition)

        return defence.answer(state, answer_to(defence, state, ask, x), x, _draws(keys, depth - 1, repetition))


def _draws(
    keys: Key[jax.Array, "query"] | None, number: int, repetition: jax.Array | int
) -> Key[jax.Array, "query"] | None:
    """A key of each query, for one defence and one time of asking."""
    if keys is None:
        return None
    return jax.vmap(lambda key: jax.random.fold_in(jax.random.fold_in(key, number), repetition))(keys)


def _keys_of_views(keys: Key[jax.Array, "query"] | None, questions: int) -> Key[jax.Array, "question"] | None:
    """A key of each question that is asked about the queries: the query's own for the first about it."""
    if keys is None or questions == len(keys):
        return keys
    others = [
        jax.vmap(lambda key, view=view: jax.random.fold_in(jax.random.fold_in(key, _VIEWS), view))(keys)
        for view in range(1, questions // len(keys))
    ]
    return jnp.concatenate([keys, *others])


def fit(
    defences: tuple[Defence, ...],
    key: PRNGKeyArray,
    x: Shaped[jax.Array, "record *feature"],
    ask: Callable[[Chain, Any], Answer],
    y: Int[jax.Array, "record"],
    member: Float[jax.Array, "record"],
    reserve: Int[jax.Array, "reserve"] | None = None,
) -> Chain:
    """Defences fitted to one model, each behind those before it.

    Args:
        defences: the first nearest to the model.
        key: everything random about them.
        x: all records.
        ask: what the model answers behind a chain, to inputs as those records are.
        y: all labels.
        member: 1 for the model's members, 0 for the others.
        reserve: the defender's records, members of no model.
    """
    chain: Chain = ()
    for number, defence in enumerate(defences):
        endpoint = Endpoint(lambda: x, partial(ask, chain), reserve)
        state = defence.fit(jax.random.fold_in(key, number), endpoint, y, member)
        chain = (*chain, (defence, state))
    return chain
