"""Poisoning end to end in a process: what is judged and on what, which traps are closed, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from attacks.poisoning.small import table
from scipy.special import betaincinv

from jaxattack import load
from jaxattack.attacks.poisoning import BadNets, Minimax, PoisonFrogs, RandomFlips
from jaxattack.audit.curves import pooled
from jaxattack.audit.findings import values
from jaxattack.audit.findings.membership import CopiesPoint
from jaxattack.audit.retraining import leakage, poison
from jaxattack.audit.retraining.bounds import bound_findings, error_of, fit_hinge
from jaxattack.audit.retraining.cells import lay_out
from jaxattack.audit.retraining.crafting import attackers_seed, craft_all, prepare_attacker
from jaxattack.audit.retraining.findings import Outcome, _valid, attack_findings, target_findings
from jaxattack.audit.retraining.intervals import difference, share_of_victims, share_over_seeds
from jaxattack.audit.retraining.plan import PoisonAudit
from jaxattack.audit.retraining.split import keep_classes, split
from jaxattack.data.sanitise import Sanitise, flat_unit
from jaxattack.metrics import clopper_pearson
from jaxattack.metrics.certificate import certify, feasible_set, hinge
from jaxattack.models import Architecture
from jaxattack.training import Placement, Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import InputError

LEARNER = Standard(recipe=Recipe(epochs=12, batch=32, learning_rate=5e-3))


@pytest.fixture(scope="module")
def digits():
    """Five digits of 600 records, which a small network learns in a moment."""
    return keep_classes(load("digits").take(slice(0, 1200)), (0, 1, 2, 3, 4))


@pytest.fixture(scope="module")
def audit(digits):
    return PoisonAudit(
        model=Architecture(name="mlp:16"),
        dataset=digits,
        attacks=(RandomFlips(), BadNets(size=3), PoisonFrogs(watermark=0.3, steps=60)),
        learner=LEARNER,
        shares=(0.02, 0.3),
        seeds=3,
        targets=2,
        sanitise=(Sanitise(inside=0.9),),
    )


@pytest.fixture(scope="module")
def run(audit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("poisoned")
    return folder, poison(folder, **{name: getattr(audit, name) for name in audit.__dataclass_fields__})


def test_poison_does_what_it_is_for_and_no_more(run):
    findings = run[1].findings
    flips, backdoor, frogs = findings.attacks
    assert [attack.goal for attack in findings.attacks] == ["availability", "backdoor", "targeted"]
    clean = {each.sanitise: each for each in findings.clean}
    assert clean[None].accuracy.value > 0.9
    assert clean["sphere-slab"].records < clean[None].records
    points = {
        (attack.name, point.share, point.sanitise): point for attack in findings.attacks for point in attack.points
    }
    assert points["flip-random", 0.3, None].success is None
    assert points["flip-random", 0.3, None].drop.value > points["flip-random", 0.02, None].drop.value
    assert points["flip-random", 0.3, None].poison == round(0.3 * findings.victim.train)
    opened = points[backdoor.name, 0.3, None]
    assert opened.success.value > 0.9
    assert opened.without.value < 0.2
    assert abs(opened.drop.value) < 0.05
    assert points[frogs.name, 0.3, None].success.value > 0.5 > points[frogs.name, 0.3, None].without.value
    assert all(point.left == 1 for (_, _, sanitise), point in points.items() if sanitise is None)
    assert points[backdoor.name, 0.02, "sphere-slab"].left < 1
    assert findings.cost.victims == 3 * findings.cost.sets == 3 * 2 * (1 + 2 + 2 + 4)
    assert findings.bound is None
    assert values(findings)["kind"] == "poisoning"
    assert flips.surrogates == 0


def test_the_same_again_trains_nothing_and_another_audit_is_refused(run, audit, monkeypatch):
    folder, first = run
    options = {name: getattr(audit, name) for name in audit.__dataclass_fields__}
    monkeypatch.setattr("jaxattack.audit.sweep.Engine", None)
    monkeypatch.setattr("jaxattack.audit.retraining.run.craft_all", None)
    again = poison(folder, **options)
    assert again.findings.attacks == first.findings.attacks
    with pytest.raises(InputError, match=r"keeps another poisoning audit \(seeds was 3 and is now 4\)"):
        poison(folder, **options | {"seeds": 4})
    (folder / "other").mkdir()
    (folder / "other" / "file").write_text("")
    with pytest.raises(InputError, match="no poisoning audit"):
        poison(folder / "other", **options)
    file = next(folder.glob("poison-*.npz"))
    arrays = dict(np.load(file))
    np.savez(file, **arrays | {"0-x": arrays["0-x"] * np.nan})
    with pytest.raises(InputError, match=f"{file.name} is damaged"):
        poison(folder, **options)
    file.write_bytes(b"no archive")
    with pytest.raises(InputError, match="damaged"):
        poison(folder, **options)


def test_poison_is_never_judged_on_the_seed_that_it_was_made_on(audit):
    parts = split(audit.dataset, "members", audit.seed)
    attacker = prepare_attacker(audit, parts)
    assert attackers_seed(0) not in range(1000)
    key = jax.random.key(audit.seed)
    for number in range(3 * 18):  # the victims' first weights
        start = attacker.surrogate.model.init(jax.random.fold_in(jax.random.fold_in(key, number), 0))
        own = jax.random.fold_in(jax.random.fold_in(jax.random.key(attackers_seed(audit.seed)), 0), 0)
        theirs = attacker.surrogate.model.init(own)
        assert not np.array_equal(jax.tree.leaves(start)[1], jax.tree.leaves(theirs)[1])


def test_targets_were_right_before_and_one_that_most_clean_victims_get_wrong_is_not_counted(audit):
    parts = split(audit.dataset, "members", audit.seed)
    attacker = prepare_attacker(audit, parts)
    box, x = attacker.surrogate, parts.held_out.x[list(attacker.places)]
    label = box.model.apply(jax.tree.map(lambda leaf: leaf[0], box.variables), x.astype(np.float32) / 127.5 - 1).argmax(
        1
    )
    np.testing.assert_array_equal(label, [target.label for target in attacker.targets])
    assert all(target.wanted != target.label for target in attacker.targets)
    crafts = craft_all(replace(audit, attacks=audit.attacks[2:]), parts, attacker, None)
    layout, cells = lay_out(replace(audit, attacks=audit.attacks[2:]), parts, attacker, crafts)
    right = np.ones((len(cells), 3, len(layout.records)), bool)
    right[0, :2, layout.held_out.start + attacker.places[0]] = False  # two of three clean victims
    right[:, :, layout.targets.start + 1] = False  # of the other target nobody is ever taken in
    outcome = Outcome(replace(audit, attacks=audit.attacks[2:]), layout, cells, crafts, attacker, right)
    assert _valid(outcome).tolist() == [False, True]
    first, second = target_findings(outcome)
    assert (first.valid, second.valid) == (False, True)
    assert first.success["poison-frogs-watermark?steps=60"] == {"0.02": 1.0, "0.3": 1.0}
    assert [point.success.value for point in attack_findings(outcome)[0].points] == [0, 0, 0, 0]


def test_a_cell_has_the_clean_records_less_what_is_replaced_and_filters_see_members_alone(audit):
    parts = split(audit.dataset, "members", audit.seed)
    quick = replace(audit, attacks=audit.attacks[:2])
    attacker = prepare_attacker(quick, parts)
    crafts = craft_all(quick, parts, attacker, None)
    layout, cells = lay_out(quick, parts, attacker, crafts)
    assert len(cells) == 2 * (1 + len(crafts))
    train = len(parts.train)
    for cell in cells:
        assert not cell.member[layout.held_out].any()
        assert not cell.member[layout.triggers[1]].any()
        if cell.craft is not None and cell.sanitise is None:
            made = crafts[cell.craft].poison
            x, y = layout.records.x[cell.member], layout.records.y[cell.member]
            expected, role = made.apply(parts.train)
            # The same records in another order.
            order, other = (
                np.lexsort(np.column_stack([each.reshape(len(each), -1), label]).T)
                for each, label in ((x, y), (expected.x, expected.y))
            )
            np.testing.assert_array_equal(x[order], expected.x[other])
            np.testing.assert_array_equal(y[order], expected.y[other])
            assert role.sum() == len(made)
        if cell.sanitise is not None:
            whole = cells[cells.index(cell) - 1].member
            stays = quick.sanitise[0](layout.records.x[whole], layout.records.y[whole])
            np.testing.assert_array_equal(np.flatnonzero(cell.member), np.flatnonzero(whole)[stays])
    assert cells[0].member[:train].all()
    stamped = layout.records.x[layout.triggers[1]]
    assert (stamped[:, 5:, 5:] == 255).all()
    assert (layout.records.y[layout.triggers[1]] == 0).all()
    assert len(stamped) == (parts.held_out.y != 0).sum()


def test_two_classes_have_a_bound_that_their_poison_stays_below(audit, digits):
    two = replace(audit, dataset=keep_classes(digits, (0, 1)), attacks=(Minimax(steps=60),), shares=(0.05,))
    bound = bound_findings(two, split(two.dataset, "members", 0), None)
    assert [point.share for point in bound.points] == [0.0, 0.05]
    for point in bound.points:
        assert point.train_error <= point.loss <= point.bound + 1e-6


def test_the_bound_is_of_the_poison_that_there_is(audit, digits):
    """Of few records a share is none exactly: one in forty-five was trained on under the bound of half as many."""
    two = replace(
        audit, dataset=keep_classes(digits, (0, 1)).take(slice(0, 90)), attacks=(Minimax(steps=60),), shares=(0.012,)
    )
    parts = split(two.dataset, "members", 0)
    count, x = len(parts.train), flat_unit(parts.train.x)
    assert round(0.012 * count) == 1
    bound = bound_findings(two, parts, None)
    feasible = feasible_set(x, parts.train.y)
    exact = certify(x, parts.train.y, 1 / count, feasible, norm_squared=Minimax().norm_squared, steps=60)
    assert bound.points[1].bound == exact.bound


def test_the_interval_of_the_largest_effect_allows_for_the_choice_among_all(run, audit):
    for attack in run[1].findings.attacks:
        for point in attack.points:
            one, low, high = point.success or point.drop, *point.corrected
            assert low <= one.interval[0] <= one.value <= one.interval[1] <= high
    choices = len(audit.attacks) * len(audit.shares)
    frogs = run[1].findings.attacks[2].points[0]
    hits = round(frogs.success.value * 3 * 2)
    np.testing.assert_allclose(frogs.corrected, clopper_pearson(hits, 6, 1 - 0.05 / choices))


def test_one_seed_says_nothing_of_others():
    rng = np.random.default_rng(0)
    one = share_over_seeds(rng.random((1, 400)) < 0.98)
    assert one.interval == (0, 1)
    low, high = difference(one, share_over_seeds(np.zeros((1, 400), bool))).interval
    assert low < 0
    assert high == 1


def test_in_the_second_sweep_of_membership_stamped_copies_are_in_every_model_and_their_records_are_told_apart(
    audit, monkeypatch, tmp_path
):
    sweeps, compared = [], []
    monkeypatch.setattr(
        leakage, "train_run", lambda out, sweep, **_: sweeps.append((out.name, sweep)) or SimpleNamespace(folder=out)
    )
    monkeypatch.setattr(leakage, "scored_observations", lambda folder, models: (folder.name, models))
    figures = CopiesPoint(copies=1, targets=pooled(*two_models()), others=pooled(*two_models()))
    monkeypatch.setattr(leakage, "compare_targets", lambda *arguments: compared.append(arguments) or figures)
    parts = split(audit.dataset, "members", 0)
    (found,) = leakage.leakage_findings(replace(audit, leakage=8), parts, tmp_path, Placement(), None)
    (first, clean), (second, backdoored) = sweeps
    assert (first, second) == ("clean", "backdoored")
    assert clean.dataset is parts.train
    assert (clean.background, clean.seed, clean.models) == (0, backdoored.seed, 8)
    added = backdoored.dataset.x[len(parts.train) :]
    assert backdoored.background == len(added) == found.records == len(parts.train) // 10
    assert (added[:, 5:, 5:] == 255).all()
    poisoned = compared[0][2]
    np.testing.assert_array_equal(compared[1][2], poisoned)
    originals = {record.tobytes() for record in audit.attacks[1].stamp(parts.train.x[poisoned])}
    assert {record.tobytes() for record in added} == originals
    assert not leakage.leakage_findings(audit, parts, tmp_path, Placement(), None)


def two_models():
    member = np.array([[True, False] * 3, [False, True] * 3])
    return np.where(member, 1.0, 0.0), member


def test_a_last_layer_falls_to_one_collision_in_features_that_are_public(digits):
    frozen = poison(
        model=Architecture(name="mlp:16"), dataset=digits, attacks=(PoisonFrogs(beta=0.05, steps=100),), learner=LEARNER,
        shares=(0.1,), seeds=2, targets=2, frozen=True,
    ).findings  # fmt: skip
    assert frozen.victim.frozen
    assert frozen.clean[0].accuracy.value > 0.8
    assert frozen.attacks[0].points[0].success.value > frozen.attacks[0].points[0].without.value


def test_tables_far_from_one_scale_are_scaled_by_clean_members_alone():
    data = table(200)
    far = replace(data, x=data.x * np.array([1000, 1], np.float32))
    parts = split(far, "members", 0)
    assert abs(parts.train.x[:, 0].std() - 1) < 1e-5
    assert "1 columns" in parts.notes[0]
    np.testing.assert_array_equal(parts.train.x[:, 1], split(data, "none", 0).train.x[:, 1])
    np.testing.assert_array_equal(
        split(far, "none", 0).train.x[:, 0], far.x[np.isin(far.x[:, 1], parts.train.x[:, 1]), 0]
    )
    rare = far.x.copy()
    rare[:, 0] = 4017.3  # in the training set, and one more elsewhere
    rare[np.isin(far.x[:, 1], parts.held_out.x[:, 1]), 0] += 1
    np.testing.assert_allclose(split(replace(data, x=rare), "members", 0).held_out.x[:, 0], 1, atol=1e-3)
    ids = [{row.tobytes() for row in part.x} for part in parts[:3]]
    assert sum(map(len, ids)) == len(ids[0] | ids[1] | ids[2]) == 200


def test_the_hinge_model_is_within_its_norm_and_as_good_as_descent():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = rng.normal(size=(120, 3)) + np.where(y[:, None], 0.7, -0.7)
    theta = fit_hinge(x, y, 0.5)
    assert theta @ theta <= 0.5
    design, sign, other, least = np.hstack([x, np.ones((120, 1))]), 2 * y - 1, np.zeros(4), np.inf
    for step in range(1, 4001):
        other = other + design.T @ (sign * (sign * (design @ other) < 1)) / 120 / np.sqrt(step)
        other *= min(1, np.sqrt(0.5) / np.linalg.norm(other))
        least = min(least, hinge(other, x, y).mean())
    assert hinge(theta, x, y).mean() <= least + 1e-3
    assert error_of(np.zeros(4), x, y) == 1  # on no side of a boundary


def test_intervals_are_over_seeds_and_a_difference_is_made_of_both():
    hit = np.zeros((4, 100), bool)
    for seed, share in enumerate((90, 92, 94, 96)):
        hit[seed, :share] = True
    found = share_over_seeds(hit)
    reach = 3.182446305284263 * np.std([0.90, 0.92, 0.94, 0.96], ddof=1) / 2  # t of three degrees of freedom
    odds = 0.93 / 0.07 * np.exp(np.array([-1, 1]) * reach / (0.93 * 0.07))  # on the logit scale
    low, high = odds / (1 + odds)
    np.testing.assert_allclose([found.value, *found.interval], [0.93, low, high])
    alike = share_over_seeds(np.ones((8, 100), bool))
    np.testing.assert_allclose(alike.interval, [0.025 ** (1 / 100), 1])  # Clopper and Pearson, no failure of a hundred
    tenths = share_over_seeds(
        np.tile(np.arange(100) < 10, (3, 1))
    )  # the deviation of three tenths is 2e-17 in floating point
    np.testing.assert_allclose(tenths.interval, clopper_pearson(10, 100))
    same = difference(found, found)
    both = np.hypot(0.93 - low, high - 0.93)
    np.testing.assert_allclose(same.interval, [-both, both])


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_few_seeds_that_are_alike_are_no_surer_than_seeds_that_differ_by_a_record(seeds):
    """Two seeds at 100% bounded others to 96.4%, and two of 100% and 99% to nothing."""
    alike, other = np.ones((2, seeds, 100), bool)
    other[0, 0] = False
    for confidence in (0.95, 0.999):
        ends = share_over_seeds(alike, confidence).interval
        beside = share_over_seeds(other, confidence).interval
        assert ends[0] <= beside[0] + 1e-12
        assert ends[1] == 1
        np.testing.assert_allclose(share_over_seeds(~alike, confidence).interval, [0, 1 - ends[0]], atol=1e-12)


def test_success_near_everything_is_not_overstated():
    """Eight seeds whose success varies about .95: on its own scale the lower end was above that in 89 of 1000 audits."""
    rng, above = np.random.default_rng(0), 0
    for _ in range(1000):
        hit = np.arange(1000) < np.round(1000 * rng.beta(19, 1, (8, 1)))
        above += share_over_seeds(hit).interval[0] > 0.95
    assert above <= 60


def test_targets_that_share_their_victims_are_no_more_trials_than_the_victims():
    """Of 5 victims that take all of 4 targets for the wanted class or none, with chance .3: the interval covers, one of 20 trials would not."""
    chance, held = [comb(5, taken) * 0.3**taken * 0.7 ** (5 - taken) for taken in range(6)], {}
    for name, shape in {"shared": (5, 4), "as if each its own": (20, 1)}.items():
        shares = [share_of_victims((np.arange(20) < 4 * taken).reshape(shape)) for taken in range(6)]
        assert [share.value for share in shares] == pytest.approx([taken / 5 for taken in range(6)])
        covers = [share.interval[0] <= 0.3 <= share.interval[1] for share in shares]
        held[name] = float(np.dot(chance, covers))
    assert held["shared"] > 0.95 > 0.8 > held["as if each its own"]
    half = share_of_victims(np.array([[True, False], [True, True]]))
    assert half.value == 0.75
    np.testing.assert_allclose(half.interval[0], betaincinv(1.5, 1.5, 0.025))


def test_without_poison_the_victims_of_all_targets_are_the_same_ones(audit):
    parts = split(audit.dataset, "members", audit.seed)
    frogs = replace(audit, attacks=audit.attacks[2:])
    attacker = prepare_attacker(frogs, parts)
    crafts = craft_all(frogs, parts, attacker, None)
    layout, cells = lay_out(frogs, parts, attacker, crafts)
    right = np.ones((len(cells), 3, len(layout.records)), bool)
    right[0, 1:, layout.targets] = False  # one of three clean victims takes both targets for the wanted classes
    point = attack_findings(Outcome(frogs, layout, cells, crafts, attacker, right))[0].points[0]
    assert (point.success.value, point.without.value) == (1, 1 / 3)
    np.testing.assert_allclose(point.success.interval, clopper_pearson(6, 6))
    np.testing.assert_allclose(point.without.interval, clopper_pearson(1, 3))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"shares": ()}, "shares is"),
        ({"shares": (0.0,)}, "shares is"),
        ({"leakage": 3}, "leakage is 3"),
        ({"attacks": (BadNets(), BadNets())}, "name each once"),
        ({"sanitise": (Sanitise(), Sanitise(inside=0.5))}, "name each once"),
        ({"attacks": ()}, "give at least one"),
        ({"seeds": 0}, "seeds is 0"),
    ],
)
def test_what_cannot_be_audited_is_refused_in_one_sentence(audit, change, sentence):
    with pytest.raises(InputError, match=sentence):
        replace(audit, **change)


def test_what_these_records_cannot_show_is_refused(digits):
    with pytest.raises(InputError, match="two classes and digits 0-1-2-3-4 has 5"):
        poison(model=Architecture(name="softmax"), dataset=digits, attacks=(Minimax(),))
    with pytest.raises(InputError, match="too few"):
        poison(model=Architecture(name="softmax"), dataset=table(4), attacks=(RandomFlips(),))
    with pytest.raises(InputError, match=r"classes has 7 .* 0 to 4"):
        keep_classes(digits, (0, 7))
    with pytest.raises(InputError, match="each once"):
        keep_classes(digits, (1, 1))
