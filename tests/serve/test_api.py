"""What the prediction API answers, in which form, and what it counts."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from serve.bodies import NPY, arrays, count, npy, refused
from serve.victims import CLASSES, INPUTS, logits, probabilities, queries, victim

from jaxattack.oracle.ledger import CountingOracle
from jaxattack.oracle.remote.wire import read_access
from jaxattack.serve import Settings, serve, serving
from jaxattack.types import Access, Answer, BudgetSpent, InputError, Inputs, OracleError


def test_the_description_is_the_terms(url):
    terms = httpx.get(f"{url}/describe").json()
    assert terms == httpx.get(url).json()
    access = read_access(terms["access"])
    assert (access.level, access.classes, access.precision) == ("probability", CLASSES, "float64")
    np.testing.assert_array_equal(access.inputs.low, INPUTS.low)
    assert terms["price"] == 0.0001
    assert terms["limits"] == {"records": 4096, "bytes": 1 << 24}


def test_unusual_terms_survive_the_description():
    inputs = Inputs(
        low=np.array([0.1, 0.0]),
        high=np.array([1e300, 2.0]),
        categories=np.array([0, 3]),
        missing=True,
        names=("a", "b"),
    )
    oracle = victim(level="logit", inputs=inputs, decimals=3, precision="float32", bias=100.0, refuses=True)
    with serving(oracle, settings=Settings(price=0.5)) as place:
        terms = httpx.get(place).json()
    access = read_access(terms["access"])
    assert vars(access) | {"inputs": 0} == vars(oracle.access) | {"inputs": 0}
    for name, value in vars(inputs).items():
        np.testing.assert_array_equal(getattr(access.inputs, name), value)
    assert terms["price"] == 0.5


def test_npy_gives_the_probabilities_first_and_exactly(url):
    x = queries(9)
    reply = httpx.post(f"{url}/predict", content=npy(x), headers=NPY)
    probability, label = arrays(reply.content, 2)
    assert reply.headers["content-type"] == "application/x-npy"
    np.testing.assert_array_equal(probability, probabilities(x))
    np.testing.assert_array_equal(label, logits(x).argmax(1))


def test_json_gives_the_same_numbers(url):
    x = queries(9)
    reply = httpx.post(f"{url}/predict", json={"inputs": x.tolist()}).json()
    np.testing.assert_array_equal(np.array(reply["probability"]), probabilities(x))
    assert reply["label"] == logits(x).argmax(1).tolist()


@pytest.mark.parametrize("convert", [np.asfortranarray, lambda x: x.astype(">f8"), lambda x: x[::-1][::-1]])
def test_every_layout_of_an_array_is_read(url, convert):
    x = queries(5)
    reply = httpx.post(f"{url}/predict", content=npy(convert(x)), headers=NPY)
    np.testing.assert_array_equal(arrays(reply.content, 1)[0], probabilities(x))


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int64", "bool"])
def test_every_dtype_of_numbers_is_read(url, dtype):
    x = (queries(5) > 0).astype(dtype)
    reply = httpx.post(f"{url}/predict", content=npy(x), headers=NPY)
    np.testing.assert_array_equal(arrays(reply.content, 1)[0], probabilities(x.astype(float)))


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("application/json", "application/json"),
        ("application/json;q=0.5, application/x-npy", "application/x-npy"),
        ("text/html, */*;q=0.1", "application/x-npy"),
        ("application/npy;q=0, application/json;q=0.1", "application/json"),
    ],
)
def test_accept_chooses_the_form_of_the_answer(url, accept, given):
    reply = httpx.post(f"{url}/predict", content=npy(queries(2)), headers=NPY | {"Accept": accept})
    assert reply.headers["content-type"] == given


def test_each_level_lets_through_what_it_says():
    x = queries(6)
    with serving(victim(level="label")) as place:
        np.testing.assert_array_equal(
            arrays(httpx.post(f"{place}/predict", content=npy(x), headers=NPY).content, 1)[0], logits(x).argmax(1)
        )
        assert set(httpx.post(f"{place}/predict", json={"inputs": x.tolist()}).json()) == {"label"}
    with serving(victim(level="logit", bias=2.0)) as place:
        body = npy(x, np.zeros((6, 1), int), np.full((6, 1), 1.5))
        raised = arrays(httpx.post(f"{place}/predict", content=body, headers=NPY).content, 1)[0]
        np.testing.assert_array_equal(raised, logits(x) + np.array([[1.5, 0, 0, 0]]))
        asked = {"inputs": x.tolist(), "bias": {"token": [[0]] * 6, "value": [[1.5]] * 6}}
        assert httpx.post(f"{place}/predict", json=asked).json()["logit"] == raised.tolist()
        for wrong in ([[4]] * 6, [[0.5]] * 6, [[-1]] * 6, [[0]] * 5, [[None]] * 6):
            refused(httpx.post(f"{place}/predict", json=asked | {"bias": asked["bias"] | {"token": wrong}}), 400)
        refused(httpx.post(f"{place}/predict", json=asked | {"bias": asked["bias"] | {"value": [[2.5]] * 6}}), 400)
    with serving(victim(top=2)) as place:
        given = httpx.post(f"{place}/predict", json={"inputs": x.tolist()}).json()["probability"]
    assert [sum(p is None for p in row) for row in given] == [2] * 6


def test_null_is_a_feature_not_given_where_that_is_allowed(url):
    inputs = Inputs(low=INPUTS.low, high=INPUTS.high, categories=np.array([0, 0, 0, 0, 0, 3]), missing=True)
    asked = {"inputs": [[None, 0.5, None, None, None, None]]}
    refused(httpx.post(f"{url}/predict", json=asked), 400)
    with serving(victim(inputs=inputs)) as place:
        given = httpx.post(f"{place}/predict", json=asked).json()["probability"]
        np.testing.assert_array_equal(given, probabilities(np.array([[0, 0.5, 0, 0, 0, 0]])))
        for category in (3, -1, 0.5):
            refused(httpx.post(f"{place}/predict", json={"inputs": [[0, 0, 0, 0, 0, category]]}), 400)


def test_a_repeated_request_is_answered_again_and_counted_once():
    oracle = victim()
    with serving(oracle) as place, httpx.Client(base_url=place, headers={"Idempotency-Key": "first"}) as client:
        replies = [client.post("/predict", content=npy(queries(7)), headers=NPY) for _ in range(3)]
        assert len({reply.content for reply in replies}) == 1
        assert [reply.headers.get("idempotent-replayed") for reply in replies] == [None, "true", "true"]
        refused(client.post("/predict", content=npy(queries(7, seed=1)), headers=NPY), 422)
        refused(client.post("/predict", content=npy(queries(7)), headers=NPY | {"Idempotency-Key": "x" * 129}), 400)
        assert count(place, "jaxattack_queries_answered_total") == 7
        assert count(place, "jaxattack_requests_replayed_total") == 2
    assert oracle.ledger.queries == 7


def test_a_repetition_waits_while_the_first_is_computed_and_health_answers_meanwhile():
    begun, go, calls = threading.Event(), threading.Event(), []

    def slow(x, bias):
        calls.append(len(x))
        begun.set()
        assert go.wait(10)
        return Answer(np.zeros(len(x), np.int64))

    oracle = CountingOracle(slow, Access(level="label", classes=CLASSES, inputs=INPUTS))
    with serving(oracle) as place, ThreadPoolExecutor(2) as pool:
        headers = NPY | {"Idempotency-Key": "one"}
        replies = [
            pool.submit(httpx.post, f"{place}/predict", content=npy(queries(3)), headers=headers) for _ in range(2)
        ]
        assert begun.wait(10)
        assert httpx.get(f"{place}/health", timeout=2).json() == {"status": "ok"}
        go.set()
        assert [reply.result().status_code for reply in replies] == [200, 200]
    assert calls == [3]


def test_a_model_that_fails_is_survived_and_not_counted():
    label, row = np.zeros(2, np.int64), np.full((2, CLASSES), 0.25)
    outcomes = [
        (RuntimeError("secret detail"), 503),
        (OracleError("it is gone."), 503),
        (Answer(label), 503),
        (Answer(label, row * np.nan), 503),
        (Answer(label + CLASSES, row), 503),
        (Answer(label, row[:1]), 503),
        (InputError("no such record."), 400),
        (BudgetSpent("spent.", left=1), 402),
        (Answer(label, row), 200),
    ]
    left = iter(outcomes)

    def ask(x, bias):
        outcome, _ = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    oracle = CountingOracle(ask, Access(level="probability", classes=CLASSES, inputs=INPUTS))
    with serving(oracle) as place:
        for _, status in outcomes[:-1]:
            detail = refused(httpx.post(f"{place}/predict", content=npy(queries(2)), headers=NPY), status)
            assert "secret" not in detail["error"]
            assert detail.get("left") == (1 if status == 402 else None)
        assert count(place, "jaxattack_queries_answered_total") == 0
        assert httpx.post(f"{place}/predict", content=npy(queries(2)), headers=NPY).status_code == 200
        assert count(place, "jaxattack_queries_answered_total") == 2
        assert count(place, 'jaxattack_requests_total{key="anyone",status="503"}') == 6


def test_a_port_that_is_taken_is_one_sentence(url):
    with pytest.raises(InputError, match="choose another port"):
        serve(victim(), port=urlsplit(url).port)
    with pytest.raises(InputError, match="port is 70000"):
        serve(victim(), port=70_000)


@pytest.mark.parametrize("module", ["starlette", "uvicorn"])
def test_without_the_extra_one_is_told_what_to_install(monkeypatch, module):
    for name in list(sys.modules):
        if name.startswith(("jaxattack.serve.app", "jaxattack.serve.running", module)):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=f"serving needs {module}: pip install "):
        serving(victim())
