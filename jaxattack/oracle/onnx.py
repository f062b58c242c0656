"""Victims in ONNX files, run by onnxruntime: classifiers and regressors of skl2onnx, and plain graphs of other tools.

The scores are the output of floats: a tensor, or the maps class -> score of skl2onnx's ZipMap. Where there are several,
it is the one whose name holds "prob" or, for the level logit, "logit"; else the only one whose last node says so. What
scores are is decided by the last node (`jaxattack.oracle.graph`) and told in the victim's ``notes``. Labels are numbered
in the order of the columns, which ``names`` names where the graph does, and are the argmax; a graph whose own labels
contradict that, as raw scores of support vector machines may, is refused. A service that answers
probabilities takes the softmax of logits, and answers 1 - p and p for the sigmoid p of one output; one score z of a graph
that names two classes has the logits 0 and z. Sigmoids of several outputs are of independent labels: they are asked for the
largest alone, as labels.

The records are flattened or shaped as the graph declares; columns declared apart, as skl2onnx does for tables, are
filled in their order. A graph of fixed batch size is asked block by block, the last block padded. A graph of whole
numbers, such as one of bytes with its preprocessing inside, is asked with rounded records; those of 8 bits document their
whole range by default (bytes 0 to 255).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.oracle.graph import Meaning, Output, external_files, meaning, meaning_sentence, read_outputs
from jaxattack.oracle.graph_labels import names_beside
from jaxattack.oracle.identity import of_file, probes
from jaxattack.oracle.ledger import PRICE, CountingOracle
from jaxattack.oracle.likelihood_scale import other_scale
from jaxattack.oracle.local import answer_from_logits, pad, sensible
from jaxattack.oracle.sklearn import INSTALL
from jaxattack.types import EPSILON, Access, Answer, Bias, InputError, Inputs, Level, Precision

_FLOATS: dict[str, Precision] = {"double": "float64", "float": "float32", "float16": "bfloat16"}
"""Half precision has no name of its own here; that of bfloat16, which is coarser, promises nothing that it lacks."""

_NUMBERS = {
    "double": np.float64, "float": np.float32, "float16": np.float16, "int64": np.int64, "int32": np.int32,
    "int16": np.int16, "int8": np.int8, "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32,
}  # fmt: skip


class _Column(NamedTuple):
    """An input of the graph: its name, the shape of its part of a record, its numbers, its batch size where fixed."""

    name: str
    shape: tuple[int, ...]
    numbers: type
    batch: int | None


def from_onnx(
    path: str | Path, *, inputs: Inputs | None = None, level: Level | None = None, price: float = PRICE
) -> CountingOracle:
    """A model in an ONNX file as a victim.

    Args:
        path: the file.
        inputs: the records that the service takes; by default of the shape that the graph declares, each number from
            -1 to 1, or of the whole range where it has 8 bits.
        level: how much it answers; by default logits of a regressor, and probabilities of a classifier.
        price: of a query, in dollars.

    Raises:
        InputError: onnxruntime is not installed; no such file, or no ONNX file; no single output of scores; records
            that the graph does not take; probabilities or logarithms on another scale; logits of a graph that gives probabilities; or more than labels of one that gives
            scores of independent labels.
    """
    session = _session(path)
    read = of_file(path, *external_files(path, INSTALL))
    columns = _columns(path, session)
    width = sum(prod(column.shape) for column in columns)
    integral = all(np.issubdtype(column.numbers, np.integer) for column in columns)
    inputs = inputs or _documented(columns, width)
    inputs = replace(inputs, whole=integral, names=inputs.names or _column_names(columns))
    if prod(inputs.shape) != width:
        raise InputError(f"the inputs have shape {inputs.shape} and {path} takes {width} numbers: mend them.")
    _require_layout(path, inputs.shape, columns)
    outputs = read_outputs(path, INSTALL)
    output, kind = _output(path, session, outputs, level)
    # Queries are rounded to what the graph takes, whatever it answers in.
    kinds: list[Precision] = [_FLOATS[name] for name in _FLOATS if _NUMBERS[name] in [one.numbers for one in columns]]
    kinds.append(kind)
    precision = max(kinds, key=lambda each: EPSILON[each])
    score = partial(_score, path, session, columns, output)
    records = probes(inputs)
    probe = np.concatenate([score(some) for some in np.split(records, [1, 3])])  # in batches of several sizes
    decided = meaning(outputs[output], probe)
    if decided in ("logit", "independent") and (scale := other_scale(probe, stated=level in ("logit", "label"))):
        unless = "" if other_scale(probe, stated=True) else ", or give level logit if they are logits"
        raise InputError(f"{path}: the output {output} holds {scale[0]}: {scale[1]} at the end of the graph{unless}.")
    level = _level(path, output, outputs[output].last, decided, level)
    probe = _by_class(probe, decided)
    classes = probe.shape[1]
    access = Access(level=level, classes=classes, inputs=inputs, precision=precision)

    def ask(x: np.ndarray, _: Bias | None) -> Answer:
        scores = _by_class(score(x), decided)
        if level == "probability" and decided in ("probability", "binary"):
            return Answer(scores.argmax(1).astype(np.int64), scores)
        return answer_from_logits(scores, level)

    names, doubts = _names(session, output, outputs[output].names), ()
    names = names if len(names) == classes else ()
    if names and (labels := _own_labels(session, columns, records)):
        names, doubts = names_beside(path, output, probe.argmax(axis=1), labels, names)
    notes = [meaning_sentence(path, output, outputs[output], decided, classes), *doubts]
    return CountingOracle(ask, access, price, lambda: read, names, notes)


def _by_class(scores: Float[np.ndarray, "query output"], decided: Meaning) -> Float[np.ndarray, "query cls"]:
    """A score of every class: of one output for two classes, p and 1 - p, or the logits 0 and z, also of -z and z."""
    if decided == "binary":
        return np.hstack([1 - scores, scores])
    return np.hstack([np.zeros_like(scores[:, -1:]), scores[:, -1:]]) if decided == "margin" else scores


def tensor_of(path: str | Path, tensor: str) -> Callable[[np.ndarray], Float[np.ndarray, "query number"]]:
    """What a graph computes at a tensor within it, of queries: onnxruntime runs the graph with that tensor as its output.

    Args:
        path: a file that `from_onnx` takes.
        tensor: its name in the graph.

    Raises:
        InputError: onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise InputError(f"{path} needs onnx: {INSTALL}.") from error
    model = onnx.load(str(path))
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=tensor))
    session = _session(path, model.SerializeToString())
    return partial(_score, path, session, _columns(path, session), tensor)


def _names(session: Any, output: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the columns: maps from class to score have no order, and are read in that of their keys."""
    kind = next(one.type for one in session.get_outputs() if one.name == output)
    if "map(" not in kind:
        return names
    return tuple(sorted(names, key=int) if "int64" in kind else sorted(names))


def _documented(columns: list[_Column], width: int) -> Inputs:
    """What a graph says of its records: their shape, and their range where it has 8 bits."""
    bits = {column.numbers for column in columns}
    low, high = (np.iinfo(bits.pop()).min, np.iinfo(columns[0].numbers).max) if bits in _BYTES else (-1.0, 1.0)
    return Inputs.box(low, high, columns[0].shape if len(columns) == 1 else (width,))


def _require_layout(path: str | Path, shape: tuple[int, ...], columns: list[_Column]) -> None:
    """Refuse records whose axes are in another order than the graph's: it would be asked about their numbers shuffled.

    Raises:
        InputError: neither is flat, and they differ by more than axes of length 1.
    """
    ours, theirs = (tuple(side for side in one if side > 1) for one in (shape, columns[0].shape))
    if len(columns) == 1 and ours != theirs and min(len(ours), len(theirs)) > 1:
        raise InputError(
            f"the inputs have shape {shape} and {path} takes records of shape {columns[0].shape}: give them with their axes in its "
            "order, channels first or last as it has them."
        )


def _column_names(columns: list[_Column]) -> tuple[str, ...]:
    """The names of the features, as a data set's are, where the graph takes them apart."""
    sizes = [(column.name, prod(column.shape)) for column in columns] if len(columns) > 1 else []
    return tuple(name if size == 1 else f"{name}_{at}" for name, size in sizes for at in range(size))


_BYTES = ({np.uint8}, {np.int8})


def _level(path: str | Path, output: str, last: str, decided: Meaning, level: Level | None) -> Level:
    """How much the graph answers.

    Raises:
        InputError: more than its scores say.
    """
    if decided == "independent" and level != "label":
        raise InputError(
            f"{path}: the output {output} ends in {last}: its numbers are scores of independent labels (a sigmoid each), "
            "which sum to no 1 and are no probabilities of one class: choose level 'label' for the largest, or export the "
            "numbers before it."
        )
    if decided in ("probability", "binary") and level == "logit":
        raise InputError(
            f"level is 'logit' and {path} gives probabilities (its output ends in {last}): choose probability or label."
        )
    return level or ("logit" if decided == "number" else "probability")


def _session(path: str | Path, model: bytes | None = None) -> Any:
    """A session of a file, or of a model that was read from it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(f"{path} needs onnxruntime: {INSTALL}.") from error
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist: give an ONNX file.")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model or str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no other class
        raise InputError(f"{path} cannot be read as an ONNX file ({_first(error)}): export the model again.") from error


def _first(error: Exception) -> str:
    """What onnxruntime says, without the places in its own code."""
    message = str(error).partition("\n")[0]
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |/onnxruntime_src/.*\) ", "", message).rstrip(".")


def _tensor(kind: str) -> str:
    return kind.rpartition("tensor(")[2].rstrip(")")


def _columns(path: str | Path, session: Any) -> list[_Column]:
    columns = []
    for argument in session.get_inputs():
        batch, *sizes = argument.shape or [None]
        shape = tuple(size for size in sizes if isinstance(size, int))
        if _tensor(argument.type) not in _NUMBERS or not shape or len(shape) < len(sizes):
            raise InputError(
                f"{path} takes {argument.name} as {argument.type} of shape {argument.shape}: "
                "export a model of batches of numbers whose records have one shape."
            )
        numbers = _NUMBERS[_tensor(argument.type)]
        columns.append(_Column(argument.name, shape, numbers, batch if isinstance(batch, int) else None))
    return columns


def _output(
    path: str | Path, session: Any, outputs: Mapping[str, Output], level: Level | None
) -> tuple[str, Precision]:
    floats = {output.name: _tensor(output.type) for output in session.get_outputs() if _tensor(output.type) in _FLOATS}
    word, last = ("logit", "Gemm") if level == "logit" else ("prob", "Softmax")
    scores = [name for name in floats if word in name.lower()] or [n for n in floats if outputs[n].last == last]
    scores = scores if len(floats) > 1 else list(floats)
    if len(scores) != 1:
        raise InputError(
            f"{path} has the outputs of floats {', '.join(floats) or 'none'}: export the scores as the only one, "
            "or name them 'probabilities' or 'logits'."
        )
    return scores[0], _FLOATS[floats[scores[0]]]


def _score(
    path: str | Path, session: Any, columns: list[_Column], output: str, x: Shaped[np.ndarray, "query *feature"]
) -> Float[np.ndarray, "query cls"]:
    size = columns[0].batch

    def run(some: np.ndarray) -> np.ndarray:
        batch = pad(some, size or 0)
        return _matrix(_run(session, columns, output, batch), len(batch))[: len(some)]

    block = size or sensible((sum(prod(column.shape) for column in columns),), 1)
    try:
        with np.errstate(over="raise", invalid="raise"):  # numbers that the graph's own do not hold
            return np.concatenate([run(x[at : at + block]) for at in range(0, len(x), block)])
    except Exception as error:  # as above
        raise InputError(f"{path} does not take these queries: {_first(error)}") from error


def _run(session: Any, columns: list[_Column], output: str, batch: Shaped[np.ndarray, "query *feature"]) -> Any:
    """One output of a graph, of a batch of the size that it takes."""
    ends = np.cumsum([prod(column.shape) for column in columns])
    parts = np.split(batch.reshape(len(batch), -1), ends[:-1], axis=1)
    feeds = {
        column.name: _as_numbers(column, part.reshape(len(batch), *column.shape))
        for column, part in zip(columns, parts, strict=True)
    }
    return session.run([output], feeds)[0]


def _own_labels(session: Any, columns: list[_Column], x: Shaped[np.ndarray, "query *feature"]) -> list[str] | list[int]:
    """The labels that a graph answers beside its scores; none where it has no output of labels, or several."""
    own = [
        one.name for one in session.get_outputs() if _tensor(one.type) in ("int64", "string") and "map(" not in one.type
    ]
    if len(own) != 1:
        return []
    size = columns[0].batch or 1
    return [np.ravel(_run(session, columns, own[0], pad(some[None], size)))[0] for some in x]


def _as_numbers(column: _Column, part: np.ndarray) -> np.ndarray:
    """Queries in the numbers that the graph takes, rounded where these are whole."""
    if not np.issubdtype(column.numbers, np.integer):
        return part.astype(column.numbers)
    nearest, range_ = np.rint(part), np.iinfo(column.numbers)
    if not ((nearest >= range_.min) & (nearest <= range_.max)).all():
        raise InputError(
            f"{column.name} takes whole numbers from {range_.min} to {range_.max}, and these range from "
            f"{part.min():g} to {part.max():g}: give records on that scale."
        )
    return nearest.astype(column.numbers)


def _matrix(scores: Any, records: int) -> Float[np.ndarray, "query cls"]:
    if isinstance(scores, list):
        order = sorted(scores[0])
        return np.array([[row[cls] for cls in order] for row in scores], np.float32)
    scores = np.asarray(scores)
    scores = scores.astype(np.float32) if scores.dtype == np.float16 else scores
    if records == 1 and scores.shape[:1] != (1,):  # a graph for one record may leave the batch out
        scores = scores[np.newaxis]
    if len(scores) != records or sum(side > 1 for side in scores.shape[1:]) > 1:
        raise InputError(
            f"the scores of {records} records have shape {scores.shape}: export one score a class for each record, the records first."
        )
    return scores.reshape(records, -1)
