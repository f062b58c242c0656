"""How far a model's answers to views of a picture lie apart (Semi-Leak; He, Liu, Gong and Zhang, ECCV 2022, arXiv 2207.12535).

Of ``views`` weak and as many strong views (`jaxattack.perturb.augmentation`) the confidences p are asked, and of every pair the
Jensen-Shannon distance is taken, in natural logarithms as SciPy's ``cdist`` has it:

    sqrt(KL(p || m) / 2 + KL(q || m) / 2),    m = (p + q) / 2

Three matrices come of it, weak against strong, weak against weak, strong against strong; each is flattened and sorted, the zeros of
the diagonals among them. With d = (p - q) / (p + q) the divergence is the sum of m (d atanh(d) + log(1 - d^2) / 2), every term of
which is small where p and q are alike: in float32 the difference of two logarithms would be no smaller than 1e-4 there. A
model that answers all views alike has zeros alone.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.perturb.augmentation import require_pictures, strong_view, weak_view
from jaxattack.signals.confidence_vector import require_few_classes
from jaxattack.signals.neighbours import Repeated
from jaxattack.signals.posterior import softmax_of
from jaxattack.signals.scores import Labels
from jaxattack.types import Sight, View, at_least, config


@config
class ViewDivergence:
    """Sorted distances between answers to weak and strong views: ["record value"], three times the views squared.

    Attributes:
        views: of each kind, at least 1.
        flip: whether weak views are mirrored half of the time.

    Raises:
        InputError: no views; when it is asked, records that are no pictures, or too many classes.
    """

    paper = "He et al. 2022, arXiv 2207.12535"

    views: int = 10
    flip: bool = False

    def __post_init__(self) -> None:
        at_least(1, views=self.views)

    @property
    def sees(self) -> Sight:
        """Confidences."""
        return "probability"

    @property
    def queries(self) -> int:
        """All views."""
        return 2 * self.views

    @property
    def name(self) -> str:
        """``view_divergence_10``, or ``view_divergence_10_flip`` where weak views are mirrored."""
        return f"view_divergence_{self.views}{'_flip' if self.flip else ''}"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> jax.Array:  # noqa: ARG002
        """As `jaxattack.types.Signal`.

        Raises:
            InputError: no pictures, or too many classes.
        """
        require_pictures(x.shape[1:], self.name)

        def ask(kind, number):
            keys = jax.vmap(lambda one: jax.random.fold_in(one, number))(key)
            return softmax_of(Repeated(view, number).answer(jax.vmap(kind)(keys, x)))

        weak = partial(weak_view, flip=self.flip)
        numbers = 1 + jnp.arange(2 * self.views).reshape(2, self.views)
        kinds = [
            jax.lax.map(partial(ask, kind), of_kind) for kind, of_kind in zip((weak, strong_view), numbers, strict=True)
        ]
        p = jnp.concatenate(kinds)
        require_few_classes(p[0], self.name)
        apart = jax.lax.map(lambda one: jax.vmap(partial(distance, one))(p), p)
        first, last = slice(None, self.views), slice(self.views, None)
        matrices = [apart[first, last], apart[first, first], apart[last, last]]
        return jnp.concatenate([jnp.sort(one.reshape(self.views**2, len(x)), axis=0) for one in matrices]).T


def distance(p: Float[jax.Array, "row cls"], q: Float[jax.Array, "row cls"]) -> Float[jax.Array, "row"]:
    """The Jensen-Shannon distance of two distributions, 0 to sqrt(ln 2)."""
    total = p + q
    d = (p - q) / jnp.where(total > 0, total, 1.0)
    inside = jnp.where(jnp.abs(d) < 1, d, 0.0)
    term = jnp.where(jnp.abs(d) < 1, inside * jnp.arctanh(inside) + jnp.log1p(-(inside**2)) / 2, np.log(2.0))
    return jnp.sqrt(jnp.sum(total / 2 * term, axis=-1))
