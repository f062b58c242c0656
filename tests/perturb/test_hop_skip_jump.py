"""HopSkipJump: against a loop over one record, and on linear models, where the nearest boundary is known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.perturb.hop_skip_jump import Region, distance, drive, plan, rounds, traced
from jaxattack.perturb.hop_skip_jump.steps import directions, signs
from jaxattack.types import InputError

FREE = Region(-jnp.inf, jnp.inf, 1.0)
PIXELS = Region(0.0, 1.0, 1.0)


def keys_of(records):
    return jax.vmap(lambda record: jax.random.fold_in(jax.random.key(3), record))(jnp.arange(records))


def linear(records, features, seed=0):
    """A linear model and a record each: w, x, and the distance of x to the boundary of w."""
    rng = np.random.default_rng(seed)
    w, x = (rng.standard_normal((records, features)).astype(np.float32) for _ in range(2))
    return w, x, np.abs((w * x).sum(axis=1)) / np.linalg.norm(w, axis=1)


def search_traced(w, x, region, steps):
    own = np.sign((w * x).sum(axis=1))
    run = jax.jit(
        lambda x: traced(lambda point, _: jnp.sign((w * point).sum(axis=1)) != own, keys_of(len(x)), x, region, steps)
    )
    return run(x)


def search_outside(w, x, region, steps):
    """The search, and what was asked of each record."""
    own, asked = np.sign((w * x).sum(axis=1)), []
    search = rounds(keys_of(len(x)), jnp.asarray(x), region, steps)
    answer = None
    while True:
        try:
            batch = search.send(answer)
        except StopIteration as end:
            return end.value, np.bincount(np.concatenate(asked), minlength=len(x)), len(asked)
        asked.append(batch.record)
        answer = np.sign((w[batch.record] * batch.points).sum(axis=1)) != own[batch.record]


def by_hand(outside, key, x, region, steps):
    """One record, as anyone would write it."""
    d, clip = x.size, lambda p: np.clip(p, region.low, region.high)
    draw = lambda number: np.asarray(jax.random.normal(jax.random.fold_in(key, number), x.shape), np.float64)  # noqa: E731

    def bisect(point):
        inside = x
        for _ in range(steps.bisections):
            middle = (point + inside) / 2
            point, inside = (middle, inside) if outside(middle) else (point, middle)
        return point

    tries = [sign * size * draw(pair) for pair, size in enumerate((0.125, 1, 8, 64, 512)) for sign in (1, -1)]
    point = bisect(next(p for p in (clip(x + t) for t in tries) if outside(p)))
    number = 1 + steps.tries + steps.bisections
    for iteration, probes in enumerate(steps.probes, start=1):
        far = np.linalg.norm(point - x)
        delta = np.sqrt(d) * d**-1.5 * far
        u, g = [], []
        table = np.asarray(directions(iteration, max(steps.probes), d), np.float64)
        own = np.asarray(signs(key[None], number, x.shape)[0])
        for b in range(probes):
            there = clip(point + delta * own * table[b])
            u.append((there - point) / delta)
            g.append(1 if outside(there) else -1)
        u, g = np.array(u), np.array(g)
        v = ((g - (0 if abs(g.mean()) == 1 else g.mean()))[:, None] * u).sum(axis=0)
        for halving in range(steps.halvings):
            there = clip(point + far / np.sqrt(iteration) / 2**halving * v / np.linalg.norm(v))
            if outside(there):
                point = there
                break
        point = bisect(point)
        number += probes + steps.halvings + steps.bisections
    return point


@pytest.mark.parametrize("region", [FREE, PIXELS], ids=["free", "pixels"])
def test_both_drivers_find_what_a_loop_over_one_record_finds(region):
    w, x, _ = linear(6, 5)
    x = x if region is FREE else np.random.default_rng(1).uniform(0, 1, x.shape).astype(np.float32)
    w = w if region is FREE else w - w.mean(axis=1, keepdims=True)
    steps = plan(120, 5)
    inside, (outside, count, calls) = search_traced(w, x, region, steps), search_outside(w, x, region, steps)
    assert inside.adversarial.any()
    for record in np.flatnonzero(inside.adversarial):
        own = np.sign(w[record] @ x[record])
        expected = by_hand(lambda p: np.sign(w[record] @ p) != own, keys_of(6)[record], x[record], region, steps)  # noqa: B023
        np.testing.assert_allclose(inside.point[record], expected, atol=2e-4)
        np.testing.assert_allclose(outside.point[record], expected, atol=2e-4)
    np.testing.assert_array_equal(inside.adversarial, outside.adversarial)
    assert (count <= steps.queries - 1).all()
    assert calls <= 1 + steps.tries + steps.bisections + len(steps.probes) * (1 + steps.after_probes)


@pytest.mark.parametrize(("probes", "features"), [(7, 5), (3, 5), (4, 1)])
def test_directions_are_orthogonal_in_blocks_of_as_many_as_there_are_features(probes, features):
    table = np.asarray(directions(2, probes, features))
    assert table.shape == (probes, features)
    for begin in range(0, probes, features):
        block = table[begin : begin + features]
        np.testing.assert_allclose(block @ block.T, np.eye(len(block)), atol=1e-5)
    assert np.abs(table - np.asarray(directions(3, probes, features))).max() > 0.1


def test_estimates_of_a_direction_are_unbiased_and_records_are_independent_where_the_table_is_known():
    w, iterations = np.array([1.0, -0.5, 0.25, 0.1]), 2000
    tables = jax.jit(jax.vmap(lambda number: directions(number, 6, 4)))(jnp.arange(iterations))
    own = jax.jit(jax.vmap(lambda number: signs(keys_of(2), number, (4,))))(jnp.arange(iterations))

    def estimates(tables):
        u = np.asarray(tables, np.float64)[:, None] * np.asarray(own, np.float64)[:, :, None]
        return (np.sign(u @ w)[..., None] * u).sum(axis=2)

    mean, error = estimates(tables).mean(axis=(0, 1)), estimates(tables).mean(axis=1).std(axis=0) / iterations**0.5
    # The mean of |cosine| over the sphere of 4 dimensions is 4 / (3 pi): 6 probes sum to that along w and to nothing across it.
    np.testing.assert_array_less(np.abs(mean - 6 * 4 / (3 * np.pi) * w / np.linalg.norm(w)), 4 * error)
    one, other = estimates(tables[:1]).transpose(1, 2, 0).reshape(2, 4, -1)
    assert np.abs(np.corrcoef(one, other)[:4, 4:]).max() < 4 / iterations**0.5


@pytest.mark.parametrize(("queries", "error"), [(500, 0.081), (1000, 0.033), (2500, 0.0114)])
def test_distances_of_linear_models_are_as_near_as_measured(queries, error):
    w, x, far = linear(60, 64)
    found = search_traced(w, x, FREE, plan(queries, 64))
    assert found.adversarial.all()
    assert (np.sign((w * found.point).sum(axis=1)) != np.sign((w * x).sum(axis=1))).all()
    excess = np.asarray(distance(found)) / far - 1
    assert (excess > -1e-3).all()
    assert np.median(excess) < 1.3 * error  # as `benchmarks/boundary.py` says


def test_in_the_max_norm_points_are_near_the_closed_form_and_nearer_than_by_the_2_norm():
    w, x, _ = linear(40, 16)
    far = np.abs((w * x).sum(axis=1)) / np.abs(w).sum(axis=1)
    search = search_traced(w, x, FREE, plan(1500, 16, "linf"))
    excess = np.asarray(distance(search, "linf")) / far - 1
    assert search.adversarial.all()
    assert (excess > -1e-3).all()
    assert np.median(excess) < 0.1
    assert np.median(np.asarray(distance(search_traced(w, x, FREE, plan(1500, 16)), "linf")) / far - 1) > 0.4


def test_the_result_does_not_depend_on_how_many_probes_are_asked_at_once(monkeypatch):
    w, x, _ = linear(4, 6)
    whole, count, calls = search_outside(w, x, FREE, plan(200, 6))
    monkeypatch.setattr(drive, "NUMBERS", 4 * 6 * 11)
    parts, again, more = search_outside(w, x, FREE, plan(200, 6))
    np.testing.assert_allclose(parts.point, whole.point, rtol=1e-5)
    np.testing.assert_array_equal(again, count)
    assert more > calls


def test_a_model_of_one_label_is_tried_and_left():
    x = np.zeros((3, 4), np.float32)
    found, count, _ = search_outside(np.zeros_like(x), x, FREE, plan(100, 4))
    assert not found.adversarial.any()
    assert (count == 10).all()


@pytest.mark.parametrize("features", [1, 2, 64, 784, 3072])
@pytest.mark.parametrize("queries", [60, 100, 251, 2500, 25_000])
def test_a_plan_spends_exactly_its_queries(queries, features):
    try:
        steps = plan(queries, features)
    except InputError as error:
        least = int(str(error).split("at least ")[1].split()[0])
        assert plan(least, features).queries == least > queries
        return
    assert steps.queries == queries
    assert min(steps.probes) >= 1
    assert steps.begins[-1] + steps.probes[-1] + steps.after_probes == queries


def test_more_queries_than_can_be_numbered_are_refused():
    with pytest.raises(InputError, match="queries is 4000000000: give at most"):
        plan(4_000_000_000, 64)
