from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxattack.models.conv import CACHE, conv, default_form, in_blocks, max_pool, using

FORMS = ("lax", "patches", "mixed")
NUMBERS = ("NHWC", "HWIO", "NHWC")


def reference(x, kernel, strides, padding):
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=NUMBERS)


def drawn(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in shapes]


def close(a, b):
    assert a.shape == b.shape
    scale = max(1.0, float(jnp.abs(b).max())) if b.size else 1.0
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * scale)


def assert_equal_with_gradients(form, x, kernel, strides, padding):
    (cotangent,) = drawn(9, jax.eval_shape(lambda: reference(x, kernel, strides, padding)).shape)

    @partial(jax.jit, static_argnums=0)
    def answers(convolve, x, kernel, cotangent):
        found, back = jax.vjp(convolve, x, kernel)
        return found, *back(cotangent)

    expected = answers(lambda x, k: reference(x, k, strides, padding), x, kernel, cotangent)
    found = answers(lambda x, k: conv(x, k, strides, padding, form=form), x, kernel, cotangent)
    for a, b in zip(found, expected, strict=True):
        close(a, b)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [
        (1, 1, "SAME"),
        (1, 2, "VALID"),
        (3, 1, "SAME"),
        (3, 1, "VALID"),
        (3, 2, "SAME"),
        (3, 2, ((0, 2), (1, 0))),
        (4, 1, "SAME"),
        (4, 2, ((1, 1), (1, 1))),
    ],
    ids=str,
)
def test_every_form_equals_lax_in_values_and_both_gradients(form, padding, stride, size):
    x, kernel = drawn(0, (2, 7, 6, 3), (size, size, 3, 4))
    assert_equal_with_gradients(form, x, kernel, (stride, stride), padding)


@settings(max_examples=8)
@given(
    height=st.integers(4, 9),
    width=st.integers(4, 9),
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels=st.integers(1, 3),
    padding=st.sampled_from(["SAME", "VALID", ((2, 0), (0, 1))]),
    form=st.sampled_from(FORMS[1:]),
)
def test_any_shape_equals_lax(height, width, rows, columns, strides, channels, padding, form):
    x, kernel = drawn(height * width, (1, height, width, channels), (rows, columns, channels, 2))
    assert_equal_with_gradients(form, x, kernel, strides, padding)


@pytest.mark.parametrize("form", FORMS)
def test_of_no_records_it_says_nothing(form):
    assert_equal_with_gradients(form, *drawn(0, (0, 5, 4, 2), (3, 3, 2, 4)), (1, 1), "SAME")


@pytest.mark.parametrize("form", FORMS)
def test_a_loop_and_a_vmap_over_networks_change_nothing(form):
    x, kernels = drawn(1, (2, 5, 5, 2), (3, 3, 3, 2, 4))

    def gradient(kernel):
        return jax.grad(lambda k: jnp.sum(jnp.sin(conv(x, k, (1, 1), "SAME", form=form))))(kernel)

    expected = jnp.stack(
        [jax.grad(lambda k: jnp.sum(jnp.sin(reference(x, k, (1, 1), "SAME"))))(kernel) for kernel in kernels]
    )
    close(jax.jit(jax.vmap(gradient))(kernels), expected)
    close(lax.scan(lambda carry, kernel: (carry, gradient(kernel)), 0, kernels)[1], expected)


@pytest.mark.parametrize("form", [None, *FORMS])
def test_groups_and_dilations_fall_to_lax(form):
    x, grouped, plain = drawn(2, (2, 8, 8, 4), (3, 3, 2, 6), (3, 3, 4, 6))
    found = conv(x, grouped, (1, 1), "SAME", dimension_numbers=NUMBERS, feature_group_count=2, form=form)
    expected = lax.conv_general_dilated(x, grouped, (1, 1), "SAME", dimension_numbers=NUMBERS, feature_group_count=2)
    np.testing.assert_array_equal(found, expected)
    for dilation in ({"rhs_dilation": (2, 2)}, {"lhs_dilation": (2, 1)}):
        found = conv(x, plain, (1, 1), ((1, 1), (1, 1)), dimension_numbers=NUMBERS, form=form, **dilation)
        expected = lax.conv_general_dilated(x, plain, (1, 1), ((1, 1), (1, 1)), dimension_numbers=NUMBERS, **dilation)
        np.testing.assert_array_equal(found, expected)


def test_dilations_of_one_keep_the_fast_form():
    x, kernel = drawn(3, (1, 4, 4, 1), (3, 3, 1, 1))
    found = conv(x, kernel, (1, 1), "SAME", (1, 1), (1, 1), NUMBERS, 1, form="patches", precision=None)
    close(found, reference(x, kernel, (1, 1), "SAME"))


def test_one_dimensional_convolutions_fall_to_lax():
    x, kernel = drawn(4, (2, 9, 3), (3, 3, 5))
    numbers = ("NHC", "HIO", "NHC")
    expected = lax.conv_general_dilated(x, kernel, (2,), "SAME", dimension_numbers=numbers)
    np.testing.assert_array_equal(conv(x, kernel, (2,), "SAME", dimension_numbers=numbers), expected)


def test_other_layouts_and_precisions_are_honoured():
    x, kernel = drawn(5, (1, 2, 6, 7), (3, 3, 2, 4))
    numbers = ("NCHW", "HWIO", "NCHW")
    found = conv(x, kernel, (1, 1), "SAME", dimension_numbers=numbers, form="patches")
    close(found, lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers))

    def traced(x):
        return conv(x, kernel, (1, 1), "SAME", dimension_numbers=NUMBERS, form="patches", precision="highest")

    assert "HIGHEST" in str(jax.make_jaxpr(traced)(jnp.moveaxis(x, 1, -1)))


def test_the_default_form_suits_the_backend():
    assert default_form() == ("mixed" if jax.default_backend() == "cpu" else "lax")


@pytest.mark.parametrize("shape", [(2, 6, 6, 3), (2, 7, 5, 3), (1, 2, 3, 1)])
def test_max_pool_equals_reduce_window(shape):
    (x,) = drawn(6, shape)
    expected = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    np.testing.assert_array_equal(max_pool(x), expected)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(2, 6, 6, 3), (2, 7, 5, 3), (1, 2, 3, 1)])
def test_the_gradient_of_max_pool_equals_that_of_reduce_window(shape, dtype):
    (x,) = drawn(6, shape)
    (weight,) = drawn(7, max_pool(x).shape)
    x = jnp.round(x).astype(dtype)  # so that there are ties

    def windowed(x):
        return lax.reduce_window(x, jnp.array(-jnp.inf, dtype), lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    found, expected = (
        jax.grad(lambda x, pool=pool: (pool(x) * weight.astype(dtype)).sum())(x) for pool in (max_pool, windowed)
    )
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, expected)


def test_max_pool_sends_the_gradient_to_the_first_of_the_largest():
    x = jnp.array([[1.0, 5.0], [5.0, 3.0]])[None, :, :, None]
    gradient = jax.grad(lambda x: max_pool(x).sum())
    np.testing.assert_array_equal(gradient(x)[0, :, :, 0], [[0, 1], [0, 0]])
    np.testing.assert_array_equal(gradient(jnp.zeros((1, 2, 2, 1)))[0, :, :, 0], [[1, 0], [0, 0]])


def test_a_form_is_chosen_for_what_is_traced_meanwhile():
    with using("patches"):
        assert default_form() == "patches"
        with using("lax"):
            assert default_form() == "lax"
        assert default_form() == "patches"
    assert default_form() == "mixed"


@pytest.mark.parametrize("records", [1, 7, 12, 13])
def test_blocks_of_records_change_neither_answers_nor_gradients(records):
    x, kernel, weight = drawn(10, (records, 6, 6, 3), (3, 3, 3, 4), (records, 3, 3, 4))

    def answers(x, kernel, largest):
        def function(x):
            return max_pool(jnp.tanh(conv(x, kernel, (1, 1), "SAME")))

        found, back = jax.vjp(lambda x, kernel: in_blocks(function, x, largest), x, kernel)
        return found, *back(weight)

    # Blocks of 6 records: 7 and 13 leave one over, 12 none.
    for a, b in zip(answers(x, kernel, CACHE // 24), answers(x, kernel, 1), strict=True):
        close(a, b)


def test_blocks_are_for_networks_that_convolve_on_a_cpu_and_for_more_than_fits():
    (x,) = drawn(11, (12, 4, 4, 1))

    def loops(form, largest):
        with using(form):
            return "scan" in str(jax.make_jaxpr(lambda x: in_blocks(jnp.sin, x, largest))(x))

    assert loops("mixed", CACHE // 8)
    assert not loops("mixed", 16)
    assert not loops("patches", CACHE // 8)


@pytest.mark.parametrize("channels", [1, 8])
def test_forward_mode_is_for_the_forms_whose_gradients_are_not_written_out(channels):
    x, kernel, along = drawn(0, (2, 6, 6, channels), (3, 3, channels, 4), (2, 6, 6, channels))

    def slope(form):
        return jax.jvp(lambda x: conv(x, kernel, (1, 1), "SAME", form=form), (x,), (along,))[1]

    close(slope("patches"), slope("lax"))
    with pytest.raises(TypeError, match=r"in reverse mode alone: take jax.grad .* trace within .*using\('lax'\)"):
        slope("mixed")
