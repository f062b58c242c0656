"""Strict promotion is on where the table says, in every thread, and off inside of optax."""

from __future__ import annotations

import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from promotion import STRICT, TESTS, is_strict, standard

WHOLE, REAL = jnp.arange(3), jnp.ones(3)


def test_kinds_that_mix_without_a_cast_are_refused():
    with pytest.raises(jax.dtypes.TypePromotionError, match="no available implicit"):
        jax.jit(jnp.add)(WHOLE, REAL)
    np.testing.assert_array_equal(WHOLE.astype(REAL.dtype) + 1 + REAL, [2, 3, 4])


def test_other_threads_refuse_them_too():
    errors = []

    def mix():
        try:
            _ = WHOLE + REAL
        except jax.dtypes.TypePromotionError as error:
            errors.append(error)

    thread = threading.Thread(target=mix)
    thread.start()
    thread.join()
    assert len(errors) == 1


def test_optax_mixes_and_what_follows_it_does_not():
    change = optax.adam(optax.cosine_decay_schedule(0.1, 10))
    updates, _ = jax.jit(change.update)(REAL, change.init(REAL))
    np.testing.assert_allclose(updates, -0.1, rtol=1e-5)
    np.testing.assert_array_equal(optax.linear_schedule(0.0, 1.0, 4)(WHOLE), [0, 0.25, 0.5])
    with pytest.raises(jax.dtypes.TypePromotionError):
        _ = WHOLE + REAL


def test_what_a_mixing_function_returns_mixes():
    np.testing.assert_array_equal(standard(lambda x: lambda y: x + y)(WHOLE)(REAL), [1, 2, 3])


def test_the_table_names_tests_that_exist():
    assert [place for place in STRICT if not (TESTS / place).exists()] == []
    assert is_strict(TESTS / STRICT[0] / "test_any.py")
    assert not is_strict(TESTS / f"{STRICT[0]}_other" / "test_any.py")
