from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.models import ARCHITECTURES, build
from jaxattack.models.conv import CACHE, using
from jaxattack.types import InputError

DIGIT, COLOUR = (8, 8, 1), (32, 32, 3)


def parameters(model):
    variables = jax.eval_shape(model.init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(variables.params))


def records(shape, count=4, seed=0):
    return jax.random.normal(jax.random.key(seed), (count, *shape))


def resnet_parameters(blocks):
    """He et al. 2016, counted by hand: 3x3 convolutions without bias, two numbers a normalised channel, projections."""
    count, width = 9 * 3 * 16 + 2 * 16, 16
    for stage in (16, 32, 64):
        for _ in range(blocks):
            count += 9 * width * stage + 2 * stage + 9 * stage * stage + 2 * stage
            count += width * stage if width != stage else 0
            width = stage
    return count + 64 * 10 + 10


def resnet9_parameters(width):
    """Eight 3x3 convolutions without bias, two numbers a normalised channel, a linear layer; counted by hand."""
    w = width
    pairs = [(3, w), (w, 2 * w), (2 * w, 2 * w), (2 * w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w), *[(8 * w, 8 * w)] * 2]
    return sum(9 * a * b + 2 * b for a, b in pairs) + 8 * w * 10 + 10


@pytest.mark.parametrize(
    ("text", "shape", "count"),
    [
        ("softmax", DIGIT, 64 * 10 + 10),
        ("mlp:256", DIGIT, 19_210),
        ("mlp:128-32", (5,), 5 * 128 + 128 + 128 * 32 + 32 + 32 * 10 + 10),
        ("lenet:12", (32, 32, 3), 25 * 3 * 12 + 12 + 2 * (25 * 12 * 12 + 12) + 8 * 8 * 12 * 10 + 10),
        ("cnn:16-32", (28, 28, 1), 9 * 16 + 16 + 9 * 16 * 32 + 32 + 7 * 7 * 32 * 10 + 10),
        ("resnet:20", COLOUR, resnet_parameters(3)),
        ("resnet9:16", COLOUR, resnet9_parameters(16)),
    ],
)
def test_a_network_has_as_many_parameters_as_counted_by_hand(text, shape, count):
    assert parameters(build(text, shape, 10)) == count


@pytest.mark.parametrize(
    ("text", "millions"), [("resnet:20", 0.27), ("wrn:28-2", 1.47), ("wrn:28-10", 36.5), ("resnet9:64", 6.57)]
)
def test_a_residual_network_is_as_large_as_published(text, millions):
    assert parameters(build(text, COLOUR, 10)) / 1e6 == pytest.approx(millions, rel=0.03)


@pytest.mark.parametrize("text", ["softmax", "mlp:16-8", "cnn:2-3", "lenet:3", "resnet:8", "resnet9:2"])
def test_a_network_maps_records_to_finite_logits(text):
    model = build(text, DIGIT, 7)
    variables = model.init(jax.random.key(1))
    x, key = records(DIGIT), jax.random.key(2)
    for logits in (jax.jit(model.apply)(variables, x), jax.jit(model.forward)(variables, x, key)[0]):
        assert (logits.shape, logits.dtype) == ((4, 7), jnp.float32)
        assert jnp.isfinite(logits).all()


def test_a_wide_later_layer_sets_the_blocks_of_a_convolutional_network_and_blocks_change_no_answer():
    model = build("cnn:2-64", COLOUR, 3)
    variables = model.init(jax.random.key(0))
    record = 16 * 16 * 64 * 4  # bytes of the second layer, the largest
    x = records(COLOUR, CACHE // record + 1)

    def loops(x):
        return "scan" in str(jax.make_jaxpr(model.apply)(variables, x))

    assert loops(x)
    assert not loops(x[1:])
    with using("lax"):
        expected = model.apply(variables, x)
    np.testing.assert_allclose(model.apply(variables, x), expected, atol=1e-4)


def test_softmax_regression_is_linear():
    model = build("softmax", (5,), 3)
    variables = model.init(jax.random.key(0))
    a, b = records((5,), seed=1), records((5,), seed=2)
    middle = (model.apply(variables, a) + model.apply(variables, b)) / 2
    np.testing.assert_allclose(model.apply(variables, (a + b) / 2), middle, atol=1e-5)


def test_an_initialisation_follows_from_its_key():
    model = build("mlp:8", (5,), 3)
    first, again, other = (jax.tree.leaves(model.init(jax.random.key(seed)).params) for seed in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_batch_statistics_move_in_training_and_stay_when_deployed():
    model = build("wrn:10-1", DIGIT, 3)
    variables = model.init(jax.random.key(0))
    x = 3 + records(DIGIT)
    apply, forward = jax.jit(model.apply), jax.jit(model.forward)
    logits, rest = forward(variables, x, jax.random.key(1))
    assert (logits.shape, logits.dtype) == ((4, 3), jnp.float32)
    assert jnp.isfinite(logits).all()
    assert jax.tree.structure(rest) == jax.tree.structure(variables.rest)
    before, after = jax.tree.leaves(variables.rest), jax.tree.leaves(rest)
    assert before
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    deployed = apply(variables, x)
    # One record at a time gives the same: the batch does not enter what is deployed, and does enter training.
    np.testing.assert_allclose(deployed[:1], apply(variables, x[:1]), atol=1e-4)
    assert not np.allclose(logits[:1], forward(variables, x[:1], jax.random.key(1))[0], atol=1e-3)


@pytest.mark.parametrize("text", ["mlp:32", "cnn:4"])
def test_dropout_acts_in_training_alone_and_follows_its_key(text):
    wet, dry = build(text, DIGIT, 3, dropout=0.5), build(text, DIGIT, 3)
    x, key = records(DIGIT), jax.random.key(5)
    variables = wet.init(jax.random.key(0))
    np.testing.assert_allclose(wet.apply(variables, x), dry.apply(variables, x), atol=1e-5)
    forward = jax.jit(wet.forward)
    same = [forward(variables, x, key)[0] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert not np.allclose(same[0], forward(variables, x, jax.random.key(6))[0])
    assert not np.allclose(same[0], dry.forward(variables, x, key)[0])


def test_the_activation_is_the_one_asked_for():
    variables = build("mlp:8", (5,), 3).init(jax.random.key(0))
    x = records((5,))
    first, second = variables.params["layers"][0], variables.params["layers"][1]
    hidden = np.tanh(x @ first["kernel"] + first["bias"][None])
    expected = hidden @ second["kernel"] + second["bias"][None]
    found = build("mlp:8", (5,), 3, activation="tanh").apply(variables, x)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_same_arguments_give_the_same_object():
    assert build("mlp:8", (5,), 3) is build("mlp:8", (5,), 3)
    assert build("mlp:8", (5,), 3) is not build("mlp:8", (5,), 4)
    assert hash(build("mlp:8", (5,), 3)) == hash(build("mlp:8", (5,), 3))


def test_every_listed_architecture_can_be_built():
    for text in ARCHITECTURES:
        classes = 2 if text.startswith("homogeneous") else 10
        assert parameters(build(text, COLOUR, classes)) > 0


@pytest.mark.parametrize(
    "text",
    [
        "vgg:16",
        "mlp",
        "mlp:",
        "mlp:0",
        "mlp:12-0",
        "mlp:a",
        "softmax:3",
        "cnn",
        "cnn:-3",
        "resnet",
        "resnet9",
        "resnet9:8-2",
        "resnet:18",
        "resnet:2",
        "resnet:20-2",
        "wrn:28",
        "wrn:10-0",
        "wrn:29-2",
        "wrn:4-2",
        "mlp:1.5",
        "mlp:8-",
        "",
    ],
)
def test_an_unknown_text_is_refused_in_a_sentence(text):
    with pytest.raises(InputError, match="give one of softmax, mlp:256-128") as caught:
        build(text, COLOUR, 10)
    assert repr(text) in str(caught.value)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("text", "shape", "options", "words"),
    [
        ("cnn:4", (64,), {}, "needs images"),
        ("resnet:8", (64,), {}, "needs images"),
        ("cnn:4-4-4-4", DIGIT, {}, "use fewer"),
        ("resnet9:4", (7, 8, 1), {}, "give images of 8x8 or more"),
        ("mlp:4", DIGIT, {"dropout": 1.0}, "dropout is 1.0"),
        ("mlp:4", DIGIT, {"dropout": -0.1}, "dropout is -0.1"),
        ("mlp:4", DIGIT, {"dropout": float("nan")}, "dropout is nan"),
        ("mlp:4", DIGIT, {"activation": "swish"}, "activation is 'swish'"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(text, shape, options, words):
    with pytest.raises(InputError, match=words) as caught:
        build(text, shape, 10, **options)
    assert str(caught.value).endswith(".")


def test_a_homogeneous_network_has_two_classes():
    with pytest.raises(InputError, match="is of two classes and the records have 3"):
        build("homogeneous:8", (5,), 3)


@pytest.mark.parametrize(
    "name", ["mlp:1000000-1000000", "mlp:99999999999999999999", "cnn:100000-100000", "wrn:28-100000"]
)
def test_more_weights_than_memory_holds_are_refused_before_they_are_made(name):
    with pytest.raises(InputError, match=f"model is {name}: that takes .* GiB and .* are free: give fewer"):
        build(name, (32, 32, 3), 10)
