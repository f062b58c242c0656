"""Victims in ONNX files, run by onnxruntime: classifiers and regressors of skl2onnx, and plain graphs of other tools.

The scores are the output of floats: a tensor, or the maps class -> score of skl2onnx's ZipMap. Where there are several,
it is the one whose name holds "prob" or, for the level logit, "logit". Whether scores are probabilities is seen from a
few random records: rows without negative numbers that sum to 1. Labels are numbered in the order of the columns and
are the argmax. A service that answers probabilities takes the softmax of what are none.

The records are flattened or shaped as the graph declares; columns declared apart, as skl2onnx does for tables, are
filled in their order. A graph of fixed batch size is asked block by block, the last block padded.
"""

from __future__ import annotations

from functools import partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.oracle.foreign import INSTALL
from jaxattack.oracle.identity import of_file, probes
from jaxattack.oracle.ledger import PRICE, Counted
from jaxattack.oracle.local import answered, padded, sensible
from jaxattack.types import Access, Answer, Bias, InputError, Inputs, Level, Precision

_FLOATS: dict[str, Precision] = {"double": "float64", "float": "float32", "float16": "bfloat16"}
"""Half precision has no name of its own here; that of bfloat16, which is coarser, promises nothing that it lacks."""

_NUMBERS = {"double": np.float64, "float": np.float32, "float16": np.float16, "int64": np.int64, "int32": np.int32}


class _Column(NamedTuple):
    """An input of the graph: its name, the shape of its part of a record, its numbers, its batch size where fixed."""

    name: str
    shape: tuple[int, ...]
    numbers: type
    batch: int | None


def from_onnx(
    path: str | Path, *, inputs: Inputs | None = None, level: Level | None = None, price: float = PRICE
) -> Counted:
    """A model in an ONNX file as a victim.

    Args:
        path: the file.
        inputs: the records that the service takes; by default of the shape that the graph declares, each number from
            -1 to 1.
        level: how much it answers; by default logits of one output, a regressor, and probabilities of several.
        price: of a query, in dollars.

    Raises:
        InputError: onnxruntime is not installed; no such file, or no ONNX file; no single output of scores; records
            that the graph does not take; or logits of a graph that gives probabilities.
    """
    session, read = _session(path), of_file(path)
    columns = _columns(path, session)
    width = sum(prod(column.shape) for column in columns)
    inputs = inputs or Inputs.box(-1.0, 1.0, columns[0].shape if len(columns) == 1 else (width,))
    if prod(inputs.shape) != width:
        raise InputError(f"the inputs have shape {inputs.shape} and {path} takes {width} numbers: mend them.")
    output, precision = _output(path, session, level)
    score = partial(_score, path, session, columns, output)
    probe = score(probes(inputs))
    classes = probe.shape[1]
    summing = classes > 1 and bool((probe >= 0).all() and (np.abs(probe.sum(1) - 1) < 1e-3).all())
    level = level or ("probability" if classes > 1 else "logit")
    if level == "logit" and summing:
        raise InputError(f"level is 'logit' and {path} gives probabilities: choose probability or label.")
    access = Access(level=level, classes=classes, inputs=inputs, precision=precision)

    def ask(x: np.ndarray, _: Bias | None) -> Answer:
        given = score(x)
        if summing and level == "probability":
            return Answer(given.argmax(1).astype(np.int64), given)
        return answered(given, level)

    return Counted(ask, access, price, lambda: read)


def _session(path: str | Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(f"{path} needs onnxruntime: {INSTALL}.") from error
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist: give an ONNX file.")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no other class
        raise InputError(f"{path} cannot be read as an ONNX file ({_first(error)}): export the model again.") from error


def _first(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _tensor(kind: str) -> str:
    return kind.rpartition("tensor(")[2].rstrip(")")


def _columns(path: str | Path, session: Any) -> list[_Column]:
    columns = []
    for given in session.get_inputs():
        batch, *sizes = given.shape or [None]
        shape = tuple(size for size in sizes if isinstance(size, int))
        if _tensor(given.type) not in _NUMBERS or not shape or len(shape) < len(sizes):
            raise InputError(
                f"{path} takes {given.name} as {given.type} of shape {given.shape}: "
                "export a model of batches of numbers whose records have one shape."
            )
        numbers = _NUMBERS[_tensor(given.type)]
        columns.append(_Column(given.name, shape, numbers, batch if isinstance(batch, int) else None))
    return columns


def _output(path: str | Path, session: Any, level: Level | None) -> tuple[str, Precision]:
    outputs = {given.name: _tensor(given.type) for given in session.get_outputs() if _tensor(given.type) in _FLOATS}
    named = [name for name in outputs if ("logit" if level == "logit" else "prob") in name.lower()]
    chosen = named if len(outputs) > 1 else list(outputs)
    if len(chosen) != 1:
        raise InputError(
            f"{path} has the outputs of floats {', '.join(outputs) or 'none'}: export the scores as the only one, "
            "or name them 'probabilities' or 'logits'."
        )
    return chosen[0], _FLOATS[outputs[chosen[0]]]


def _score(
    path: str | Path, session: Any, columns: list[_Column], output: str, x: Shaped[np.ndarray, "query *feature"]
) -> Float[np.ndarray, "query cls"]:
    size = columns[0].batch
    ends = np.cumsum([prod(column.shape) for column in columns])

    def run(some: np.ndarray) -> np.ndarray:
        whole = padded(some, size or 0)
        parts = np.split(whole.reshape(len(whole), -1), ends[:-1], axis=1)
        feeds = {
            column.name: part.reshape(len(whole), *column.shape).astype(column.numbers)
            for column, part in zip(columns, parts, strict=True)
        }
        return _matrix(session.run([output], feeds)[0])[: len(some)]

    block = size or sensible((int(ends[-1]),), 1)
    try:
        with np.errstate(over="raise", invalid="raise"):  # numbers that the graph's own do not hold
            return np.concatenate([run(x[at : at + block]) for at in range(0, len(x), block)])
    except Exception as error:  # as above
        raise InputError(f"{path} does not take these queries: {_first(error)}") from error


def _matrix(scores: Any) -> Float[np.ndarray, "query cls"]:
    if isinstance(scores, list):
        order = sorted(scores[0])
        return np.array([[row[cls] for cls in order] for row in scores], np.float32)
    scores = np.asarray(scores)
    scores = scores.astype(np.float32) if scores.dtype == np.float16 else scores
    return scores.reshape(len(scores), -1)
