from __future__ import annotations

import http.client
import io
import json
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from serve.victims import CLASSES, FEATURES, INPUTS, WEIGHT, logits, probabilities, queries, victim

from jaxattack.oracle.ledger import CountingOracle
from jaxattack.oracle.remote.wire import read_access
from jaxattack.serve import Key, Settings, application, serve, serving
from jaxattack.types import Access, Answer, BudgetSpent, InputError, Inputs, OracleError

NPY = {"Content-Type": "application/x-npy"}
JSON = {"Content-Type": "application/json"}


def npy(*arrays) -> bytes:
    file = io.BytesIO()
    for array in arrays:
        np.save(file, array)
    return file.getvalue()


def arrays(body: bytes, count: int) -> list[np.ndarray]:
    file = io.BytesIO(body)
    return [np.load(file) for _ in range(count)]


def refused(reply: httpx.Response, status: int) -> dict:
    """The detail of a refusal, which is one sentence."""
    assert reply.status_code == status, reply.text
    detail = reply.json()
    assert detail["error"].endswith(".")
    assert "\n" not in detail["error"]
    return detail


def count(url: str, metric: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith(metric)), 0)


@pytest.fixture(scope="module")
def url():
    with serving(victim()) as place:
        yield place


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


def test_keys_have_budgets_and_what_is_left_is_said():
    keys = [Key(name="alice", secret="a-secret", queries=10), Key(name="bob", secret="b-secret")]
    with serving(victim(), keys=keys) as place, httpx.Client(base_url=place) as client:
        alice, bob = ({"Authorization": f"Bearer {name}-secret"} for name in "ab")
        asked = {"inputs": queries(6).tolist()}
        refused(client.post("/predict", json=asked), 401)
        refused(client.post("/predict", json=asked, headers={"Authorization": "Basic a-secret"}), 401)
        refused(client.post("/predict", json=asked, headers={"Authorization": "Bearer \xe9".encode("latin-1")}), 401)
        announced = client.post("/predict", json=asked, headers=alice | {"Batch-Queries": "11"})
        assert refused(announced, 402)["left"] == 10
        assert client.post("/predict", json=asked, headers=alice).status_code == 200
        assert refused(client.post("/predict", json=asked, headers=alice), 402)["left"] == 4
        assert client.post("/predict", json={"inputs": asked["inputs"][:4]}, headers=alice).status_code == 200
        assert client.post("/predict", json=asked, headers=bob).status_code == 200
        metrics = client.get("/metrics", headers=alice).text
        for line in (
            'jaxattack_queries_answered_total{key="alice"} 10',
            'jaxattack_requests_total{key="alice",status="402"} 2',
            'jaxattack_requests_total{key="",status="401"} 3',
        ):
            assert line in metrics.splitlines()
        assert "secret" not in metrics
        assert "bob" not in metrics
        assert 'queries_answered_total{key="bob"} 6' in client.get("/metrics", headers=bob).text
        for path in ("/metrics", "/describe", "/", "/health", "/nowhere"):
            said = client.get(path)
            assert (said.status_code == 401) == (path in ("/metrics", "/describe", "/"))
            assert not any(word in said.text for word in ("alice", "bob", "secret"))


def test_terms_are_open_to_all_by_option():
    key = Key(name="alice", secret="a-secret")
    with serving(victim(), keys=[key], settings=Settings(open_terms=True)) as place:
        assert httpx.get(f"{place}/describe").status_code == 200
        refused(httpx.post(f"{place}/predict", json={"inputs": queries(1).tolist()}), 401)


def test_a_rate_puts_off_and_says_for_how_long():
    keys = [Key(name="slow", secret="s", per_second=4.0)]
    with serving(victim(), keys=keys) as place, httpx.Client(headers={"Authorization": "Bearer s"}) as client:
        assert client.post(f"{place}/predict", json={"inputs": queries(4).tolist()}).status_code == 200
        reply = client.post(f"{place}/predict", json={"inputs": queries(2).tolist()})
        assert 0 < refused(reply, 429)["retry_after"] <= 0.5
        assert reply.headers["retry-after"] == "1"


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


def raw(place: str) -> socket.socket:
    parts = urlsplit(place)
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def status(connection: socket.socket) -> int:
    response = http.client.HTTPResponse(connection)
    response.begin()
    assert json.loads(response.read())["error"].endswith(".")
    return response.status


POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-npy\r\n"


def test_sizes_are_refused_before_they_have_arrived():
    with serving(victim(), settings=Settings(bytes=5000, records=50)) as place:
        with raw(place) as connection:  # by the length declared
            connection.sendall(POST + b"Content-Length: 5001\r\n\r\n")
            assert status(connection) == 413
        with raw(place) as connection:  # by what has come
            connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n1389\r\n" + b"\x93NUMPY" + bytes(4995))
            assert status(connection) == 413
        with raw(place) as connection:  # by what the .npy header declares
            start = npy(np.zeros((51, FEATURES)))[:1200]
            connection.sendall(POST + b"Content-Length: 2576\r\n\r\n" + start)
            assert status(connection) == 413
        asked = {"inputs": queries(51).tolist()}
        for encoded in ({"json": asked}, {"content": npy(queries(51)), "headers": NPY}):
            refused(httpx.post(f"{place}/predict", **encoded), 413)
        huge = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000000000, 6), }\n"
        huge = b"\x93NUMPY\x01\x00" + len(huge).to_bytes(2, "little") + huge
        refused(httpx.post(f"{place}/predict", content=huge, headers=NPY), 413)


def test_fewer_records_are_let_in_where_they_would_exceed_the_bytes():
    wide = Inputs.box(0, 1, (1000,))
    oracle = CountingOracle(
        lambda x, bias: Answer(np.zeros(len(x), np.int64)), Access(level="label", classes=2, inputs=wide)
    )
    with serving(oracle, settings=Settings(bytes=50_000)) as place:
        assert httpx.get(place).json()["limits"]["records"] == 6
    with pytest.raises(InputError, match=r"one query takes 8000"):
        application(oracle, settings=Settings(bytes=8_000))


def test_what_arrives_too_slowly_is_let_go():
    with serving(victim(), settings=Settings(seconds=0.3)) as place:
        slow = [raw(place) for _ in range(4)]
        slow[0].sendall(POST + b"Content-Length: 500\r\n\r\n\x93NUM")  # a body
        slow[1].sendall(POST[:-9])  # headers
        slow[2].sendall(POST + b"Content-Length: 400000000\r\n\r\nxx")  # the rest of what was refused
        try:
            assert [status(connection) for connection in slow] == [408, 408, 413, 408]  # and nothing at all
            assert [connection.recv(1) for connection in slow] == [b""] * 4
        finally:
            for connection in slow:
                connection.close()
        with httpx.Client(base_url=place) as client:
            assert client.get("/health").status_code == 200


def test_an_answer_that_nobody_takes_is_let_go():
    wide = Access(level="logit", classes=50_000, inputs=INPUTS)
    oracle = CountingOracle(lambda x, bias: Answer(np.zeros(len(x), np.int64), None, np.zeros((len(x), 50_000))), wide)
    body = npy(queries(40))
    request = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with serving(oracle, settings=Settings(connections=2, seconds=0.5)) as place:
        with raw(place) as one, raw(place) as other:
            for connection in (one, other):
                connection.sendall(request)
            deadline = time.monotonic() + 20
            # Both hold their place, and read nothing, until they are let go.
            while (status := httpx.post(f"{place}/predict", content=body, headers=NPY).status_code) == 503:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert status == 200


def test_connections_beyond_the_limit_are_told_to_come_back():
    with serving(victim(), settings=Settings(connections=2)) as place:
        with raw(place), raw(place):
            replies = [httpx.get(f"{place}/health") for _ in range(5)]
            assert "too many connections" in refused(replies[-1], 503)["error"]
        assert httpx.get(f"{place}/health").status_code == 200


def test_small_answers_do_not_wait_for_an_acknowledgement(url):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    took = []
    for _ in range(40):
        began = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        took.append(time.perf_counter() - began)
    connection.close()
    assert sorted(took)[10] < 0.03  # Nagle's algorithm and a delayed acknowledgement take 40 ms


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


def test_two_keys_alike_are_refused():
    with pytest.raises(InputError, match="same secret"):
        application(victim(), keys=[Key(name="a", secret="x"), Key(name="b", secret="x")])
    with pytest.raises(InputError, match="same name"):
        application(victim(), keys=[Key(name="a", secret="x"), Key(name="a", secret="y")])


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        (Settings, "records", 0),
        (Settings, "bytes", 0),
        (Settings, "seconds", float("inf")),
        (Settings, "grace", 0),
        (Settings, "price", -1.0),
        (Settings, "kept", 0),
        (Settings, "largest", float("nan")),
        (Key, "queries", 0),
        (Key, "per_second", 0.0),
        (Key, "name", "a b"),
        (Key, "secret", "a b"),
    ],
)
def test_a_value_out_of_range_is_refused_by_field(config, field, value):
    base = {} if config is Settings else {"name": "a", "secret": "s"}
    with pytest.raises(InputError, match=rf"^{field} .*give .*\.$"):
        config(**(base | {field: value}))


def test_a_key_does_not_print_its_secret():
    assert "hidden" not in repr(Key(name="a", secret="hidden"))
    assert WEIGHT.shape == (FEATURES, CLASSES)
