"""Numbers of the dtypes that JAX adds to NumPy's, such as bfloat16.

To NumPy most of them are raw bytes (kind "V"), and a test of the kind takes them for no numbers.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

ADDED = 2
"""What `numpy.dtype.isbuiltin` says of a dtype that other code added."""


def widen_floats(values: np.ndarray) -> np.ndarray:
    """Floats of a dtype that NumPy lacks, in float32, which holds each of them exactly; all else as it is.

    Example:
        >>> import jax.numpy as jnp
        >>> widen_floats(np.asarray(jnp.asarray([0.5, -2.0], jnp.bfloat16)))
        array([ 0.5, -2. ], dtype=float32)
    """
    added = values.dtype.isbuiltin == ADDED and jnp.issubdtype(values.dtype, jnp.floating)
    return values.astype(np.float32) if added else values
