"""Adversarial regularisation (Nasr, Shokri and Houmansadr, CCS 2018, arXiv 1807.05852): a model that an attack cannot read.

A network h is trained beside the model f to tell members from the defender's reserve by (logits, label), and f against it:

    h   lowers the mean over both of (h - 1)^2 on members and h^2 on the reserve
    f   lowers CE + strength (mean over the batch of h(f(x), y) - 1/2)

h in (0, 1) is the attack of the same paper: logits through 1024, 512 and 64 units, the label through 128 and 64, both through
512, 256, 128 and 64. As in the authors' code the gain is linear, where the paper's text has logarithms. f takes one step for
``attack_steps`` of h, and does not mind h in the first pass.

Otherwise than in their code: h starts from LeCun's scale, since from theirs, a deviation of 0.01, it takes tens of passes to
leave 1/2; batches are drawn anew each step; what is deployed is the last model, not the one of best test accuracy.
"""

from __future__ import annotations

from dataclasses import field
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.nn import one_hot, relu, sigmoid
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from jaxattack.descent import descend
from jaxattack.models import build
from jaxattack.training import single
from jaxattack.training.images import as_input, augment
from jaxattack.training.learners.carried import Carried, bare, carrying
from jaxattack.training.learners.standard import CrossEntropy, Plain, Standard, weighted_mean
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership, Model, Variables, above_zero, at_least, check_reserve, config

NARROWEST = 8
"""Units of a layer, at least. Of narrower ones all may be off for every record, and a network that tells nothing defends nothing: with
all layers in their shares 57% of those of 16 units began so, 11% of 32 and .3% of 64, and with eight at least none of 400."""


class Judge(NamedTuple):
    """The network that tells members from others.

    Attributes:
        logits: what the logits go through.
        label: what the label goes through.
        joint: what both go through.
    """

    logits: Model
    label: Model
    joint: Model

    @classmethod
    def of(cls, classes: int, units: int) -> Judge:
        """For so many classes, its widest layer of so many units; the same networks each time."""
        half, quarter, eighth, code = (max(units // share, NARROWEST) for share in (2, 4, 8, 16))
        return cls(
            build(f"mlp:{units}-{half}", (classes,), code),
            build(f"mlp:{eighth}", (classes,), code),
            build(f"mlp:{half}-{quarter}-{eighth}-{code}", (2 * code,), 1),
        )

    def init(self, key: PRNGKeyArray) -> tuple[Variables, ...]:
        """At random."""
        return tuple(part.init(one) for part, one in zip(self, jax.random.split(key, 3), strict=True))

    def __call__(
        self, variables: tuple[Variables, ...], logits: Float[jax.Array, "batch cls"], y: Int[jax.Array, "batch"]
    ) -> Float[jax.Array, "batch"]:
        """How much each record looks like a member, 0 to 1."""
        own, label, joint = variables
        codes = self.logits.apply(own, logits), self.label.apply(label, one_hot(y, logits.shape[1]))
        return sigmoid(self.joint.apply(joint, relu(jnp.concatenate(codes, axis=1)))[:, 0])


class Records(NamedTuple):
    """What the judge is trained on: all records and labels, the members and the reserve."""

    x: Shaped[jax.Array, "record *feature"]
    y: Int[jax.Array, "record"]
    member: Membership


@config
class AdversarialRegularisation:
    """`Standard` training against a network that tells members from a reserve.

    Attributes:
        recipe: how the model goes through the members.
        strength: of what the network tells, at least 0; 0 is `Standard`, bit for bit. The paper's: 3 (Purchase), 2 (Texas),
            6 (CIFAR-100).
        attack_steps: of the network for each step of the model, at least 1; the authors' 26 make training many times as long.
        attack_batch: members, and as many of the reserve, in such a step.
        attack_rate: of its Adam, above 0.
        units: of its widest layer, at least 16, of which the others have the same shares as of the authors' 1024, and
            at least eight units (`NARROWEST`).
        reserve: the share of all records that is set aside, between 0 and 1; with a third and members by halves, as many as
            there are members.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Nasr et al. 2018, arXiv 1807.05852"

    recipe: Recipe = field(default_factory=Recipe)
    strength: float = 3.0
    attack_steps: int = 26
    attack_batch: int = 128
    attack_rate: float = 1e-4
    units: int = 1024
    reserve: float = 1 / 3

    def __post_init__(self) -> None:
        if not 0 <= self.strength < float("inf"):
            raise InputError(f"strength is {self.strength}: give a weight of at least 0.")
        at_least(1, attack_steps=self.attack_steps, attack_batch=self.attack_batch)
        at_least(16, units=self.units)
        above_zero(attack_rate=self.attack_rate)
        check_reserve(self.reserve)

    def check(self, model: Model) -> None:
        """As `Learner`."""
        Standard(recipe=self.recipe).check(model)

    def steps(self, slots: int, reserve: int | None = None) -> int:  # noqa: ARG002
        """As `Reserving`: those of the model and of the network."""
        return self.recipe.steps(slots) * (1 + self.attack_steps if self.strength else 1)

    def notes(self, slots: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        return self.trained(model, x, y, member, key)[0]

    def trained(
        self,
        model: Model,
        x: Shaped[jax.Array, "record *feature"],
        y: Int[jax.Array, "record"],
        member: Membership,
        key: PRNGKeyArray,
    ) -> tuple[Variables, tuple[Variables, ...] | None]:
        """The model, and the network that was trained beside it; None without strength.

        Args:
            model: the architecture.
            x: all records.
            y: all labels.
            member: the members and the reserve.
            key: everything random about both.
        """
        if not self.strength:
            return Standard(recipe=self.recipe)(model, x, y, member, key), None
        classes = jax.eval_shape(model.apply, jax.eval_shape(model.init, key), as_input(x[:1])).shape[1]
        judge = Judge.of(classes, self.units)
        network = judge.init(jax.random.fold_in(key, 5))  # 0 to 4 start, order, step, fit and ask the model
        start = carrying(model, (network, optax.adam(self.attack_rate).init(_params(network))))
        objective = partial(self.objective, model, judge, Records(x, y, member))
        learnt = single.train(start, self.recipe, Plain(), objective, x, y, member, key)
        return bare(learnt), learnt.rest.state[0]

    def objective(
        self, model: Model, judge: Judge, records: Records, variables: Variables, x, y, weight, key, epoch
    ) -> tuple[jax.Array, Any]:
        """The loss of a batch, after the network's steps, and the new batch statistics with the network beside them."""
        look_key, forward_key, attack_key = jax.random.split(key, 3)
        own = bare(variables)
        state = self.attack(model, judge, records, jax.lax.stop_gradient(own), variables.rest.state, attack_key)
        logits, rest = model.forward(own, augment(self.recipe, look_key, x), forward_key)
        label = CrossEntropy()(logits, y, weight, epoch, self.recipe.label_smoothing)
        gain = weighted_mean(judge(jax.lax.stop_gradient(state[0]), logits, y), weight) - 0.5
        return label + jnp.where(epoch > 0, self.strength, 0.0) * gain, Carried(rest, state)

    def attack(self, model: Model, judge: Judge, records: Records, variables: Variables, state: Any, key) -> Any:
        """The network and its moments after ``attack_steps`` on members and reserve."""
        network, moments = state
        sides = records.member.index, records.member.reserve
        truth = jnp.repeat(jnp.asarray([1.0, 0.0]), self.attack_batch)
        keys = jax.random.split(key, self.attack_steps)

        def loss(params, number):
            picks = [
                side[jax.random.randint(one, (self.attack_batch,), 0, len(side))]
                for side, one in zip(sides, jax.random.split(keys[number]), strict=True)
            ]
            index = jnp.concatenate(picks)
            logits = model.apply(variables, as_input(records.x[index]))
            return jnp.mean((judge(_with_params(network, params), logits, records.y[index]) - truth) ** 2)

        change = optax.adam(self.attack_rate)
        end = descend(loss, change, _params(network), self.attack_steps, moments=moments)
        return _with_params(network, end.point), end.moments


def _params(network: tuple[Variables, ...]) -> list[Any]:
    return [part.params for part in network]


def _with_params(network: tuple[Variables, ...], params: list[Any]) -> tuple[Variables, ...]:
    return tuple(part._replace(params=one) for part, one in zip(network, params, strict=True))
