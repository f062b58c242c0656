"""Answers of one target, asked or written down, beside references that others trained: on one footing, and paid for once."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxattack.attacks.membership import lookup
from jaxattack.audit.membership import membership
from jaxattack.audit.target.answer_files import as_membership
from jaxattack.audit.target.answers import More, ask_victim
from jaxattack.audit.target.comparability import signals_of
from jaxattack.audit.target.questions import ask_more
from jaxattack.audit.target.reference_file import read_references
from jaxattack.audit.target.terms import TargetTerms
from jaxattack.audit.victim import Victim, as_victim
from jaxattack.defences import LabelOnly, Round, Temperature
from jaxattack.models import Architecture, build
from jaxattack.oracle import from_function, from_model
from jaxattack.signals import AugmentedCorrectness, NoiseRobustness, Phi
from jaxattack.training import Queries
from jaxattack.training.single import observe
from jaxattack.training.view import View
from jaxattack.types import Access, Answer, Dataset, InputError, Inputs, Model, Observations, Variables

RECORDS, CLASSES, MODELS = 600, 3, 12
RNG = np.random.default_rng(0)
LABEL = RNG.integers(0, CLASSES, RECORDS)
HALVES = [RNG.permuted(np.arange(RECORDS) % 2 == 0) for _ in range(MODELS // 2)]
MEMBER = np.stack([RNG.random(RECORDS) < 0.5, *(side for half in HALVES for side in (half, ~half))])
LOGITS = RNG.normal(0, 1.5, (MODELS + 1, RECORDS, CLASSES)) + 3 * (1 + MEMBER[..., None]) * (
    np.arange(CLASSES) == LABEL[:, None]
)
# A record is its number, so that a function can look up what a model that was never trained answers to it.
DATA = Dataset(
    x=np.arange(RECORDS, dtype=np.float32)[:, None],
    y=LABEL,
    classes=CLASSES,
    name="invented",
    names=("ant", "bee", "cow"),
)
IDS = tuple(f"a{n}" for n in range(RECORDS))
ATTACKS = tuple(map(lookup, ("lira-offline", "loss", "entropy", "gap")))


def oracle(
    level="probability", *, columns=(0, 1, 2), names=(), change=lambda scores: scores, decimals=None, calls=None
):
    def answer(x):
        if calls is not None:
            calls.append(len(x))
        z = LOGITS[0][x[:, 0].astype(int)][:, list(columns)]
        return z.argmax(axis=1) if level == "label" else change(softmax(z, axis=1))

    access = Access(level=level, classes=CLASSES, inputs=Inputs.box(0, RECORDS, (1,)), decimals=decimals)
    made = from_function(answer, access, content=lambda: {"version": "1"})
    made.names = names
    return made


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    path = tmp_path_factory.mktemp("references") / "models.npz"
    np.savez(path, logits=LOGITS[1:].astype(np.float32), member=MEMBER[1:], label=LABEL)
    return path


@pytest.fixture(scope="module")
def audit(references):
    def run(target, *, out=None, attacks=ATTACKS, members=MEMBER[0], **settings):
        return membership(
            out, target=target, members=members, references=references, model=Architecture(name="softmax"), dataset=DATA,
            models=MODELS, attacks=attacks, **settings,
        ).findings  # fmt: skip

    return run


@pytest.fixture(scope="module")
def asked(audit):
    return audit(oracle())


def same(ours, theirs, rtol=1e-3):
    assert ours.attack == theirs.attack
    np.testing.assert_allclose(ours.records.score, theirs.records.score, rtol=rtol, atol=1e-4)
    assert ours.verdicts == theirs.verdicts
    # Not that of the strongest alone: entropy is the same whatever the order of the columns.
    assert [one.name for one in ours.attacks] == [one.name for one in theirs.attacks]
    np.testing.assert_allclose(
        [one.known.auc for one in ours.attacks], [one.known.auc for one in theirs.attacks], rtol=rtol
    )


@pytest.mark.parametrize("kind", ["logits", "probability"])
def test_answers_that_were_written_down_say_what_an_oracle_says(audit, asked, tmp_path, kind):
    scores = LOGITS[0] if kind == "logits" else softmax(LOGITS[0], axis=1)
    np.savez(tmp_path / "target.npz", **{kind: scores, "member": MEMBER[0].astype(int)})
    same(audit(tmp_path / "target.npz", members=None), asked)


@pytest.mark.parametrize("factor", [1, 100])
def test_confidences_that_are_told_as_raw_outputs_are_refused(audit, tmp_path, factor):
    """Read as raw outputs they find next to nothing, whatever the target gives away."""
    np.savez(tmp_path / "target.npz", logits=factor * softmax(LOGITS[0], axis=1))
    with pytest.raises(InputError, match=r"target.npz: logits .* as probabilities do: give them under the name"):
        audit(tmp_path / "target.npz")
    with pytest.raises(InputError, match="logits .* as probabilities do"):
        audit(oracle("logit", change=lambda p: factor * p))


def test_classes_that_are_masked_count_for_nothing(tmp_path):
    """-inf where a record cannot be of a class, in the target's raw outputs and in those of its references."""
    masked = (np.arange(CLASSES) == 2) & (LABEL != 2)[:, None]

    def found(value):
        answers = np.where(masked, value, LOGITS).astype(np.float32)
        np.savez(tmp_path / "target.npz", logits=answers[0])
        np.savez(tmp_path / "models.npz", logits=answers[1:], member=MEMBER[1:], label=LABEL)
        return membership(
            None, target=tmp_path / "target.npz", members=MEMBER[0], references=tmp_path / "models.npz", dataset=DATA,
            model=Architecture(name="softmax"), models=MODELS, attacks=ATTACKS,
        ).findings  # fmt: skip

    told = found(-np.inf)
    assert told.verdicts.records == RECORDS
    same(told, found(-9000.0))


def test_columns_in_another_order_are_found_by_their_names(audit, asked, tmp_path):
    same(audit(oracle(columns=(2, 0, 1), names=("cow", "ant", "bee"))), asked)
    np.savez(tmp_path / "a.npz", logits=LOGITS[0][:, [2, 0, 1]], classes=np.array(["cow", "ant", "bee"]))
    same(audit(str(tmp_path / "a.npz")), asked)


def test_predictions_are_numbered_as_their_file_names_the_classes(audit, tmp_path):
    prediction = LOGITS[0].argmax(axis=1)
    np.savez(tmp_path / "a.npz", prediction=prediction)
    ours = audit(str(tmp_path / "a.npz"))
    column = np.array([2, 3, 0])  # of ant, bee and cow
    np.savez(tmp_path / "a.npz", prediction=column[prediction], classes=np.array(["cow", "dog", "ant", "bee"]))
    same(audit(str(tmp_path / "a.npz")), ours)


def test_a_row_of_observations_is_a_target(audit, asked):
    z, y = LOGITS[:1], LABEL[None, :, None]
    own = np.take_along_axis(z, y, 2)[..., 0]
    others = np.where(np.arange(CLASSES) == y, -np.inf, z)
    phi = own - np.logaddexp.reduce(others, axis=2)
    signals = {
        "phi": phi[..., None].astype(np.float32),
        "correct": (z.argmax(2) == LABEL)[..., None].astype(np.float32),
    }
    row = Observations(signals=signals, member=MEMBER[:1], label=LABEL)
    same(audit(row, members=None, attacks=ATTACKS[:1]), audit(oracle(), attacks=ATTACKS[:1]))


def test_labels_alone_run_what_labels_allow_and_name_the_rest(audit):
    found = audit(oracle("label"))
    assert [one.name for one in found.attacks] == ["gap"]
    assert any("do not allow" in note and "lira-offline" in note and "loss" in note for note in found.notes)
    assert found.target.level == "label"
    assert found.verdicts.called == 0
    assert any("the highest score of gap is reached by" in note for note in found.notes)
    with pytest.raises(InputError, match="no attack can be run"):
        audit(oracle("label"), attacks=ATTACKS[:1])


@pytest.mark.parametrize("stated", [None, 1])
def test_rounded_answers_have_references_that_are_rounded_too(audit, stated):
    found = audit(oracle(change=lambda p: p.round(1), decimals=stated), attacks=ATTACKS[:2])
    assert any("References answer as the target does (Round 1)" in note for note in found.notes)
    # Beside references that say .9999 members and others look forgotten alike, and no rate would hold.
    for one in found.calibrations:
        for rate in (0.1, 0.05):
            if str(rate) in one.realised_fpr:
                assert one.realised_fpr[str(rate)] <= rate + 4 * np.sqrt(rate / found.verdicts.non_members)


def test_answers_are_paid_for_once_and_within_a_budget(audit, asked, tmp_path):
    calls = []
    first = audit(oracle(calls=calls), out=tmp_path / "run", terms=TargetTerms(budget=RECORDS + 1))
    same(first, asked)
    assert (first.cost.queries, first.cost.kept) == (RECORDS + 1, 0)
    paid = sum(calls)
    again = audit(oracle(calls=calls), out=tmp_path / "run")
    same(again, first)
    assert again.cost.kept == RECORDS + 1
    assert sum(calls) - paid <= 1  # whether it answers the same question alike
    with pytest.raises(InputError, match="budget is 600, and there are 600 questions and 1 to check"):
        audit(oracle(), terms=TargetTerms(budget=RECORDS))


def test_references_with_the_targets_very_members_are_refused(audit, references):
    for members in (MEMBER[1], ~MEMBER[4]):
        with pytest.raises(InputError, match="was trained on exactly the target's members"):
            audit(oracle(), members=members)


def test_members_are_a_mask_or_numbers():
    np.testing.assert_array_equal(as_membership(np.array([True, False]), 2, "a"), [1, 0])
    np.testing.assert_array_equal(as_membership(np.array([1, -1, 0]), 3, "a"), [1, -1, 0])
    np.testing.assert_array_equal(as_membership(np.array([3, 1]), 4, "a"), [0, 1, 0, 1])
    for bad in (np.array([5]), np.array([2, 2]), np.array([0.5, 0.5]), np.zeros((2, 2))):
        with pytest.raises(InputError, match="a has dtype"):
            as_membership(bad, 2, "a")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"phi": np.zeros(RECORDS)}, "give logits, probability or prediction"),
        ({"logits": LOGITS[0][:5]}, "is of 5 records in 1 views, and the data has 600"),
        ({"logits": LOGITS, "member": MEMBER}, "is of 13 models: audit one of them with jaxattack score"),
        ({"logits": LOGITS[0][:, :2]}, "has 2 columns and invented 3 classes"),
        ({"prediction": np.full(RECORDS, 7)}, "give class numbers, 0 to 2"),
        ({"logits": np.full((RECORDS, 3), "a")}, "give numbers"),
        ({"logits": LOGITS[0], "classes": np.array(["a", "b", "c"])}, "classes names a, b, c and the data has ant"),
    ],
)
def test_files_that_are_no_answers_are_refused(audit, tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        audit(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": np.roll(LABEL, 1)}, "has other labels than invented in"),
        ({"ids": np.array([f"b{n}" for n in range(RECORDS)])}, "has the id 'b0' where invented has 'a0', in record 0"),
    ],
)
def test_references_of_other_records_are_refused(tmp_path, change, message):
    arrays = {"logits": LOGITS[1:], "member": MEMBER[1:], "label": LABEL, "ids": np.array(IDS)}
    np.savez(tmp_path / "models.npz", **arrays)
    data = replace(DATA, ids=IDS)
    assert read_references(tmp_path / "models.npz", data, np.arange(RECORDS)).scores.shape[1] == RECORDS
    np.savez(tmp_path / "models.npz", **arrays | change)
    with pytest.raises(InputError, match=message):
        read_references(tmp_path / "models.npz", data, np.arange(RECORDS))


def test_pictures_are_asked_about_in_the_layout_and_on_the_scale_that_a_file_fits_best():
    pictures = np.random.default_rng(0).integers(0, 256, (40, 4, 5, 1), dtype=np.uint8)
    y = (pictures[:, 0, 0, 0] > 127).astype(int)
    seen = []

    def answer(x):  # sure of itself from 0 to 1 with its channels first, and wrong on other scales
        seen.append(x)
        z = np.stack([np.zeros(len(x)), 20 * (x[:, 0, 0, 0] - 0.5)], axis=1)
        return np.where((x.max() > 1) | (x.min() < 0), -z, z)

    made = from_function(answer, Access(level="logit", classes=2, inputs=Inputs.box(-1, 1, (1, 4, 5))))
    victim = Victim(name="cnn.onnx", oracle=made, twin=made)
    records = Dataset(x=pictures, y=y, classes=2, name="pictures")
    answers = ask_victim(victim, records, Queries.counting(2))
    assert answers.answer.logit.shape == (40, 2, 2)
    np.testing.assert_allclose(seen[-1], pictures[:, :, ::-1].transpose(0, 3, 1, 2) / 255, atol=1e-12)
    assert any("on the scale 'unit'" in note for note in answers.notes)
    np.testing.assert_array_equal(answers.answer.label[:, 0], y)
    with pytest.raises(InputError, match="takes records of shape"):
        ask_victim(as_victim(oracle()), records, Queries())


def test_what_defences_drown_is_cut_alike_of_a_target_and_of_networks():
    z = np.random.default_rng(0).normal(0, 6, (30, 1, 4)).astype(np.float32)
    y = z[:, 0].argmin(axis=1)
    defences = (Round(decimals=1), Temperature(temperature=3.0))
    told, unread = signals_of(Answer(z.argmax(axis=2), None, z), defences, (Phi(),), y)
    model = Model(lambda _: Variables(None, None), lambda _, x: x, lambda _, x, key: (x, None))
    view = View(model, Variables(None, None), tuple((defence, ()) for defence in defences), classes=4)
    expected = Phi()(view, jnp.asarray(z[:, 0]), jnp.asarray(y), None)
    assert not unread.any()
    np.testing.assert_allclose(told["phi"][0, :, 0], expected, rtol=1e-4, atol=1e-4)


def test_what_is_asked_more_than_once_is_read_of_a_target_as_of_a_network():
    rng = np.random.default_rng(0)
    records = Dataset(
        x=rng.integers(0, 256, (20, 5, 4, 1), dtype=np.uint8), y=rng.integers(0, 2, 20), classes=2, name="pictures"
    )
    network = build("softmax", records.shape, 2)
    variables = network.init(jax.random.key(1))
    victim = as_victim(
        from_model(network, variables, inputs=Inputs.box(0, 255, records.shape), classes=2, level="label", images=True)
    )
    queries = Queries.counting(2)
    asking = (AugmentedCorrectness(kind="translation", size=1), NoiseRobustness(copies=4, sigma=0.5))
    more = More(
        sum(signal.queries for signal in asking),
        lambda ask, answers: ask_more(ask, answers, asking, records, queries, (LabelOnly(),)),
    )
    budget = 20 * 2 * (1 + 5 + 5)
    asked = ask_victim(victim, records, queries, more=more, budget=budget + 1)
    assert asked.cost.queries == budget + 1
    x, y = jnp.asarray(records.x), jnp.asarray(records.y)
    expected = observe(network, asking, queries, 20, x, y, variables)
    for signal in asking:
        np.testing.assert_array_equal(asked.more[signal.name][0], expected[signal.name])
    with pytest.raises(InputError, match="budget is 440, and there are 440 questions and 1 to check"):
        ask_victim(victim, records, queries, more=more, budget=budget)
    assert victim.oracle.ledger.queries == budget + 1
