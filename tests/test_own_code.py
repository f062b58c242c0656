"""Code of somebody's own: what it is known by, and that a run folder does not answer for code that has changed."""

from __future__ import annotations

import sys
from functools import partial
from textwrap import dedent
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest

import jaxattack as ja
from jaxattack.attacks.membership import ATTACKS
from jaxattack.own_code import own_code, own_version
from jaxattack.training.learners import LEARNERS
from jaxattack.types import InputError

LOSS = '''
"""A loss of somebody's own."""
import jax.numpy as jnp
from jaxattack.training.learners.standard import CrossEntropy
from jaxattack.types import config

FACTOR = 0.5


def scale(value):
    return FACTOR * value


@config
class Scaled:
    """Cross entropy, scaled."""

    paper = "none"
    by_record = True
    smooths = False

    more: float = 1.0

    def __call__(self, logits, y, weight, epoch, smoothing):
        """A batch's."""
        return self.more * scale(CrossEntropy()(logits, y, weight, epoch, smoothing))
'''

SIGNAL = """
import jax.numpy as jnp
import numpy as np
from jaxattack.types import Needs, config

@config
class Largest:
    name = "largest"
    sees = "logit"
    queries = 1

    def __call__(self, view, x, y, key):
        return 1.0 * jnp.max(view.answer(x).logit, axis=1)


@config
class Mine:
    name = family = "mine"
    signals = (Largest(),)
    references = False

    def needs(self, models):
        return Needs()

    def __call__(self, observations, targets=None):
        values = observations.of(self.signals[0])[:, :, 0]
        return values if targets is None else values[list(targets)]
"""


def module(text: str, name: str = "of_their_own") -> Any:
    """A module that is imported anew from other text, as after an edit."""
    made = ModuleType(name)
    sys.modules[name] = made
    exec(compile(dedent(text), name, "exec"), vars(made))
    return made


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("FACTOR = 0.5", "FACTOR = 0.25", False),
        ("return FACTOR * value", "return FACTOR + value", False),
        ("self.more * scale", "self.more + scale", False),
        ("more: float = 1.0", "more: float = 2.0", False),
        ("by_record = True", "by_record = False", False),
        ("A batch's.", "The loss of a batch.", True),
        ("Cross entropy, scaled.", "Another sentence.", True),
        ("    return FACTOR", "    # a comment\n    return FACTOR", True),
    ],
)
def test_code_is_known_by_what_it_does(old, new, same):
    first = own_code(module(LOSS).Scaled())
    assert first == own_code(module(LOSS).Scaled())
    assert (own_code(module(LOSS.replace(old, new)).Scaled()) == first) == same


def test_what_is_of_this_package_is_known_by_its_name_and_fields():
    for value in (*LEARNERS.values(), *ATTACKS.values(), ja.defences.Round(decimals=2)):
        assert own_code(value) == {}


MAKER = """
import functools
import jax.numpy as jnp
import numpy as np
from jaxattack.types import config
from their_package import factors

WEIGHTS = np.array([1.0, 2.0])
DEVICE = jnp.array([3.0, 4.0])
SINGLE = np.float32(5.0)


def power(value, exponent):
    return value**exponent


square = functools.partial(power, exponent=6)


def make(scale):
    @config
    class Loss:
        def __call__(self, value):
            return square(scale * value) @ WEIGHTS @ DEVICE + SINGLE + factors.shift(value)

    return Loss()
"""

FACTORS = """
SHIFT = 7.0


def shift(value):
    return SHIFT + value
"""


def made(scale: float = 1.0, maker: str = MAKER, factors: str = FACTORS) -> dict[str, str]:
    package = module("", "their_package")
    package.factors = module(factors, "their_package.factors")
    return own_code(module(maker, "their_package.maker").make(scale))


def test_what_code_encloses_and_names_of_other_modules_counts():
    assert made() == made()
    assert made() != made(scale=2.0)
    assert made() != made(factors=FACTORS.replace("7.0", "8.0"))
    for number in ("2.0]", "4.0", "5.0", "exponent=6"):
        assert made() != made(maker=MAKER.replace(number, "9" + number if number[0] != "e" else "exponent=9"))


def audit(**settings: Any) -> dict[str, Any]:
    return {
        "model": ja.models.Architecture(name="softmax"),
        "dataset": ja.load("iris"),
        "attacks": (ja.attacks.Threshold(quantity="loss"),),
        "models": 4,
        **settings,
    }


def test_a_run_folder_is_refused_where_a_loss_of_ones_own_has_changed(tmp_path):
    def run(text, more=1.0):
        learner = ja.learners.Standard(recipe=ja.Recipe(epochs=1), loss=module(text).Scaled(more=more))
        return ja.membership(tmp_path, **audit(learner=learner)).findings.cost.seconds.train

    assert run(LOSS) == run(LOSS)  # read, and not trained again
    with pytest.raises(InputError, match=r"holds another run \(learner.loss.own_code is '"):
        run(LOSS.replace("FACTOR = 0.5", "FACTOR = 0.25"))
    with pytest.raises(InputError, match=r"learner.loss.more is 1.0 there and 2.0 here"):
        run(LOSS, more=2.0)


def test_a_signal_of_ones_own_that_was_asked_afterwards_is_asked_again_where_it_has_changed(tmp_path):
    settings = audit(learner=ja.learners.Standard(recipe=ja.Recipe(epochs=1)))
    ja.membership(tmp_path, **settings)
    observations = ja.run_observations(tmp_path, ja.audit.MembershipAudit(**settings))
    first = observations.of(module(SIGNAL).Largest())
    np.testing.assert_array_equal(observations.of(module(SIGNAL).Largest()), first)
    doubled = observations.of(module(SIGNAL.replace("1.0 *", "2.0 *")).Largest())
    np.testing.assert_array_equal(doubled, 2 * first)


FACTOR = SIGNAL.replace("    queries = 1", "    queries = 1\n    factor: float = 1.0").replace("1.0 *", "self.factor *")


def test_a_signal_of_ones_own_that_was_observed_is_asked_again_where_it_has_changed(tmp_path):
    own = module(FACTOR)
    settings = audit(attacks=(own.Mine(),), learner=ja.learners.Standard(recipe=ja.Recipe(epochs=1)))
    ja.membership(tmp_path, **settings)
    observations = ja.run_observations(tmp_path, ja.audit.MembershipAudit(**settings))
    first = observations.of(own.Largest())
    np.testing.assert_array_equal(observations.of(own.Largest(factor=3.0)), 3 * first)
    edited = module(FACTOR.replace("self.factor *", "2 * self.factor *")).Largest()
    np.testing.assert_array_equal(observations.of(edited), 2 * first)
    np.testing.assert_array_equal(observations.only([edited]).of(edited), 2 * first)
    alone = ja.Observations(
        signals={"largest": first}, member=observations.member, label=observations.label, versions=observations.versions
    )
    np.testing.assert_array_equal(alone.of(own.Largest()), first)
    with pytest.raises(InputError, match="the signal 'largest' was observed as other code or settings than this"):
        alone.of(edited)


def test_a_signal_is_known_by_the_code_of_the_signals_within():
    def version(text, **settings):
        largest = module(text.replace('"logit"', '"probability"')).Largest(**settings)
        return own_version(ja.signals.Averaged(signal=largest))

    assert own_version(ja.signals.Averaged()) == ""
    assert version(FACTOR) == version(FACTOR)
    assert version(FACTOR) != version(FACTOR, factor=2.0)
    assert version(FACTOR) != version(FACTOR.replace("self.factor *", "2 * self.factor *"))


HELD = """
from dataclasses import dataclass, field
import numpy as np

def twice(x):
    return 2 * x

@dataclass(frozen=True)
class Held:
    name = "held"
    function: object = None
    weights: object = field(default_factory=lambda: np.zeros(3))

class Plain:
    name = "plain"
    def __init__(self, function, factor=1):
        self.function, self.factor, self.seen = function, factor, {}
"""


def test_what_a_signal_holds_is_known_by_what_it_is_and_not_by_where_it_lies():
    one, same, edited = module(HELD), module(HELD), module(HELD.replace("2 * x", "3 * x"))
    for hold in (
        lambda there: there.Held(there.twice),
        lambda there: there.Held(jax.jit(there.twice)),
        lambda there: there.Held({"of": [partial(there.twice, x=1)]}),
        lambda there: there.Plain(there.twice),
    ):
        assert own_version(hold(one)) == own_version(hold(same)) != own_version(hold(edited))
    assert own_version(one.Held(object())) == own_version(one.Held(object()))
    assert own_version(one.Held(np.log)) != own_version(one.Held(np.exp))
    weights = np.zeros(5000)
    before = own_version(one.Held(weights=weights))
    assert own_version(one.Held(weights=weights.copy())) == before
    weights[2000] = 1
    assert own_version(one.Held(weights=weights)) != before
    plain = one.Plain(None)
    before = own_version(plain)
    plain.seen["record"] = 1
    assert own_version(plain) == before != own_version(one.Plain(None, factor=2))


def test_a_run_folder_is_refused_where_a_signal_that_it_observed_has_changed(tmp_path):
    def run(text, *others):
        learner = ja.learners.Standard(recipe=ja.Recipe(epochs=1))
        return ja.membership(tmp_path, **audit(learner=learner, attacks=(module(text).Mine(), *others)))

    run(SIGNAL)
    run(SIGNAL, ja.attacks.Gap())
    with pytest.raises(InputError, match="holds the signal largest as other code or settings than this told it"):
        run(SIGNAL.replace("1.0 *", "2.0 *"))
