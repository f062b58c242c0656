"""What an update of a model tells of the record behind it (Salem et al. 2020, Updates-Leak).

A service is asked about the same probes before and after its owner trained it on one more record
(`jaxattack.attacks.reconstruction.update`).

A softmax regression, one gradient step (closed form). With q~ = (q, 1) and x~ = (x, 1),

    delta = - rate (q~ . x~) (p(x) - onehot(y)), centred

has rank one, and its only entry of the other sign is the label's. Its left factor is Q~ x~ up to a scale, which the last
entry of x~ sets: probes that span the records' space give the record itself.

Any network (shadow updates). The attacker updates a model of its own on each of many records in turn, all in one
program, and learns the label from the changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression

from jaxattack.attacks.reconstruction.knowledge import Knowledge, require
from jaxattack.attacks.reconstruction.update import change
from jaxattack.models import folded
from jaxattack.training import train_one
from jaxattack.types import NUMBERS, Goal, InputError, Level, Need, Oracle, Progress, Reconstruction, at_least, config


class Source(NamedTuple):
    """The record behind an update.

    Attributes:
        x: Float["feature"], the record.
        label: its label.
        residual: how far the change is from rank one, relative to its size; 0 for one exact gradient step.
    """

    x: np.ndarray
    label: int
    residual: float


def solve_softmax(delta: Float[np.ndarray, "probe cls"], probes: Float[np.ndarray, "probe feature"]) -> Source:
    """The record of one gradient step of a softmax regression with a bias.

    Args:
        delta: of `change`.
        probes: more than the features, so that they and a constant span the space.

    Raises:
        InputError: nothing changed, or probes that do not span the space.
    """
    ones = np.concatenate([np.asarray(probes, np.float64), np.ones((len(probes), 1))], axis=1)
    rank = np.linalg.matrix_rank(ones / np.maximum(np.abs(ones).max(axis=0), np.finfo(float).tiny))
    if rank < ones.shape[1]:
        raise InputError(
            f"the {len(probes)} probes and a constant span {rank} of {ones.shape[1]} dimensions: give more probes."
        )
    scale = np.abs(ones).max(axis=0)  # columns of different sizes would make the system ill-conditioned
    left, size, right = np.linalg.svd(delta, full_matrices=False)
    if not size[0] > 0:
        raise InputError("no answer changed: the update did not reach these probes, or the answers are rounded.")
    record = np.linalg.lstsq(ones / scale, left[:, 0] * size[0])[0] / scale
    # x~ ends in 1, and the change is rate times onehot(y) - p, centred: above 0 at the label once the sign is right.
    direction = right[0] * np.sign(record[-1])
    residual = float(np.sqrt((size[1:] ** 2).sum()) / np.sqrt((size**2).sum()))
    return Source(record[:-1] / record[-1], int(direction.argmax()), residual)


@config
class UpdateRecord:
    """The record and the label of one gradient step of a softmax regression, in closed form.

    Attributes:
        probes: inputs that are asked about before and after, uniform in the documented range, for each feature and the
            bias; 1 is the least, and more average rounding out.

    Raises:
        InputError: a value out of range.
    """

    probes: int = 2

    name = "update-record"
    paper = "after Salem et al. 2020"
    goal: ClassVar[Goal] = "record"
    needs: ClassVar[tuple[Need, ...]] = ("answers", "updates", "span")
    levels: ClassVar[tuple[Level, ...]] = NUMBERS

    def __post_init__(self) -> None:
        at_least(1, probes=self.probes)

    def queries(self, oracle: Oracle, updates: int) -> int:
        """How many queries so many updates cost."""
        return self.probes * (oracle.access.inputs.low.size + 1) * (updates + 1)

    def __call__(self, knowledge: Knowledge, *, seed: int = 0, progress: Progress | None = None) -> Reconstruction:
        """Solve for the record behind each update; the score is less the distance of the change from rank one.

        Raises:
            InputError: something missing, or answers that cannot show a change.
        """
        before, after, span = require(self, knowledge)
        inputs = before.access.inputs
        low, high = span.low.ravel(), span.high.ravel()
        share = np.random.default_rng(seed).random((self.probes * (low.size + 1), low.size))
        queries = inputs.low.ravel() + share * (inputs.high - inputs.low).ravel()
        delta, cost = change(before, after, queries.reshape(-1, *inputs.shape))
        # In the network's own units: a shift of the records would change what the last entry of x~ is.
        probes = low + share * (high - low)
        sources = []
        for at, one in enumerate(delta):
            # Where a defence leaves nothing of an update there is no record, which is a finding and no mistake.
            sources.append(solve_softmax(one, probes) if one.any() else Source(np.full(low.size, np.nan), -1, np.nan))
            if progress:
                progress("updates", at + 1, len(delta))
        unseen = int((~delta.any(axis=(1, 2))).sum())
        return Reconstruction(
            attack=self.name,
            goal=self.goal,
            value=np.stack([source.x for source in sources]).reshape(-1, *inputs.shape),
            score=np.array([-source.residual for source in sources]),
            label=np.array([source.label for source in sources]),
            cost=cost,
            complete=not unseen,
            reason=f"{unseen} of {len(sources)} updates changed no answer to the probes." if unseen else "",
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelReader:
    """The label of the record behind an update, learnt from shadow updates.

    Attributes:
        scale: Float["feature"], the spread of each change.
        classifier: of scaled changes.
    """

    scale: np.ndarray
    classifier: LogisticRegression

    @classmethod
    def fit(cls, changes: Float[np.ndarray, "record probe cls"], labels: Int[np.ndarray, "record"]) -> LabelReader:
        """Learn the label from changes.

        Raises:
            InputError: other than one label for each change, or one label throughout.
        """
        if len(changes) != len(labels) or len(np.unique(labels)) < 2:
            raise InputError(
                f"there are {len(changes)} changes and {len(labels)} labels: give a label each, of 2 or more."
            )
        flat = changes.reshape(len(changes), -1)
        scale = flat.std(axis=0) + 1e-12
        return cls(scale=scale, classifier=LogisticRegression(C=0.1, max_iter=1000).fit(flat / scale, labels))

    def __call__(self, changes: Float[np.ndarray, "record probe cls"]) -> Int[np.ndarray, "record"]:
        """The label behind each change.

        Raises:
            InputError: changes at other probes than it learnt from.
        """
        return np.asarray(self.classifier.predict(self._scaled(changes)))

    def confidence(self, changes: Float[np.ndarray, "record probe cls"]) -> Float[np.ndarray, "record"]:
        """How sure it is of each label, 0 to 1 (arguments as of a call)."""
        return self.classifier.predict_proba(self._scaled(changes)).max(axis=1)

    def _scaled(self, changes: Float[np.ndarray, "record probe cls"]) -> Float[np.ndarray, "record feature"]:
        flat = changes.reshape(len(changes), -1)
        if flat.shape[1] != len(self.scale):
            raise InputError(f"a change has {flat.shape[1]} numbers and {len(self.scale)} were learnt from: ask alike.")
        return flat / self.scale


@config
class UpdateLabel:
    """The label of the record that any network was updated on, learnt on shadow updates of the attacker's own model.

    Attributes:
        probes: records of the pool that are asked about before and after.
        shadows: records of the pool that the attacker updates its own model on; fewer where the pool is smaller. The rest
            of the pool trains that model.

    Raises:
        InputError: a value out of range.
    """

    probes: int = 40
    shadows: int = 250

    name = "update-label"
    paper = "Salem et al. 2020"
    goal: ClassVar[Goal] = "label"
    needs: ClassVar[tuple[Need, ...]] = ("answers", "updates", "pool", "training")
    levels: ClassVar[tuple[Level, ...]] = NUMBERS

    def __post_init__(self) -> None:
        at_least(1, probes=self.probes)
        at_least(2, shadows=self.shadows)

    def queries(self, oracle: Oracle, updates: int) -> int:
        """How many queries so many updates cost."""
        del oracle
        return self.probes * (updates + 1)

    def __call__(self, knowledge: Knowledge, *, seed: int = 0, progress: Progress | None = None) -> Reconstruction:
        """Learn labels from shadow updates, and read each update's; the score is the reader's confidence.

        Raises:
            InputError: something missing, a pool too small, or answers that cannot show the change.
        """
        before, after, pool, training = require(self, knowledge)
        shadows = min(self.shadows, (len(pool) - self.probes) // 2)
        if shadows < 2:
            raise InputError(
                f"the pool has {len(pool)} records and probes is {self.probes}: give at least {self.probes + 4}, or fewer."
            )
        probes, taught, own = np.split(np.arange(len(pool)), [self.probes, self.probes + shadows])
        member = np.isin(np.arange(len(pool)), own)
        variables = train_one(
            training.model, training.recipe, pool, member, columns=training.columns, seed=seed, progress=progress
        )
        variables = folded(variables) if training.columns else variables
        x = pool.x.reshape(len(pool), *before.access.inputs.shape).astype(np.float64)
        lessons = training.update.changes(training.model, variables, pool.x[taught], pool.y[taught], pool.x[probes])
        reader = LabelReader.fit(lessons, pool.y[taught])
        delta, cost = change(before, after, x[probes])
        return Reconstruction(
            attack=self.name,
            goal=self.goal,
            value=reader(delta),
            score=reader.confidence(delta),
            cost=cost,
            models=1,
            steps=training.recipe.steps(len(own)) + shadows * training.update.steps,
            notes={"labels right on the shadow updates": float((reader(lessons) == pool.y[taught]).mean())},
        )
