"""Observations with a known answer: Gaussian phi, shifted on members by a chosen leak; 0 leaks nothing."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit, xlogy

from jaxattack.attacks.membership.references import choose_references
from jaxattack.types import Observations


def complementary(models: int, records: int, seed: int) -> np.ndarray:
    """Model 2k trains on a random half of the records, model 2k + 1 on the other half."""
    halves = np.random.default_rng(seed).permuted(np.tile(np.arange(records) < records // 2, (models // 2, 1)), axis=1)
    return np.stack([halves, ~halves], axis=1).reshape(models, records)


def scattered(models: int, records: int, least: int, seed: int) -> np.ndarray:
    """Every entry a fair coin, but each record in and out of at least `least` models."""
    rng = np.random.default_rng(seed)
    member = rng.random((models, records)) < 0.5
    fixed = np.arange(models)[:, None]
    return (member | (fixed < least)) & ~((fixed >= least) & (fixed < 2 * least))


def exact(models: int, records: int, seed: int) -> np.ndarray:
    """Every record is in exactly half of the models, at random."""
    half = np.broadcast_to(np.arange(models)[:, None] < models // 2, (models, records))
    return np.random.default_rng(seed).permuted(half, axis=0)


def coins(models: int, records: int, seed: int, least: int = 3) -> np.ndarray:
    """Every entry a fair coin; a record that is in or out of fewer than `least` models is drawn again."""
    rng = np.random.default_rng(seed)
    member = rng.random((models, records)) < 0.5
    while (bad := np.minimum(member.sum(axis=0), (~member).sum(axis=0)) < least).any():
        member[:, bad] = rng.random((models, bad.sum())) < 0.5
    return member


DESIGNS = {"halves": complementary, "exact": exact, "poisson": coins}


def reference_mask(member: np.ndarray, target: int, protocol: str = "independent") -> np.ndarray:
    """Which models are references of a target, for each record, one model and record at a time.

    Which of several models is dropped where every record is in half of them is the package's own draw.
    """
    models, records = member.shape
    mask = np.ones(member.shape, bool)
    mask[target] = False
    if protocol == "leave-one-out":
        return mask
    paired = False
    for model in range(models):
        if model != target and (member[model] != member[target]).all():
            mask[model], paired = False, True
    if not paired and len(set(member.sum(axis=0))) == 1:
        (drawn,) = choose_references(member, np.array([target]), protocol).left_out
        for record in range(records):
            assert member[drawn[0, record], record] != member[target, record]
            mask[drawn[0, record], record] = False
    return mask


def observe(
    member: np.ndarray, *, leak: float, queries: int = 1, spread: float | np.ndarray = 1.0, seed: int = 0
) -> Observations:
    """All the signals that attacks read, derived from one phi as for two classes; spread may be [record, 1]."""
    rng = np.random.default_rng(seed)
    models, records = member.shape
    hardness = rng.normal(1.0, 2.0, (records, 1))
    shared = spread * rng.standard_normal((models, records, 1)) + leak * member[:, :, None]
    phi = (hardness + shared + 0.2 * rng.standard_normal((models, records, queries))).astype(np.float32)
    p = expit(phi.astype(np.float64))
    signals = {
        "phi": phi,
        "correct": phi[:, :, :1] > 0,
        "max_confidence": np.abs(phi),
        "entropy": -xlogy(p, p) - xlogy(1 - p, 1 - p),
        "modified_entropy": -2 * (1 - p) * log_expit(phi),
        "softmax_t2": log_expit(phi / 2),
        "taylor_t2": log_expit(phi / 3),
    }
    # Beside them what asks for more than a model's own answers: imitators without the record, and a nearest neighbour.
    other, held = np.random.default_rng(seed + 1), np.roll(member, 1, axis=1)
    outside = hardness[:, :, None] + np.asarray(spread)[..., None] * other.standard_normal(
        (models, records, queries, 5)
    )
    near = hardness + spread * other.standard_normal((models, records, 1)) + leak * held[:, :, None]
    near = near + 0.2 * other.standard_normal(phi.shape)
    signals |= {
        "imitation_10_0.8": np.concatenate([outside, phi[..., None]], axis=-1),
        "nearest_phi": np.stack([near, np.broadcast_to(held[:, :, None], phi.shape)], axis=-1),
    }
    signals = {name: signal.astype(np.float32) for name, signal in signals.items()}
    return Observations(signals=signals, member=member, label=rng.integers(0, 4, records))


def without(observations: Observations, model: int) -> Observations:
    """The observations with a model really deleted."""
    return observations.take(np.delete(np.arange(observations.models), model))
