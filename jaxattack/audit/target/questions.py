"""Signals that ask a target more than once a record: noisy or moved copies, points on the way to a boundary.

They are traced for the references, which are networks here; a target is anything that answers. Traced code calls back to it,
a batch at a time, on the scale of network inputs: what is asked of both is the same, and drawn alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.audit.target.answers import BLOCK, TargetAnswers
from jaxattack.audit.target.comparability import defend, floor_of
from jaxattack.training import Queries
from jaxattack.training.images import as_input, view
from jaxattack.training.single import keys_of
from jaxattack.types import Answer, Dataset, Defence, Level, Signal, afterwards, any_detects, sees

Ask = Callable[[Shaped[np.ndarray, "query *feature"]], Answer]
"""A target, asked in the units of the data."""


def asking_signals(signals: Iterable[Signal], level: Level) -> tuple[Signal, ...]:
    """Those that ask more than once and see no more than is answered."""
    return tuple(signal for signal in signals if sees(signal, level) and signal.queries > 1 and not afterwards(signal))


class _TargetView:
    """A target as traced code sees it: `jaxattack.types.View`, without anything inside."""

    model: Any = None
    variables: Any = None

    def __init__(self, ask: Ask, level: Level, classes: int, defences: Sequence[Defence], bytes_: bool):
        self.floor, self.refuses = floor_of(defences, classes), any_detects(defences)
        self._ask, self._level, self._classes, self._defences, self._bytes = ask, level, classes, defences, bytes_

    def answer(self, x: jax.Array, repetition: jax.Array | None = None) -> Answer:  # noqa: ARG002 (it draws by itself)
        """What the target answers to a batch of network inputs."""
        scores = jax.ShapeDtypeStruct((len(x), self._classes), jnp.float32)
        shapes = Answer(
            jax.ShapeDtypeStruct((len(x),), jnp.int32),  # pyright: ignore[reportArgumentType] (traced)
            scores if self._level == "probability" else None,  # pyright: ignore[reportArgumentType]
            scores if self._level == "logit" else None,  # pyright: ignore[reportArgumentType]
        )
        return jax.pure_callback(self._from_outside, shapes, x)

    def _from_outside(self, x: Any) -> Answer:
        inputs = np.asarray(x, np.float64)
        answer = defend(self._ask((inputs + 1) * 127.5 if self._bytes else inputs), self._defences)
        probability, logit = (
            None if part is None else np.asarray(part, np.float32) for part in (answer.probability, answer.logit)
        )
        return Answer(
            answer.label.astype(np.int32),
            probability if self._level == "probability" else None,
            logit if self._level == "logit" else None,
        )


def ask_more(
    ask: Ask,
    answers: TargetAnswers,
    signals: Sequence[Signal],
    records: Dataset,
    queries: Queries,
    defences: Sequence[Defence],
) -> dict[str, Float[np.ndarray, "1 record view *value"]]:
    """Such signals of every view of every record.

    Args:
        ask: the target; its columns are the data's classes.
        answers: it gave to the records themselves.
        signals: of `asking_signals`.
        records: in the order of a run's.
        queries: the views.
        defences: that do to its answers what was done to the references'.
    """
    scores = answers.answer.probability if answers.level == "probability" else answers.answer.logit
    classes = records.classes if scores is None else scores.shape[-1]
    target = _TargetView(ask, answers.level, classes, defences, records.x.dtype == np.uint8)
    by_signal: dict[str, list[np.ndarray]] = {signal.name: [] for signal in signals}
    for number, offset in enumerate(queries.offsets()):
        by_block: dict[str, list[np.ndarray]] = {signal.name: [] for signal in signals}
        for start in range(0, len(records), BLOCK):
            index = jnp.arange(start, min(start + BLOCK, len(records)))
            x = as_input(view(queries, jnp.asarray(records.x[start : start + BLOCK]), jnp.asarray(offset)))
            keys = keys_of(
                jax.random.fold_in(jax.random.key(0), number), index
            )  # as a sweep draws, for every model alike
            y = jnp.asarray(records.y[start : start + BLOCK])
            for signal in signals:
                by_block[signal.name].append(np.asarray(signal(target, x, y, keys)))
        for name, parts in by_block.items():
            by_signal[name].append(np.concatenate(parts))
    return {name: np.stack(views, axis=1)[None] for name, views in by_signal.items()}
