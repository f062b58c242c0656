"""MI-FACE: gradient descent on the record itself (Fredrikson, Jha, Ristenpart 2015, algorithm 1), classes and restarts at once.

    x <- PROCESS(x - lambda grad c(x)),    c(x) = objective(f(x), target) + priors(x)

from x = 0, for at most ``steps`` (their alpha), until c has not improved within ``patience`` (beta) steps or the objective
is as low as at confidence ``confidence`` (gamma); the best x seen is returned. Their values are the defaults: 5000 steps,
100, 0.99, lambda 0.1, c = 1 - f_target(x), no prior, no processing but the box.

x is in the unit box, which the victim's documented range is mapped to. The first restart begins at 0 as theirs, whose
networks took 0 to 1; the second in the middle, which a network that takes -1 to 1 sees as its 0; the others at random
within a tenth of it: a level that is the same over a picture, for noise would stay in it, and one for each feature of a
table. Far from the middle 1 - f is flat where the victim is sure of another class; cross-entropy is not. Of restarts that
the victim is as sure of, to a hundredth, the first is the reconstruction.
"""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.inversion.descent import Cost, Rule, descend
from jaxattack.attacks.inversion.objective import (
    OBJECTIVES,
    Objective,
    check_statistics,
    energy,
    objective,
    statistics,
    total_variation,
)
from jaxattack.attacks.inversion.process import check_pictures, process
from jaxattack.attacks.inversion.target import check_targets, inversion_from, unit_box
from jaxattack.training.named_optimizer import optimizer
from jaxattack.types import (
    InputError,
    Inversion,
    Model,
    Progress,
    WhiteBox,
    above_zero,
    at_least,
    config,
    within_memory,
)

_FRAMES = (1, 3, 10, 30, 100, 300, 1000, 3000)
AROUND = 0.1
"""How far from the middle of the unit box random restarts begin, at most."""


@config
class MiFace:
    """Descend on the record itself, from the victim's gradients.

    Attributes:
        restarts: for each target; the first begins at 0, the second in the middle of the box, the others at random.
        steps: at most.
        patience: steps without improvement after which a restart stops.
        confidence: in the target at which a restart stops; 1 for never.
        learning_rate: of the optimiser, in units of the box.
        optimizer: of optax, as sgd, adam or lion.
        objective: confidence, cross-entropy, margin or poincare.
        process: after each step: clip, median, gaussian, sharpen, or several joined by +.
        total_variation: weight of that prior, for pictures.
        energy: weight of the squared distance from the middle of the box.
        statistics: weight of the victim's batch statistics; needs at least 2 restarts.
        chunk: restarts that move at the same time; by default what memory suits. It changes no result.

    Raises:
        InputError: a value out of range.
    """

    restarts: int = 8
    steps: int = 5000
    patience: int = 100
    confidence: float = 0.99
    learning_rate: float = 0.1
    optimizer: str = "sgd"
    objective: Objective = "confidence"
    process: str = "clip"
    total_variation: float = 0.0
    energy: float = 0.0
    statistics: float = 0.0
    chunk: int | None = None

    name = "mi-face"
    paper = "Fredrikson et al. 2015"
    white_box = True
    levels = ()
    pool = False

    def __post_init__(self) -> None:
        at_least(1, restarts=self.restarts, steps=self.steps, patience=self.patience)
        if not 0 < self.confidence <= 1:
            raise InputError(f"confidence is {self.confidence}: give a share above 0, at most 1.")
        if self.objective not in OBJECTIVES:
            raise InputError(f"objective is {self.objective!r}: choose {', '.join(OBJECTIVES)}.")
        for name in ("total_variation", "energy", "statistics"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(f"{name} is {getattr(self, name)}: give 0 or a positive weight.")
        above_zero(learning_rate=self.learning_rate)
        if self.statistics and self.restarts < 2:
            raise InputError("restarts is 1 and statistics is on: a batch statistic needs at least 2 restarts.")
        at_least(1, chunk=self.chunk)
        optimizer(self.optimizer, self.learning_rate)
        process(self.process)

    def __call__(
        self,
        victim: WhiteBox,
        targets: Int[np.ndarray, "target"],
        *,
        seed: int = 0,
        pool: Shaped[np.ndarray, "record *feature"] | None = None,  # noqa: ARG002 - every inversion is called alike
        progress: Progress | None = None,
    ) -> Inversion:
        """Make a record of each class; see `jaxattack.types.InversionAttack`.

        Raises:
            InputError: a class that the victim does not have, a process or a prior of pictures for other records, batch
                statistics that give no gradient, or a victim whose outputs are no numbers.
        """
        targets = check_targets(targets, victim.classes)
        within_memory(len(targets) * self.restarts * victim.inputs.low.size, restarts=self.restarts)
        check_pictures(self.process, victim.inputs.shape)
        check_pictures("total_variation" if self.total_variation else "clip", victim.inputs.shape)
        if self.statistics:
            check_statistics(victim)
        box = unit_box(victim.inputs)
        descent = descend(
            _cost(victim.model, self),
            (victim.variables, *box),
            _starts(self.restarts, seed, targets, victim.inputs.shape),
            np.repeat(targets, self.restarts),
            Rule(self.optimizer, self.learning_rate, self.patience, process(self.process)),
            steps=self.steps,
            enough=_enough(self),
            chunk=self.chunk,
            group=self.restarts if self.statistics else 1,
            marks=tuple(step for step in _FRAMES if step < self.steps),
            progress=progress,
        )
        low, width = box
        shape = (-1, *victim.inputs.shape)
        return inversion_from(
            self, victim, targets, descent, lambda u: (low + u.reshape(shape) * width).astype(np.float64)
        )


def _enough(attack: MiFace) -> float:
    """The cost at which a restart stops: that of the wanted confidence, where the objective is one of confidence."""
    formulas = {"confidence": 1 - attack.confidence, "cross-entropy": -np.log(attack.confidence)}
    return float(formulas.get(attack.objective, -np.inf)) if attack.confidence < 1 else -np.inf


def _starts(
    restarts: int, seed: int, targets: np.ndarray, shape: tuple[int, ...]
) -> Float[np.ndarray, "point *feature"]:
    """Where each restart of each target begins, by the class and the number of the restart."""
    starts = np.zeros((len(targets), restarts, *shape), np.float32)
    starts[:, 1:2] = 0.5
    size = (1,) * len(shape) if len(shape) > 1 else shape
    for row, target in enumerate(targets):
        for restart in range(2, restarts):
            u = np.random.default_rng([seed, int(target), restart]).random(size, np.float32)
            starts[row, restart] = 0.5 + AROUND * (2 * u - 1)
    return starts.reshape(-1, *shape)


@cache
def _cost(model: Model, attack: MiFace) -> Cost:
    formula = objective(attack.objective)

    def cost(arguments, u, target):
        variables, low, width = arguments
        x = low + u * width
        total = formula(model.apply(variables, x), target)
        if attack.total_variation:
            total += attack.total_variation * total_variation(u)
        if attack.energy:
            total += attack.energy * energy(u)
        if attack.statistics:
            groups = x.reshape(-1, attack.restarts, *x.shape[1:])
            apart = jax.vmap(lambda group: statistics(model, variables, group))(groups)
            total += attack.statistics * jnp.repeat(apart, attack.restarts)
        return total

    return cost
