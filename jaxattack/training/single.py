"""One model, trained and observed: pure functions of a key and of indices into one shared data set.

`jaxattack.training.ensemble` maps these over hundreds of models; nothing here knows that it is being mapped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int, Key, PRNGKeyArray, Shaped

from jaxattack import signals
from jaxattack.training.images import Queries, as_input, in_blocks, view
from jaxattack.training.recipe import Recipe, optimizer
from jaxattack.training.view import Chain, View, fit
from jaxattack.types import Answer, Defence, InputError, Membership, Model, Signal, Variables


def memberships(member: Bool[np.ndarray, "model record"], slots: int) -> Membership:
    """Each model's members as indices, padded to ``slots`` by repeating members at weight 0.

    Raises:
        InputError: a model without members, or with more than ``slots``.
    """
    counts = member.sum(axis=1)
    if counts.min() < 1 or counts.max() > slots:
        raise InputError(
            f"the models have {counts.min()} to {counts.max()} members: give each at least 1 and at most {slots}."
        )
    index = np.stack([np.resize(np.flatnonzero(row), slots) for row in member]).astype(np.int32)
    weight = (np.arange(slots) < counts[:, None]).astype(np.float32)
    return Membership(index, weight)


def with_reserve(member: Membership, records: int, reserve: int) -> Membership:
    """A model's members with the last so many of all records as its defender's reserve; none where there are 0."""
    return member._replace(reserve=jnp.arange(records - reserve, records)) if reserve else member


class State(NamedTuple):
    """What a training step changes."""

    variables: Variables
    optimizer: Any
    average: Variables | None


class Objective(Protocol):
    """What a step lowers on a batch."""

    def __call__(
        self,
        variables: Variables,
        x: Shaped[jax.Array, "batch *feature"],
        y: Int[jax.Array, "batch"],
        weight: Float[jax.Array, "batch"],
        key: PRNGKeyArray,
        epoch: Int[jax.Array, ""],
    ) -> tuple[Float[jax.Array, ""], Any]:
        """The weighted loss of a batch in a pass, and the new batch statistics."""
        ...


class Gradient(Protocol):
    """A gradient rule: which records a step reads, and what direction it takes from them."""

    def batches(
        self, key: PRNGKeyArray, weight: Float[jax.Array, "slot"], batch: int, steps: int
    ) -> tuple[Int[jax.Array, "step batch"], Float[jax.Array, "step batch"]]:
        """The slots that each step of a pass reads, and what each weighs there."""
        ...

    def __call__(
        self, loss: Callable[..., Any], params: Any, records: tuple[jax.Array, ...], batch: int, key: PRNGKeyArray
    ) -> tuple[Any, Any]:
        """The direction of ``loss(params, x, y, weight, key) -> (value, rest)``, and the new batch statistics.

        Args:
            loss: of a batch.
            params: at which.
            records: x, y and weight of the batch.
            batch: records that a step takes, as the recipe says.
            key: of the step.
        """
        ...


def start(model: Model, recipe: Recipe, key: PRNGKeyArray, slots: int, init: Variables | None = None) -> State:
    """A model before its first step.

    Args:
        model: the architecture.
        recipe: how it is trained.
        key: everything random about this model.
        slots: how many places its members have.
        init: what it starts from, as another's weights that are fine-tuned; at random by default.
    """
    variables = model.init(jax.random.fold_in(key, 0)) if init is None else init
    change = optimizer(recipe, recipe.steps(slots))
    return State(variables, change.init(variables.params), variables if recipe.ema else None)


def epoch(
    recipe: Recipe,
    gradient: Gradient,
    objective: Objective,
    x: Shaped[jax.Array, "record *feature"],
    y: Int[jax.Array, "record"],
    member: Membership,
    key: PRNGKeyArray,
    state: State,
    number: Int[jax.Array, ""],
) -> State:
    """One pass over the members.

    Args:
        recipe: how they are gone through.
        gradient: which records a step reads and what it takes from them.
        objective: what a step lowers.
        x: all records.
        y: all labels.
        member: its members.
        key: everything random about this model.
        state: what it has learnt so far.
        number: of the pass, from 0.
    """
    slots = member.index.shape[0]
    batch = min(recipe.batch, slots)
    steps = slots // batch
    change = optimizer(recipe, recipe.steps(slots))
    shuffle_key, step_key = jax.random.fold_in(key, 1), jax.random.fold_in(key, 2)

    def step(state: State, now):
        at, order, weight = now
        index = member.index[order]

        def loss(params, x, y, weight, key):
            return objective(Variables(params, state.variables.rest), x, y, weight, key, number)

        records, random = (x[index], y[index], weight), jax.random.fold_in(step_key, at)
        direction, rest = gradient(loss, state.variables.params, records, batch, random)
        updates, optimizer_state = change.update(direction, state.optimizer, state.variables.params)
        variables = Variables(optax.apply_updates(state.variables.params, updates), rest)
        average = None if state.average is None else _average(recipe.ema, at, state.average, variables)
        return State(variables, optimizer_state, average), None

    order, weight = gradient.batches(jax.random.fold_in(shuffle_key, number), member.weight, batch, steps)
    return jax.lax.scan(step, state, (number * steps + jnp.arange(steps), order, weight))[0]


def shuffle(key: PRNGKeyArray, count: int) -> Int[jax.Array, "count"]:
    """0 to ``count - 1`` in random order.

    `jax.random.permutation` sorts pairs, twice, which on a CPU takes as long as training a small network for a pass.
    Here one number carries both: random bits above, the index below, sorted once, eight times as fast. Indices whose
    random bits tie are ordered by their bits under a random mask, so that every pair is as likely in either order.
    """
    bits = max(count - 1, 1).bit_length()
    if bits > 16:
        return jax.random.permutation(key, count)
    above, below = jax.random.split(key)
    low = jnp.uint32(2**bits - 1)
    mask = jax.random.bits(below) & low
    packed = (jax.random.bits(above, (count,)) & ~low) | (jnp.arange(count, dtype=jnp.uint32) ^ mask)
    return ((jnp.sort(packed) & low) ^ mask).astype(jnp.int32)


def deployed(state: State) -> Variables:
    """What is deployed: the last variables, or their average where the recipe keeps one."""
    return state.variables if state.average is None else state.average


def train(
    model: Model,
    recipe: Recipe,
    gradient: Gradient,
    objective: Objective,
    x: Shaped[jax.Array, "record *feature"],
    y: Int[jax.Array, "record"],
    member: Membership,
    key: PRNGKeyArray,
    init: Variables | None = None,
) -> Variables:
    """Train one model, as one traceable function (arguments as in `start` and `epoch`)."""

    def one(state, number):
        return epoch(recipe, gradient, objective, x, y, member, key, state, number), None

    state = start(model, recipe, key, member.index.shape[0], init)
    return deployed(jax.lax.scan(one, state, jnp.arange(recipe.epochs))[0])


def train_checkpoints(
    model: Model,
    recipe: Recipe,
    gradient: Gradient,
    objective: Objective,
    x: Shaped[jax.Array, "record *feature"],
    y: Int[jax.Array, "record"],
    member: Membership,
    key: PRNGKeyArray,
    epochs: Sequence[int],
) -> Variables:
    """What `train` would deploy after so many passes each, from one training: every leaf leads with ``checkpoint``.

    Args:
        model: as in `start` and `epoch`, like the next seven.
        epochs: numbers of passes, ascending, at most those of the recipe, whose schedule is that of the whole training.
    """

    def one(number, state):
        return epoch(recipe, gradient, objective, x, y, member, key, state, number)

    def until(state, passes):
        first, last = passes
        state = jax.lax.fori_loop(first, last, one, state)
        return state, deployed(state)

    begin = start(model, recipe, key, member.index.shape[0])
    return jax.lax.scan(until, begin, (jnp.asarray((0, *epochs[:-1])), jnp.asarray(epochs)))[1]


def _average(decay: float, at: jax.Array, old: Variables, new: Variables) -> Variables:
    # Early on the average is short, so that a short training does not deploy its random start.
    share = jnp.maximum(1 - decay, 9.0 / (10.0 + jnp.asarray(at, float)))

    def blend(a, b):
        return a + share * (b - a) if jnp.issubdtype(b.dtype, jnp.inexact) else b

    return jax.tree.map(blend, old, new)


def observe(
    model: Model,
    names: tuple[str | Signal, ...],
    queries: Queries,
    block: int,
    x: Shaped[jax.Array, "record *feature"],
    y: Int[jax.Array, "record"],
    variables: Variables,
    defences: tuple[Defence, ...] = (),
    key: PRNGKeyArray | None = None,
    member: Membership | None = None,
    inputs: Float[jax.Array, "record query *feature"] | None = None,
) -> dict[str, Float[jax.Array, "record query *value"]]:
    """Ask one model about every view of every record; the answers never leave the device.

    Args:
        model: the architecture.
        names: the signals to keep, or their names in `jaxattack.signals`.
        queries: the views.
        block: records asked at once, at most.
        x: all records.
        y: all labels.
        variables: the trained model.
        defences: before its answers, the first nearest to the model; they take a key and the members.
        key: everything random about this model.
        member: its members, and the reserve of its defences.
        inputs: of the network, which it is asked about instead of the views of each record.

    Returns:
        Each signal; ``correct`` has one query, the record itself, but where other inputs are asked about.
    """
    offsets, blocks = jnp.asarray(queries.offsets()), jnp.asarray(in_blocks(len(y), block))
    by_name = {signal.name: signal for signal in map(signals.as_signal, names)}
    common = jax.random.key(0)  # what signals draw is the same for every model
    chain: Chain | None = None
    classes = jax.eval_shape(model.apply, variables, as_input(x[:1])).shape[1] if defences else 1

    def behind(chain: Chain | None, index: jax.Array, number: jax.Array | int) -> View:
        if key is None or not chain:
            return View(model, variables, chain, classes=classes)
        # A key of each record and view, so that what is drawn does not depend on the blocks.
        keys = keys_of(jax.random.fold_in(jax.random.fold_in(key, 4), number), index)
        return View(model, variables, chain, keys, classes)

    numbers = count(len(offsets))  # of what defences ask while they are fitted, after those of the views

    def in_turn(chain: Chain, some: Any) -> Answer:
        number, among = next(numbers), jnp.asarray(in_blocks(len(some), block))
        each = jax.lax.map(lambda index: behind(chain, index, number).answer(as_input(some[index])), among)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[: len(some)], each)

    def ask(index):
        records, labels = x[index], y[index]

        def at(now):
            number, offset = now
            one = behind(chain, index, number)
            batch = as_input(view(queries, records, offset)) if inputs is None else inputs[index, number]
            draws = keys_of(jax.random.fold_in(common, number), index)
            return {name: signal(one, batch, labels, draws) for name, signal in by_name.items()}

        if inputs is not None:
            return jax.lax.map(at, (jnp.arange(inputs.shape[1]), jnp.zeros((inputs.shape[1], 3), jnp.int32)))
        return jax.lax.map(at, (jnp.arange(len(offsets)), offsets))

    if defences:
        assert key is not None
        assert member is not None
        within = jnp.zeros(len(y)).at[member.index].max(member.weight)
        chain = fit(defences, jax.random.fold_in(key, 3), x, in_turn, y, within, member.reserve)
    answers = jax.lax.map(ask, blocks)
    by_record = {
        name: jnp.moveaxis(value, 1, 2).reshape(-1, value.shape[1], *value.shape[3:])[: len(y)]
        for name, value in answers.items()
    }
    if inputs is not None:
        return by_record
    return by_record | {name: value[:, :1] for name, value in by_record.items() if name == "correct"}


def keys_of(key: PRNGKeyArray, records: Int[jax.Array, "record"]) -> Key[jax.Array, "record"]:
    """A key of each record, which does not depend on what other records are asked about."""
    return jax.vmap(lambda record: jax.random.fold_in(key, record))(records)
