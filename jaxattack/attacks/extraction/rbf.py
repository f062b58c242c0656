"""Kernel softmax regression: the substitute for victims with a radial basis function kernel, such as an RBF-SVM.

    z_c(x) = sum_j a_jc exp(-g |x - l_j|^2) + b_c

over landmarks l_j, which are some of the queries. Tramèr et al. 2016, section 6, retrain a local RBF-SVM; the softmax
form of the same functions also takes more than two classes and confidences, and is differentiable. It is fitted on
the whitened features of Nyström's method, so that a ridge on their weights is the function's norm in the kernel's space.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float

JITTER = 1e-10
"""Added to the landmarks' kernel matrix, which repeated or near landmarks make singular. Of a diagonal of 1 Cholesky's method succeeds where the
least eigenvalue is above n (n + 1) eps / 2 (Demmel 1989), of 500 landmarks 3e-11. With 1e-12 the 18 of `fitting` are labelled alike to .04%."""


def logits(parameters: Mapping[str, jax.Array], x: Float[jax.Array, "query feature"]) -> Float[jax.Array, "query cls"]:
    """z of the module's formula."""
    features = kernel(x, parameters["landmark"], parameters["gamma"])
    return features @ parameters["coefficient"] + parameters["bias"][None]


def kernel(x: jax.Array, landmark: jax.Array, gamma: jax.Array) -> Float[jax.Array, "query landmark"]:
    """exp(-gamma |x - l|^2)."""
    squares = jnp.sum(x**2, axis=1)[:, None] + jnp.sum(landmark**2, axis=1)[None] - 2 * x @ landmark.T
    return jnp.exp(-gamma * jnp.maximum(squares, 0.0))


def whiten(
    x: Float[jax.Array, "query feature"], landmark: Float[jax.Array, "landmark feature"], gamma: jax.Array
) -> tuple[Float[jax.Array, "query landmark"], Float[jax.Array, "landmark landmark"]]:
    """Nyström's features K(x, l) L^-T, and the factor L with L L^T = K(l, l), which leads back to coefficients."""
    noise = JITTER * jnp.eye(landmark.shape[0], dtype=x.dtype)
    factor = jnp.linalg.cholesky(kernel(landmark, landmark, gamma) + noise)
    return solve_triangular(factor, kernel(landmark, x, gamma), lower=True).T, factor


def coefficients(factor: jax.Array, weight: Float[jax.Array, "landmark cls"]) -> Float[jax.Array, "landmark cls"]:
    """The landmarks' coefficients a from weights on whitened features: L^-T w."""
    return solve_triangular(factor, weight, lower=True, trans="T")
