"""A remote oracle whose service answers with rubbish, or lies about itself: nothing of it is believed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from oracle.services import ACCESS, JSON, NPY, TERMS, answering, said
from serve.victims import FEATURES, INPUTS, Said, behaving, queries

from jaxattack.oracle.remote import connect
from jaxattack.oracle.remote.wire import write_answer
from jaxattack.types import Access, Answer, OracleError

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
