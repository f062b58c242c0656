"""Generators by hand: one makes the records that it was given and nothing else, and its critic and encoder know them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxattack.attacks.membership.generators import Evidence, GeneratorView
from jaxattack.training.generators import Generators
from jaxattack.training.generators.prior import Networks
from jaxattack.types import Model, Variables

RECORDS, FEATURES, LATENT, SHARP = 48, 40, 4, 40.0


def _decode(variables, z):
    """The record whose code is nearest, made of its logits so that the sigmoid gives it back; smooth between codes."""
    codes, logits = variables.params
    apart = ((z[:, None] - codes[None]) ** 2).sum(axis=2)
    return jax.nn.softmax(-SHARP * apart) @ logits


def _apart(variables, u):
    _, logits = variables.params
    return ((u[:, None] - jax.nn.sigmoid(logits)[None]) ** 2).sum(axis=2)


def _realness(variables, u):
    return -_apart(variables, u).min(axis=1, keepdims=True)


def _encode(variables, u):
    codes, _ = variables.params
    mean = codes[_apart(variables, u).argmin(axis=1)]
    return jnp.concatenate([mean, jnp.full_like(mean, -20.0)], axis=1)


def _model(apply):
    return Model(
        init=lambda key: Variables((), ()), apply=apply, forward=lambda variables, x, key: (apply(variables, x), ())
    )


NETWORKS = {
    kind: Networks(_model(_decode), _model(_realness if kind == "gan" else _encode), kind, LATENT)
    for kind in ("gan", "vae")
}


def memorising(kind, records, seed=0):
    """Generators, and a sample of each of its records, from Float["generator record feature"]."""
    codes = np.random.default_rng(seed).normal(size=(*records.shape[:2], LATENT)).astype(np.float32)
    codes *= np.sqrt(LATENT) / np.linalg.norm(codes, axis=2, keepdims=True)
    logits = np.log(records / (1 - records)).astype(np.float32)
    one = Variables((jnp.asarray(codes), jnp.asarray(logits)), ())
    generators = Generators(NETWORKS[kind], (one, one))
    samples = np.stack([np.asarray(jax.nn.sigmoid(own)) for own in logits])
    return GeneratorView(samples, codes, generators)


def evidence(kind, *, leaks, seed=0, targets=2):
    """Targets that memorised their members, or, where they do not leak, records that nobody asks about; and who the members are."""
    random = np.random.default_rng(seed)
    records, others, pool, own = random.uniform(0.05, 0.95, (4, RECORDS, FEATURES)).astype(np.float32)
    member = np.zeros((targets, RECORDS), bool)
    for target in range(0, targets, 2):
        member[target, random.permutation(RECORDS)[: RECORDS // 2]] = True
        member[target + 1] = ~member[target]
    source = records if leaks else others
    view = memorising(kind, np.stack([source[row] for row in member]), seed)
    references = memorising(kind, own[None, : RECORDS // 2], seed + 1)
    return Evidence(records=records, shape=(FEATURES,), pool=pool, targets=view, references=references), member
