"""A network in an ONNX file as functions of JAX: its weights at hand, with gradients, for whoever owns the file.

Read are graphs of one input whose records have one shape, of the operators in `OPERATORS`. A softmax at the end is left off, a
sigmoid of one output becomes the logits 0 and z, and an output that sums to 1 by other means its logarithm: attacks climb logits.
What was read is held against what onnxruntime answers, and against what it computes before the end, and refused where they differ:
behind a softmax that is saturated other logits give the same answer, of others the gradients are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from jaxattack.models.conv import conv
from jaxattack.oracle.identity import probes
from jaxattack.oracle.onnx import tensor_of
from jaxattack.oracle.sklearn import INSTALL
from jaxattack.types import InputError, Inputs, Model, Oracle, Variables, WhiteBox

CLOSE = 1e-3
"""How far confidences of the two may differ, graphs of float16 too, and raw outputs as a share of their spread over the records."""

ROUNDING = {np.float16: 2.0**-7, np.float32: 2.0**-17}
"""What the arithmetic of a graph of such weights may add to that, as a share of the largest raw output."""

_MOVING = {"Identity", "Dropout", "Cast"}


class _Node(NamedTuple):
    """A node of the graph: its operator, what it takes and gives by name, and its attributes."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]


def network_of(path: str | Path, oracle: Oracle) -> WhiteBox:
    """The network in an ONNX file.

    Args:
        path: the file.
        oracle: what `jaxattack.oracle.from_onnx` makes of it; asked about a few fixed records. Give one that nobody pays for.

    Raises:
        InputError: onnx is not installed; several inputs or outputs; an operator that is none of `OPERATORS`, or in a form that is not
            read; or answers that are not onnxruntime's.
    """
    try:
        import onnx
    except ImportError as error:
        raise InputError(f"{path} needs onnx: {INSTALL}.") from error
    graph = onnx.load(str(path)).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    entries = [entry for entry in graph.input if entry.name not in constants]
    if len(entries) != 1 or len(graph.output) != 1:
        raise InputError(
            f"{path} has {len(entries)} inputs and {len(graph.output)} outputs: its gradients are read of one of each; ask it instead."
        )
    shape = tuple(side.dim_value for side in entries[0].type.tensor_type.shape.dim[1:])
    nodes = [_node(path, node) for node in graph.node]
    constants |= {node.output: node.attributes["value"] for node in nodes if node.kind == "Constant"}
    nodes = [node for node in nodes if node.kind != "Constant"]
    nodes, scores, end = _before_the_end(nodes, graph.output[0].name)
    floats = {name: each for name, each in constants.items() if np.issubdtype(each.dtype, np.floating)}
    integers = {name: each for name, each in constants.items() if name not in floats}
    variables = Variables({name: jnp.asarray(each, jnp.float32) for name, each in floats.items()}, {})
    run = partial(_run, tuple(nodes), integers, entries[0].name, scores, shape)
    inputs, classes = oracle.access.inputs, oracle.access.classes
    coarse = np.float16 if any(each.dtype == np.float16 for each in floats.values()) else np.float32
    raw = partial(_same_numbers, tensor_of(path, scores), ROUNDING[coarse])
    model = _checked(path, run, end, variables, inputs, classes, oracle, raw)
    return WhiteBox(model=model, variables=variables, inputs=inputs, classes=classes)


def _node(path: str | Path, node: Any) -> _Node:
    """A node as plain values.

    Raises:
        InputError: an operator that is not read.
    """
    import onnx

    if node.op_type not in OPERATORS and node.op_type not in ("Constant", "Softmax", "LogSoftmax"):
        raise InputError(
            f"{path} has the operator {node.op_type}, whose gradient is not read: choose an attack that asks, as square and "
            "hopskipjump do, or steal a model first."
        )
    values = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    plain = {
        name: onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
        for name, value in values.items()
    }
    return _Node(node.op_type, tuple(node.input), node.output[0], plain)


def _before_the_end(nodes: list[_Node], output: str) -> tuple[list[_Node], str, str]:
    """The nodes, the name of the scores, and the last operator that was left off."""
    makers = {node.output: node for node in nodes}
    node = makers.get(output)
    while node is not None and node.kind in _MOVING:
        node = makers.get(node.inputs[0])
    if node is None or node.kind not in ("Softmax", "LogSoftmax", "Sigmoid"):
        return nodes, output, ""
    return [other for other in nodes if other is not node], node.inputs[0], node.kind


def _run(
    nodes: tuple[_Node, ...],
    integers: Mapping[str, np.ndarray],
    entry: str,
    scores: str,
    shape: tuple[int, ...],
    variables: Variables,
    x: jax.Array,
) -> jax.Array:
    """The scores of records."""
    values: dict[str, Any] = {**integers, **variables.params, entry: x.reshape(len(x), *shape)}
    for node in nodes:
        if node.output == scores or all(name in values or not name for name in node.inputs):
            operands = [values[name] if name else None for name in node.inputs]
            values[node.output] = OPERATORS[node.kind](node.attributes, *operands)
        if scores in values:
            break
    return values[scores].reshape(len(x), -1)


def _checked(
    path: str | Path,
    run: Callable[[Variables, jax.Array], jax.Array],
    end: str,
    variables: Variables,
    inputs: Inputs,
    classes: int,
    oracle: Oracle,
    same_numbers: Callable[[np.ndarray, np.ndarray], bool],
) -> Model:
    """The model of logits that answers as onnxruntime does, and has its raw outputs.

    Raises:
        InputError: none does.
    """
    some = np.rint(probes(inputs)) if inputs.whole else probes(inputs)
    expected = oracle(some)
    try:
        first = np.asarray(run(variables, jnp.asarray(some, jnp.float32)))
    except Exception as error:  # whatever JAX makes of a graph in another form
        reason = str(error).partition("\n")[0][:120]
        raise InputError(
            f"the gradients of {path} are not read ({type(error).__name__}: {reason}): choose an attack that asks."
        ) from error
    normalised = not end and (first >= 0).all() and np.allclose(first.sum(axis=1), 1, atol=CLOSE)

    def apply(variables: Variables, x: jax.Array) -> jax.Array:
        z = run(variables, x)
        if z.shape[1] == 1 and classes == 2:
            z = jnp.concatenate([jnp.zeros_like(z), z], axis=1)
        return jnp.log(jnp.maximum(z, 1e-30)) if normalised else z

    z = apply(variables, jnp.asarray(some, jnp.float32))
    ours = np.asarray(jax.nn.softmax(z))
    if expected.probability is not None:
        same = np.allclose(ours, expected.probability, atol=CLOSE)
    elif expected.logit is not None:
        same = np.allclose(ours, jax.nn.softmax(expected.logit), atol=CLOSE)
    else:
        same = (ours.argmax(axis=1) == expected.label).all()
    if not (same and same_numbers(some, first)):
        raise InputError(
            f"the network read from {path} does not answer as onnxruntime does: choose an attack that asks, and report the file."
        )
    return Model(lambda _: variables, apply, lambda variables, x, key: (apply(variables, x), variables.rest))  # noqa: ARG005


def _same_numbers(
    theirs: Callable[[np.ndarray], np.ndarray], rounding: float, x: np.ndarray, ours: Float[np.ndarray, "record number"]
) -> bool:
    """Whether raw outputs of records are onnxruntime's: off by little of what tells the records apart, and of rounding."""
    expected = theirs(x)
    allowance = CLOSE * np.ptp(expected, axis=0).max() + rounding * np.abs(expected).max()
    return expected.shape == ours.shape and bool((np.abs(ours - expected) <= allowance).all())


def _aligned(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A function of two arrays that broadcast as ONNX has it, from the right."""

    def call(_, a, b):
        rank = max(a.ndim, b.ndim)
        return function(
            *(each.reshape((1,) * (rank - each.ndim) + each.shape) for each in (jnp.asarray(a), jnp.asarray(b)))
        )

    return call


def _pads(attributes: Mapping[str, Any]) -> str | tuple[tuple[int, int], ...]:
    kind = attributes.get("auto_pad", b"NOTSET").decode()
    if kind in ("SAME_UPPER", "VALID"):
        return "SAME" if kind == "SAME_UPPER" else "VALID"
    if kind != "NOTSET":
        raise ValueError(f"auto_pad {kind}")
    pads = attributes.get("pads", (0, 0, 0, 0))
    return tuple(zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True))


def _conv(attributes, x, kernel, bias=None):
    if x.ndim != 4:
        raise ValueError("a convolution of other than two dimensions")
    y = conv(
        x.transpose(0, 2, 3, 1), kernel.transpose(2, 3, 1, 0), tuple(attributes.get("strides", (1, 1))), _pads(attributes),
        rhs_dilation=tuple(attributes.get("dilations", (1, 1))), feature_group_count=attributes.get("group", 1),
    )  # fmt: skip
    return y.transpose(0, 3, 1, 2) + (0 if bias is None else bias.reshape(1, -1, 1, 1))


def _pooled(start: float, function: Callable[..., Any], attributes: Mapping[str, Any], x: jax.Array) -> jax.Array:
    if attributes.get("ceil_mode", 0) or x.ndim != 4:
        raise ValueError("pooling with ceil_mode, or of other than two dimensions")
    size, pads = tuple(attributes["kernel_shape"]), _pads(attributes)
    strides = tuple(attributes.get("strides", (1,) * len(size)))
    padding = pads if isinstance(pads, str) else ((0, 0), (0, 0), *pads)
    return lax.reduce_window(x, start, function, (1, 1, *size), (1, 1, *strides), padding)


def _average(attributes, x):
    total = _pooled(0.0, lax.add, attributes, x)
    if attributes.get("count_include_pad", 0):
        return total / float(np.prod(attributes["kernel_shape"]))
    return total / _pooled(0.0, lax.add, attributes, jnp.ones_like(x))


def _norm(attributes, x, scale, bias, mean, variance):
    scale, bias, mean, variance = (each.reshape(1, -1, *[1] * (x.ndim - 2)) for each in (scale, bias, mean, variance))
    return (x - mean) * (scale / jnp.sqrt(variance + attributes.get("epsilon", 1e-5))) + bias


def _gemm(attributes, a, b, c=None):
    a, b = a.T if attributes.get("transA", 0) else a, b.T if attributes.get("transB", 0) else b
    y = attributes.get("alpha", 1.0) * (a @ b)
    return y if c is None else y + attributes.get("beta", 1.0) * c.reshape((1,) * (2 - c.ndim) + c.shape)


def _reshape(_, x, shape):
    sides = [x.shape[place] if side == 0 else int(side) for place, side in enumerate(np.asarray(shape).tolist())]
    return x.reshape(len(x), *sides[1:])  # the batch stays, whatever number the graph was exported with


def _flatten(attributes, x):
    if attributes.get("axis", 1) != 1:
        raise ValueError("Flatten of another axis than 1")
    return x.reshape(len(x), -1)


def _axes(attributes: Mapping[str, Any], axes: Any) -> tuple[int, ...]:
    return tuple(int(axis) for axis in (attributes["axes"] if axes is None else np.asarray(axes)))


def _mean(attributes, x, axes=None):
    return x.mean(axis=_axes(attributes, axes), keepdims=bool(attributes.get("keepdims", 1)))


def _slice(_, x, starts, ends, axes=None, steps=None):
    starts, ends = np.asarray(starts), np.asarray(ends)
    axes = np.arange(len(starts)) if axes is None else np.asarray(axes)
    steps = np.ones(len(starts), int) if steps is None else np.asarray(steps)
    cut = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut[int(axis)] = slice(int(start), int(end) if end < np.iinfo(np.int32).max else None, int(step))
    return x[tuple(cut)]


def _pad(attributes, x, pads, value=None, axes=None):
    if attributes.get("mode", b"constant") != b"constant" or axes is not None:
        raise ValueError("Pad other than of a constant on all axes")
    pads = np.asarray(pads).tolist()
    return jnp.pad(
        x, [*zip(pads[: x.ndim], pads[x.ndim :], strict=True)], constant_values=0.0 if value is None else value
    )


def _clip(attributes, x, low=None, high=None):
    low, high = attributes.get("min", low), attributes.get("max", high)
    x = x if low is None else jnp.maximum(x, jnp.float32(low))
    return x if high is None else jnp.minimum(x, jnp.float32(high))


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "Add": _aligned(jnp.add),
    "AveragePool": _average,
    "BatchNormalization": _norm,
    "Cast": lambda _, x: x,
    "Clip": _clip,
    "Concat": lambda attributes, *parts: jnp.concatenate(parts, axis=attributes["axis"]),
    "Conv": _conv,
    "Div": _aligned(jnp.divide),
    "Dropout": lambda _, x, *rest: x,  # noqa: ARG005
    "Elu": lambda attributes, x: jax.nn.elu(x, attributes.get("alpha", 1.0)),
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, x: x.mean(axis=tuple(range(2, x.ndim)), keepdims=True),
    "Identity": lambda _, x: x,
    "LeakyRelu": lambda attributes, x: jax.nn.leaky_relu(x, attributes.get("alpha", 0.01)),
    "MatMul": lambda _, a, b: a @ b,
    "MaxPool": lambda attributes, x: _pooled(-jnp.inf, lax.max, attributes, x),
    "Mul": _aligned(jnp.multiply),
    "Pad": _pad,
    "ReduceMean": _mean,
    "Relu": lambda _, x: jax.nn.relu(x),
    "Reshape": _reshape,
    "Sigmoid": lambda _, x: jax.nn.sigmoid(x),
    "Slice": _slice,
    "Squeeze": lambda attributes, x, axes=None: x.squeeze(_axes(attributes, axes)),
    "Sub": _aligned(jnp.subtract),
    "Tanh": lambda _, x: jnp.tanh(x),
    "Transpose": lambda attributes, x: x.transpose(attributes["perm"]),
    "Unsqueeze": lambda attributes, x, axes=None: jnp.expand_dims(x, _axes(attributes, axes)),
}
"""What each operator does with its attributes and operands."""
