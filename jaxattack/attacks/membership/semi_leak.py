"""Semi-Leak (He, Liu, Gong and Zhang, ECCV 2022, arXiv 2207.12535), against models that learn from unlabelled records too.

Such a model is taught to answer weak and strong views of its members alike, so that the distances between its answers to views
(`jaxattack.signals.view_divergence`) tell them, labelled or not. A network of 64 and 32 units reads the sorted distances, with Adam
at .001 for 50 epochs as published. No label is read. Members are labelled and unlabelled ones together; an audit of
`jaxattack.training.learners.FixMatch` reports both apart.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.learned import LearnedAttack
from jaxattack.attacks.membership.observed import read_values
from jaxattack.signals import ViewDivergence
from jaxattack.types import Observations, Signal, config


@config
class SemiLeak(LearnedAttack):
    """An attack network over the distances between answers to weak and strong views of a picture.

    Attributes:
        views: of each kind, at least 1.
        flip: whether weak views are mirrored half of the time, as they are where training mirrors.
        network: how it is built and trained.
        shadows: how many references play the target, all in one training set; fewer where there are fewer.
        seed: of the network's random draws.
        protocol: "independent" or "leave-one-out" (the shadows are models t + 2, t + 3, ...): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no views, no shadow, a negative seed, or an unknown protocol.
    """

    name = "semi-leak"
    paper = "He et al. 2022, arXiv 2207.12535"

    views: int = 10
    flip: bool = False
    network: AttackNetwork = AttackNetwork(joint=(64, 32), learning_rate=1e-3, epochs=50)

    def __post_init__(self) -> None:
        super().__post_init__()
        ViewDivergence(views=self.views, flip=self.flip)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The distances."""
        return (ViewDivergence(views=self.views, flip=self.flip),)

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record value"], ...]:
        """The distances.

        Raises:
            InputError: as `jaxattack.attacks.membership.observed.read_values`.
        """
        return (read_values(observations, self.signals[0])[:, :, 0],)
