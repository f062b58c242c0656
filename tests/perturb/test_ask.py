"""Searches that only ask: invariants of their steps, closed forms, and naive twins."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jaxattack.perturb import ask
from jaxattack.perturb.boundary import Walk
from jaxattack.perturb.nes import gradient, pairs
from jaxattack.perturb.one_pixel import Evolution, others, paint
from jaxattack.perturb.square import SCHEDULE, SquareSearch
from jaxattack.types import config

FREE = (jnp.full(6, -jnp.inf), jnp.full(6, jnp.inf))


def of_pictures(count, shape, seed=0):
    """Records with a key each, from 0 to 1."""
    x = jax.random.uniform(jax.random.key(seed), (count, *shape))
    keys = jax.random.split(jax.random.key(seed + 1), count)
    return ask.Record(keys, x, jnp.zeros(count, jnp.int32), jnp.zeros_like(x), jnp.ones_like(x), x)


def never_outside(value):
    """A reply of numbers alone."""
    return ask.Reply(jnp.zeros(value.shape, bool), value, value)


@config
class Patience:
    """A record is labelled otherwise once it was asked about as often as it says."""

    rounds = 40
    points = 1
    minimises = False

    def begin(self, record):
        return jnp.zeros(())

    def ask(self, state, record, number):
        return ask.Query(record.x[None] + number.astype(jnp.float32), None)

    def tell(self, state, record, number, query, reply):
        return state + 1

    def through(self, state):
        return jnp.zeros((), bool)


def test_who_is_through_is_frozen_asked_no_more_and_leaves_the_batch():
    patience = np.array([3, 50, 1, 7, 2, 2, 12, 5, 1, 1, 30, 4, 4, 4, 4, 4, 9, 1, 2, 40, 6], np.float32)
    records = of_pictures(len(patience), (1,))
    records = records._replace(x=jnp.zeros((len(patience), 1)))
    batches = []

    def answer(points, record):
        batches.append(record)
        away = points[:, 0] >= patience[record]
        return ask.Reply(away, np.where(away, -1.0, 1.0), np.zeros(len(away)))

    reports = []
    search, _ = ask.drive(Patience(), records, ask.outside(Patience(), answer), reports.append)
    expected = np.minimum(patience, 40)
    np.testing.assert_array_equal(search.questions, expected)
    np.testing.assert_array_equal(search.first, expected)
    np.testing.assert_array_equal(search.state, expected)
    np.testing.assert_array_equal(search.success, patience <= 40)
    np.testing.assert_array_equal(search.example[:, 0], np.where(patience <= 40, patience, 0))
    np.testing.assert_array_equal(np.bincount(np.concatenate(batches)), expected)
    assert len(batches) == 40
    assert reports == sorted(reports)
    assert reports[-1] == expected.sum()


def test_pairs_of_steps_tell_the_gradient_of_a_quadratic_without_bias():
    rng = np.random.default_rng(0)
    curve, x = rng.standard_normal((6, 6)), rng.standard_normal(6)
    curve = curve + curve.T
    loss = lambda points: 0.5 * jnp.einsum("pi,ij,pj->p", points, curve, points) + points.sum(axis=1)  # noqa: E731
    exact = curve @ x + 1
    normal = jax.random.normal(jax.random.key(1), (10_000, 6))
    for directions in (normal, jnp.sign(normal)):
        query = pairs(jnp.asarray(x), directions, 0.01, FREE)
        one = jax.vmap(lambda u, up, down: gradient(u[None], jnp.stack([up, down]), 0.01))
        each = one(query.draws, *jnp.split(loss(query.points), 2))
        error = np.asarray(each.mean(axis=0)) - exact
        assert (np.abs(error) < 3 * np.asarray(each.std(axis=0)) / 100 + 1e-3).all()
        np.testing.assert_allclose(each.mean(axis=0), gradient(query.draws, loss(query.points), 0.01), atol=1e-3)


def test_square_never_leaves_the_ball_nor_raises_the_margin_and_changes_one_square():
    method, records = SquareSearch(size=0.1, queries=61), of_pictures(4, (6, 6, 3))
    turn = jax.jit(lambda search, number: (query := ask.ask(method, search, records, number), query.points)[0])
    told = jax.jit(lambda search, number, query, reply: ask.tell(method, search, records, number, query, reply))
    search, weight = ask.start(method, records, np.ones(4, bool)), jax.random.normal(jax.random.key(5), (6, 6, 3))
    below = np.full(4, np.inf)
    for number in range(1, 61):
        query = turn(search, number)
        points = np.asarray(query.points)
        assert (np.abs(points[:, 0] - records.x) <= 0.1 + 1e-6).all()
        assert ((points >= 0) & (points <= 1)).all()
        if number > 1:
            changed = np.abs(points[:, 0] - search.state.point).max(axis=-1) > 1e-7
            side = int(np.round(np.sqrt(method.share(jnp.asarray(number)) * 36)))
            for record in changed:
                rows, columns = np.flatnonzero(record.any(axis=1)), np.flatnonzero(record.any(axis=0))
                assert len(rows), "a square that changes nothing is asked about"
                assert max(np.ptp(rows), np.ptp(columns)) < min(max(side, 1), 5)
        search = told(search, number, query, never_outside(jnp.einsum("rpijk,ijk->rp", query.points, weight)))
        now = np.asarray(search.state.margin)
        assert (now <= below).all()
        below = now
    least = (np.asarray(records.x) * np.asarray(weight)).sum(axis=(1, 2, 3)) - 0.1 * np.abs(weight).sum()
    assert (below > least).all(), "no point of the ball has so small a margin"


def test_the_schedule_of_square_is_the_authors_stretched_or_not():
    def by_hand(square, p=0.8):
        for place, end in enumerate((*SCHEDULE, np.inf)):
            if square <= end:
                return p / 2**place
        raise AssertionError

    stretched, plain = SquareSearch(queries=5000), SquareSearch(queries=5000, rescale=False)
    for question in (2, 7, 8, 12, 13, 27, 28, 1003, 4999):
        np.testing.assert_allclose(stretched.share(jnp.asarray(question)), by_hand(int((question - 2) / 5000 * 10_000)))
        np.testing.assert_allclose(plain.share(jnp.asarray(question)), by_hand(question - 2))
    many = SquareSearch(queries=1_000_000)
    for question in (1_003, 1_102, 300_002, 700_002, 999_999):
        np.testing.assert_allclose(many.share(jnp.asarray(question)), by_hand((question - 2) // 100))


def test_children_have_three_different_parents_other_than_themselves():
    for seed in range(20):
        four = np.concatenate([np.arange(5)[None], others(jax.random.key(seed), 5)])
        assert all(len(set(column)) == 4 for column in four.T)


def test_one_pixel_finds_the_planted_pixel_that_enumeration_finds():
    height, place, colour = 14, (9, 4), 1.0
    records = of_pictures(1, (height, height, 1))
    records = records._replace(x=0.5 * records.x)

    def margin(points):  # ... height width 1; only the planted pixel, nearly white, matters
        return 0.9 - points[..., place[0], place[1], 0]

    every = np.array(list(itertools.product(np.arange(height) / height + 1e-3, repeat=2)))
    genes = np.concatenate([np.repeat(every, 2, axis=0), np.tile([[0.0], [1.0]], (len(every), 1))], axis=1)
    record = jax.tree.map(lambda leaf: leaf[0], records)
    exhaustive = jax.vmap(lambda gene: paint(record, gene[None]))(jnp.asarray(genes, jnp.float32))
    fooled = np.flatnonzero(np.asarray(margin(exhaustive)) < 0)
    assert len(fooled) == 1
    np.testing.assert_array_equal(np.floor(genes[fooled[0], :2] * height), place)
    assert genes[fooled[0], 2] == colour

    method = Evolution()
    answer = lambda points, _: ask.Reply(margin(points) < 0, margin(points), margin(points))  # noqa: E731
    search, stopped = ask.drive(method, records, ask.outside(method, answer))
    assert not stopped
    assert search.success.all()
    changed = np.argwhere(np.abs(search.example[0] - records.x[0]) > 1e-6)
    np.testing.assert_array_equal(changed, [[*place, 0]])
    assert search.questions[0] % 400 == 0
    assert search.questions[0] <= 40_400


def test_the_sideways_part_of_a_walk_stays_on_its_sphere_and_a_step_comes_nearer():
    records = of_pictures(4, (30,))
    records = records._replace(low=jnp.full_like(records.x, -9), high=jnp.full_like(records.x, 9))
    method = Walk(queries=500, spherical=0.2, source=0.1)
    far = jnp.full(30, 0.3)
    state = jax.vmap(method.begin)(records)._replace(point=records.x + far[None], adversarial=jnp.ones(4, bool))
    search = ask.start(method, records, np.ones(4, bool))._replace(state=state)
    length = lambda number: np.linalg.norm(  # noqa: E731
        np.asarray(ask.ask(method, search, records, jnp.asarray(number)).points)[:, 0] - np.asarray(records.x), axis=1
    )
    radius = np.linalg.norm(far)
    np.testing.assert_allclose(length(100), radius, rtol=1e-5)
    np.testing.assert_allclose(length(101), 0.9 * radius, rtol=1e-5)
