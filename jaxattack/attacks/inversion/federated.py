"""The collaborative-learning GAN attack (Hitaj, Ateniese, Perez-Cruz 2017), in a simulated federation (`federation`).

Participant 0 is the adversary. It holds no record of the target class, and before it trains locally it moves a generator
G by some steps against the shared classifier f,

    min  - ln p_target(f(G(z))),    z ~ N(0, 1),

then takes G(z) for a share of the rows of its local batches, labelled as one more class, the fakes. So the shared
classifier learns what is wrong with them, whoever holds the target has to teach it what tells its records from the
fakes, and the next round's generator learns that: f is the discriminator of a GAN whose real records the adversary never
sees.

Every target is a federation of its own. All of them, and all participants in each, train at once in one compiled
program, which stops now and then to tell how far it is. A target's result does not depend on the others.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jaxtyping import Float, Int

from jaxattack.attacks.inversion.federation import Federation
from jaxattack.attacks.inversion.target import best_restart, check_targets, unit_box
from jaxattack.descent import descend
from jaxattack.models import build
from jaxattack.training.averaging import Local, Partition, right, train_round
from jaxattack.training.named_optimizer import optimizer
from jaxattack.types import Frame, InputError, Inversion, Model, Progress, Variables, above_zero, at_least, config

_DIVERGED = "training diverged for {} of {} targets: lower learning_rate or generator_rate."

SEGMENTS = 10
"""How often it is looked at how far it is."""


@config
class CollaborativeGan:
    """Make records of a class that others hold, by a generator whose discriminator is the shared classifier.

    Attributes:
        rounds: of averaging.
        local_steps: of each participant in a round.
        batch: records of a local step.
        learning_rate: of local steps.
        optimizer: of local steps, of optax; its state is not shared, and begins anew in each round.
        injected: share of the adversary's local batches that is fakes; 0 to look on and send nothing false.
        generator: its architecture, from a latent point to a record before the sigmoid.
        generator_steps: in a round.
        generator_rate: of its Adam.
        latent: numbers in a latent point.
        samples: records made of each target, the restarts of the result.

    Raises:
        InputError: a value out of range.
    """

    rounds: int = 100
    local_steps: int = 10
    batch: int = 64
    learning_rate: float = 0.1
    optimizer: str = "sgd"
    injected: float = 0.1
    generator: str = "mlp:128"
    generator_steps: int = 3
    generator_rate: float = 3e-4
    latent: int = 32
    samples: int = 16

    name = "collaborative-gan"
    paper = "Hitaj et al. 2017"

    def __post_init__(self) -> None:
        at_least(
            1,
            rounds=self.rounds,
            local_steps=self.local_steps,
            batch=self.batch,
            generator_steps=self.generator_steps,
            latent=self.latent,
            samples=self.samples,
        )
        above_zero(learning_rate=self.learning_rate, generator_rate=self.generator_rate)
        if not 0 <= self.injected < 1:
            raise InputError(f"injected is {self.injected}: give a share from 0 to below 1.")
        optimizer(self.optimizer, self.learning_rate)
        build(self.generator, (self.latent,), 1)

    def __call__(
        self,
        federation: Federation,
        targets: Int[np.ndarray, "target"],
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Inversion:
        """Make records of each target, each in a federation of its own.

        Args:
            federation: who takes part.
            targets: classes of which the adversary holds no record.
            seed: decides everything random.
            progress: called with what is being done, how much of it, and of how much.

        Returns:
            The samples of each target; the score of each is the shared classifier's confidence. ``notes`` has the
            shared classifier's accuracy on all records, and on those of the target, for each target; None where nobody
            holds any.

        Raises:
            InputError: a class that there is not, or that the adversary holds.
        """
        targets = check_targets(targets, federation.classes)
        own = np.intersect1d(targets, federation.y[federation.owner == 0])
        if own.size:
            raise InputError(f"target is {own[0]} and the adversary holds records of it: aim at what others hold.")
        partition, box = federation.partition, unit_box(federation.inputs)
        plan, injected = self._plan(federation), round(self.injected * self.batch)
        state, key = _begin(plan, targets, seed), jax.random.key(seed)
        frames = []
        ends = sorted({max(self.rounds * part // SEGMENTS, 1) for part in range(1, SEGMENTS + 1)})
        for begin, until in pairwise([0, *ends]):
            state = _advance(plan, partition, box, injected, targets, key, state, begin, until)
            samples, sure = _sample(plan, box, targets, key, state)
            frames.append((until, np.asarray(samples, np.float64), np.asarray(sure, np.float64)))
            if progress:
                progress("rounds", until, self.rounds)
        correct = np.asarray(right(plan.classifier, state.classifier, partition))
        of_target = [part[federation.y == target] for part, target in zip(correct, targets, strict=True)]
        notes = {
            "accuracy": correct.mean(axis=1).tolist(),
            "accuracy on the target": [float(part.mean()) if part.size else None for part in of_target],
        }
        return _inversion(self, targets, frames, notes)

    def _plan(self, federation: Federation) -> Plan:
        decoder = build(self.generator, (self.latent,), federation.inputs.low.size)
        local = Local(self.local_steps, self.batch, self.optimizer, self.learning_rate)
        return Plan(
            federation.model, decoder, local, self.generator_steps, self.generator_rate, self.latent, self.samples
        )


def _inversion(
    attack: CollaborativeGan,
    targets: np.ndarray,
    frames: list[tuple[int, np.ndarray, np.ndarray]],
    notes: dict[str, Any],
) -> Inversion:
    """The last samples, of each target the one that the shared classifier is surest of first."""
    _, restarts, sure = frames[-1]
    score = np.where(np.isfinite(restarts).reshape(*sure.shape, -1).all(axis=2), sure, np.nan)
    row, best, divergent = np.arange(len(targets)), best_restart(score), np.isnan(score).all(axis=1)
    return Inversion(
        attack=attack.name,
        target=targets,
        x=restarts[row, best],
        restarts=restarts,
        score=score,
        steps=np.full(score.shape, attack.rounds * attack.generator_steps),
        gradients=len(targets) * attack.rounds * attack.generator_steps * attack.batch,
        frames=tuple(Frame(until, samples[row, best]) for until, samples, _ in frames[:-1]),
        complete=not divergent.any(),
        reason=_DIVERGED.format(divergent.sum(), len(targets)) if divergent.any() else "",
        notes=notes,
    )


class Plan(NamedTuple):
    """What is compiled for: the shared classifier, the generator, and how they are trained."""

    classifier: Model
    decoder: Model
    local: Local
    steps: int
    rate: float
    latent: int
    samples: int


class State(NamedTuple):
    """Of each target: the shared variables, the generator's, and its optimiser's state."""

    classifier: Variables
    generator: Variables
    moments: Any


def _generate(plan: Plan, box: Any, generator: Variables, z: jax.Array) -> Float[jax.Array, "point *feature"]:
    u = jax.nn.sigmoid(plan.decoder.apply(generator, z))
    low, width = box
    return low + u.reshape(-1, *low.shape[1:]) * width


def _round(
    plan: Plan, partition: Partition, box: Any, injected: Any, target: jax.Array, key: jax.Array, state: State
) -> State:
    """The adversary moves its generator, everyone trains, and the average is taken."""
    local = plan.local
    draw, noise, train = jax.random.split(key, 3)

    latent = jax.random.normal(draw, (plan.steps, local.batch, plan.latent))

    def loss(params, number):
        x = _generate(plan, box, state.generator._replace(params=params), latent[number])
        return -jax.nn.log_softmax(plan.classifier.apply(state.classifier, x))[:, target].mean()

    end = descend(loss, optax.adam(plan.rate, b1=0.5), state.generator.params, plan.steps, moments=state.moments)
    generator = state.generator._replace(params=end.point)
    fakes = _generate(plan, box, generator, jax.random.normal(noise, (local.steps * local.batch, plan.latent)))
    fakes = fakes.reshape(local.steps, local.batch, *partition.x.shape[1:])
    classifier = train_round(plan.classifier, local, partition, state.classifier, fakes, injected, train)
    return State(classifier, generator, end.moments)


def _keys(key: jax.Array, targets: jax.Array) -> jax.Array:
    return jax.vmap(partial(jax.random.fold_in, key))(targets)


@partial(jax.jit, static_argnums=0)
def _begin(plan, targets, seed):
    # Every target meets the same shared classifier, as if it was the same federation.
    classifier_key, generator_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), 0))

    def one(key):
        generator = plan.decoder.init(key)
        return State(plan.classifier.init(classifier_key), generator, optax.adam(1.0).init(generator.params))

    return jax.vmap(one)(_keys(generator_key, targets))


@partial(jax.jit, static_argnums=0, donate_argnums=6)
def _advance(plan, partition, box, injected, targets, key, state, begin, end):
    def one(target, key, state):
        def run(at, now):
            return _round(plan, partition, box, injected, target, jax.random.fold_in(key, at + 1), now)

        return jax.lax.fori_loop(begin, end, run, state)

    return jax.vmap(one)(targets, _keys(key, targets), state)


@partial(jax.jit, static_argnums=0)
def _sample(plan, box, targets, key, state):
    """The samples, the same latent points whenever it is looked, and the shared classifier's confidence in them."""

    def one(target, key, state):
        x = _generate(plan, box, state.generator, jax.random.normal(key, (plan.samples, plan.latent)))
        return x, jax.nn.softmax(plan.classifier.apply(state.classifier, x))[:, target]

    return jax.vmap(one)(targets, _keys(key, targets), state)
