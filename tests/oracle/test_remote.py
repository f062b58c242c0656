from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from serve.victims import CLASSES, FEATURES, INPUTS, Said, behaving, forward, logits, probabilities, queries, victim

from jaxattack.oracle import budgeted
from jaxattack.oracle.ledger import CountingOracle
from jaxattack.oracle.remote import connect, exchange
from jaxattack.oracle.remote.wire import write_access, write_answer
from jaxattack.serve import Key, Settings, serving
from jaxattack.types import Access, Answer, Bias, BudgetSpent, InputError, Ledger, Oracle, OracleError

JSON = "application/json"
NPY = "application/x-npy"
ACCESS = Access(level="probability", classes=CLASSES, inputs=INPUTS)
TERMS = {"access": write_access(ACCESS), "price": 0.0001, "limits": {"records": 100, "bytes": 1 << 20}}


def said(value, status: int = 200) -> Said:
    return Said(status, {"Content-Type": JSON}, json.dumps(value).encode())


def answering(x: np.ndarray) -> Said:
    answer = Answer(logits(x).argmax(1), probabilities(x))
    return Said(200, {"Content-Type": NPY}, write_answer(answer, ACCESS, NPY))


@pytest.fixture
def pauses(monkeypatch):
    """Pauses are noted and not waited for."""
    noted: list[float] = []
    monkeypatch.setattr(exchange, "time", SimpleNamespace(sleep=noted.append, monotonic=time.monotonic))
    return noted


@pytest.fixture(scope="module")
def url():
    with serving(victim()) as place:
        yield place


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


def test_retry_after_is_honoured_and_a_service_that_puts_off_for_ever_is_left(pauses):
    replies = [Said(429, {"Retry-After": "7"}, b""), said({"error": "x.", "retry_after": 0.25}, 429), said(TERMS)]
    with behaving(lambda *request: replies.pop(0)) as place:
        connect(place, retries=0).close()
    assert pauses == [7.0, 0.25]
    with (
        behaving(lambda *request: said({"error": "busy.", "retry_after": 100}, 429)) as place,
        pytest.raises(OracleError, match=r"puts a request off for more than 600 s: busy\."),
    ):
        connect(place)
    assert pauses[2:] == [100.0] * 6


def test_pauses_between_failed_attempts_double_with_jitter(pauses):
    with behaving(lambda *request: None) as place, pytest.raises(OracleError, match="after 6 attempts") as caught:
        connect(place)
    assert place in str(caught.value)
    assert len(pauses) == 5
    for attempt, pause in enumerate(pauses):
        assert 0.05 * 2**attempt <= pause <= 0.1 * 2**attempt


def test_a_service_that_is_not_there_is_one_sentence(pauses):
    with behaving(lambda *request: None) as place:
        pass
    with pytest.raises(OracleError, match=r"does not answer after 2 attempts: ConnectError .*refused.*\.$"):
        connect(place, retries=1)


def test_a_service_that_does_not_answer_in_time_is_left(pauses):
    done = threading.Event()
    with behaving(lambda *request: done.wait(10) and None) as place:
        with pytest.raises(OracleError, match="after 2 attempts: ReadTimeout"):
            connect(place, timeout=0.1, retries=1)
        done.set()


def test_a_service_that_drips_is_left(pauses):
    left = threading.Event()

    def drip(method, path, headers, body):
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        while not left.wait(0.02):
            yield b" "

    with behaving(drip) as place:
        with pytest.raises(OracleError, match=r"ReadTimeout \(the response took more than 0\.2 s\)"):
            connect(place, timeout=0.2, retries=0)
        left.set()


class Wire:
    """A wire to a service that fails as told, request by request; then it works."""

    def __init__(self, place: str, *plan: str):
        self.place, self.plan = place, list(plan)
        self.identities: list[str] = []

    def __call__(self, method, path, headers, body):
        if method == "GET":
            return forward(self.place, method, path, headers, body)
        self.identities.append(headers["idempotency-key"])
        step = self.plan.pop(0) if self.plan else "works"
        if step == "lost":
            return None
        if step in ("502", "503", "504"):
            return Said(int(step), {"Content-Type": "text/html"}, b"<h1>gateway</h1>")
        answer = forward(self.place, method, path, headers, body)
        if step == "answer lost":
            return None
        if step == "answer cut":
            start = f"HTTP/1.1 200 OK\r\nContent-Type: {NPY}\r\nContent-Length: {len(answer.body)}\r\n\r\n".encode()
            return start, answer.body[: len(answer.body) // 2]
        return answer


FAILURES = ["lost", "answer lost", "answer cut", "502", "503", "504"]


@pytest.mark.parametrize("format", ["npy", "json"])
def test_the_count_there_and_the_ledger_here_agree_whatever_the_wire_drops(pauses, format):
    there = victim()
    rng = np.random.default_rng(3)
    with serving(there, settings=Settings(records=30)) as place:
        wire = Wire(place, *rng.choice([*FAILURES, "works"], 120).tolist())
        with behaving(wire) as through, connect(through, retries=60, format=format) as oracle:
            sizes = rng.integers(1, 80, 25)
            for seed, size in enumerate(sizes):
                x = queries(size, seed)
                np.testing.assert_array_equal(oracle(x).probability, probabilities(x))
            assert oracle.ledger.queries == there.ledger.queries == sizes.sum()
            assert oracle.ledger.calls == there.ledger.calls == len(set(wire.identities))
            assert len(wire.identities) > oracle.ledger.calls + 60
            counted = forward(place, "GET", "/metrics", {}, b"").body.decode()
            assert f'jaxattack_queries_answered_total{{key="anyone"}} {sizes.sum()}' in counted


def test_a_batch_that_failed_goes_on_where_it_stopped_and_is_paid_for_once(pauses):
    there = victim()
    with serving(there, settings=Settings(records=10)) as place:
        wire = Wire(place, "works", "answer lost", "lost")
        with behaving(wire) as through, connect(through, retries=1) as oracle:
            x = queries(35)
            with pytest.raises(OracleError, match="after 2 attempts"):
                oracle(x)
            assert oracle.ledger.queries == there.ledger.queries == 20
            np.testing.assert_array_equal(oracle(x).probability, probabilities(x))
            assert oracle.ledger.queries == there.ledger.queries == 35
            oracle(x)
            assert oracle.ledger.queries == there.ledger.queries == 70


def test_a_budget_keeps_what_a_service_was_asked_and_gives_back_the_rest_of_a_batch_that_failed(pauses):
    there = victim()
    with serving(there, settings=Settings(records=10)) as place:
        wire = Wire(place, "works", "answer lost", "lost")
        with behaving(wire) as through, connect(through, retries=1) as oracle:
            account = budgeted(oracle, 60)
            with pytest.raises(OracleError, match="after 2 attempts"):
                account(queries(35))
            assert account.left == 60 - there.ledger.queries == 40


def test_a_service_that_cannot_be_reached_costs_nothing(pauses):
    with serving(victim()) as place:
        oracle = connect(place, retries=1)
    account = budgeted(oracle, 10)
    with oracle, pytest.raises(OracleError, match="after 2 attempts: ConnectError"):
        account(queries(5))
    assert (account.left, oracle.ledger) == (10, Ledger())


def test_a_batch_that_failed_is_not_forgotten_over_another(pauses):
    there = victim()
    with serving(there, settings=Settings(records=10)) as place:
        wire = Wire(place, "works", "lost", "works", "lost", "works", "works")
        with behaving(wire) as through, connect(through, retries=0) as oracle:
            one, other, more = queries(20), queries(20, 1), queries(20, 2)
            for x in (one, other):
                with pytest.raises(OracleError):
                    oracle(x)
            for x in (more, other, one):
                np.testing.assert_array_equal(oracle(x).probability, probabilities(x))
            assert oracle.ledger.queries == there.ledger.queries == 60


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


X = queries(3)
GOOD = answering(X)
RUBBISH = {
    "a page": Said(200, {"Content-Type": "text/html"}, b"<h1>hello</h1>"),
    "not found": Said(404, {"Content-Type": "text/html"}, b"<h1>hello</h1>"),
    "moved": Said(301, {"Location": "/elsewhere"}, b""),
    "no media": Said(200, {}, GOOD.body),
    "noise": GOOD._replace(body=b"\x93NUMPY" + b"x" * 300),
    "nothing": GOOD._replace(body=b""),
    "half": GOOD._replace(body=GOOD.body[:-9]),
    "too much": GOOD._replace(body=GOOD.body + GOOD.body),
    "huge": GOOD._replace(body=bytes(200_000)),
    "two answers": answering(X[:2]),
    "labels alone": GOOD._replace(body=write_answer(Answer(np.zeros(3, int)), Access(level="label", classes=4, inputs=INPUTS), NPY)),
    "NaN": GOOD._replace(body=write_answer(Answer(np.zeros(3, int), np.full((3, 4), np.nan)), ACCESS, NPY)),
    "infinity": GOOD._replace(body=write_answer(Answer(np.zeros(3, int), np.full((3, 4), np.inf)), ACCESS, NPY)),
    "other classes": GOOD._replace(body=write_answer(Answer(np.zeros(3, int), np.full((3, 5), 0.2)), ACCESS, NPY)),
    "a label too large": GOOD._replace(body=write_answer(Answer(np.full(3, 4), np.full((3, 4), 0.25)), ACCESS, NPY)),
    "a budget of no number": said({"error": "spent.", "left": "many"}, 402),
    "a control sequence": said({"error": "\x1b[31mred\x07 " + "x" * 9000}, 418),
}  # fmt: skip


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_is_not_believed(pauses, name):
    def service(method, path, headers, body):
        return said(TERMS) if method == "GET" else RUBBISH[name]

    with behaving(service) as place, connect(place) as oracle:
        with pytest.raises(OracleError) as caught:
            oracle(X)
        assert place in str(caught.value)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 600
        answered = RUBBISH[name].status == 200  # a service that answers with rubbish has been asked
        assert oracle.ledger.queries == len(X) * answered
        assert not pauses


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"[]",
        b"{}",
        b"[" * 20_000,
        b'{"label": [0, 0, 0]}',
        b'{"label": [0, 0, 1e400], "probability": [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]}',
        b'{"label": [0, 0, 0.5], "probability": [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]}',
        b'{"label": [0, 0, null], "probability": [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]}',
        b'{"label": [0, 0, 0], "probability": [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, null]]}',
        b'{"label": [0, 0, 0], "probability": [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0]]}',
        b'{"label": [0, 0, 0], "probability": [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, "0"]]}',
        b'{"label": [0, 0, 0], "probability": [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, NaN]]}',
        b'{"label": {"a": 1}, "probability": null}',
    ],
)
def test_rubbish_in_json_is_not_believed(body):
    def service(method, path, headers, _):
        return said(TERMS) if method == "GET" else Said(200, {"Content-Type": JSON}, body)

    with (
        behaving(service) as place,
        connect(place, format="json") as oracle,
        pytest.raises(OracleError, match="cannot be believed"),
    ):
        oracle(X)


def changed(path: str, value) -> dict:
    """The terms with one of them changed, or left out."""
    terms = json.loads(json.dumps(TERMS))
    *outer, last = path.split(".")
    inner = terms
    for name in outer:
        inner = inner[name]
    if value is changed:
        del inner[last]
    else:
        inner[last] = value
    return terms


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("access", None),
        ("access.level", "everything"),
        ("access.level", 3),
        ("access.classes", 0),
        ("access.classes", "4"),
        ("access.classes", True),
        ("access.classes", 10**12),
        ("access.top", 5),
        ("access.top", None),
        ("access.decimals", -1),
        ("access.decimals", 1.5),
        ("access.precision", "float128"),
        ("access.bias", "large"),
        ("access.bias", -1),
        ("access.inputs", []),
        ("access.inputs.low", [0.0]),
        ("access.inputs.low", [2.0] * FEATURES),
        ("access.inputs.low", ["0"] * FEATURES),
        ("access.inputs.low", [None] * FEATURES),
        ("access.inputs.high", [[1], [1, 2]]),
        ("access.inputs.categories", [0.5] * FEATURES),
        ("access.inputs.missing", "no"),
        ("access.inputs.names", ["a"]),
        ("access.inputs.names", "abcdef"),
        ("access.inputs.names", changed),
        ("price", -1),
        ("price", "free"),
        ("price", changed),
        ("limits", None),
        ("limits.records", 0),
        ("limits.bytes", 1e9),
    ],
)
def test_a_lying_description_is_not_believed(path, value):
    with (
        behaving(lambda *request: said(changed(path, value))) as place,
        pytest.raises(OracleError, match="does not describe itself as a prediction API"),
    ):
        connect(place)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[" * 100_000, b"<html>", b'{"access": NaN}', b"\xff\xfe", b'{"a":' * 5000]
)
def test_no_description_is_not_believed(body):
    with (
        behaving(lambda *request: Said(200, {"Content-Type": JSON}, body)) as place,
        pytest.raises(OracleError, match="does not describe itself as a prediction API"),
    ):
        connect(place)


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
