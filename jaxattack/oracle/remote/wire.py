"""What goes over the wire between the prediction API and its client, as JSON or as .npy.

    terms      {"access": {...}, "price": dollars a query, "limits": {"records": a request, "bytes": a body}}, and where its
               classes have names, "names": in the order of the columns
    queries    JSON   {"inputs": [[...]]}, records in their shape or flattened, null where a feature is not given; with
                      a bias on logits also "bias": {"token": [[...]], "value": [[...]]}
               .npy   the inputs; with a bias the inputs, the tokens and the values, one array after the other
    answers    JSON   {"label": [...]}, above labels also "probability" or "logit": [[...]], null below the top k
               .npy   the probabilities or logits, then the labels; labels alone where nothing else is answered
    refusals   {"error": one sentence}; with "left" (queries) where a budget is spent, "retry_after" (seconds) where too fast

Numbers survive exactly: .npy holds their bytes, JSON their shortest decimal that reads back as the same float64. A float32
answer is sent as float32 in .npy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Num

from jaxattack.oracle.remote.npy import read_npy, write_npy
from jaxattack.types import Access, Answer, Bias, InputError, Inputs, OracleError

Media = Literal["application/x-npy", "application/json"]
NPY: Media = "application/x-npy"
JSON: Media = "application/json"

IDENTITY = "Idempotency-Key"
"""Names a request; one that is repeated under the same name is answered again and counted once."""
BATCH = "Batch-Queries"
"""How many queries are still to come of the batch that a request begins; refused as a whole where the budget is less."""

_LONGEST_NAME = 200

DAMAGE = (InputError, KeyError, TypeError, ValueError, OverflowError, RecursionError)
"""What reading a body of unknown origin may raise."""


def write_json(value: Any) -> bytes:
    """JSON; floats as the shortest decimals that read back as the same."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def read_json(body: bytes | bytearray) -> dict[str, Any]:
    """A JSON object.

    Raises:
        InputError: it is damaged, nested too deeply, or no object.
    """

    def refuse(constant: str) -> float:
        raise InputError(f"the body holds {constant}, which is no JSON: send numbers, or null for a feature not given.")

    try:
        value = json.loads(body, parse_constant=refuse)
    except InputError:
        raise
    except RecursionError as error:
        raise InputError("the JSON is nested too deeply: send an object.") from error
    except ValueError as error:
        raise InputError("the body is no JSON: send an object.") from error
    if not isinstance(value, dict):
        raise InputError("the JSON is no object: send one.")
    return value


def read_numbers(value: Any, name: str) -> Float[np.ndarray, "..."]:
    """Nested lists of numbers as float64, null as NaN.

    Raises:
        InputError: they are ragged, or hold something else.
    """
    array = np.array(value, object)  # as text, each entry would take the memory of the longest
    kinds = set(map(type, array.ravel().tolist()))
    if list in kinds:
        raise InputError(f"{name} is ragged: give lists of equal length.")
    if kinds - {int, float, type(None)}:
        raise InputError(f"{name} holds something that is no number: give numbers, or null for a feature not given.")
    try:
        return array.astype(np.float64)
    except OverflowError as error:
        raise InputError(f"{name} holds a number beyond float64: give smaller ones.") from error


def _lists(array: Float[np.ndarray, "..."]) -> Any:
    """Nested lists, NaN as None."""
    absent = np.isnan(array)
    if not absent.any():
        return array.tolist()
    values = array.astype(object)
    values[absent] = None
    return values.tolist()


def _integral(numbers: Float[np.ndarray, "..."]) -> bool:
    """Whether all are integers that float64 and int64 both hold."""
    return bool((np.isfinite(numbers) & (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**53)).all())


def write_queries(x: Num[np.ndarray, "query *feature"], bias: Bias | None, media: Media) -> bytes:
    """The body that asks for a batch."""
    if media == NPY:
        return write_npy(x) if bias is None else write_npy(x, bias.token, bias.value)
    query: dict[str, Any] = {"inputs": _lists(x.reshape(len(x), -1))}  # deep lists are several times as slow
    if bias is not None:
        query["bias"] = {"token": bias.token.tolist(), "value": bias.value.tolist()}
    return write_json(query)


def read_queries(body: bytes | bytearray, media: Media) -> tuple[Float[np.ndarray, "..."], Bias | None]:
    """The batch that a body asks for, of whatever shape, and the bias asked for.

    Raises:
        InputError: the body is damaged.
    """
    arrays: Sequence[np.ndarray]
    if media == NPY:
        arrays = read_npy(body)
    else:
        query = read_json(body)
        if "inputs" not in query or set(query) - {"inputs", "bias"}:
            raise InputError('the JSON has other fields than inputs and bias, or no inputs: send {"inputs": [[...]]}.')
        arrays = [read_numbers(query["inputs"], "inputs")]
        if query.get("bias") is not None:
            if not (isinstance(query["bias"], dict) and set(query["bias"]) == {"token", "value"}):
                raise InputError('bias is no object of token and value: send {"token": [[...]], "value": [[...]]}.')
            arrays += [read_numbers(query["bias"][name], name) for name in ("token", "value")]
    if len(arrays) not in (1, 3):
        raise InputError(f"the body holds {len(arrays)} arrays: send the inputs, or inputs, tokens and values.")
    with np.errstate(invalid="ignore"):  # a signalling NaN is NaN
        numbers = [array.astype(np.float64) for array in arrays]
    if len(numbers) == 1:
        return numbers[0], None
    if not _integral(numbers[1]):
        raise InputError("token holds something that is no class: give whole numbers.")
    return numbers[0], Bias(numbers[1].astype(np.int64), numbers[2])


def check_answer(answer: Answer, access: Access, queries: int) -> None:
    """Refuse an answer that is none.

    Raises:
        OracleError: one that has another shape, labels outside the classes, or NaN or infinity where numbers are due.
    """
    label = np.asarray(answer.label)
    if label.shape != (queries,) or label.dtype.kind not in "iu":
        raise OracleError(f"labels of {label.dtype} and shape {label.shape} came for {queries} queries.")
    if queries and not 0 <= label.min() <= label.max() < access.classes:
        raise OracleError(f"a label outside 0 to {access.classes - 1} came.")
    if access.level == "label":
        return
    matrix = getattr(answer, access.level)
    expected = (queries, access.classes)
    if matrix is None or np.shape(matrix) != expected or np.asarray(matrix).dtype.kind != "f":
        what = "nothing" if matrix is None else f"{np.asarray(matrix).dtype} of shape {np.shape(matrix)}"
        raise OracleError(f"{what} came for the {access.level} of {queries} queries and {access.classes} classes.")
    withheld = access.classes - access.top if access.top else 0
    numbers = np.asarray(matrix, np.float64)
    absent = np.isnan(numbers)
    if np.isinf(numbers).any() or (absent.sum(axis=1) != withheld).any():
        raise OracleError(f"NaN or infinity came where a {access.level} is due.")


def write_answer(answer: Answer, access: Access, media: Media) -> bytes:
    """What the access level lets through of an answer that `check_answer` takes."""
    label = np.asarray(answer.label, np.int64)
    matrix = None if access.level == "label" else np.asarray(getattr(answer, access.level))
    if matrix is not None and matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float64)
    if media == NPY:
        return write_npy(label) if matrix is None else write_npy(matrix, label)
    reply: dict[str, Any] = {"label": label.tolist()}
    if matrix is not None:
        reply[access.level] = _lists(matrix.astype(np.float64))
    return write_json(reply)


def read_answer(body: bytes | bytearray, media: Media, access: Access, queries: int) -> Answer:
    """The answer in a body, its numbers as float64.

    Raises:
        OracleError: the body is damaged, or no answer to so many queries.
    """
    names = ("label",) if access.level == "label" else (access.level, "label")
    try:
        if media == NPY:
            arrays = read_npy(body)
        else:
            reply = read_json(body)
            arrays = [read_numbers(reply[name], name) for name in names]
    except DAMAGE as error:
        raise OracleError(f"the answer is damaged ({error}).") from error
    if len(arrays) != len(names):
        raise OracleError(f"{len(arrays)} arrays came where {' and '.join(names)} are due.")
    label = arrays[-1]
    if media == JSON and _integral(label):
        label = label.astype(np.int64)
    answer = Answer(label, **{access.level: arrays[0]} if access.level != "label" else {})
    check_answer(answer, access, queries)
    scores = {name: np.array(getattr(answer, name), np.float64) for name in names[:-1]}
    return Answer(label.astype(np.int64), **scores)


def write_access(access: Access) -> dict[str, Any]:
    """The terms as JSON values."""
    inputs = access.inputs
    return {
        "level": access.level,
        "classes": access.classes,
        "inputs": {
            "low": inputs.low.tolist(),
            "high": inputs.high.tolist(),
            "categories": inputs.categories.tolist(),
            "missing": inputs.missing,
            "names": list(inputs.names),
            **({"whole": True} if inputs.whole else {}),
        },
        "top": access.top,
        "decimals": access.decimals,
        "precision": access.precision,
        "bias": access.bias,
        **({"refuses": True} if access.refuses else {}),
    }


def _typed(value: Any, kinds: tuple[type, ...], name: str) -> Any:
    if type(value) not in kinds:
        raise InputError(f"{name} is {value!r:.40}: it should be {' or '.join(kind.__name__ for kind in kinds)}.")
    return value


def read_names(value: Any) -> tuple[str, ...]:
    """Names of features or of classes, without what is too long and not printable in them, for people are shown them.

    Raises:
        InputError: something else than a list of text.
    """
    names = [_typed(name, (str,), "names") for name in _typed(value, (list,), "names")]
    return tuple("".join(letter if letter.isprintable() else " " for letter in name[:_LONGEST_NAME]) for name in names)


def read_access(value: Any) -> Access:
    """The terms that `write_access` wrote.

    Raises:
        InputError: a field is missing, of another type or out of range.
    """
    try:
        inputs = value["inputs"]
        categories = read_numbers(inputs["categories"], "categories")
        if not _integral(categories):
            raise InputError("categories holds something that is no whole number.")
        return Access(
            level=_typed(value["level"], (str,), "level"),
            classes=_typed(value["classes"], (int,), "classes"),
            inputs=Inputs(
                low=read_numbers(inputs["low"], "low"),
                high=read_numbers(inputs["high"], "high"),
                categories=categories.astype(int),
                missing=_typed(inputs["missing"], (bool,), "missing"),
                names=read_names(inputs["names"]),
                whole=_typed(inputs.get("whole", False), (bool,), "whole"),
            ),
            top=_typed(value["top"], (int,), "top"),
            decimals=_typed(value["decimals"], (int, type(None)), "decimals"),
            precision=_typed(value["precision"], (str,), "precision"),
            bias=float(_typed(value["bias"], (int, float), "bias")),
            refuses=_typed(value.get("refuses", False), (bool,), "refuses"),
        )
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"a field is missing or wrong ({type(error).__name__}: {error}).") from error
