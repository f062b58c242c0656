"""The whole two-layer attack against victims whose parameters are known."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from attacks.extraction.relu.relu_victims import Victim, network
from prepared import real_mnist

from jaxattack.attacks.extraction.relu.network import ReluNetwork, align, logits
from jaxattack.attacks.extraction.relu.two_layer import Relu, extract_many
from jaxattack.oracle import from_function
from jaxattack.types import Access, ExtractionAttack, InputError, Inputs


def function_error(stolen, truth, *, wide=1.0):
    x = wide * np.random.default_rng(5).random((500, truth.sizes[0]))
    return np.abs(logits(stolen, x) - logits(truth, x)).max()


@pytest.mark.parametrize("hidden", [10, None])
@pytest.mark.parametrize("seed", range(4))
def test_a_small_network_comes_out_exactly(seed, hidden):
    net = network(20, 10, 1, seed=seed)
    victim = Victim(net)
    got = Relu(hidden=hidden)(victim, seed=seed)
    assert got.complete
    assert got.reason == ""
    assert align(got.stolen, net).error < 2**-30
    assert function_error(got.stolen, net) < 2**-38
    assert got.cost == victim.ledger
    assert got.attack_cost.queries <= 1100
    assert got.notes["neurons"] == 10
    assert got.notes["residual"] < 1e-11


def test_a_network_on_100_features_takes_at_most_8500_queries_with_refinement():
    for seed in range(3):
        net = network(100, 32, 1, seed=seed)
        got = Relu(hidden=32)(Victim(net), seed=seed)
        assert got.complete
        assert got.snapshots[0].queries <= 4500
        assert got.attack_cost.queries <= 8500
        assert align(got.stolen, net).error < 2**-29


def test_a_hundred_thousand_parameters_take_about_as_many_queries():
    net = network(784, 128, 1)
    got = Relu(hidden=128)(Victim(net, shape=(28, 28)))
    assert got.complete
    assert got.snapshots[0].queries <= 2**17.6
    assert got.attack_cost.queries <= 2**18
    assert got.cost.calls <= 80
    assert align(got.stolen, net).error < 2**-29
    assert function_error(got.stolen, net) < 2**-35


def test_a_network_trained_on_images_comes_out_exactly():
    x, y = real_mnist(1000)
    x, target = x.reshape(len(x), -1) / 255, np.where(y % 2, 1.0, -1.0)
    (first, last), (inner, outer) = network(784, 16, 1)
    for _ in range(150):
        on = x @ first.T + inner
        error = (np.maximum(on, 0) @ last[0] + outer - target) / len(x)
        back = (on > 0) * np.outer(error, last[0])
        last, outer = last - 0.05 * error @ np.maximum(on, 0), outer - 0.05 * error.sum()
        first, inner = first - 0.05 * back.T @ x, inner - 0.05 * back.sum(axis=0)
    net = ReluNetwork((first, last), (inner, outer))
    got = Relu(hidden=16)(Victim(net))
    assert got.complete
    assert align(got.stolen, net).error < 2**-29
    assert np.abs(logits(got.stolen, x) - logits(net, x)).max() < 2**-33


def test_several_outputs_need_fewer_gradients():
    one, many = Victim(network(60, 24, 1)), Victim(network(60, 24, 8))
    attack = Relu(hidden=24)
    assert align(attack.steal(one).stolen, one.network).error < 2**-29
    assert align(attack.steal(many).stolen, many.network).error < 2**-36
    assert many.ledger.queries < one.ledger.queries / 2.5


@pytest.mark.parametrize("sizes", [(20, 10, 2), (40, 16, 5)])
def test_probabilities_give_the_network_up_to_a_shift_of_all_classes(sizes):
    net = network(*sizes, seed=2)
    victim = Victim(net, level="probability")
    got = Relu()(victim)
    assert got.complete
    assert align(got.stolen, net, gauge=True).error < 2**-33
    x = np.random.default_rng(0).random((50, sizes[0]))
    answer = got.answer(x)
    np.testing.assert_allclose(answer.probability, victim(x).probability, rtol=1e-10)
    assert answer.logit is None
    assert answer.label.dtype == np.int64


@pytest.mark.parametrize("sizes", [(10, 18, 1), (6, 24, 3), (2, 9, 1), (1, 5, 1)])
def test_more_neurons_than_features_come_out_too(sizes):
    net = network(*sizes, seed=1)
    got = Relu(hidden=sizes[1])(Victim(net))
    assert got.complete
    assert align(got.stolen, net).error < 2**-25


def test_where_signs_cannot_be_told_the_function_is_stolen_and_said_to_be_all():
    net = network(3, 40, 1)
    got = Relu(hidden=40)(Victim(net))
    assert not got.complete
    assert "signs of 40 neurons do not follow from 3 equations" in got.reason
    assert got.stolen.sizes == (3, 42, 1)
    assert function_error(got.stolen, net) < 2**-35


def test_without_refinement_fewer_queries_give_fewer_digits():
    net = network(50, 20, 1)
    rough, fine = (Relu(hidden=20, refine=refine)(Victim(net)) for refine in (False, True))
    assert rough.complete
    assert fine.complete
    assert rough.attack_cost.queries < 0.6 * fine.attack_cost.queries
    assert align(fine.stolen, net).error < align(rough.stolen, net).error < 1e-5
    x = np.random.default_rng(0).random((20, 50))
    np.testing.assert_array_equal(fine.snapshots[0].answer(x).logit, rough.answer(x).logit)


def test_the_same_seed_asks_the_same_queries():
    first, second = Victim(network(20, 10, 1)), Victim(network(20, 10, 1))
    attack = Relu()
    a, b = attack(first, seed=3), attack(second, seed=3)
    assert first.batches == second.batches
    assert all((a.parameters[name] == b.parameters[name]).all() for name in a.parameters)
    third = Victim(network(20, 10, 1))
    attack(third, seed=4)
    assert first.batches[0] != third.batches[0]


def test_many_victims_at_once_give_what_each_gives_alone():
    nets = [network(20, 10, 1, seed=seed) for seed in range(3)] + [network(15, 6, 3), network(8, 2, 1)]
    attack = Relu()
    together = extract_many(attack, [Victim(net) for net in nets], seeds=range(5))
    for seed, (net, got) in enumerate(zip(nets, together, strict=True)):
        alone = attack(Victim(net), seed=seed)
        assert got.cost == alone.cost
        assert all((got.parameters[name] == alone.parameters[name]).all() for name in alone.parameters)


def test_one_of_many_victims_that_fails_leaves_the_others():
    good, poor = Victim(network(20, 10, 1)), Victim(network(20, 10, 1, seed=1), budget=50)
    stolen, failed = extract_many(Relu(hidden=10), [good, poor])
    assert stolen.complete
    assert isinstance(failed, InputError)
    assert "needs at least" in str(failed)


def test_extraction_is_a_model_that_jax_can_run_and_differentiate():
    net = network(12, 6, 3)
    got = Relu()(Victim(net, shape=(3, 4)))
    x = np.random.default_rng(0).random((7, 3, 4))
    with jax.enable_x64(True):
        y = np.asarray(got.model.apply(got.variables, jax.numpy.asarray(x)))
        slope = np.asarray(jax.grad(lambda x: got.model.apply(got.variables, x).sum())(jax.numpy.asarray(x)))
    np.testing.assert_allclose(y, logits(net, x), atol=1e-10)
    np.testing.assert_allclose(got.answer(x).logit, logits(net, x), atol=1e-10)
    np.testing.assert_allclose(got.answer(x).probability.sum(axis=1), 1)
    assert slope.shape == x.shape


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-1000.0, 3000.0), (5.0, 5.001)])
def test_the_documented_range_only_sets_the_scale(low, high):
    net = network(20, 10, 1)
    got = Relu(hidden=10)(Victim(net, low=low, high=high))
    assert got.complete
    assert align(got.stolen, net).error < 1e-6


def test_features_of_very_different_ranges():
    scale = np.logspace(-3, 3, 12)
    net = network(12, 6, 1)
    net = net._replace(weights=(net.weights[0] / scale, net.weights[1]))
    victim = Victim(net)
    victim.access = replace(victim.access, inputs=Inputs(low=np.zeros(12), high=scale, categories=np.zeros(12, int)))
    got = Relu()(victim)
    assert got.complete
    x = scale * np.random.default_rng(0).random((100, 12))
    np.testing.assert_allclose(logits(got.stolen, x), logits(net, x), atol=1e-9)


def changed(net, neuron, **fields):
    """The network with one neuron's weight, bias or output replaced."""
    (first, last), (inner, outer) = (tuple(array.copy() for array in arrays) for arrays in net)
    first[neuron] = fields.get("weight", first[neuron])
    inner[neuron] = fields.get("bias", inner[neuron])
    last[:, neuron] = fields.get("output", last[:, neuron])
    return ReluNetwork((first, last), (inner, outer))


def test_two_neurons_on_one_hyperplane_are_one():
    net = network(20, 10, 1)
    same = changed(net, 3, weight=2 * net.weights[0][4], bias=2 * net.biases[0][4])
    got = Relu()(Victim(same))
    assert got.complete
    assert got.notes["neurons"] == 9
    assert function_error(got.stolen, same) < 2**-35


def test_two_neurons_back_to_back_are_one_with_an_affine_part():
    net = network(20, 10, 1)
    back = changed(net, 3, weight=-2 * net.weights[0][4], bias=-2 * net.biases[0][4])
    got = Relu()(Victim(back))
    assert "signs of 9 neurons" in got.reason
    assert function_error(got.stolen, back) < 2**-35


def test_neurons_that_show_nowhere_are_missed_and_said_to_be():
    net = changed(network(20, 10, 1), 3, output=0.0)
    got = Relu(hidden=10)(Victim(net))
    assert not got.complete
    assert "9 of 10 neurons" in got.reason
    assert function_error(got.stolen, net) < 2**-35


def test_neurons_that_are_nearly_parallel_or_hardly_matter_come_out():
    net = network(20, 10, 1)
    near = net.weights[0][4] + 1e-5 * np.random.default_rng(0).normal(size=20)
    net = changed(changed(net, 3, weight=near), 5, output=1e-3 * net.weights[1][:, 5])
    got = Relu(hidden=10)(Victim(net))
    assert got.complete
    assert align(got.stolen, net).error < 2**-29


def test_neurons_that_no_documented_record_turns_on_come_out():
    net = changed(network(20, 10, 1), 3, bias=-50.0)
    got = Relu(hidden=10)(Victim(net))
    assert got.complete
    assert align(got.stolen, net).error < 2**-29


def test_a_wrong_number_of_neurons_is_named():
    few = Relu(hidden=8)(Victim(network(20, 10, 1)))
    assert not few.complete
    assert "hidden is 8 and 10 neurons were found" in few.reason
    many = Relu(hidden=12)(Victim(network(20, 10, 1)))
    assert not many.complete
    assert "10 of 12 neurons" in many.reason
    assert function_error(many.stolen, network(20, 10, 1)) < 2**-35


def test_a_linear_victim_is_stolen_as_one():
    net = network(15, 2)
    got = Relu()(Victim(net))
    assert got.complete
    assert got.stolen.sizes == (15, 2)
    assert function_error(got.stolen, net) < 1e-12


def test_a_deeper_victim_is_recognised_early():
    net = network(20, 10, 8, 1)
    victim = Victim(net)
    got = Relu(hidden=10)(victim)
    assert not got.complete
    assert "more than one hidden layer" in got.reason
    assert got.attack_cost.queries < 4000


def test_silently_rounded_answers_are_recognised_early():
    victim = Victim(network(40, 16, 1), silent=6)
    got = Relu(hidden=16)(victim)
    assert not got.complete
    assert "rounded or noisy" in got.reason
    assert got.attack_cost.queries < 10_000


@pytest.mark.parametrize(("decimals", "off"), [(8, 1e-5), (4, 0.05)])
def test_documented_rounding_is_overcome_by_asking_far_out(decimals, off):
    net = network(20, 10, 1, seed=3)
    victim = Victim(net, decimals=decimals)
    got = Relu(hidden=10)(victim)
    assert got.converged
    assert got.complete == (decimals > 4)  # 4 are too few for every answer to round to the victim's or its neighbour
    assert function_error(got.stolen, net) < off
    assert victim.farthest > 1000


@pytest.mark.parametrize(
    ("sizes", "level"),
    [((12, 5, 4), "logit"), ((10, 14, 1), "logit"), ((12, 6, 1), "sigmoid"), ((12, 5, 4), "probability")],
)
def test_float32_answers_are_averaged_to_the_last_of_their_digits(sizes, level):
    net = network(*sizes, seed=2 if level == "sigmoid" else 1)  # of other seeds a neuron matters less than they tell
    got = Relu(hidden=sizes[1])(Victim(net, level=level, precision="float32", low=-1.0))
    assert got.complete, got.reason
    stolen, truth = (logits(one, np.random.default_rng(5).random((500, sizes[0]))) for one in (got.stolen, net))
    shared = (lambda y: y[:, 1:] - y[:, :1]) if stolen.shape[1] > 1 else (lambda y: y)
    truth = truth if level == "sigmoid" else shared(truth)
    off = np.abs(shared(stolen) - truth).max() / np.ptp(truth)
    assert off < 2**-18
    assert got.notes["bits"] > 18


def test_a_sigmoid_gives_its_network():
    net = network(15, 8, 1, seed=2)
    got = Relu(hidden=8)(Victim(net, level="sigmoid"))
    assert got.complete, got.reason
    x = np.random.default_rng(0).random((200, 15))
    np.testing.assert_allclose(np.diff(logits(got.stolen, x), axis=1), logits(net, x), atol=1e-9)


def test_a_budget_that_ends_early_returns_what_was_learnt():
    net = network(20, 10, 1)
    whole = Relu(hidden=10)(Victim(net))
    first = whole.snapshots[0].queries
    for budget, exact in ((first + 10, 1e-6), (whole.attack_cost.queries - 1, 1e-11)):
        got = Relu(hidden=10)(Victim(net, budget=budget))
        assert not got.complete
        assert "are left" in got.reason
        assert got.attack_cost.queries <= budget
        assert function_error(got.stolen, net) < exact
    found = Relu(hidden=10)(Victim(net, budget=first - 10))
    assert not found.complete
    assert "of the 10 neurons found so far" in found.reason
    assert function_error(found.stolen, net) < 1e-6
    with pytest.raises(InputError, match="relu needs at least 311 queries"):
        Relu(hidden=10)(Victim(net, budget=100))


def test_it_needs_no_fewer_queries_than_it_says():
    for sizes in ((20, 10, 1), (30, 12, 4)):
        victim = Victim(network(*sizes))
        attack = Relu(hidden=sizes[1], refine=False)
        attack.steal(victim)
        assert attack.needs(victim.access) <= victim.ledger.queries


def test_terms_it_cannot_work_with_are_refused_before_anything_is_asked():
    net = network(6, 4, 3)
    box = Inputs.box(0, 1, (6,))
    attack = Relu()
    terms = {
        "probability or logit": Access(level="label", classes=3, inputs=box),
        "top 2 of 3": Access(level="probability", classes=3, inputs=box, top=2),
        "rounded to 5 decimals": Access(level="probability", classes=3, inputs=box, decimals=5),
        "one class has no odds": Access(level="probability", classes=1, inputs=box),
        "are categories": Access(
            level="logit", classes=3, inputs=Inputs(low=np.zeros(6), high=np.ones(6), categories=np.full(6, 2))
        ),
    }
    for message, access in terms.items():
        victim = Victim(net)
        victim.access = access
        with pytest.raises(InputError, match=message):
            attack(victim)
        with pytest.raises(InputError, match=message):
            extract_many(attack, [victim])
        assert not victim.batches


def test_answers_that_are_saturated_everywhere_are_refused():
    access = Access(level="probability", classes=2, inputs=Inputs.box(-1, 1, (3,)))
    steps = from_function(lambda x: np.eye(2)[(x[:, 0] > 0.2).astype(int)], access)
    with pytest.raises(InputError, match="0 of the .* hold all their digits"):
        Relu()(steps)


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match="hidden is 0"):
        Relu(hidden=0)
    with pytest.raises(InputError, match="quiet is 0"):
        Relu(quiet=0)
    victim = Victim(network(6, 4, 1))
    with pytest.raises(InputError, match="twice"):
        extract_many(Relu(), [victim, victim])
    with pytest.raises(InputError, match="2 seeds and 1 victims"):
        extract_many(Relu(), [victim], seeds=[0, 1])


def test_it_is_an_extraction_attack_that_tells_its_progress():
    assert isinstance(Relu(), ExtractionAttack)
    told = []
    got = Relu()(Victim(network(6, 4, 1)), progress=lambda what, done, whole: told.append((what, done, whole)))
    assert told[-1][1] == got.attack_cost.queries
    assert all(what == "queries" and done <= whole for what, done, whole in told)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
