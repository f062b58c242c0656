"""What an attacker has of generators, and what every attack on their members is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from jaxattack.training.generators.many import Generators
from jaxattack.types import InputError, Progress

Sight = Literal["samples", "latent", "weights"]
"""How much of a generator an attack needs: records that it made; what it makes of latent points of the attacker's choice, and of
which it made its samples; its networks."""

SIGHTS: tuple[Sight, ...] = ("samples", "latent", "weights")
"""From the least to the most; who sees more sees all before it."""


class GeneratorView(NamedTuple):
    """Generators as an attacker has them.

    Attributes:
        samples: Float["generator sample feature"], in the unit box.
        latent: Float["generator sample latent"], of which they were made; None where that is not known.
        generators: to ask, or to look into; None where samples are all there is.
    """

    samples: np.ndarray
    latent: np.ndarray | None = None
    generators: Generators | None = None

    def first(self, count: int) -> GeneratorView:
        """The same with the first samples of each alone."""
        latent = None if self.latent is None else self.latent[:, :count]
        return GeneratorView(self.samples[:, :count], latent, self.generators)

    def take(self, part: slice) -> GeneratorView:
        """Some of the generators."""
        latent = None if self.latent is None else self.latent[part]
        return GeneratorView(
            self.samples[part], latent, None if self.generators is None else self.generators.take(part)
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What an attacker has.

    Attributes:
        records: under attack, in the unit box, flat.
        shape: of one record, as ``(8, 8, 1)`` for an image of grey levels.
        pool: the attacker's own records, likewise; no target and no reference of another attacker's was trained on them.
        targets: whose members are asked for.
        references: generators of the attacker's own, trained on the pool; None where there are none.

    Raises:
        InputError: parts whose records differ in size, or that hold numbers that are none.
    """

    records: Float[np.ndarray, "record feature"]
    shape: tuple[int, ...]
    pool: Float[np.ndarray, "own feature"]
    targets: GeneratorView
    references: GeneratorView | None = None

    def __post_init__(self) -> None:
        features = int(np.prod(self.shape))
        parts = {"records": self.records, "pool": self.pool, "samples": self.targets.samples}
        if self.references is not None:
            parts["samples of references"] = self.references.samples
        for name, part in parts.items():
            axes = 3 if name.startswith("samples") else 2
            if part.ndim != axes or part.shape[-1] != features:
                raise InputError(f"{name} has shape {part.shape}: give {axes} axes, the last of {features} features.")
            if not np.isfinite(part).all():
                raise InputError(f"{name} holds NaN or infinity: leave those records out.")


class GeneratorScores(NamedTuple):
    """What an attack says, and what it took beside samples.

    Attributes:
        scores: Float["target record"]; higher means "more likely a member".
        queries: latent points that a target was asked about, for one record.
        gradient_steps: of all networks and latent points, summed.
    """

    scores: np.ndarray
    queries: int = 0
    gradient_steps: int = 0


@runtime_checkable
class GeneratorAttack(Protocol):
    """An attack on the members of generators: a frozen configuration that is called with evidence.

    Attributes:
        name: in the registry and in reports.
        paper: that published it.
        sees: how much of a target it needs.
        kinds: of generator that it works on.
        samples: of a target that it reads, at most; 0 where it reads none.
        references: whether it compares with generators of the attacker's own.
    """

    @property
    def name(self) -> str: ...

    @property
    def paper(self) -> str: ...

    @property
    def sees(self) -> Sight: ...

    @property
    def kinds(self) -> tuple[str, ...]: ...

    @property
    def samples(self) -> int: ...

    @property
    def references(self) -> bool: ...

    def __call__(self, evidence: Evidence, *, seed: int = 0, progress: Progress | None = None) -> GeneratorScores:
        """Score every record for each target.

        Args:
            evidence: what the attacker has.
            seed: decides everything random.
            progress: told of steps.

        Raises:
            InputError: evidence that the attack cannot work with; it says what is missing.
        """
        ...


def require(attack: GeneratorAttack, evidence: Evidence) -> None:
    """Refuse what an attack cannot work with.

    Raises:
        InputError: no networks where it needs them, generators of another kind, or no references.
    """
    generators = evidence.targets.generators
    if attack.sees != "samples" and generators is None:
        raise InputError(f"{attack.name} needs {attack.sees} and there are samples alone: give the generators too.")
    if generators is not None and generators.networks.kind not in attack.kinds:
        raise InputError(
            f"{attack.name} is of a {' or '.join(attack.kinds)} and the target is a {generators.networks.kind}: leave it out."
        )
    if attack.references and evidence.references is None:
        raise InputError(f"{attack.name} compares with references and there are none: give at least 1.")


def select_attacks(attacks: Collection[GeneratorAttack], evidence: Evidence) -> tuple[list[GeneratorAttack], list[str]]:
    """The attacks that evidence is enough for, and why it is not for the others, in sentences."""
    usable, refusals = [], []
    for attack in attacks:
        try:
            require(attack, evidence)
            usable.append(attack)
        except InputError as refusal:
            refusals.append(str(refusal))
    return usable, refusals
