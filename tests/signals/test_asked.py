"""Signals that see more than one answer: each against a loop, and on a model whose answer is known in closed form."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import binom, norm

from jaxattack.data import Halves, load
from jaxattack.defences import LabelOnly, Noise, Round
from jaxattack.models import build
from jaxattack.signals import (
    ConfidenceVector,
    FlipRobustness,
    GradientNorm,
    InputGradientNorm,
    LayerGradientNorms,
    MerlinRatio,
    NoiseRobustness,
    Posterior,
    ViewCorrectness,
    compute,
    lookup,
)
from jaxattack.training import Placement, Queries, Recipe, train_ensemble
from jaxattack.training.single import keys_of
from jaxattack.training.view import View
from jaxattack.types import InputError, Model, Signal, Variables

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.standard_normal((20, 5)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 20), jnp.int32)
MODEL = build("mlp:7", (5,), 3)
VARIABLES = MODEL.init(jax.random.key(0))
VIEW = View(MODEL, VARIABLES)
KEYS = keys_of(jax.random.key(0), jnp.arange(20))
EVERY = [
    Posterior(top=2),
    ConfidenceVector(),
    GradientNorm(),
    GradientNorm(layer=1),
    LayerGradientNorms(),
    InputGradientNorm(),
    NoiseRobustness(copies=5),
    MerlinRatio(copies=5),
    ViewCorrectness(),
]


def read(signal, view=VIEW, x=X, y=Y):
    return np.asarray(jax.jit(lambda x, y: signal(view, x, y, KEYS[: len(x)]))(x, y))


@pytest.mark.parametrize("signal", [*EVERY, FlipRobustness(copies=5)], ids=lambda signal: signal.name)
def test_each_is_a_hashable_signal_that_does_not_depend_on_the_other_records(signal):
    assert isinstance(signal, Signal)
    assert hash(signal) == hash(type(signal)(**vars(signal)))
    assert lookup(signal.name) == signal
    whole = read(signal)
    assert whole.shape[0] == 20
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(read(signal, x=X[:3], y=Y[:3]), whole[:3], rtol=1e-4, atol=1e-5)


def test_the_posterior_is_the_sorted_softmax_and_the_labels_own():
    p = softmax(np.asarray(MODEL.apply(VARIABLES, X), np.float64), axis=1)
    expected = np.column_stack([-np.sort(-p, axis=1)[:, :2], p[np.arange(20), Y]])
    np.testing.assert_allclose(read(Posterior(top=2)), expected, rtol=1e-4)
    assert read(Posterior(top=16)).shape == (20, 4)  # three classes
    np.testing.assert_allclose(read(ConfidenceVector()), p, rtol=1e-4)


def test_all_confidences_of_many_classes_are_not_kept():
    with pytest.raises(InputError, match="the model has 257 classes and confidence_vector keeps at most 256 a record"):
        compute(("confidence_vector",), jnp.zeros((2, 257)), jnp.zeros(2, jnp.int32))


def slopes():
    """Each record's gradient by itself, as anyone would write it."""

    def loss(params, x, y):
        z = MODEL.apply(Variables(params, VARIABLES.rest), x[None])[0]
        return -jax.nn.log_softmax(z)[y]

    return [jax.grad(loss, argnums=(0, 1))(VARIABLES.params, x, y) for x, y in zip(X, Y, strict=True)]


def test_gradient_norms_are_those_of_a_loop_over_records():
    each = slopes()
    length = lambda tree: np.sqrt(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(tree)))  # noqa: E731
    np.testing.assert_allclose(read(GradientNorm()), [length(g[0]) for g in each], rtol=1e-4)
    np.testing.assert_allclose(read(InputGradientNorm()), [length(g[1]) for g in each], rtol=1e-4)
    parts = [read(GradientNorm(layer=layer)) for layer in range(2)]
    np.testing.assert_allclose(np.hypot(*parts), read(GradientNorm()), rtol=1e-4)


def test_the_last_layers_norm_is_known_in_closed_form():
    model = build("softmax", (5,), 3)
    variables = model.init(jax.random.key(1))
    p = softmax(np.asarray(model.apply(variables, X), np.float64), axis=1)
    error = np.linalg.norm(p - np.eye(3)[Y], axis=1)
    expected = error * np.sqrt((np.asarray(X, np.float64) ** 2).sum(axis=1) + 1)
    np.testing.assert_allclose(read(GradientNorm(layer=0), View(model, variables)), expected, rtol=1e-4)


def test_a_layer_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="layer is 2 and the model has 2: give 0 to 1"):
        read(GradientNorm(layer=2))
    with pytest.raises(InputError, match="layer is -1"):
        GradientNorm(layer=-1)


def linear(weight):
    """Two classes, the second where weight . x > 0."""

    def apply(variables, x):
        margin = x @ variables.params
        return jnp.stack([jnp.zeros_like(margin), margin], axis=1)

    return View(Model(lambda key: None, apply, lambda *given: None), Variables(jnp.asarray(weight), {}))


def test_a_linear_model_keeps_labels_as_the_normal_distribution_says():
    weight = jnp.asarray([0.6, 0.8, 0.0, 0.0, 0.0])
    margin, sigma = np.asarray(X @ weight), 0.5
    right = jnp.asarray(margin > 0, jnp.int32)
    found = read(NoiseRobustness(copies=2000, sigma=sigma), linear(weight), y=right)
    np.testing.assert_allclose(found, norm.cdf(np.abs(margin) / sigma), atol=5 * 0.5 / np.sqrt(2000))
    assert (read(NoiseRobustness(copies=50, sigma=sigma), linear(weight), y=1 - right) == 0).all()


def test_a_vote_of_bits_keeps_labels_as_the_binomial_distribution_says():
    bits = jnp.asarray(RNG.integers(0, 2, (12, 5)), jnp.float32)

    def vote(variables, x):
        ones = (x == 1).sum(axis=1)
        return jnp.stack([jnp.full(len(x), 2.5), ones.astype(float)], axis=1)

    view = View(Model(lambda key: None, vote, lambda *given: None), Variables((), {}))
    right = jnp.asarray(bits.sum(axis=1) > 2.5, jnp.int32)
    found = read(FlipRobustness(copies=2000, probability=0.2), view, bits, right)
    ones, count = np.asarray(bits.sum(axis=1), int), np.arange(6)
    stays = [
        sum(
            binom.pmf(kept, one, 0.8) * binom.pmf(new, 5 - one, 0.2)
            for kept in count
            for new in count
            if kept + new > 2
        )
        for one in ones
    ]
    expected = np.where(ones > 2, stays, 1 - np.array(stays))
    np.testing.assert_allclose(found, expected, atol=5 * 0.5 / np.sqrt(2000))
    assert (read(FlipRobustness(copies=50), view, bits, 1 - right) == 0).all()
    # What is neither 0 nor 1 is no bit.
    sure = jnp.asarray(X[:, 0] > 0, jnp.int32)
    assert (read(FlipRobustness(copies=20, probability=1.0), linear([1.0, 0, 0, 0, 0]), X, sure) == 1).all()


def test_pictures_have_no_bits():
    with pytest.raises(InputError, match=r"flip_robustness_100_0.03 flips zeros and ones of a table"):
        read(FlipRobustness(), x=X.reshape(20, 5, 1, 1))


def test_merlin_is_one_at_a_minimum_and_half_on_a_slope():
    def bowl(variables, x):
        rise = (x**2).sum(axis=1)
        return jnp.stack([jnp.zeros_like(rise), -rise], axis=1)

    view = View(Model(lambda key: None, bowl, lambda *given: None), Variables((), {}))
    zero, one = jnp.zeros((4, 5)), jnp.ones(4, jnp.int32)
    assert (read(MerlinRatio(copies=50), view, zero, one) == 1).all()
    slope = read(MerlinRatio(copies=1000), linear([1.0, 0, 0, 0, 0]), y=Y % 2)
    np.testing.assert_allclose(slope, 0.5, atol=5 * 0.5 / np.sqrt(1000))


def test_what_is_drawn_is_the_same_for_every_model():
    signal = NoiseRobustness(copies=3, sigma=5.0)
    asked = []

    def apply(variables, x):
        jax.debug.callback(lambda x: asked.append(np.asarray(x)), x)
        return x[:, :3] * variables.params

    for scale in (1.0, 2.0):
        read(signal, View(Model(lambda key: None, apply, lambda *given: None), Variables(jnp.float32(scale), {})))
    jax.effects_barrier()
    assert len(asked) == 8
    order = lambda batches: np.sort(np.stack(batches)[:, 0, 0])  # noqa: E731
    np.testing.assert_array_equal(order(asked[:4]), order(asked[4:]))


def test_fresh_noise_of_a_defence_differs_between_repetitions():
    chain = ((Noise(scale=0.5), ()),)
    view = View(MODEL, VARIABLES, chain, KEYS)
    answers = [np.asarray(view.answer(X, jnp.uint32(number)).probability) for number in (1, 2)]
    assert (answers[0] != answers[1]).mean() > 0.5
    assert np.isfinite(read(NoiseRobustness(copies=4), view)).all()


DATA = load("digits").take(np.arange(0, 1797, 20))


def sweep(*signals, defences=(), queries=1):
    return train_ensemble(
        build("mlp:8", DATA.shape, DATA.classes),
        Recipe(epochs=4, batch=10, learning_rate=0.01),
        DATA,
        Halves()(2, len(DATA), 0),
        signals=signals,
        defences=defences,
        queries=Queries.counting(queries),
        placement=Placement(chunk=2, vmap=1),
    )


def test_a_sweep_observes_them_all_and_each_view():
    ensemble, observed = sweep(*EVERY, queries=2)
    shapes = {signal.name: observed.signal(signal.name).shape for signal in EVERY}
    assert shapes.pop("posterior_2") == (2, len(DATA), 2, 3)
    assert shapes.pop("layer_gradient_norms") == (2, len(DATA), 2, 2)
    assert shapes.pop("confidence_vector") == (2, len(DATA), 2, 10)
    assert set(shapes.values()) == {(2, len(DATA), 2)}
    np.testing.assert_array_equal(observed.signal("view_correct")[..., :1], observed.signal("correct"))
    first = jax.tree.map(lambda leaf: leaf[0], ensemble.variables)
    z = np.asarray(build("mlp:8", DATA.shape, DATA.classes).apply(first, jnp.asarray(DATA.x / 127.5 - 1, jnp.float32)))
    expected = np.exp(log_softmax(z, axis=1))[np.arange(len(DATA)), DATA.y]
    np.testing.assert_allclose(observed.signal("posterior_2")[0, :, 0, -1], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("defence", "kept"),
    [
        (LabelOnly(), {"correct", "noise_robustness_5_0.1", "view_correct"}),
        (
            Round(decimals=2),
            {
                "correct",
                "noise_robustness_5_0.1",
                "view_correct",
                "phi",
                "posterior_2",
                "confidence_vector",
                "merlin_5_0.01",
            },
        ),
    ],
)
def test_a_defence_hides_the_weights_and_what_it_does_not_answer(defence, kept):
    assert set(sweep(*EVERY, defences=(defence,))[1].signals) == kept


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(Posterior, top=0), "top is 0"),
        (partial(NoiseRobustness, copies=0), "copies is 0"),
        (partial(NoiseRobustness, sigma=0.0), "sigma is 0.0"),
        (partial(MerlinRatio, sigma=-1.0), "sigma is -1.0"),
        (partial(FlipRobustness, probability=0.0), "probability is 0.0"),
        (partial(FlipRobustness, probability=1.5), "probability is 1.5"),
    ],
)
def test_a_value_out_of_range_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("name", ["gradient_norm", "merlin_5_0.1", "noise_robustness_5_0.1"])
def test_raw_outputs_that_were_written_down_cannot_be_asked_more(name):
    with pytest.raises(InputError, match="only raw outputs were written down"):
        compute((name,), MODEL.apply(VARIABLES, X), Y)


@pytest.mark.parametrize("name", ["posterior_0", "merlin_5_0", "noise_robustness_0_0.1", "merlin_5", "gradient_norm_"])
def test_a_name_that_makes_no_signal_is_refused(name):
    with pytest.raises(InputError, match=f"signal is {name!r}"):
        lookup(name)
