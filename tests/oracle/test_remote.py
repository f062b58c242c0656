"""A remote oracle: its answers are those of the model that is served, its queries those that were answered."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from serve.victims import CLASSES, FEATURES, INPUTS, forward, logits, probabilities, queries, victim

from jaxattack.oracle.ledger import CountingOracle
from jaxattack.oracle.remote import connect
from jaxattack.serve import Key, Settings, serving
from jaxattack.types import Access, Answer, Bias, BudgetSpent, InputError, Ledger, Oracle, OracleError


@pytest.mark.parametrize("format", ["npy", "json"])
def test_it_is_the_oracle_that_is_served_to_the_last_bit(url, format):
    local = victim()
    x = queries(700)
    x[0] = [0.0, -0.0, 5e-324, 0.1, 1 / 3, -(2.0**-1040)]
    with connect(url, format=format) as oracle:
        assert isinstance(oracle, Oracle)
        far, near = oracle(x), local(x)
        np.testing.assert_array_equal(far.probability, near.probability)
        np.testing.assert_array_equal(far.label, near.label)
        assert far.logit is None
        assert far.probability.dtype == np.float64
        assert far.label.dtype == np.int64
        assert (oracle.ledger.queries, oracle.ledger.calls) == (700, 1)
        assert oracle.ledger.price == pytest.approx(0.07)
        assert oracle.ledger.seconds > 0
        assert oracle.ledger.bytes > 700 * (FEATURES + CLASSES) * 8


@pytest.mark.parametrize("format", ["npy", "json"])
@pytest.mark.parametrize("terms", [{"level": "label"}, {"level": "logit", "bias": 3.0}, {"top": 2}])
def test_every_level_comes_through(format, terms):
    local, x = victim(**terms), queries(40)
    bias = Bias(np.tile([0, 2], (40, 1)), np.tile([3.0, -1.0], (40, 1))) if "bias" in terms else None
    settings = Settings(records=17)  # in parts
    with serving(local, settings=settings) as place, connect(place, format=format, price=0.5) as oracle:
        far, near = oracle(x, bias), local(x, bias)
        for one, other in zip(far, near, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                np.testing.assert_array_equal(one, other)
        assert (oracle.ledger.queries, oracle.ledger.calls, oracle.ledger.price) == (40, 3, 20.0)


def test_a_float32_answer_is_a_float64_array_of_the_same_numbers():
    access = Access(level="logit", classes=CLASSES, inputs=INPUTS, precision="float32")

    def answer(x, bias):
        z = logits(x).astype(np.float32)
        return Answer(z.argmax(1), None, z)

    with serving(CountingOracle(answer, access)) as place:
        for format in ("npy", "json"):
            with connect(place, format=format) as oracle:
                far = oracle(queries(5))
                assert far.logit.dtype == np.float64
                np.testing.assert_array_equal(far.logit, logits(queries(5)).astype(np.float32))


def test_large_batches_are_sent_in_parts_that_the_service_takes():
    x = queries(1000)
    for format in ("npy", "json"):
        settings = Settings(bytes=6000)
        with serving(victim(), settings=settings) as place, connect(place, format=format) as oracle:
            np.testing.assert_array_equal(oracle(x).probability, probabilities(x))
            assert oracle.ledger.queries == 1000
            assert oracle.ledger.calls >= 8


def test_a_slash_after_the_url_makes_no_difference_and_a_wrong_path_is_one_sentence(url):
    with connect(f"{url}/") as oracle:
        assert oracle(queries(2)).probability.shape == (2, CLASSES)
    with pytest.raises(OracleError, match="does not answer as a prediction API: not found"):
        connect(f"{url}/predict")


def test_no_queries_are_answered_without_asking(url):
    with connect(url) as oracle:
        nothing = oracle(np.zeros((0, FEATURES)))
        assert nothing.probability.shape == (0, CLASSES)
        assert oracle.ledger == Ledger()


def test_queries_that_the_terms_refuse_are_not_sent(url):
    with connect(url) as oracle:
        for x in (queries(3)[:, 1:], np.full((2, FEATURES), np.nan), np.full((2, FEATURES), np.inf)):
            with pytest.raises(InputError):
                oracle(x)
        with pytest.raises(InputError, match="bias"):
            oracle(queries(1), Bias(np.zeros((1, 1), int), np.ones((1, 1))))
        with pytest.raises(InputError, match=r"refuses the queries: a query holds a number beyond 1e\+15"):
            oracle(np.full((2, FEATURES), 1e16))
        assert oracle.ledger == Ledger()


def test_a_budget_that_is_too_small_refuses_the_whole_batch_before_any_part():
    oracle_there = victim()
    keys, settings = [Key(name="k", secret="s", queries=50)], Settings(records=20)
    with serving(oracle_there, keys=keys, settings=settings) as place, connect(place, key="s") as oracle:
        oracle(queries(5))
        with pytest.raises(BudgetSpent, match="45 are left") as caught:
            oracle(queries(46))
        assert caught.value.left == 45
        assert oracle_there.ledger.queries == oracle.ledger.queries == 5
        oracle(queries(45))
        with pytest.raises(BudgetSpent) as caught:
            oracle(queries(1))
        assert caught.value.left == 0
        assert oracle_there.ledger.queries == oracle.ledger.queries == 50


def test_an_unknown_key_is_one_sentence():
    keys = [Key(name="k", secret="s")]
    for terms in (False, True):
        with serving(victim(), keys=keys, settings=Settings(open_terms=terms)) as place:
            refused = pytest.raises(InputError, match=r"refuses the key: the key is unknown")
            with refused as caught, connect(place, key="wrong") as oracle:
                oracle(queries(1))
            assert "wrong" not in str(caught.value)


def test_a_rate_is_waited_for_as_long_as_the_service_asks():
    keys = [Key(name="k", secret="s", per_second=50.0)]
    with serving(victim(), keys=keys) as place, connect(place, key="s", retries=0) as oracle:
        began = time.monotonic()
        for seed in range(3):
            oracle(queries(30, seed))
        assert 0.75 < time.monotonic() - began < 3  # 90 queries, 50 at once
        assert oracle.ledger.queries == 90


def test_several_threads_share_a_connection_and_one_ledger(url):
    there_before = forward(url, "GET", "/metrics", {}, b"").body
    with connect(url) as oracle:
        wrong = []

        def ask(seed):
            for step in range(10):
                x = queries(20, 100 * seed + step)
                if not np.array_equal(oracle(x).probability, probabilities(x)):
                    wrong.append(seed)

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert (oracle.ledger.queries, oracle.ledger.calls) == (800, 40)
    assert there_before != forward(url, "GET", "/metrics", {}, b"").body


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ftp://host"),
        ("url", "127.0.0.1:8000"),
        ("url", "http://"),
        ("url", "http://[::1"),
        ("url", "http://a..b"),
        ("url", "http://xn--"),
        ("url", "http://" + "a" * 64),
        ("timeout", 0.0),
        ("retries", -1),
        ("price", float("nan")),
        ("format", "xml"),
        ("key", "a b"),
        ("key", "\n"),
    ],
)
def test_bad_options_are_refused_by_name(field, value):
    with pytest.raises(InputError, match=field) as caught:
        connect(**({"url": "http://127.0.0.1:9"} | {field: value}))
    assert not isinstance(caught.value, OracleError)
