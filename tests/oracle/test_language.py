"""The language model's answers against a dense computation of one query at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.oracle.language import from_head, random_head
from jaxattack.types import Bias, InputError, Inputs

INPUTS = Inputs.box(-1.0, 1.0, (3,))


def naive(logit, level, top, token, value):
    """One query, densely: label, and scores of all tokens with NaN for those that are not answered."""
    z = logit.copy()
    for each, change in dict(zip(token.tolist(), value.tolist(), strict=True)).items():
        z[each] += change
    score = z if level == "logit" else np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    if top:
        kept = np.argsort(-z, kind="stable")[:top]
        score = np.where(np.isin(np.arange(len(z)), kept), score, np.nan)
    return int(z.argmax()), score


@given(
    st.sampled_from(["label", "probability", "logit"]),
    st.integers(0, 6),
    st.integers(0, 5),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_answers_equal_a_dense_computation_also_with_ties_and_repeated_tokens(level, top, entries, whole, seed):
    rng = np.random.default_rng(seed)
    projection, x = rng.standard_normal((6, 3)), rng.uniform(-1, 1, (4, 3))
    if whole:
        projection, x = projection.round(), x.round()
    x = x[rng.integers(4, size=9)]
    offset = rng.integers(-2, 3, size=6).astype(float)
    bias = Bias(rng.integers(6, size=(9, entries)), rng.integers(-4, 5, size=(9, entries)).astype(float))
    oracle = from_head(
        lambda x: x, projection, inputs=INPUTS, offset=offset, level=level, top=top, bias=4.0, precision="float64"
    )
    found = oracle(x, bias)
    for query in range(9):
        label, score = naive(projection @ x[query] + offset, level, top, bias.token[query], bias.value[query])
        assert found.label[query] == label
        for kind, given_ in (("probability", found.probability), ("logit", found.logit)):
            if kind == level:
                np.testing.assert_allclose(given_[query], score, rtol=1e-12, atol=1e-12)
            else:
                assert given_ is None


@pytest.mark.parametrize(("precision", "kind", "error"), [("float64", "f8", 1e-14), ("float32", "f4", 1e-6)])
def test_probabilities_come_in_the_stated_precision(precision, kind, error):
    states, projection, inputs = random_head(50, 8, length=4)
    x = np.random.default_rng(0).integers(256, size=(20, 4))
    oracle = from_head(states, projection, inputs=inputs, level="probability", precision=precision)
    found = oracle(x).probability
    assert found.dtype == np.dtype(kind)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=error)


def test_bfloat16_logits_have_eight_significant_bits():
    states, projection, inputs = random_head(50, 8, length=4)
    x = np.random.default_rng(0).integers(256, size=(20, 4))
    found = from_head(states, projection, inputs=inputs, precision="bfloat16")(x).logit
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.view(np.uint32) & 0xFFFF, 0)
    np.testing.assert_allclose(found, states(x) @ projection.T, atol=0.05)


def test_a_random_head_has_logits_of_variance_one_and_full_rank():
    states, projection, inputs = random_head(400, 16)
    rng = np.random.default_rng(0)
    x = rng.integers(256, size=(300, *inputs.shape))
    logit = from_head(states, projection, inputs=inputs, precision="float64")(x).logit
    assert logit.std() == pytest.approx(1, abs=0.15)
    assert np.linalg.matrix_rank(logit) == 16


def test_the_same_seed_makes_the_same_head():
    x = np.arange(8)[np.newaxis]
    for part in (0, 1):
        one, other, another = (random_head(20, 4, seed=seed) for seed in (1, 1, 2))
        first, second, third = (head[0](x) if part == 0 else head[1] for head in (one, other, another))
        np.testing.assert_array_equal(first, second)
        assert (first != third).any()


def test_a_call_counts_its_queries_though_equal_prompts_are_computed_once():
    seen = []

    def states(x):
        seen.append(len(x))
        return x

    oracle = from_head(states, np.eye(3), inputs=INPUTS, level="label", bias=1.0)
    oracle(np.zeros((100, 3)), Bias(np.zeros((100, 1), int), np.ones((100, 1))))
    assert (seen, oracle.ledger.queries, oracle.ledger.calls) == ([1], 100, 1)


def test_tokens_may_be_of_any_whole_type():
    oracle = from_head(lambda x: x, np.eye(3), inputs=INPUTS, top=2, bias=1.0)
    bias = Bias(np.full((1, 1), 2, np.uint64), np.ones((1, 1)))
    np.testing.assert_array_equal(oracle(np.zeros((1, 3)), bias).logit, [[0.0, np.nan, 1.0]])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: from_head(lambda x: x, np.eye(3), inputs=INPUTS, offset=np.zeros(2)), "offset has shape"),
        (lambda: from_head(lambda x: x, np.eye(3), inputs=INPUTS, top=4), "top is 4"),
        (lambda: from_head(lambda x: x, np.eye(3), inputs=INPUTS)(np.zeros((2, 4))), "records of shape"),
        (
            lambda: from_head(lambda x: x, np.eye(3), inputs=INPUTS)(
                np.zeros((1, 3)), Bias(np.zeros((1, 1), int), np.ones((1, 1)))
            ),
            "takes none",
        ),
        (lambda: from_head(lambda x: x * np.nan, np.eye(3), inputs=INPUTS, level="label")(np.zeros((1, 3))), "NaN"),
    ],
)
def test_what_it_does_not_take_is_refused(ask, message):
    with pytest.raises(InputError, match=message):
        ask()
