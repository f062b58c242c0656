"""Hundreds of models trained and observed at once, a chunk at a time.

A chunk is the group of models that one compiled program handles (`jaxattack.training.program`).

Model i depends on the run's seed, on i and on its own members alone: not on the number of models or the chunk. Which
options for speed move it by rounding, and how far, is said at `jaxattack.training.placement.Placement`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Bool, Float, Int

from jaxattack.models import ModelSource
from jaxattack.models.conv import Form, default_form
from jaxattack.signals import as_signal, require_converged
from jaxattack.training.images import BLOCK, Queries, check_views
from jaxattack.training.placement import Placement
from jaxattack.training.program import (
    EVERYWHERE,
    MODEL,
    Way,
    Work,
    aval,
    compilations,
    compiled,
    convolves,
    device_mesh,
    free_bytes,
    on_cpu,
)
from jaxattack.training.recipe import Recipe
from jaxattack.training.single import memberships
from jaxattack.training.source import as_model
from jaxattack.training.sweep import Sweep
from jaxattack.training.tuning import fastest, measure
from jaxattack.training.view import sight
from jaxattack.types import (
    Dataset,
    Defence,
    Ensemble,
    InputError,
    Learner,
    Observations,
    Signal,
    Variables,
    check_arguments,
    sees,
    versions_of,
)


class Chunk(NamedTuple):
    """A trained and observed chunk.

    Attributes:
        models: their numbers in the run.
        variables: what they learnt, on the devices; every leaf leads with ``model``.
        signals: name -> ["model record query *value"], on the host.
        train_seconds: from the dispatch, or the end of the chunk before, until the variables were ready.
        observe_seconds: from then until the signals were on the host.
    """

    models: Int[np.ndarray, "model"]
    variables: Variables
    signals: dict[str, Float[np.ndarray, "model record query"]]
    train_seconds: float
    observe_seconds: float


class _Pending(NamedTuple):
    """A chunk on its way through the devices: its models, what they will have learnt and answered, and when it began."""

    models: Int[np.ndarray, "model"]
    variables: Variables
    answers: dict[str, jax.Array]
    begin: float


class Engine:
    """A sweep made ready to run on this machine's devices: compiled, with the records in place.

    Attributes:
        signals: what is kept: those of the sweep that defended answers allow.
        chunk: models a call of `run` handles.
        group: models a device handles at the same time.
        placement: with what was left open filled in; given again, nothing is measured.
        compile_seconds: what choosing a way, tracing and compiling took, 0 when the programs were found again.
        bytes_per_device: what the larger program needs, beside the results of the chunk before.
    """

    def __init__(self, sweep: Sweep, dataset: Dataset, *, models: int, slots: int, placement: Placement = Placement()):
        check_views(sweep.learner, sweep.queries, dataset)
        self.sweep = sweep
        self.mesh = device_mesh()
        everywhere = NamedSharding(self.mesh, EVERYWHERE)
        self._x = jax.device_put(dataset.x, everywhere)
        self._y = jax.device_put(dataset.y.astype(np.int32), everywhere)
        self._key = jax.random.key(sweep.seed)
        access = sight(dataset, sweep.defences)
        self.signals = tuple(signal for signal in sweep.signals if sees(signal, access))
        self._work = Work(
            sweep.model,
            sweep.learner,
            sweep.queries,
            self.signals,
            slots,
            dataset.classes,
            sweep.columns,
            sweep.defences,
            sweep.reserve,
        )
        begin, compilations = time.perf_counter(), _compilations()
        share = -(-models // self.mesh.size)
        self._fit(share, placement, self._choose(share, placement))
        self.compile_seconds = time.perf_counter() - begin if _compilations() > compilations else 0.0

    def _choose(self, share: int, placement: Placement) -> Way:
        """A way through the models of a device: from figures known before on a CPU, else measured."""
        convolving = convolves(self.sweep.model)
        form = placement.conv or (None if convolving else default_form())
        if on_cpu(self.mesh):
            group = placement.vmap or (1 if convolving else 2)
            return Way(form or default_form(), min(group, share), placement.block or BLOCK)
        if form and placement.vmap and placement.block:
            return Way(form, min(placement.vmap, share), placement.block)
        forms: tuple[Form, ...] = (form,) if form else ("patches", "lax")  # mixed mends XLA's CPU backend alone
        room = 0.8 * free_bytes(self.mesh)
        return fastest(self._work, self.mesh, aval(self._x), share=share, room=room, placement=placement, forms=forms)

    def _fit(self, share: int, placement: Placement, way: Way) -> None:
        """Compile, and halve the group or the chunk until the program fits into free memory."""
        devices = self.mesh.size
        per_device = -(-placement.chunk // devices) if placement.chunk else _sixteenth(share, way.group)
        group = min(way.group, per_device) if placement.chunk and not placement.vmap else way.group
        per_device = _evened(share, max(per_device, group))
        group = group if placement.vmap else min(group, per_device)
        room = 0.8 * free_bytes(self.mesh)
        while True:
            self.chunk = devices * group * -(-per_device // group)
            way = way._replace(group=group)
            program = compiled(self._work, self.mesh, self.chunk, way, aval(self._x), aval(self._y))
            if program.bytes_per_device <= room or self.chunk == devices * (group if placement.vmap else 1):
                break
            if group > 1 and not placement.vmap:
                group //= 2
            per_device = _evened(share, max(self.chunk // devices // 2, 1))
        self.group, self.program = group, program
        self.bytes_per_device = program.bytes_per_device
        self.placement = Placement(chunk=self.chunk, vmap=group, conv=way.conv, block=way.block)

    def run(self, models: Sequence[int], member: Bool[np.ndarray, "model record"]) -> Chunk:
        """Train and observe some models of the run.

        Args:
            models: their numbers, at most ``chunk`` of them.
            member: their rows of the member matrix.

        Returns:
            The chunk. Fewer models than ``chunk`` run the same program and its spare places are dropped.

        Raises:
            InputError: the training of a model diverged.
        """
        return self._finish_chunk(self._begin_chunk(models, member), 0.0)

    def run_all(self, models: Sequence[int], member: Bool[np.ndarray, "model record"]) -> Iterator[Chunk]:
        """The same for any number of models, a chunk at a time; the devices train the next one while a chunk is handed out.

        Args:
            models: their numbers.
            member: the whole member matrix; a model's number is its row.
        """
        parts = [list(models[first : first + self.chunk]) for first in range(0, len(models), self.chunk)]
        now, free = self._begin_chunk(parts[0], member[parts[0]]) if parts else None, 0.0
        for part in [*parts[1:], None]:
            following = self._begin_chunk(part, member[part]) if part else None
            if now:
                chunk = self._finish_chunk(now, free)
                free = time.perf_counter()
                yield chunk
            now = following

    def _begin_chunk(self, models: Sequence[int], member: Bool[np.ndarray, "model record"]) -> _Pending:
        """A chunk on its way through the devices."""
        numbers = np.resize(np.asarray(models, np.uint32), self.chunk)
        over_models = NamedSharding(self.mesh, MODEL)
        keys = jax.device_put(jax.vmap(lambda i: jax.random.fold_in(self._key, i))(numbers), over_models)
        rows = memberships(np.resize(member, (self.chunk, member.shape[1])), self._work.slots)
        begin = time.perf_counter()
        each = keys, jax.device_put(rows, over_models)
        variables = self.program.train(each, self._x, self._y)
        answers = self.program.observe((*each, variables), self._x, self._y)
        return _Pending(numbers[: len(models)], variables, answers, begin)

    def _finish_chunk(self, pending: _Pending, free: float) -> Chunk:
        """What becomes of it, on devices that were free for it from then on."""
        count = len(pending.models)
        variables = _finish(pending.variables)
        trained_at = time.perf_counter()
        signals = {name: np.asarray(value)[:count] for name, value in _finish(pending.answers).items()}
        evidence = signals["phi"] if "phi" in signals else _finiteness(variables)[:count, None, None]
        require_converged(evidence, pending.models.tolist())
        own = variables if count == self.chunk else jax.tree.map(lambda leaf: leaf[:count], variables)
        training = trained_at - max(pending.begin, free)
        return Chunk(pending.models.astype(np.int64), own, signals, training, time.perf_counter() - trained_at)


def _sixteenth(models: int, group: int) -> int:
    """About a sixteenth of the models, in whole groups: the size, down to a thirty-second, whose chunks have the fewest places
    to spare."""
    most = -(-models // (16 * group))
    return group * min(range(most, most // 2, -1), key=lambda groups: groups * -(-models // (groups * group)))


def _evened(models: int, most: int) -> int:
    """The size of chunks that are as even as they can be and no more than they must be."""
    return -(-models // -(-models // most))


def _compilations() -> int:
    """How many programs were compiled so far, for work or to be measured."""
    return compilations() + measure.cache_info().misses


def _finiteness(variables: Variables) -> Float[np.ndarray, "model"]:
    """0 for each model all of whose numbers are finite, NaN for the others."""
    wrong = sum(
        (~np.isfinite(np.asarray(leaf, np.float32))).reshape(len(leaf), -1).any(axis=1)
        for leaf in jax.tree.leaves(variables.params)
    )
    return np.where(wrong, np.nan, 0.0)


def _finish(tree: Any) -> Any:
    """Wait for the devices in small sleeps: a wait inside the runtime would hold back Ctrl-C until it ends."""
    leaves = jax.tree.leaves(tree)
    while not all(leaf.is_ready() for leaf in leaves):
        time.sleep(0.002)
    return jax.block_until_ready(tree)


@check_arguments("dataset", "seed", "queries", "reserve", "placement")
def train_ensemble(
    model: ModelSource,
    recipe: Recipe | Learner,
    dataset: Dataset,
    member: Bool[np.ndarray, "model record"],
    *,
    seed: int = 0,
    queries: Queries = Queries(),
    signals: Sequence[str | Signal] = (),
    defences: Sequence[Defence] = (),
    reserve: int = 0,
    placement: Placement = Placement(),
) -> tuple[Ensemble, Observations]:
    """Train a model for each row of the member matrix and observe them all, in memory.

    A run that must survive a kill goes through `jaxattack.audit.membership` and its run folder instead.

    Args:
        model: what every model is, as `jaxattack.models.source` says.
        recipe: how each is trained; a recipe alone is `jaxattack.training.learners.Standard` with it.
        dataset: the records.
        member: who is in.
        seed: the run's key.
        queries: the views that each is asked about.
        signals: what is kept beside ``phi`` and ``correct``.
        defences: before the answers, the first nearest to the model.
        reserve: how many of the last records are the defender's, for a learner or a defence that needs some: members of no
            model, whose answers are no measure of it.
        placement: how the work is cut.

    Returns:
        What they learnt, of `jaxattack.types.deployed_model`, and what they say.

    Raises:
        InputError: bad input, or a model with members in the reserve.

    Example:
        >>> iris = ja.load("iris")
        >>> member = ja.designs.Halves()(models=4, records=len(iris), seed=0)
        >>> models, observations = ja.train_ensemble(
        ...     ja.models.build("softmax", iris.shape, iris.classes), ja.Recipe(epochs=2), iris, member
        ... )
        >>> observations.signal("phi").shape
        (4, 150, 1)
    """
    if reserve and member[:, -reserve:].any():
        raise InputError(f"reserve is {reserve} and some of the last {reserve} records are members: set others aside.")
    sweep = Sweep(
        model=as_model(model, dataset),
        recipe=recipe,
        queries=queries,
        signals=tuple(map(as_signal, signals)),
        defences=tuple(defences),
        reserve=reserve,
        seed=seed,
    )
    slots = int(member.sum(axis=1).max())
    engine = Engine(sweep, dataset, models=len(member), slots=slots, placement=placement)
    chunks = list(engine.run_all(range(len(member)), member))
    variables = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(chunk.variables for chunk in chunks))
    names = [signal.name for signal in engine.signals]
    answers = {name: np.concatenate([chunk.signals[name] for chunk in chunks]) for name in names}
    return Ensemble(variables, member), Observations(
        signals=answers, member=member, label=dataset.y, names=dataset.names, ids=dataset.ids,
        versions=versions_of(engine.signals),
    )  # fmt: skip
