from __future__ import annotations

import threading
import time

import flax.linen
import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.models import build, from_linen, from_nnx
from jaxattack.oracle import from_function, from_model
from jaxattack.oracle.local import _logits, answer_from_logits, sensible
from jaxattack.training.images import as_input
from jaxattack.types import Access, Answer, Bias, InputError, Inputs, Ledger, Oracle, OracleError

RNG = np.random.default_rng(0)
WIDE = Inputs.box(-1, 1, (6,))
MLP = build("mlp:8", (6,), 3)
VARIABLES = MLP.init(jax.random.key(0))
TOLERANCE = {"float64": 1e-14, "float32": 1e-6, "bfloat16": 3e-2}


def naive(x):
    """The network, a layer at a time in float64."""
    hidden, last = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), VARIABLES.params)["layers"].values()
    return np.maximum(x @ hidden["kernel"] + hidden["bias"], 0) @ last["kernel"] + last["bias"]


def naive_softmax(logit):
    return np.array([np.exp(row) / np.exp(row).sum() for row in np.asarray(logit, np.float64)])


def queries(count, features=6):
    return np.random.default_rng(count).uniform(-1, 1, (count, features))


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
def test_each_precision_is_as_close_to_the_naive_network_as_its_name_says(precision):
    x = queries(50)
    oracle = from_model(MLP, VARIABLES, inputs=WIDE, classes=3, level="logit", precision=precision)
    answer = oracle(x)
    assert oracle.access.precision == precision
    assert answer.logit.dtype == (np.float64 if precision == "float64" else np.float32)
    error = np.abs(answer.logit - naive(x)).max()
    assert error < TOLERANCE[precision]
    finer = {"float64": 0.0, "float32": 1e-9, "bfloat16": 1e-4}[precision]
    assert error > finer or precision == "float64"  # it is computed in that precision, not in a finer one


@pytest.mark.parametrize("level", ["label", "probability", "logit"])
def test_a_level_lets_through_what_it_names_and_no_more(level):
    x = queries(20)
    answer = from_model(MLP, VARIABLES, inputs=WIDE, classes=3, level=level, precision="float64")(x)
    np.testing.assert_array_equal(answer.label, naive(x).argmax(1))
    assert answer.label.dtype == np.int64
    assert (answer.probability is not None) == (level == "probability")
    assert (answer.logit is not None) == (level == "logit")
    if level == "probability":
        np.testing.assert_allclose(answer.probability, naive_softmax(naive(x)), atol=1e-14)


@pytest.mark.parametrize("count", [1, 2, 7, 16, 17, 40])
@pytest.mark.parametrize("batch", [None, 1, 7, 16])
def test_padding_and_chopping_change_nothing_but_rounding(count, batch):
    x = queries(count)
    oracle = from_model(MLP, VARIABLES, inputs=WIDE, classes=3, level="logit", precision="float64", batch=batch)
    np.testing.assert_allclose(oracle(x).logit, naive(x), atol=1e-14)
    assert oracle.ledger.queries == count
    assert oracle.ledger.calls == 1


def test_few_sizes_are_compiled():
    oracle = from_model(MLP, VARIABLES, inputs=WIDE, classes=3, precision="float64", batch=64)
    before = _logits._cache_size()
    for count in range(1, 200, 3):
        oracle(queries(count))
    assert _logits._cache_size() - before <= 3  # 16, 32, 64


def test_pictures_are_scaled_as_training_scales_them():
    shape = (4, 4, 1)
    model = build("cnn:2", shape, 3)
    variables = model.init(jax.random.key(1))
    x = RNG.integers(0, 256, (5, *shape)).astype(np.uint8)
    oracle = from_model(
        model, variables, inputs=Inputs.box(0, 255, shape), classes=3, level="logit", images=True, precision="float32"
    )
    expected = model.apply(variables, as_input(jax.numpy.asarray(x)))
    np.testing.assert_allclose(oracle(x).logit, expected, atol=1e-6)
    np.testing.assert_allclose(oracle(x.astype(np.float64)).logit, expected, atol=1e-6)
    between = oracle(x.astype(np.float64) * 0.999).logit
    assert np.abs(between - expected).max() > 1e-6  # fractions are not cut off


def test_a_number_beyond_the_arithmetic_of_the_model_is_refused():
    model = build("mlp:2", (6,), 3)
    oracle = from_model(model, model.init(jax.random.key(0)), inputs=WIDE, classes=3)
    with pytest.raises(InputError, match="beyond float32"):
        oracle(np.full((2, 6), 1e300))
    assert oracle.ledger.queries == 0


def test_batch_norm_models_and_linen_models_answer_as_deployed():
    class Linen(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, x, train: bool):
            x = flax.linen.BatchNorm(use_running_average=not train)(x)
            return flax.linen.Dense(3)(x)

    class Normed(nnx.Module):
        def __init__(self, rngs):
            self.norm, self.layer = nnx.BatchNorm(6, rngs=rngs), nnx.Linear(6, 3, rngs=rngs)

        def __call__(self, x):
            return self.layer(self.norm(x))

    x = queries(9)
    for model in (from_linen(Linen(), (6,)), from_nnx(Normed)):
        variables = model.init(jax.random.key(0))
        oracle = from_model(model, variables, inputs=WIDE, classes=3, level="logit", precision="float64")
        one_by_one = np.concatenate([oracle(x[at : at + 1]).logit for at in range(9)])
        np.testing.assert_allclose(oracle(x).logit, one_by_one, atol=1e-14)
        expected = np.asarray(model.apply(variables, x.astype(np.float32)))
        np.testing.assert_allclose(one_by_one, expected, atol=1e-5)


def test_a_model_that_insists_on_its_precision_is_refused_another():
    fixed = from_nnx(lambda rngs: nnx.Linear(6, 3, dtype=jax.numpy.float32, rngs=rngs))
    variables = fixed.init(jax.random.key(0))
    from_model(fixed, variables, inputs=WIDE, classes=3, precision="float32")
    with pytest.raises(InputError, match="computes in float32"):
        from_model(fixed, variables, inputs=WIDE, classes=3, precision="float64")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": Inputs.box(-1, 1, (5,))}, "does not take records of shape"),
        ({"classes": 4}, "classes is 4"),
        ({"images": True}, "0 to 255"),
        ({"batch": 0}, "batch is 0"),
        ({"price": -1.0}, "price is -1.0"),
        ({"level": "all"}, "level is 'all'"),
        ({"precision": "float16"}, "precision is 'float16'"),
    ],
)
def test_a_victim_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        from_model(MLP, VARIABLES, **{"inputs": WIDE, "classes": 3, **changes})


def test_a_regressor_answers_its_value_and_nothing_else():
    model = build("softmax", (6,), 1)
    variables = model.init(jax.random.key(0))
    answer = from_model(model, variables, inputs=WIDE, classes=1, level="logit")(queries(4))
    assert answer.logit.shape == (4, 1)
    assert not answer.label.any()
    for level in ("probability", "label"):
        with pytest.raises(InputError, match="choose level 'logit'"):
            from_model(model, variables, inputs=WIDE, classes=1, level=level)


def test_a_bias_moves_the_logits_it_names_and_the_last_of_a_repeated_class_counts():
    x = queries(3)
    bias = Bias(np.array([[0, 0], [1, 2], [2, 1]]), np.array([[50.0, 1.0], [2.0, 3.0], [-4.0, 0.0]]))
    expected = naive(x) + np.array([[1.0, 0, 0], [0, 2, 3], [0, 0, -4]])
    for level in ("logit", "probability", "label"):
        make = {"inputs": WIDE, "classes": 3, "precision": "float64", "bias": 50.0}
        answer = from_model(MLP, VARIABLES, level=level, **make)(x, bias)
        np.testing.assert_array_equal(answer.label, expected.argmax(1))
        if level == "logit":
            np.testing.assert_allclose(answer.logit, expected, atol=1e-13)
        if level == "probability":
            np.testing.assert_allclose(answer.probability, naive_softmax(expected), atol=1e-13)


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (Bias(np.array([[0]]), np.array([[9.0]])), "exceeds 5.0"),
        (Bias(np.array([[0]]), np.array([[np.nan]])), "exceeds 5.0"),
        (Bias(np.array([[3]]), np.array([[1.0]])), "outside 0 to 2"),
        (Bias(np.array([[0.5]]), np.array([[1.0]])), "outside 0 to 2"),
        (Bias(np.array([0]), np.array([1.0])), "shape"),
        (Bias([[0]], [[1.0]]), "given as lists"),
        (Bias(np.array([[0], [1]]), np.array([[1.0], [1.0]])), "shape"),
    ],
)
def test_a_bias_that_the_victim_does_not_take_is_refused_and_costs_nothing(bias, message):
    oracle = from_model(MLP, VARIABLES, inputs=WIDE, classes=3, bias=5.0)
    with pytest.raises(InputError, match=message):
        oracle(queries(1), bias)
    with pytest.raises(InputError, match="takes none"):
        from_model(MLP, VARIABLES, inputs=WIDE, classes=3)(queries(1), Bias(np.array([[0]]), np.array([[1.0]])))
    assert oracle.ledger == Ledger()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5)), "records of shape"),
        (np.zeros(6), "records of shape"),
        (np.float64(3), "records of shape"),
        (np.full((2, 6), np.nan), "no missing features"),
        (np.full((2, 6), np.inf), "infinity"),
        (np.full((2, 6), "a"), "give numbers"),
        (np.full((2, 6), None), "give numbers"),
        (np.zeros((2, 6), complex), "give numbers"),
    ],
)
def test_queries_that_are_none_are_refused_and_cost_nothing(x, message):
    oracle = from_model(MLP, VARIABLES, inputs=WIDE, classes=3)
    with pytest.raises(InputError, match=message):
        oracle(x)
    assert oracle.ledger == Ledger()


def test_no_queries_are_answered_without_a_call():
    for level in ("label", "probability", "logit"):
        oracle = from_model(MLP, VARIABLES, inputs=WIDE, classes=3, level=level)
        answer = oracle(np.zeros((0, 6)))
        assert len(answer.label) == 0
        assert [part.shape for part in answer[1:] if part is not None] == ([] if level == "label" else [(0, 3)])
        assert oracle.ledger == Ledger()


def test_the_ledger_counts_records_calls_bytes_seconds_and_price():
    def slow(x):
        time.sleep(0.02)
        return np.full((len(x), 3), 1 / 3)

    oracle = from_function(slow, Access(level="probability", classes=3, inputs=WIDE), price=0.25)
    started = time.perf_counter()
    for count in (1, 4):
        oracle(np.zeros((count, 6), np.float32))
    passed, ledger = time.perf_counter() - started, oracle.ledger
    assert isinstance(oracle, Oracle)
    assert (ledger.queries, ledger.calls, ledger.price) == (5, 2, 1.25)
    assert ledger.bytes == 5 * (6 * 4 + 8 + 3 * 8)
    assert 0.04 <= ledger.seconds <= passed
    assert from_function(slow, oracle.access)(np.zeros((3, 6))).label.tolist() == [0, 0, 0]


def test_a_query_costs_a_ten_thousandth_of_a_dollar_and_the_price_gathers_no_error():
    oracle = from_function(lambda x: np.zeros(len(x), int), Access(level="label", classes=3, inputs=WIDE))
    for _ in range(1000):
        oracle(np.zeros((1, 6)))
    assert oracle.ledger.price == 0.1


def test_threads_lose_no_count():
    oracle = from_function(lambda x: np.zeros(len(x), int), Access(level="label", classes=2, inputs=WIDE))
    threads = [threading.Thread(target=lambda: [oracle(np.zeros((2, 6))) for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (oracle.ledger.queries, oracle.ledger.calls) == (3200, 1600)


def test_a_call_that_fails_in_the_victims_hands_is_counted():
    def broken(x):
        raise RuntimeError("down")

    oracle = from_function(broken, Access(level="label", classes=2, inputs=WIDE))
    with pytest.raises(RuntimeError, match="down"):
        oracle(np.zeros((2, 6)))
    assert (oracle.ledger.queries, oracle.ledger.calls) == (2, 1)


def test_a_function_may_give_labels_scores_or_whole_answers():
    x = queries(4)
    p = naive_softmax(naive(x))
    whole = Answer(p.argmax(1), p, np.log(p))
    for level, given_, shown in (
        ("label", p.argmax(1), Answer(p.argmax(1))),
        ("probability", p, Answer(p.argmax(1), p)),
        ("logit", np.log(p), Answer(p.argmax(1), None, np.log(p))),
        ("label", whole, Answer(whole.label)),
        ("probability", whole, Answer(whole.label, p)),
        ("logit", whole, whole),
        ("probability", Answer(p.argmax(1).tolist(), p.tolist()), Answer(whole.label, p)),
    ):
        answer = from_function(lambda x, given_=given_: given_, Access(level=level, classes=3, inputs=WIDE))(x)
        for part, expected in zip(answer, shown, strict=True):
            assert (part is None) == (expected is None)
            if part is not None:
                np.testing.assert_array_equal(part, expected)


def test_a_function_of_one_output_may_give_a_number_a_query():
    answer = from_function(lambda x: x.sum(1), Access(level="logit", classes=1, inputs=WIDE))(queries(4))
    assert answer.logit.shape == (4, 1)


def test_a_function_that_gives_another_shape_is_named():
    oracle = from_function(lambda x: np.zeros((len(x), 2)), Access(level="probability", classes=3, inputs=WIDE))
    with pytest.raises(OracleError, match=r"shape \(4, 2\): it must give \(4, 3\)"):
        oracle(queries(4))


def test_nan_has_no_label():
    logit = np.array([[1.0, 2.0], [np.nan, 0.0], [np.nan, np.nan]])
    with pytest.raises(OracleError, match="NaN for 2 of 3 queries"):
        answer_from_logits(logit, "label")
    assert answer_from_logits(np.array([[-np.inf, 0.0]]), "label").label.tolist() == [
        1
    ]  # of masked classes there is one


def test_a_function_is_handed_the_bias_where_the_terms_allow_one():
    seen = []

    def function(x, bias):
        seen.append(bias)
        return np.zeros((len(x), 3))

    oracle = from_function(function, Access(level="logit", classes=3, inputs=WIDE, bias=1.0))
    bias = Bias(np.array([[1]]), np.array([[1.0]]))
    oracle(queries(1))
    oracle(queries(1), bias)
    assert seen == [None, bias]


def test_missing_features_reach_a_victim_that_takes_them():
    inputs = Inputs.box(-1, 1, (6,), missing=True)
    oracle = from_function(lambda x: np.isnan(x).sum(1), Access(level="label", classes=7, inputs=inputs))
    assert oracle(np.full((2, 6), np.nan)).label.tolist() == [6, 6]


@given(st.integers(1, 5), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_what_is_answered_of_logits_is_their_softmax_and_argmax(count, classes, seed):
    logit = np.random.default_rng(seed).normal(scale=5, size=(count, classes))
    answer = answer_from_logits(logit, "probability")
    np.testing.assert_allclose(answer.probability, naive_softmax(logit), rtol=1e-12)
    np.testing.assert_array_equal(answer.label, logit.argmax(1))


def test_a_batch_is_as_long_as_memory_likes():
    assert sensible((784,), 10) == 2048
    assert sensible((3,), 2) == 8192
    assert sensible((10,), 32_000) == 64
    assert sensible((10**8,), 2) == 1
