"""RAPID (He et al., CCS 2024, "Is Difficulty Calibration All We Need?"): a network over a loss and how far it is from references'.

A record's features are the target's loss and that loss less the mean loss of a few models that were not trained on the record.
Difficulty calibration keeps the second alone; with both, a network finds that a record which is easy for all models need
not be a member because it is a little easier for the target. Its shadow has the same features, with references of its own
among those of the target: models that are references of both and not trained on the record. All have so many of these
models at every record where some record has no more, at most ``outside``. Losses are means over all queries of a record.

The network is the published one: 512-256-128 ReLU units, dropout .2, Adam at .0002 with a weight decay of .0005, batches of
128, 150 epochs. The authors' code keeps the epoch that is best on the target, and reports that epoch; here it is the last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.network_scores import FEWEST, Case, NetworkAttack, score_cases
from jaxattack.attacks.membership.observed import (
    read_signal,
    read_targets,
    require_models,
    require_references,
)
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.attacks.membership.references import (
    Shadow,
    TooFewReferences,
    choose_references,
    model_groups,
    several_shadows_of,
)
from jaxattack.signals import Phi
from jaxattack.types import Needs, Observations, at_least, config

PUBLISHED = AttackNetwork(joint=(512, 256, 128), dropout=0.2, learning_rate=2e-4, decay=5e-4, epochs=150, batch=128)


@config
class RAPID(NetworkAttack):
    """An attack network over the loss and the loss less that of models without the record.

    Attributes:
        network: how it is built and trained.
        outside: models without a record whose losses are averaged, at most; the paper takes 4.
        shadows: how many references play the target, all in one training set; fewer where there are fewer.
        seed: of the network's random draws.
        protocol: "independent" or "leave-one-out" (the shadows are models t + 2, t + 3, ...): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no shadow or no model without a record, a negative seed, or an unknown protocol.
    """

    name = "rapid"
    paper = "He et al. 2024, CCS"
    signals = (Phi(),)

    network: AttackNetwork = PUBLISHED
    outside: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, outside=self.outside)

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """A reference without the record."""
        return Needs(sides={"out": 1}, protocol=self.protocol)

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target: log odds of membership, in nats.

        Raises:
            TooFewReferences: fewer than three models; a record with no reference that was not trained on it, or a shadow with
                too few such records.
            InputError: phi NaN or infinite; a shadow without members or without non-members.
        """
        require_models(observations, self.name)
        loss = loss_of(read_signal(observations, Phi())).mean(axis=2)
        member, models = observations.member, np.arange(observations.models)
        chosen = read_targets(observations, targets)
        references = choose_references(member, chosen, self.protocol)
        require_references(member, references, self.needs(len(models)), self.name)
        group = model_groups(member, self.protocol)
        shadows = several_shadows_of(member, chosen, self.protocol, self.shadows)
        cases = []
        for row, target in enumerate(chosen):
            own = references.rows(np.array([row]))
            without = np.stack([own.includes(np.array([model]), len(loss[0]))[0] for model in models]) & ~member
            cases.append(self._case(int(target), shadows[row], loss, without, group))
        return score_cases(self, (1, 1), cases, observations)

    def _case(
        self,
        target: int,
        shadows: Sequence[Shadow],
        loss: Float[np.ndarray, "model record"],
        without: Bool[np.ndarray, "model record"],
        group: Int[np.ndarray, "model"],
    ) -> Case:
        """What an attacker of one target learns from; ``without`` are its references that were not trained on a record."""
        candidates = {target: without}
        for model, _ in shadows:
            candidates[model] = without & (group != group[model])[:, None]
        able = [Shadow(model, records & candidates[model].any(axis=0)) for model, records in shadows]
        if min(int(records.sum()) for _, records in able) < FEWEST:
            raise TooFewReferences(
                f"{self.name} needs references of its shadow too, and the shadow of model {target} has them at fewer than "
                f"{FEWEST} records: observe at least 6 models, or choose an attack without references, such as loss."
            )
        pairs = [(target, np.ones(len(loss[0]), bool)), *able]
        fewest = min(int(candidates[model].sum(axis=0)[records].min()) for model, records in pairs)

        def features(model: int) -> Float[np.ndarray, "record feature"]:
            averaged = _first(candidates[model], min(fewest, self.outside), target + 1)
            there = np.maximum(averaged.sum(axis=0), 1)
            return np.stack(
                [loss[model], loss[model] - (loss * averaged).sum(axis=0) / there], axis=1, dtype=np.float32
            )

        return Case(target, able, features)


def _first(models: Bool[np.ndarray, "model record"], number: int, start: int) -> Bool[np.ndarray, "model record"]:
    """The first so many of a record's models, counted from one on."""
    turned = np.roll(models, -start, axis=0)
    return np.roll(turned & (np.cumsum(turned, axis=0) <= number), start, axis=0)
