"""All that may be known of one target: the oracle an attack is handed, and beside it what it takes to judge the result.

The truth stays on this side: the attack sees the oracle alone, and what is compared with it afterwards is asked of a
twin that does not count. A prediction API has no twin: there comparing costs queries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Shaped

from jaxattack.data import fingerprint
from jaxattack.oracle.identity import content, fingerprint_of, probes
from jaxattack.types import Answer, Dataset, Inputs, Oracle, WhiteBox


@dataclass(frozen=True, kw_only=True)
class Victim:
    """A victim, and what judges what is stolen of it.

    Attributes:
        name: in a few words.
        oracle: what the attack asks.
        twin: answers as fully as the victim can, uncounted.
        method: the attack that fits it, by name.
        x: records that it was not trained on; None where there are none at hand.
        y: the columns of their classes, as `jaxattack.audit.columns` says; None where they cannot be compared.
        pool: other such records, the attacker's own.
        truth: the network or the projection that it is, where that is known and nothing else tells.
        remote: it is a prediction API of somebody else's process.
        inside: its weights, where it is a network of this package.
        estimator: what it has learnt, where it is an estimator of scikit-learn.
        dataset: the records that it was trained on and others, where they are at hand.
        member: which of them it was trained on.
        notes: how it and its data are understood, in sentences.
    """

    name: str
    oracle: Oracle
    twin: Callable[[np.ndarray], Answer]
    method: str
    x: Shaped[np.ndarray, "record *feature"] | None = None
    y: Int[np.ndarray, "record"] | None = None
    pool: Shaped[np.ndarray, "record *feature"] | None = None
    truth: Any = None
    remote: bool = False
    inside: WhiteBox | None = None
    estimator: Any = None
    dataset: Dataset | None = None
    member: Bool[np.ndarray, "record"] | None = None
    notes: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """What tells it from other victims, as plain values; its name is for people and does not count.

        ``content`` is what answers, as `jaxattack.oracle.identity` says; of a service its address, since what answers
        there is known by its answers alone; of any other function the twin's answers to fixed records, to six digits.
        ``data`` are the records that it and others were trained on, ``members`` its own, ``pool`` the attacker's own.
        """
        mask = None if self.member is None else {"count": int(self.member.sum()), "sha256": fingerprint_of(self.member)}
        data = None if self.dataset is None else {"records": len(self.dataset), "sha256": fingerprint(self.dataset)}
        return {
            "victim": self.name,
            "content": content(self.oracle) or ({"url": self.name} if self.remote else self._answers()),
            "data": data,
            "members": mask,
            "pool": None if self.pool is None else fingerprint_of(self.pool),
        }

    def _answers(self) -> dict[str, str]:
        answer = self.twin(probes(self.oracle.access.inputs))
        scores = [part for part in answer if part is not None]
        return {"answers": fingerprint_of([[f"{value:.6g}" for value in part.ravel().tolist()] for part in scores])}


def documented(x: Shaped[np.ndarray, "record *feature"]) -> Inputs:
    """What a service that was trained on these records would document: each feature's range.

    Bytes range from 0 to 255; a feature that never changes, from its value to one more.
    """
    if x.dtype == np.uint8:
        return Inputs.box(0, 255, x.shape[1:])
    low, high = x.min(axis=0).astype(np.float64), x.max(axis=0).astype(np.float64)
    return Inputs(low=low, high=np.where(high > low, high, low + 1), categories=np.zeros(x.shape[1:], np.int64))


def usual_method(oracle: Oracle) -> str:
    """What is tried on a victim of which nothing but its terms is known."""
    return "adaptive-retraining" if oracle.access.level == "label" else "hypotheses"


def thirds(x: np.ndarray, y: np.ndarray | None, oracle: Oracle) -> dict[str, Any]:
    """Records that the victim has not seen: one in three the attacker's own, the others to compare on."""
    flat = x.reshape(len(x), *oracle.access.inputs.shape).astype(np.float64)
    own = np.arange(len(flat)) % 3 == 0
    return {"x": flat[~own], "y": None if y is None else y[~own], "pool": flat[own]}
