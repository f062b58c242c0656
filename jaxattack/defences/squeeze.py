"""Feature squeezing (Xu, Evans and Qi, NDSS 2018, arXiv 1704.01155): a query whose squeezed copies are answered otherwise is refused.

    mark = max over squeezers s of |p(x) - p(s(x))|_1, at most 2        (`jaxattack.defences.squeezers`)

A query is refused where its mark reaches a threshold that ``drop_rate`` of the validation records reach; any other is answered as
the model answers it, or its copy through all squeezers where ``reform`` says so.

| guarantee | |
| --- | --- |
| a refusal | as `jaxattack.defences.magnet` has it |
| no squeezer | changes nothing, bit for bit |
| 1 bit of records of 0 and 1 | is the identity: no mark is above 0 |
| what a client is billed | one query a record, whatever is asked of the model beside it |

He et al. (2017, arXiv 1706.04701) passed it with attacks that know it, and so does `jaxattack.perturb.adaptive` here, for which a
squeezer has the gradient of the identity: docs/robustness.md.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.defences import squeezers
from jaxattack.defences.asking import first_view
from jaxattack.defences.autoencoder import in_batches
from jaxattack.defences.detection import refuse, thresholds
from jaxattack.defences.reserve import reserve_weight
from jaxattack.defences.scale import Scale, is_picture
from jaxattack.defences.scores import require_confidences
from jaxattack.models.adapt import as_input
from jaxattack.types import Access, Answer, Endpoint, InputError, at_least, check_reserve, config


class Range(NamedTuple):
    """What feature squeezing has learnt.

    Attributes:
        scale: of the queries.
        thresholds: of its one detector.
    """

    scale: Scale
    thresholds: Float[jax.Array, "detector"]


@config
class FeatureSqueezing:
    """Queries whose squeezed copies are answered otherwise refused; needs confidences of all classes.

    Attributes:
        bits: of each feature's range, 1 to 8, or 0 for no such squeezer. The paper's: 1 for MNIST, 5 for CIFAR-10.
        median: pixels across the window of a median, or 0 for none; of pictures alone. The paper's: 2.
        strength: of a non-local mean, or 0 for none; of pictures alone. The paper's: 4 for ImageNet.
        drop_rate: the share of benign records that is refused, from 0 to below 1; 0 for no detector.
        reform: answer about the squeezed copy, and not about the query itself.
        reserve: the share of all records that a sweep sets aside for its threshold, from 0 to below 1; without it as
            `jaxattack.defences.magnet` says.

    Raises:
        InputError: a value out of range; when it is fitted, a squeezer of pictures for records that are none.
    """

    paper = "Xu et al. 2018, arXiv 1704.01155"
    resolution = 0.0
    fresh = False

    bits: int = 1
    median: int = 0
    strength: float = 0.0
    drop_rate: float = 0.05
    reform: bool = False
    reserve: float = 0.0

    def __post_init__(self) -> None:
        at_least(0, median=self.median)
        check_reserve(self.reserve, optional=True)
        if not 0 <= self.bits <= 8:
            raise InputError(f"bits is {self.bits}: give 1 to 8, or 0 for no rounding.")
        if self.median == 1:
            raise InputError("median is 1, which changes nothing: give 2 or more pixels, or 0 for no median.")
        if not 0 <= self.strength < float("inf"):
            raise InputError(f"strength is {self.strength}: give a number above 0, or 0 for no non-local mean.")
        if not 0 <= self.drop_rate < 1:
            raise InputError(f"drop_rate is {self.drop_rate}: give a share from 0 to below 1.")

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`.

        Raises:
            InputError: labels alone, the top k, or logits are answered.
        """
        terms = require_confidences(before, "feature squeezing")
        return replace(terms, decimals=None, refuses=before.refuses or self.detects)

    def fit(self, key: Any, endpoint: Endpoint, y: Any, member: Any) -> Any:  # noqa: ARG002
        """The range of the records, and the threshold."""
        if self._is_nothing:
            return ()
        records = endpoint.records()
        if (self.median or self.strength) and not is_picture(records):
            raise InputError(
                f"median is {self.median}, strength is {self.strength:g} and records have shape {records.shape[1:]}: these are "
                "squeezers of pictures; leave them at 0."
            )
        state = Range(Scale.of(records), jnp.zeros(0))
        if not self.drop_rate:
            return state
        x = as_input(jnp.asarray(records))
        compared = [x, *self._copies(state, x)[-len(self._squeezers) :]]
        said = jnp.stack([jnp.asarray(endpoint.answer(view).probability) for view in compared])
        weight = reserve_weight(key, endpoint, member)
        return state._replace(thresholds=thresholds(self.mark(said)[None], weight, self.drop_rate))

    def questions(self, state: Any, x: Any) -> Any:
        """As `jaxattack.types.AskingDefence`: what is answered, and what the detector compares."""
        if self._is_nothing:
            return x[None]
        if isinstance(x, jax.Array):
            copies = self._copies(state, x)
        else:
            copies = [*np.moveaxis(in_batches(self._stacked, state, x), 1, 0).astype(x.dtype)]
        first = copies[: 1 if self.reform else 0]
        return x.__array_namespace__().stack([*first, *([x, *copies[len(first) :]] if self.drop_rate else [])])

    def mark(self, p: Float[jax.Array, "view query cls"]) -> Float[jax.Array, "query"]:
        """How far the confidences about a query are from those about its squeezed copies, at most; in L1, 0 to 2.

        Args:
            p: of the query and of its copy by each squeezer, whatever was asked before them.
        """
        each = p[-len(self._squeezers) - 1 :]
        return jnp.abs(each[:1] - each[1:]).sum(axis=2).max(axis=0)

    def excess(self, state: Any, answer: Answer, x: Any) -> Any:  # noqa: ARG002 (its mark is of answers)
        """As `jaxattack.types.DetectingDefence`."""
        return self.mark(jnp.asarray(answer.probability))[None] / state.thresholds[:, None] - 1

    def answer(self, state: Any, answer: Answer, x: Any, key: Any) -> Answer:  # noqa: ARG002
        """As `jaxattack.types.Defence`, of the answers to `questions`."""
        first = first_view(answer)
        if self._is_nothing or not self.drop_rate:
            return first
        return refuse(first, (self.excess(state, answer, x) >= 0).any(axis=0))

    def _copies(self, state: Range, x: jax.Array) -> list[jax.Array]:
        """The copy by all squeezers, one after the other, where it is answered; then that by each, where they are compared."""
        share = state.scale.share(x)
        every = [reduce(lambda copy, squeeze: squeeze(copy), self._squeezers, share)] if self.reform else []
        each = [squeeze(share) for squeeze in self._squeezers] if self.drop_rate else []
        return [state.scale.units(copy) for copy in (*every, *each)]

    def _stacked(self, state: Range, x: jax.Array) -> Float[jax.Array, "query copy *feature"]:
        return jnp.stack(self._copies(state, x), axis=1)

    @property
    def _squeezers(self) -> list[Any]:
        return [
            *([lambda share: squeezers.depth(share, self.bits)] if self.bits else []),
            *([lambda share: squeezers.median(share, self.median)] if self.median else []),
            *([lambda share: squeezers.non_local_mean(share, self.strength)] if self.strength else []),
        ]

    @property
    def detects(self) -> bool:
        """As `jaxattack.types.DetectingDefence`."""
        return self.drop_rate > 0 and bool(self._squeezers)

    @property
    def _is_nothing(self) -> bool:
        return not self._squeezers or not (self.reform or self.drop_rate)
