"""A white-box attack network (after Nasr, Shokri and Houmansadr, S&P 2019, arXiv 1812.00910): gradients, loss, answer and label.

Parts, each with layers of its own, then joined: the norm of the gradient in each layer's weights, the loss, all confidences, and
the one-hot label. Layers are the published 100-64 of losses and outputs, 128-64 of labels, and 256-128-64 joined, with squared
error and Adam at .001 for 100 epochs; batches of 64 are ours.

What differs from the paper, whose tables it does not reach for:

- Gradients are seen by their norms, as base-10 logarithms; the published network convolves each weight matrix's whole gradient.
  In the last layer, where the gradient is h (p - e_y)^T, p and y are there in full and h by its length alone.
- Activations of hidden layers are left out. The hidden units of two networks do not correspond, so that nothing which is
  learnt of a shadow's holds for a target; of the output layer, the confidences are there.
- It learns from shadows. ``supervised``, it knows half of the target's members, as published, and is cross-fitted. The authors'
  code keeps the epoch that is best on its evaluation sets; here it is the last. Weights start as Glorot's.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.learned import SupervisedAttack
from jaxattack.attacks.membership.nsh import one_hot
from jaxattack.attacks.membership.observed import read_signal, read_values
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.signals import ConfidenceVector, LayerGradientNorms, Phi
from jaxattack.types import Observations, config

FLOOR = 1e-8
"""Norms below it count as it: float32 tells 1 - p no finer."""
NETWORK = AttackNetwork(
    branches=((100, 64), (100, 64), (100, 64), (128, 64)),
    joint=(256, 128, 64),
    loss="squared",
    learning_rate=1e-3,
    epochs=100,
    batch=64,
)


@config
class Nasr(SupervisedAttack):
    """A network over norms of gradients, loss, confidences and label.

    Attributes:
        network: how it is built and trained; its branches, if any, are of these four.
        supervised: whether it is taught the target's own members, cross-fitted: two halves of the records, each scored by the
            network that was taught the other half. It needs no other model then.
        shadows: how many references play the target, all in one training set; fewer where there are fewer.
        seed: of the network's random draws.
        protocol: "independent" or "leave-one-out" (the shadows are models t + 2, t + 3, ...): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no shadow, a negative seed, or an unknown protocol.
    """

    name = "nasr"
    paper = "Nasr et al. 2019, arXiv 1812.00910"
    family = "white-box"
    signals = (LayerGradientNorms(), Phi(), ConfidenceVector())

    network: AttackNetwork = NETWORK

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record _"], ...]:
        """Logarithms of the norms, the loss, all confidences, and the label as one of so many.

        Raises:
            InputError: as `jaxattack.attacks.membership.observed.read_values`.
        """
        norms = read_values(observations, LayerGradientNorms())[:, :, 0]
        loss = loss_of(read_signal(observations, Phi())[:, :, :1])
        confidence = read_values(observations, ConfidenceVector())[:, :, 0]
        return np.log10(np.maximum(norms, FLOOR)), loss, confidence, one_hot(observations, confidence.shape[2])
