from __future__ import annotations

import io
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from serve.victims import INPUTS

from jaxattack.oracle.remote.npy import npy_header, read_npy, write_npy
from jaxattack.oracle.remote.wire import (
    JSON,
    NPY,
    read_access,
    read_answer,
    read_names,
    read_queries,
    write_access,
    write_answer,
    write_json,
    write_queries,
)
from jaxattack.types import Access, Answer, Bias, InputError, Inputs, OracleError

SHAPES = arrays.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5)
FINITE = arrays.arrays(np.float64, SHAPES, elements=st.floats(allow_nan=False, allow_infinity=False))


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype == np.float64 and one.tobytes() == other.tobytes()


@given(x=FINITE, media=st.sampled_from([NPY, JSON]))
def test_every_bit_of_a_query_survives(x, media):
    read, bias = read_queries(bytearray(write_queries(x, None, media)), media)
    assert bias is None
    assert same_bits(read, x if media == NPY else x.reshape(len(x), -1))


@given(
    score=arrays.arrays(
        np.float64, (3, 4), elements=st.floats(allow_nan=False, allow_infinity=False), fill=st.nothing()
    ),
    media=st.sampled_from([NPY, JSON]),
    level=st.sampled_from(["probability", "logit"]),
)
def test_every_bit_of_an_answer_survives(score, media, level):
    access = Access(level=level, classes=4, inputs=INPUTS)
    answer = Answer(score.argmax(1), **{level: score})
    read = read_answer(write_answer(answer, access, media), media, access, 3)
    assert same_bits(getattr(read, level), score)
    np.testing.assert_array_equal(read.label, answer.label)


@pytest.mark.parametrize("media", [NPY, JSON])
def test_a_feature_not_given_a_bias_and_a_class_withheld_survive(media):
    x = np.array([[1.0, np.nan]])
    bias = Bias(np.array([[2, 0]]), np.array([[0.1, -3.0]]))
    read, added = read_queries(bytearray(write_queries(x, bias, media)), media)
    np.testing.assert_array_equal(read, x)
    np.testing.assert_array_equal(added.token, bias.token)
    np.testing.assert_array_equal(added.value, bias.value)
    access = Access(level="probability", classes=3, inputs=INPUTS, top=1)
    answer = Answer(np.array([2]), np.array([[np.nan, np.nan, 0.9]]))
    np.testing.assert_array_equal(
        read_answer(write_answer(answer, access, media), media, access, 1).probability, answer.probability
    )
    full = Answer(np.array([2]), np.array([[0.0, 0.1, 0.9]]))
    with pytest.raises(OracleError, match="NaN or infinity"):
        read_answer(write_answer(full, access, media), media, access, 1)


@given(x=FINITE, order=st.sampled_from("CF"), dtype=st.sampled_from(["<f8", ">f8", "<f4", "<i8", "|u1", "|b1", "<f2"]))
def test_npy_is_what_numpy_reads_and_writes(x, order, dtype):
    with np.errstate(all="ignore"):
        x = np.asarray(x, order=order).astype(dtype, order="K")
    file = io.BytesIO()
    np.save(file, x)
    assert write_npy(x) == file.getvalue()
    (read,) = read_npy(file.getvalue())
    assert read.dtype == x.dtype
    assert read.tobytes() == x.tobytes()


@given(place=st.integers(0, 191), value=st.integers(0, 255), end=st.integers(0, 192))
def test_a_damaged_body_is_numbers_or_refused(place, value, end):
    body = bytearray(write_npy(np.arange(8.0).reshape(2, 4)))
    assert len(body) == 192
    body[place] = value
    try:
        x, _ = read_queries(body[:end], NPY)
    except InputError:
        return
    assert x.dtype == np.float64
    assert x.nbytes <= 8 * len(body)


def test_a_signalling_nan_is_a_nan():
    body = bytearray(write_npy(np.zeros((1, 1), np.float32)))
    body[-4:] = b"\x01\x00\x80\x7f"
    x, _ = read_queries(body, NPY)
    assert np.isnan(x).all()


def test_a_header_is_believed_in_nothing():
    header = npy_header(write_npy(np.zeros((3, 2))))
    assert (header.shape, header.order, header.dtype) == ((3, 2), "C", np.float64)
    for body in (b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\xff\xff", b"PK\x03\x04" + bytes(40)):
        with pytest.raises(InputError):
            npy_header(body)


def test_terms_survive():
    inputs = Inputs(
        low=np.array([[0.1], [-1e308]]), high=np.array([[0.3], [5e-324]]), categories=np.array([[0], [4]]), missing=True
    )
    access = Access(level="label", classes=7, inputs=inputs, top=3, decimals=2, precision="bfloat16", bias=0.5)
    read = read_access(write_access(access))
    assert vars(read) | {"inputs": None} == vars(access) | {"inputs": None}
    for name in ("low", "high", "categories"):
        np.testing.assert_array_equal(getattr(read.inputs, name), getattr(inputs, name))
    assert read.inputs.missing
    assert not read.inputs.whole
    assert read_access(write_access(replace(access, inputs=replace(inputs, whole=True)))).inputs.whole


def test_names_of_unknown_origin_are_made_printable():
    assert read_names(["a b", "\x1b[31mred\n", ""]) == ("a b", " [31mred ", "")
    assert read_names(["x" * 10**6]) == ("x" * 200,)
    for wrong in ("names", [1], None):
        with pytest.raises(InputError, match="names is"):
            read_names(wrong)


@pytest.mark.parametrize(
    "shape", ["(0, 1" + "0" * 30 + ")", "(0, 4611686018427387904, 8)", "(2, 0, 9" + "9" * 20 + ")"]
)
def test_an_empty_array_of_endless_axes_is_refused(shape):
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    with pytest.raises(InputError, match="the body is shorter"):
        read_queries(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text, NPY)


def test_text_among_numbers_takes_no_more_memory_than_it_came_with():
    body = write_json({"inputs": ["a" * 1_000_000] + ["b"] * 100})
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="no number"):
            read_queries(body, JSON)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(body)
    finally:
        tracemalloc.stop()
