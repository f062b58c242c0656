"""All that may be known of one target: the oracle an attack is handed, and beside it what it takes to judge the result.

The truth stays on this side: the attack sees the oracle alone, and what is compared with it afterwards is asked of a
twin that does not count. A victim of which nothing but an oracle is known, such as a prediction API, has no twin: there
comparing costs queries.

    open_victim("softmax")      with everything that a name tells (`jaxattack.audit.victim_names`)
    as_victim(oracle)           answers alone
    as_victim(white_box)        weights, and the answers that they give
    victim.behind(defences)     the same behind defences
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Bool, Int, Shaped

from jaxattack.attacks.extraction import Hypotheses, Retraining
from jaxattack.data import fingerprint
from jaxattack.defences import require_repetition
from jaxattack.oracle import defended, from_model
from jaxattack.oracle.answering import is_classifier
from jaxattack.oracle.identity import content, fingerprint_of, probes
from jaxattack.types import (
    Answer,
    Dataset,
    Defence,
    Endpoint,
    ExtractionAttack,
    InputError,
    Inputs,
    Oracle,
    WhiteBox,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Victim:
    """A victim, and what judges what is stolen of it.

    Attributes:
        name: in a few words.
        oracle: what the attack asks.
        twin: answers as fully as the victim can, uncounted; None where there is nothing to ask but the oracle.
        attack: the extraction attack that fits it; None for what its terms allow.
        x: records that it was not trained on; None where there are none at hand.
        y: the columns of their classes, as `jaxattack.audit.columns` says; None where they cannot be compared.
        pool: other such records, the attacker's own.
        truth: the network or the projection that it is, where that is known and nothing else tells.
        url: of a prediction API elsewhere.
        transport: how it is asked, in words.
        inside: its weights, where it is a network of this package, without its defences.
        read_inside: reads its weights, where they are in a file of another framework; None where they are not.
        chain: the defences before the oracle with what each has learnt, the first nearest to the model.
        estimator: what it has learnt, where it is an estimator of scikit-learn.
        dataset: the records that it was trained on and others, where they are at hand.
        member: which of them it was trained on.
        names: of its classes as it has them itself, in the order of its columns; empty where it has none.
        notes: how it and its data are understood, in sentences.

    Example:
        >>> victim = ja.open_victim("tree", data="iris")
        >>> behind = victim.behind([ja.defences.LabelOnly()])
        >>> victim.oracle.access.level, behind.oracle.access.level
        ('probability', 'label')
    """

    name: str
    oracle: Oracle
    twin: Callable[[np.ndarray], Answer] | None = None
    attack: ExtractionAttack | None = None
    x: Shaped[np.ndarray, "record *feature"] | None = None
    y: Int[np.ndarray, "record"] | None = None
    pool: Shaped[np.ndarray, "pool *feature"] | None = None
    truth: Any = None
    url: str | None = None
    transport: str = "in this process"
    inside: WhiteBox | None = None
    read_inside: Callable[[], WhiteBox] | None = None
    chain: tuple[tuple[Defence, Any], ...] = ()
    estimator: Any = None
    dataset: Dataset | None = None
    member: Bool[np.ndarray, "dataset"] | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ask(self) -> Callable[[np.ndarray], Answer]:
        """The twin; without one the oracle, which counts."""
        return self.twin or self.oracle

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of its classes, in the order of its columns; empty where nothing names them all."""
        names = self.names or (() if self.dataset is None else self.dataset.names)
        return names if len(names) == self.oracle.access.classes else ()

    @property
    def usual_attack(self) -> ExtractionAttack:
        """The extraction attack that fits it, or else what its terms allow."""
        if self.attack is not None:
            return self.attack
        return Retraining(strategy="adaptive") if self.oracle.access.level == "label" else Hypotheses()

    @property
    def identity(self) -> dict[str, Any]:
        """What tells it from other victims, as plain values; its name is for people and does not count.

        ``content`` is what answers, as `jaxattack.oracle.identity` says; of a service its address, since what answers
        there is known by its answers alone; of any other function the twin's answers to fixed records, to six digits.
        ``data`` are the records that it and others were trained on, ``members`` its own, ``pool`` the attacker's own.

        Raises:
            InputError: nothing tells what answers.
        """
        mask = None if self.member is None else {"count": int(self.member.sum()), "sha256": fingerprint_of(self.member)}
        data = None if self.dataset is None else {"records": len(self.dataset), "sha256": fingerprint(self.dataset)}
        return {
            "victim": self.name,
            "content": content(self.oracle) or ({"url": self.url} if self.url else self._answers()),
            "data": data,
            "members": mask,
            "pool": None if self.pool is None else fingerprint_of(self.pool),
        }

    def _answers(self) -> dict[str, str]:
        if self.twin is None:
            raise InputError(
                f"nothing tells what answers behind {self.name}, so that its answers cannot be kept: "
                "give content to from_function, or leave out out."
            )
        answer = self.twin(probes(self.oracle.access.inputs))
        scores = [part for part in answer if part is not None]
        return {"answers": fingerprint_of([[f"{value:.6g}" for value in part.ravel().tolist()] for part in scores])}

    def with_weights(self) -> Victim:
        """The same victim with its weights at hand, where they can be read.

        Raises:
            InputError: what reading them raises.
        """
        if self.inside is not None or self.read_inside is None:
            return self
        return replace(self, inside=self.read_inside())

    def behind(self, defences: Sequence[Defence], *, seed: int = 0) -> Victim:
        """The same victim whose oracle answers behind defences; the twin, which judges, answers as before.

        Args:
            defences: the first nearest to the model. One that learns is fitted on the victim's own records and members.
            seed: decides everything random about them.

        Raises:
            InputError: a defence that can do nothing with such answers, or one that learns where no records are at hand.
        """
        oracle, key, chain = self.oracle, jax.random.key(seed), self.chain
        for number, defence in enumerate(defences):
            defence.access(oracle.access)
            require_repetition(defence, fresh=any(one.fresh for one, _ in chain))
            state = self._fit(defence, oracle, jax.random.fold_in(key, number))
            oracle, chain = defended(oracle, defence, state=state, seed=seed), (*chain, (defence, state))
        return replace(self, oracle=oracle, chain=chain)

    def _fit(self, defence: Defence, oracle: Oracle, key: jax.Array) -> Any:
        dataset, member = self.dataset, self.member

        def records() -> Shaped[np.ndarray, "record *feature"]:
            if dataset is None or member is None:
                raise InputError(
                    f"{type(defence).__name__} learns from the records of {self.name} and its members, which are not at hand: "
                    "give a victim that is trained here, or its folder."
                )
            return dataset.x.reshape(-1, *oracle.access.inputs.shape).astype(np.float64)

        def ask(x: Any) -> Answer:
            return oracle(np.asarray(x))  # a defence may make its questions of JAX

        y = None if dataset is None else dataset.y
        weight = None if member is None else member.astype(np.float32)
        return defence.fit(key, Endpoint(records, ask), y, weight)


def as_victim(target: Victim | Oracle | WhiteBox) -> Victim:
    """A target with what is known of it.

    Raises:
        InputError: it is none of the three.
    """
    if isinstance(target, Victim):
        return target
    if isinstance(target, WhiteBox):
        make = partial(
            from_model,
            target.model,
            target.variables,
            inputs=target.inputs,
            classes=target.classes,
            precision="float64",
        )
        return Victim(name="a network", oracle=make(level="probability"), twin=make(level="logit"), inside=target)
    if isinstance(target, str):
        raise InputError(f"victim is {target!r}, a word: give jaxattack.open_victim({target!r}).")
    if isinstance(target, nnx.Module):
        raise InputError(
            f"victim is a {type(target).__name__}, whose inputs nothing tells: give jaxattack.oracle.from_model(it, "
            "inputs=jaxattack.Inputs.box(low, high, shape), classes=...)."
        )
    if not isinstance(target, Oracle):
        door = (
            "from_estimator(it)" if is_classifier(target) else "from_function(it, access)" if callable(target) else ""
        )
        hint = f", as jaxattack.oracle.{door} makes of it" if door else ""
        raise InputError(f"victim is a {type(target).__name__}: give a Victim, an oracle or a WhiteBox{hint}.")
    url = getattr(target, "url", None)
    return Victim(
        name=url or "an oracle",
        oracle=target,
        url=url,
        transport=f"over HTTP, at {url}" if url else "in this process",
        names=tuple(getattr(target, "names", ())),
    )


def input_ranges(x: Shaped[np.ndarray, "record *feature"]) -> Inputs:
    """What a service that was trained on these records would document: each feature's range.

    Bytes range from 0 to 255; a feature that never changes, from its value to one more.
    """
    if x.dtype == np.uint8:
        return Inputs.box(0, 255, x.shape[1:])
    low, high = x.min(axis=0).astype(np.float64), x.max(axis=0).astype(np.float64)
    return Inputs(low=low, high=np.where(high > low, high, low + 1), categories=np.zeros(x.shape[1:], np.int64))


def thirds(x: np.ndarray, y: np.ndarray | None, oracle: Oracle) -> dict[str, Any]:
    """Records that the victim has not seen: one in three the attacker's own, the others to compare on."""
    flat = x.reshape(len(x), *oracle.access.inputs.shape).astype(np.float64)
    own = np.arange(len(flat)) % 3 == 0
    return {"x": flat[~own], "y": None if y is None else y[~own], "pool": flat[own]}
