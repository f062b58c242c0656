from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from jaxattack.models import build
from jaxattack.training.learners import Distillation, Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership

RNG = np.random.default_rng(4)
X = jnp.asarray(RNG.standard_normal((20, 5)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 20), jnp.int32)
MODEL, KEY = build("mlp:16", (5,), 3), jax.random.key(3)
RECIPE = Recipe(epochs=20, batch=5, learning_rate=0.02)
MEMBER = Membership(jnp.arange(10, dtype=jnp.int32), jnp.ones(10))


def learn(learner, key=KEY):
    return jax.jit(learner, static_argnums=0)(MODEL, X, Y, MEMBER, key)


def test_the_softened_divergence_is_that_of_a_loop_over_records():
    teacher, student = RNG.standard_normal((2, 6, 4)) * 3
    found = Distillation(temperature=2.5).divergence(jnp.asarray(teacher), jnp.asarray(student))
    for row, (a, b) in enumerate(zip(teacher, student, strict=True)):
        p, q = log_softmax(a / 2.5), log_softmax(b / 2.5)
        assert float(found[row]) == pytest.approx(6.25 * (np.exp(p) * (p - q)).sum(), rel=1e-4)


def test_a_student_that_answers_as_its_teacher_has_no_divergence():
    logits = jnp.asarray(RNG.standard_normal((6, 4)))
    np.testing.assert_allclose(Distillation().divergence(logits, logits + 3.0), 0, atol=1e-4)


def test_without_the_teachers_share_the_student_is_a_plain_model_of_its_own_key():
    _, student_key = jax.random.split(KEY)
    plain = learn(Standard(recipe=RECIPE), student_key)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        learn(Distillation(recipe=RECIPE, share=0.0)),
        plain,
    )


def test_a_student_of_the_teacher_alone_never_reads_a_label_and_still_learns_the_teachers():
    recipe = Recipe(epochs=200, batch=5, learning_rate=0.02)
    teacher_key, _ = jax.random.split(KEY)
    teacher = learn(Standard(recipe=recipe), teacher_key)
    student = learn(Distillation(recipe=recipe, share=1.0, temperature=2.0))
    one, other = (MODEL.apply(variables, X[:10]) for variables in (teacher, student))
    assert (one.argmax(axis=1) == other.argmax(axis=1)).mean() >= 0.9


def test_its_cost_is_that_of_two_trainings():
    assert Distillation(recipe=RECIPE).steps(10) == 2 * RECIPE.steps(10)


@pytest.mark.parametrize(("field", "bad"), [("temperature", 0.0), ("share", 1.5), ("share", -0.1)])
def test_a_value_out_of_range_is_refused(field, bad):
    with pytest.raises(InputError, match=f"{field} is {bad}"):
        Distillation(**{field: bad})
