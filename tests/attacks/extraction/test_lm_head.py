"""Last layers of random language models, stolen through every interface, against the layers that were planted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import helmert

from jaxattack.attacks.extraction.lm_head import LmHead, head_model
from jaxattack.attacks.extraction.lm_head.attack import _distinct
from jaxattack.attacks.extraction.lm_head.bisection import bisect_labels, groups
from jaxattack.attacks.extraction.lm_head.reading import LIFT, Reader, price
from jaxattack.attacks.extraction.lm_head.spectrum import MARGIN, spectrum
from jaxattack.metrics.fidelity import align_rms
from jaxattack.oracle.language import from_head, random_head
from jaxattack.types import Access, Answer, BudgetSpent, ExtractionAttack, InputError, Inputs

HIDDEN, VOCABULARY = 12, 150
STATES, PROJECTION, INPUTS = random_head(VOCABULARY, HIDDEN, seed=3)
OFFSET = 0.3 * np.random.default_rng(4).standard_normal(VOCABULARY)
CENTRED = PROJECTION - PROJECTION.mean(axis=0)

LOGITS = {"level": "logit"}
PROBABILITIES = {"level": "probability"}
TOP = {"level": "probability", "top": 5, "bias": 100.0}
TOP_LOGITS = {"level": "logit", "top": 3, "bias": 100.0}
FIRST = {"level": "probability", "top": 1, "bias": 100.0}
LABELS = {"level": "label", "bias": 100.0}
EVERY = [LOGITS, PROBABILITIES, TOP, TOP_LOGITS, FIRST, LABELS]


def normed(scale, shift):
    """The hidden states behind a layer norm."""

    def states(x):
        g = STATES(x)
        return (g - g.mean(axis=1, keepdims=True)) / g.std(axis=1, keepdims=True) * scale + shift

    return states


class Budgeted:
    """An oracle with a budget; keeps what it was asked."""

    def __init__(self, oracle, budget=10**9):
        self.oracle, self.left, self.asked = oracle, budget, []

    access = property(lambda self: self.oracle.access)
    ledger = property(lambda self: self.oracle.ledger)

    def __call__(self, x, bias=None):
        if len(x) > self.left:
            raise BudgetSpent(f"{self.left} queries are left.", left=self.left)
        self.left -= len(x)
        self.asked.append((x.copy(), bias))
        return self.oracle(x, bias)


def victim(terms, states=STATES, projection=PROJECTION, **more):
    return from_head(states, projection, inputs=INPUTS, **{"precision": "float64", **terms, **more})


@pytest.mark.parametrize("terms", EVERY)
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_projection_is_stolen_through_every_interface(terms, precision):
    oracle = victim(terms, precision=precision)
    found = LmHead()(oracle)
    truth = PROJECTION if terms == LOGITS else CENTRED
    exact = precision == "float64" and terms not in (FIRST, LABELS)
    assert found.complete
    assert found.stolen.hidden == HIDDEN
    assert not found.notes["offset"]
    assert align_rms(found.stolen.projection, truth) < (1e-14 if exact else 1e-6)
    assert found.cost == oracle.ledger
    assert set(found.parameters) == {"projection", "offset"}
    np.testing.assert_array_equal(found.stolen.offset, 0)


@pytest.mark.parametrize("terms", [LOGITS, PROBABILITIES, TOP])
@pytest.mark.parametrize(
    ("scale", "shift", "offset", "rank", "hidden"),
    [
        (None, 0.0, OFFSET, HIDDEN + 1, HIDDEN),
        (np.linspace(0.5, 2, HIDDEN), 0.0, None, HIDDEN - 1, HIDDEN - 1),
        (np.linspace(0.5, 2, HIDDEN), 0.5 * np.arange(HIDDEN), None, HIDDEN, HIDDEN - 1),
        (np.linspace(0.5, 2, HIDDEN), 0.5 * np.arange(HIDDEN), OFFSET, HIDDEN, HIDDEN - 1),
    ],
)
def test_offsets_and_layer_norm_change_the_rank_as_tabled(terms, scale, shift, offset, rank, hidden):
    states = STATES if scale is None else normed(scale, shift)
    found = LmHead()(victim(terms, states, offset=offset))
    assert (found.notes["rank"], found.stolen.hidden, found.notes["offset"]) == (rank, hidden, rank > hidden)
    # Logits of fresh prompts, known at a few tokens, tell the others: the affine space is right.
    x = np.random.default_rng(8).integers(256, size=(20, *INPUTS.shape))
    logit = states(x) @ PROJECTION.T + (0 if offset is None else offset)
    head, part = found.stolen, slice(40)
    both = np.column_stack([head.projection, np.ones(VOCABULARY)])
    known = np.linalg.lstsq(both[part], (logit - head.offset)[:, part].T, rcond=None)[0]
    np.testing.assert_allclose((both @ known).T + head.offset, logit, atol=1e-9)


def test_it_equals_the_textbook_decomposition_of_all_logits():
    found = LmHead()(Budgeted(oracle := victim(LOGITS)))
    spy = Budgeted(oracle)
    LmHead()(spy)
    logit = np.concatenate([oracle(x).logit for x, _ in spy.asked])
    _, value, right = np.linalg.svd(logit, full_matrices=False)
    textbook = right[:HIDDEN].T * value[:HIDDEN]
    assert align_rms(found.stolen.projection, textbook) < 1e-12 * value[0]
    assert align_rms(textbook, found.stolen.projection) < 1e-12 * value[0]


def test_a_larger_head_from_float32_logits():
    states, projection, inputs = random_head(8000, 128, seed=1)
    found = LmHead()(from_head(states, projection, inputs=inputs))
    assert found.stolen.hidden == 128
    assert align_rms(found.stolen.projection, projection) < 1e-6
    assert found.attack_cost.queries <= 1.25 * (128 + 18)


def test_top_k_logits_are_differences_to_the_reference_at_the_stated_price():
    oracle = victim(TOP)
    x = np.random.default_rng(0).integers(256, size=(7, *INPUTS.shape))
    tokens = np.random.default_rng(1).permutation(VOCABULARY)[:62]
    logit = STATES(x) @ PROJECTION.T
    for reference in (tokens[5], 149):
        before = oracle.ledger.queries
        found = Reader(oracle, int(reference), 1e-6)(x, tokens)
        np.testing.assert_allclose(found, logit[:, tokens] - logit[:, [reference]], atol=1e-12)
        assert oracle.ledger.queries - before == 7 * price(oracle.access, 62, 1e-6) == 7 * 16


@pytest.mark.parametrize("resolution", [1e-2, 1e-6])
def test_labels_give_logits_below_the_largest_to_the_resolution_at_a_third_of_bisections_price(resolution):
    oracle = victim(LABELS)
    x = np.random.default_rng(0).integers(256, size=(5, *INPUTS.shape))
    logit = STATES(x) @ PROJECTION.T
    found = bisect_labels(oracle, x, np.arange(VOCABULARY), resolution, LIFT)
    np.testing.assert_allclose(found, logit - logit.max(axis=1, keepdims=True), atol=resolution / 2)
    bits = np.log2(16 / resolution)
    assert oracle.ledger.queries <= 5 * price(oracle.access, VOCABULARY, resolution)
    assert oracle.ledger.queries < 5 * VOCABULARY * (1 + bits / 2.3)


def test_groups_hold_every_wide_token_once():
    width = np.random.default_rng(0).uniform(0, 2, (6, 70))
    width[1], width[2, 3] = 0.5, np.nan
    prompt, place, group, slot = groups(width, 1.0)
    seen = list(zip(prompt.tolist(), place.tolist(), strict=True))
    assert sorted(seen) == [(p, t) for p in range(6) for t in range(70) if width[p, t] > 1.0]
    assert len(set(zip(group.tolist(), slot.tolist(), strict=True))) == len(seen)
    assert all(len(np.unique(prompt[group == number])) == 1 for number in group)
    assert 10 < np.bincount(group).min() <= np.bincount(group).max() <= 32
    np.testing.assert_array_equal(group[slot == 0], np.arange(group.max() + 1))


@pytest.mark.parametrize("terms", [TOP, LABELS])
def test_the_lift_doubles_where_logits_are_far_apart(terms):
    oracle = victim(terms, projection=12 * PROJECTION)
    x = np.random.default_rng(0).integers(256, size=(40, *INPUTS.shape))
    assert np.ptp(STATES(x) @ PROJECTION.T * 12, axis=1).max() > 64
    found = LmHead()(oracle)
    assert found.complete
    assert align_rms(found.stolen.projection, 12 * CENTRED) < 1e-6


@pytest.mark.parametrize("terms", [TOP, LABELS])
def test_tokens_out_of_the_biases_reach_are_named(terms):
    projection = PROJECTION.copy()
    sunk = OFFSET * 0
    sunk[[7, 90]] = -30.0
    found = LmHead()(victim({**terms, "bias": 12.0}, projection=projection, offset=sunk))
    assert not found.complete
    assert found.reason == "tokens not read: 2, because the largest bias, 12, does not raise unlikely tokens."
    assert sorted(np.flatnonzero(~found.stolen.coverage)) == [7, 90]
    assert np.isnan(found.stolen.projection[[7, 90]]).all()
    rest = np.delete(PROJECTION, [7, 90], axis=0)
    assert align_rms(found.stolen.projection[found.stolen.coverage], rest - rest.mean(axis=0)) < 1e-6


def test_probabilities_that_float32_cannot_hold_are_left_out():
    sunk = np.zeros(VOCABULARY)
    sunk[3] = -95.0  # still above 0 in float32, with few digits left
    found = LmHead()(victim(PROBABILITIES, precision="float32", offset=sunk))
    assert found.stolen.hidden == HIDDEN
    assert found.reason == "tokens not read: 1, because float32 probabilities are too small for unlikely tokens."


@pytest.mark.parametrize(
    ("terms", "reason", "most"),
    [
        ({**TOP, "bias": 0.5}, "the largest bias, 0.5, does not raise unlikely tokens", 32 * 16),
        ({**LABELS, "bias": 0.5}, "the largest bias, 0.5, does not raise unlikely tokens", 32 * (1 + 64 * 7)),
        (PROBABILITIES, "float32 probabilities are too small for unlikely tokens", 32),
    ],
)
def test_a_victim_that_hides_most_tokens_is_left_after_the_first_prompts(terms, reason, most):
    oracle = victim(terms, projection=PROJECTION * (60 if terms == PROBABILITIES else 2), precision="float32")
    found = LmHead()(oracle)
    assert not found.complete
    assert reason in found.reason
    assert oracle.ledger.queries <= most


def test_one_long_direction_does_not_look_like_the_end():
    far = 5000.0 * np.random.default_rng(5).standard_normal(VOCABULARY)
    states, projection, inputs = random_head(VOCABULARY, 60, seed=6)
    found = LmHead()(from_head(states, projection, inputs=inputs, offset=far, precision="float64"))
    assert (found.stolen.hidden, found.notes["offset"]) == (60, True)


def test_hidden_states_of_unequal_size_are_all_found():
    spread = np.geomspace(1, 1e-3, HIDDEN)
    found = LmHead()(victim(TOP, lambda x: STATES(x) * spread + 3.0, precision="float32"))
    assert found.stolen.hidden == HIDDEN
    assert align_rms(found.stolen.projection, CENTRED * spread) < 1e-6


def test_the_gap_in_a_case_worked_by_hand():
    # Helmert's rows are orthonormal and orthogonal to 1, so these are the singular values without the mean.
    def matrix(*values):
        return helmert(len(values) + 1).T @ np.diag(values) @ np.eye(len(values), 24)

    found = spectrum(matrix(4, 3, 2, *[1e-6] * MARGIN))
    assert found is not None
    assert (found.rank, found.hidden, found.offset) == (3, 3, False)
    assert found.ratio == pytest.approx(2e6)
    assert spectrum(matrix(4, 3, 2, *[1e-6] * (MARGIN - 1))) is None
    assert spectrum(matrix(4, 3, 2, *[0.03] * MARGIN)) is None
    moved = spectrum(matrix(4, 3, 2, *[1e-6] * MARGIN) + np.eye(24)[23])
    assert moved is not None
    assert (moved.rank, moved.hidden, moved.offset) == (4, 3, True)


@pytest.mark.parametrize("terms", EVERY)
def test_it_asks_what_its_seed_says_and_nothing_else(terms):
    spies = [Budgeted(victim(terms)) for _ in range(3)]
    first, again, other = (LmHead(resolution=1e-3)(spy, seed=seed) for spy, seed in zip(spies, (1, 1, 2), strict=True))
    np.testing.assert_array_equal(first.stolen.projection, again.stolen.projection)
    assert len(spies[0].asked) == len(spies[1].asked)
    for (x, bias), (y, other_bias) in zip(spies[0].asked, spies[1].asked, strict=True):
        np.testing.assert_array_equal(x, y)
        assert (bias is None) == (other_bias is None)
        if bias is not None:
            np.testing.assert_array_equal(bias.token, other_bias.token)
            np.testing.assert_array_equal(bias.value, other_bias.value)
    assert (spies[0].asked[0][0] != spies[2].asked[0][0]).any()
    assert other.stolen.hidden == first.stolen.hidden == HIDDEN


def test_prompts_are_distinct_and_the_same_however_they_are_drawn():
    inputs = Inputs(low=np.zeros(3), high=np.full(3, 9.0), categories=np.full(3, 10))
    steps = np.zeros((0, 3))
    rng = np.random.default_rng(0)
    for wanted in (5, 20, 400):
        steps = _distinct(inputs, steps, wanted, rng)
    once = _distinct(inputs, np.zeros((0, 3)), 400, np.random.default_rng(0))
    np.testing.assert_array_equal(steps, once)
    assert len(np.unique(once, axis=0)) == 400


def test_a_budget_that_just_suffices_is_used_to_the_last_query():
    enough = HIDDEN + MARGIN + 1
    oracle = Budgeted(victim(LOGITS), enough)
    found = LmHead().steal(oracle)
    assert found.converged
    assert (oracle.left, found.cost.queries) == (0, enough)
    assert align_rms(found.stolen.projection, PROJECTION) < 1e-13
    short = LmHead().steal(Budgeted(victim(LOGITS), enough - 1))
    assert not short.converged
    assert "the budget ended and no gap of 100 shows in the singular values of 28 prompts" in short.stop
    assert "the hidden size is above 11" in short.stop
    assert short.stolen.projection.shape == (VOCABULARY, 28)


@pytest.mark.parametrize("terms", [TOP, LABELS])
def test_a_budget_that_ends_between_tokens_gives_those_that_were_read(terms):
    whole = LmHead()(victim(terms))
    budget = int(0.8 * whole.attack_cost.queries)
    found = LmHead()(Budgeted(victim(terms), budget))
    assert not found.complete
    assert "tokens unread" in found.reason
    known = found.stolen.coverage
    assert 2 * HIDDEN < known.sum() < VOCABULARY
    assert align_rms(found.stolen.projection[known], PROJECTION[known] - PROJECTION[known].mean(axis=0)) < 1e-6


@pytest.mark.parametrize("terms", EVERY)
def test_what_it_says_it_needs_is_enough_for_one_hidden_unit(terms):
    oracle = victim(terms, lambda x: STATES(x)[:, :1], PROJECTION[:, :1])
    found = LmHead()(Budgeted(oracle, LmHead().needs(oracle.access)))
    assert (found.converged, found.stolen.hidden) == (True, 1)


@pytest.mark.parametrize("terms", EVERY)
def test_a_budget_that_teaches_nothing_is_refused_with_what_is_needed(terms):
    with pytest.raises(InputError, match=r"lm-head needs at least [\d,]+ queries"):
        LmHead()(Budgeted(victim(terms), 0))


def test_a_wide_last_layer_is_said_to_be_out_of_sight():
    states, projection, inputs = random_head(40, 64)
    found = LmHead()(from_head(states, projection, inputs=inputs))
    assert not found.complete
    assert "the classes ended" in found.reason


@pytest.mark.parametrize("bits", [4, 5])
@pytest.mark.parametrize("terms", [LOGITS, TOP])
def test_repeated_prompts_are_not_taken_for_the_end(bits, terms):
    inputs = Inputs(low=np.zeros(bits), high=np.ones(bits), categories=np.full(bits, 2))
    kinds = np.random.default_rng(0).standard_normal((*[2] * bits, 2 * HIDDEN))
    projection = np.random.default_rng(1).standard_normal((VOCABULARY, 2 * HIDDEN))
    oracle = from_head(lambda x: kinds[tuple(x.astype(int).T)], projection, inputs=inputs, **terms)
    found = LmHead()(oracle)
    assert (found.complete, found.notes["prompts"]) == (False, 2**bits)
    assert "the victim takes no other prompts" in found.reason


def test_noise_that_hides_the_end_is_a_failure_with_a_reason():
    rng = np.random.default_rng(0)
    oracle = victim(LOGITS)

    class Noisy(Budgeted):
        def __call__(self, x, bias=None):
            answer = super().__call__(x, bias)
            return Answer(answer.label, None, answer.logit + rng.standard_normal(answer.logit.shape))

    found = LmHead(prompts=100)(Noisy(oracle))
    assert (found.complete, found.attack_cost.queries) == (False, 100)
    assert "the prompts ended" in found.reason


def test_the_model_maps_hidden_states_to_logits_and_prompts_are_refused():
    found = LmHead()(victim(PROBABILITIES, offset=OFFSET))
    assert found.model is head_model(HIDDEN, VOCABULARY)
    states = np.random.default_rng(0).standard_normal((3, HIDDEN))
    head = found.stolen
    with jax.enable_x64(True):
        logit = found.model.apply(found.variables, jnp.asarray(states))
        assert logit.dtype == jnp.float64
        np.testing.assert_allclose(logit, states @ head.projection.T + head.offset, rtol=1e-12, atol=1e-12)
    assert found.model.apply(found.variables, jnp.asarray(states, jnp.float32)).dtype == jnp.float32
    slope = jax.grad(lambda x: found.model.apply(found.variables, x)[0, 5])(jnp.asarray(states, jnp.float32))
    np.testing.assert_allclose(slope[0], head.projection[5], rtol=1e-5)
    start = found.model.init(jax.random.key(0))
    assert {name: value.shape for name, value in start.params.items()} == {
        name: value.shape for name, value in found.parameters.items()
    }
    assert found.model.forward(start, jnp.zeros((2, HIDDEN)), jax.random.key(0))[0].shape == (2, VOCABULARY)
    with pytest.raises(InputError, match="2 prompts cannot be answered by a last layer alone"):
        found.answer(np.zeros((2, *INPUTS.shape)))


def test_it_is_an_extraction_attack_and_tells_its_progress():
    told = []
    attack = LmHead()
    assert isinstance(attack, ExtractionAttack)
    assert (attack.name, attack.pool, set(attack.levels)) == ("lm-head", False, {"logit", "probability", "label"})
    attack(victim(TOP), progress=lambda what, done, all_: told.append((what, done, all_)))
    assert told[-1] == ("tokens", VOCABULARY, VOCABULARY)
    assert all(0 < done <= all_ for _, done, all_ in told)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"level": "label"}, "answers with its labels alone and takes no bias"),
        ({"level": "probability", "top": 5}, "its 5 most likely classes alone and takes no bias"),
    ],
)
def test_victims_that_hide_their_logits_are_refused_before_anything_is_asked(terms, message):
    oracle = victim(terms)
    with pytest.raises(InputError, match=message):
        LmHead()(oracle)
    assert oracle.ledger.queries == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("prompts", 17), ("resolution", 0.0), ("resolution", float("nan"))],
)
def test_a_configuration_out_of_range_is_refused(field, value):
    with pytest.raises(InputError, match=f"{field} is {value}"):
        LmHead(**{field: value})


def test_a_victim_that_answers_less_than_its_level_is_named():
    class Silent(Budgeted):
        access = property(lambda self: Access(level="logit", classes=VOCABULARY, inputs=INPUTS))

    with pytest.raises(InputError, match="answers with labels alone and its level is 'logit'"):
        LmHead()(Silent(victim({"level": "label"})))
