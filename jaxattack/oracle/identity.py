"""Who a victim is: by what answers, and by every defence before it; never by a name, a path or an address.

    content(oracle)      {"weights": sha256, "architecture": sha256}    a network
                         {"file": sha256}                               a saved model, the bytes of its file; and
                         {"external": sha256}                           of those beside it that hold its weights
                         {"estimator": sha256}                          a fitted estimator, all that it has learnt
                         {"parameters": sha256}                         a pipeline, a language model's last layer
                         None                                           a service elsewhere, or any Python function
    defences(oracle)     [{"noise": 0.3, "seed": 0}, {"decimals": 3}]   in the order in which they are applied

Two oracles of equal content, defences and terms (`terms`) give the same answers to the same calls. A cache, a check, a
budget and a limit of the rate leave answers as they are and do not count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.models.conv import using
from jaxattack.store import leaves_by_path
from jaxattack.types import Access, InputError, Inputs, Model, Oracle, Variables

Content = Mapping[str, str]
"""What answers, by the kind of thing that it is."""

_BLOCK = 1 << 20
_ADDRESS = re.compile(r"0x[0-9a-f]+")


def content(oracle: Oracle) -> dict[str, str] | None:
    """The content of what answers in the end; None where nothing in this process tells it."""
    digests = getattr(oracle, "content", None)
    return None if digests is None else dict(digests)


def defences(oracle: Oracle) -> list[dict[str, Any]]:
    """Every defence that changes answers, the first applied first, each with its values."""
    return [dict(defence) for defence in getattr(oracle, "defences", ())]


def terms(access: Access) -> dict[str, Any]:
    """All of a victim's terms as plain values: arrays by their digest. Refusals are named where there may be some, so that what was
    kept of other victims before there were any is still theirs."""
    inputs = {
        name: fingerprint_of(value) if isinstance(value, np.ndarray) else value
        for name, value in vars(access.inputs).items()
    }
    plain = {name: value for name, value in vars(access).items() if name != "inputs" and (name != "refuses" or value)}
    return plain | inputs | {"shape": list(access.inputs.shape), "names": list(access.inputs.names)}


def elsewhere(oracle: Oracle) -> bool:
    """Whether it asks a service whose model may be replaced without anybody here knowing."""
    return bool(getattr(oracle, "elsewhere", False))


def identity(oracle: Oracle) -> dict[str, Any]:
    """All that decides its answers, as plain values: content, defences and terms."""
    return {"content": content(oracle), "defences": defences(oracle), "access": terms(oracle.access)}


def of_network(model: Model, variables: Variables, record: tuple[int, ...], *, images: bool = False) -> dict[str, str]:
    """The content of a network: its weights, by path, type, shape and value; and what is computed from them.

    Args:
        model: the architecture, known by the program that JAX traces of it and so by the version of JAX too.
        variables: what it learnt.
        record: the shape of a record.
        images: whether bytes are scaled to -1..1 first.
    """
    weights = leaves_by_path(variables)
    queries = jax.ShapeDtypeStruct((1, *record), np.float32)
    program = [images, _program(model.apply, variables, queries)]
    return {"weights": fingerprint_of(weights), "architecture": fingerprint_of(program)}


def of_code(model: Model, record: tuple[int, ...]) -> str:
    """SHA-256 of how a model starts, is trained and answers, as JAX traces it.

    It differs for other initial weights, another layer or another constant, and by the version of JAX; not by the machine, for
    which networks of this package convolve in another form.
    """
    key = jax.random.key(0)
    variables = jax.eval_shape(model.init, key)
    queries = jax.ShapeDtypeStruct((2, *record), np.float32)
    with using("lax"):
        return fingerprint_of(
            [
                _program(model.init, key),
                _program(model.apply, variables, queries),
                _program(model.forward, variables, queries, key),
            ]
        )


def of_file(path: str | Path, *others: Path) -> dict[str, str]:
    """The content of a saved model: SHA-256 of the bytes of its file, and of others that hold its numbers.

    Raises:
        InputError: one cannot be read.
    """
    digests = {"file": _sha256(path)}
    return digests | {"external": fingerprint_of([_sha256(other) for other in others])} if others else digests


def _sha256(path: str | Path) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give a file that you may read.") from error
    return digest.hexdigest()


def of_estimator(estimator: Any) -> dict[str, str] | None:
    """The content of a fitted estimator: its class, settings and all that it has learnt; None where it does not tell.

    Of a search the best estimator counts; how long its fits took differs each time.
    """
    try:
        return {"estimator": fingerprint_of(getattr(estimator, "best_estimator_", estimator))}
    except (TypeError, RecursionError):  # an object of another library that cannot be taken apart
        return None


def probes(inputs: Inputs) -> Float[np.ndarray, "query *feature"]:
    """A few records of what a service takes, the same each time."""
    share = np.random.default_rng(0).random((8, *inputs.shape))
    numeric = inputs.low + share * (inputs.high - inputs.low)
    return np.where(inputs.categories > 0, np.floor(share * inputs.categories), numeric)


def fingerprint_of(value: Any) -> str:
    """SHA-256, in hexadecimal, of a value: plain values, arrays, containers of them, and objects by their state.

    Equal values have equal fingerprints in every process: neither the order of a dictionary, nor where an object lies
    in memory, nor the padding of a structured array counts.

    Raises:
        TypeError: an object that cannot be taken apart, such as an open file.
    """
    digest = hashlib.sha256()
    _feed(digest, value, ())
    return digest.hexdigest()


def _program(function: Any, *arguments: Any) -> list[Any]:
    """What JAX traces of a function: its program as text, and the arrays that it closes over."""
    with jax.enable_x64(False):  # whatever the caller computes in
        traced = jax.make_jaxpr(function)(*arguments)
    return [_ADDRESS.sub("", str(traced.jaxpr)), [np.asarray(constant) for constant in traced.consts]]


def _feed(digest: Any, value: Any, above: tuple[int, ...]) -> None:
    """Add a value, written so that no two different ones are written alike, to a digest.

    Args:
        digest: of `hashlib`.
        value: what is added.
        above: the objects that hold it, by id, so that one which holds itself ends.
    """

    def write(kind: str, *parts: Any) -> None:
        digest.update(f"{kind}{len(parts)}:".encode())
        for part in parts:
            _feed(digest, part, (*above, id(value)))

    def name(kind: str, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        digest.update(f"{kind}{len(data)}:".encode() + data)

    if id(value) in above:
        name("cycle", str(len(above) - above.index(id(value))))
    elif value is None or isinstance(value, bool | int):
        name("plain", repr(value))
    elif isinstance(value, float):
        name("float", value.hex())
    elif isinstance(value, str | bytes | bytearray):
        name(type(value).__name__, value if isinstance(value, str) else bytes(value))
    elif isinstance(value, np.ndarray | np.generic | jax.Array):
        _feed_array(digest, np.asarray(value), above)
    elif isinstance(value, Mapping):
        pairs = sorted(value.items(), key=lambda pair: (type(pair[0]).__name__, repr(pair[0])))
        write("dict", *(part for pair in pairs for part in pair))
    elif type(value) in (list, tuple):
        write("sequence", *value)
    elif isinstance(value, set | frozenset):
        write("set", *sorted(fingerprint_of(part) for part in value))
    elif isinstance(value, CodeType):
        write("code", value.co_code, value.co_names, value.co_consts)
    elif isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        write("function", value.__code__, value.__defaults__, value.__kwdefaults__, cells)
    elif isinstance(value, type | ModuleType | BuiltinFunctionType | np.ufunc):
        name("name", f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}")
    elif isinstance(value, np.dtype):
        name("dtype", repr(value))
    elif hasattr(value, "get_tree_stats"):  # KDTree and BallTree count their queries in their state
        write(type(value).__name__, *map(np.asarray, value.get_arrays()))
    else:
        reduced = value.__reduce_ex__(4)
        if isinstance(reduced, str):
            name("name", f"{type(value).__module__}.{reduced}")
        else:
            constructor, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
            write("object", constructor, arguments, state, list(items or ()), list(pairs or ()))


def _feed_array(digest: Any, array: Shaped[np.ndarray, "..."], above: Sequence[int]) -> None:
    digest.update(f"array{array.dtype.name}{array.dtype.str}{array.shape}".encode())
    if array.dtype.names is not None:  # between its fields lies whatever was in memory
        for field in array.dtype.names:
            digest.update(f"{field}:".encode())
            _feed_array(digest, array[field], above)
    elif array.dtype.hasobject:
        for part in array.ravel().tolist():
            _feed(digest, part, (*above, id(array)))
    else:
        digest.update(np.ascontiguousarray(array).tobytes())
