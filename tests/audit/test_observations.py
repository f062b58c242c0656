from __future__ import annotations

import json

import numpy as np
import pytest
from audit.observation_arrays import ARRAYS, LABEL, LOGITS, MEMBER, MODELS, RECORDS, RNG, at, phi_of, replaced, scored
from scipy.special import expit, log_softmax, softmax

from jaxattack.attacks.membership import ATTACKS, REGISTRY, Gap, lookup
from jaxattack.attacks.naming import label as name_of
from jaxattack.audit import read_observations, score
from jaxattack.audit.findings import values
from jaxattack.audit.observations import as_observations
from jaxattack.data import Halves
from jaxattack.types import InputError, InputWarning, Observations


def named(*names):
    return tuple(map(lookup, names))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_logits_of_another_framework_become_every_signal(read, dtype):
    logits = LOGITS.astype(dtype)
    found = read(**ARRAYS | {"logits": logits})
    assert {name for attack in ATTACKS.values() for name in (signal.name for signal in attack.signals)} <= set(
        found.signals
    )
    log_p = log_softmax(logits.astype(np.float64), axis=-1)
    p = np.exp(log_p)
    expected = {
        "phi": phi_of(logits),
        "correct": logits.argmax(axis=-1) == LABEL,
        "entropy": -(p * log_p).sum(axis=-1),
        "softmax_t2": np.take_along_axis(
            log_softmax(logits.astype(np.float64) / 2, axis=-1), np.broadcast_to(LABEL[:, None], (*MEMBER.shape, 1)), -1
        )[..., 0],
    }
    for name in expected.keys() & set(found.signals):
        assert (found.signal(name).shape, found.signal(name).dtype) == ((MODELS, RECORDS, 1), np.float32)
        np.testing.assert_allclose(found.signal(name)[..., 0], expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(found.member, MEMBER)
    np.testing.assert_array_equal(found.label, LABEL)


def test_logits_by_query_become_signals_by_query(read):
    logits = np.stack([LOGITS, LOGITS[..., ::-1], LOGITS + 1], axis=2)
    found = read(**ARRAYS | {"logits": logits}).signal("phi")
    assert found.shape == (MODELS, RECORDS, 3)
    np.testing.assert_allclose(found, phi_of(logits), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("queries", [(), (1,), (4,)])
def test_phi_alone_is_enough(read, queries):
    phi = RNG.standard_normal((MODELS, RECORDS, *queries))
    found = read(member=MEMBER.astype(np.int64), label=LABEL.astype(np.uint8), phi=phi)
    assert set(found.signals) == {"phi"}
    np.testing.assert_allclose(found.signal("phi"), phi.reshape(MODELS, RECORDS, -1), rtol=1e-6)
    assert found.member.dtype == np.bool_


def test_ids_are_read_and_numbers_become_text(read):
    phi, records = phi_of(LOGITS), len(LABEL)
    assert read(member=MEMBER, label=LABEL, phi=phi).ids == ()
    numbers = np.arange(records)[::-1]
    assert read(member=MEMBER, label=LABEL, phi=phi, ids=numbers).ids == tuple(map(str, numbers))


def test_a_signal_that_is_given_stands_before_one_computed(read):
    phi = np.zeros((MODELS, RECORDS))
    assert (read(**ARRAYS, phi=phi).signal("phi") == 0).all()


BAD = {
    "no member": (replaced(member=None), "has no member"),
    "no label": (replaced(label=None), "has no label"),
    "neither": (replaced(member=None, label=None), "has no member and label"),
    "no logits": (replaced(logits=None), "has no logits, probability or phi"),
    "flat member": (replaced(member=MEMBER[0]), "member has dtype bool and shape"),
    "member of 2": (replaced(member=MEMBER * 2), "member holds 2: give 0 or 1"),
    "member NaN": (replaced(member=at(MEMBER, (0, 0), np.nan)), "member holds nan: give 0 or 1"),
    "member of text": (replaced(member=MEMBER.astype(str)), "member has dtype <U5 .*: give 0 or 1"),
    "member that is not known": (
        replaced(member=np.where(MEMBER, -1, 0)),
        r"member holds -1: give 0 or 1 for each \[model, record\], or the number of the model as target",
    ),
    "short label": (replaced(label=LABEL[:-1]), "give one label a record"),
    "broken label": (replaced(label=LABEL + 0.5), "is no whole number"),
    "large label": (replaced(label=np.where(LABEL > 0, 5, 0)), "label ranges from 0 to 5, outside 0 to 2"),
    "unnamed label": (replaced(label=np.array(list("abc"))[LABEL], classes=np.array(["a", "b", "d"])), "does not name"),
    "few names": (replaced(classes=np.array(["a", "b"])), "classes names 2 and there are 3 columns"),
    "names of numbers": (replaced(classes=np.arange(3)), "give the name of each class"),
    "NaN": (
        replaced(logits=at(LOGITS, (2, slice(25), 1), np.nan)),
        r"logits is NaN or infinite in 25 places, first at \(2, 0, 1\) of \[model, record, cls\], in 25 of 40 records, "
        r"too many to leave out: leave out the models that answer so \(2\)",
    ),
    "phi of NaN": (
        replaced(logits=None, phi=at(LOGITS[..., 0], (slice(None), slice(5, 30)), np.nan)),
        r"phi is NaN .* in 150 places, first at \(0, 5\) of \[model, record\]",
    ),
    "too large for float32": (replaced(logits=LOGITS * 1e300), "logits is NaN or infinite"),
    "probabilities as logits": (
        replaced(logits=softmax(LOGITS, axis=-1)),
        "logits of model 0 are not negative and sum to 1 in every row, .* under the name probability",
    ),
    "probabilities with roundings below 0 as logits": (
        replaced(logits=at(softmax(LOGITS, axis=-1), (0, 5), [-1e-9, 0.25, 0.75 + 1e-9])),
        "logits of model 0 are not negative and sum to 1 .* under the name probability, and cut what rounding left below 0",
    ),
    "probabilities with roundings below 0": (
        replaced(logits=None, probability=at(softmax(LOGITS, axis=-1), (2, 5), [-1e-9, 0.25, 0.75 + 1e-9])),
        "probability of model 2 holds -1e-09, which is negative: cut what rounding left below 0",
    ),
    "percentages as logits": (replaced(logits=100 * softmax(LOGITS, axis=-1)), "sum to 100 .* divided by 100"),
    "probabilities of one model": (
        replaced(logits=at(LOGITS, 3, softmax(LOGITS[3], axis=-1).round(2))),
        "logits of model 3 are not negative",
    ),
    "logits as probability": (replaced(logits=None, probability=LOGITS), "is negative: give logits, or logarithms"),
    "percentages": (replaced(logits=None, probability=100 * softmax(LOGITS, axis=-1)), "sums to 1.*: divide by 100"),
    "sigmoids as logits": (replaced(logits=expit(LOGITS)), "all lie from 0 to 1 without a sum of 1"),
    "the two largest probabilities as logits": (
        replaced(logits=np.where(np.sort(LOGITS)[..., -2:-1] > LOGITS, 0, softmax(LOGITS, axis=-1))),
        "all lie from 0 to 1 without a sum of 1",
    ),
    "sigmoids": (replaced(logits=None, probability=expit(LOGITS)), "give one probability a class, which sum to 1"),
    "both": (replaced(probability=softmax(LOGITS, axis=-1)), "keep one of them"),
    "few models": (replaced(logits=LOGITS[:-1]), r"logits has shape \(5, 40, 3\) and member \(6, 40\)"),
    "one class": (
        replaced(logits=LOGITS[..., :1]),
        "which is 1 class: give a column a class, .* for two classes 0 and z",
    ),
    "flat logits": (replaced(logits=LOGITS[..., 0]), "logits has shape"),
    "text": (replaced(logits=None, phi=np.full((MODELS, RECORDS), "a")), "phi has dtype"),
    "confidences as phi": (
        replaced(logits=None, phi=at(expit(LOGITS[..., 0]), (0, 3), np.nan)),
        "phi lies from 0 to 1 everywhere, as confidences in the label do",
    ),
    "confidences as phi, one of them rounded up": (
        replaced(logits=None, phi=at(expit(LOGITS[..., 0]), (0, 3), 1 + 1e-7)),
        "phi lies from 0 to 1 everywhere",
    ),
    "confidences of a quantised network": (
        replaced(logits=np.rint(255 * softmax(LOGITS, axis=-1))),
        "logits of model 0 are probabilities in whole numbers of 255 in all in every row: divide each row by its sum",
    ),
    "no views": (replaced(logits=LOGITS[:, :, np.newaxis][:, :, :0]), r"logits has shape \(6, 40, 0, 3\)"),
    "no views of phi": (replaced(logits=None, phi=LOGITS[..., :0]), r"phi has shape \(6, 40, 0\)"),
    "unknown signal": (replaced(margin=LOGITS[..., 0]), "margin"),
    "few ids": (replaced(ids=np.arange(3)), "observations.npz: there are 3 ids of 40 records"),
    "ids twice": (replaced(ids=np.arange(40) // 2), "the records 0 and 1 have the same id '0'"),
    "no records": ({"member": MEMBER[:, :0], "label": LABEL[:0], "logits": LOGITS[:, :0]}, "observations.npz"),
    "no models": ({"member": MEMBER[:0], "label": LABEL, "logits": LOGITS[:0]}, "observations.npz"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays_are_refused_in_a_sentence(read, case):
    arrays, words = BAD[case]
    with pytest.raises(InputError, match=words) as caught:
        read(**arrays)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(
        InputError, match="does not exist: give an .npz with member, label, and logits, probability or phi"
    ):
        read_observations(tmp_path / "nothing.npz")
    np.save(tmp_path / "one.npy", LABEL)
    np.savez(tmp_path / "objects.npz", member=np.array([{}], object), label=LABEL, logits=LOGITS)
    np.savez(tmp_path / "whole.npz", **ARRAYS)
    (tmp_path / "half.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:1000])
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").write_bytes(b"")
    for name in ("one.npy", "objects.npz", "half.npz", "text.npz", "empty.npz"):
        with pytest.raises(InputError, match="cannot be read") as caught:
            read_observations(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="has no member and label"):
        read_observations(tmp_path)  # a folder of arrays, of which one.npy is one


def test_a_score_is_json_with_the_parts_of_a_report(read):
    found = score(read(**ARRAYS), name="mine")
    report = values(found)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert {entry.name for entry in found.attacks} == set(ATTACKS)
    assert found.title == "mine · 6 models"
    assert found.cost.queries == MODELS * RECORDS
    assert found.cost.gradient_steps == 0
    right = LOGITS.argmax(axis=-1) == LABEL
    expected = np.mean([right[model][MEMBER[model]].mean() for model in range(MODELS)])
    assert found.models.train_accuracy.mean == pytest.approx(expected, abs=1e-6)


def test_phi_alone_is_scored_by_the_attacks_that_read_it(read):
    found = score(read(member=MEMBER, label=LABEL, phi=phi_of(LOGITS)))
    assert {entry.name for entry in found.attacks} == {
        name for name, attack in ATTACKS.items() if {signal.name for signal in attack.signals} <= {"phi"}
    }
    assert found.models.train_accuracy is None


def observations(models=MODELS, **changes):
    return Observations(
        **{"signals": {"phi": phi_of(LOGITS)[:models, :, None].astype(np.float32)}, "member": MEMBER[:models]}
        | {"label": LABEL}
        | changes
    )


@pytest.mark.parametrize(
    ("given", "attacks", "words"),
    [
        (observations(3), None, "has 3 models: give at least 4"),
        (observations(), ("lira",), r"an attack is 'lira': give it as an object, as jaxattack\.attacks\.LiRA"),
        (observations(), "lira", r"attacks is 'lira': give several, as \(jaxattack\.attacks\.LiRA"),
        (observations(), lookup("loss"), r"attacks is Threshold\(.*: give several"),
        (observations(), (Gap,), r"an attack is <class .*Gap'>: give it as an object"),
        (observations(), named("gap"), "the signal 'correct' was not observed"),
        (observations(), (), "attack"),
    ],
    ids=["few models", "a word", "one word", "one attack", "a class", "signal missing", "no attack"],
)
def test_what_cannot_be_scored_is_refused_in_a_sentence(given, attacks, words):
    with pytest.raises(InputError, match=words):
        score(given, attacks)


def test_a_record_that_every_model_saw_is_left_out_named_and_counted():
    member = MEMBER.copy()
    member[:, [3, 8]] = True
    found = score(observations(member=member), named("lira-online", "loss"))
    others = np.delete(np.arange(RECORDS), [3, 8])
    kept = observations(member=member).take_records(others)
    expected = score(kept, named("lira-online", "loss"))
    assert [entry.auc for entry in found.attacks] == [entry.auc for entry in expected.attacks]
    assert {entry.records for entry in found.attacks} == {38}
    assert (found.models.records, found.models.scored) == (40, 38)
    # They keep their numbers in the data.
    assert [entry.record for entry in found.vulnerable.records] == [
        int(others[entry.record]) for entry in expected.vulnerable.records
    ]
    total, note = found.notes
    assert total == "2 of 40 records are left out of every figure."
    assert "2 of 40 records (3, 8), which are non-members of fewer than 1" in note
    assert "(lira-online)" in note


@pytest.mark.parametrize("queries", [0, 2])
def test_probabilities_and_their_logarithms_are_scored_as_logits_are(read, queries):
    logits = np.stack([LOGITS, LOGITS[..., ::-1]], axis=2) if queries else LOGITS
    p = softmax(logits, axis=-1)
    expected = read(**ARRAYS | {"logits": logits})
    for arrays in ({"logits": np.log(p)}, {"probability": p}):
        found = read(**{"member": MEMBER, "label": LABEL} | arrays)
        for name in set(expected.signals) - {"taylor_t2"}:
            np.testing.assert_allclose(found.signal(name), expected.signal(name), rtol=1e-4, atol=1e-5, err_msg=name)
    assert any("probability is read as such" in note for note in found.notes)


def test_the_order_of_the_classes_is_nothing_to_any_attack(read):
    order = np.array([2, 0, 1])
    shuffled = {"logits": LOGITS[..., order], "label": np.argsort(order)[LABEL]}
    ours, theirs = (scored(score(read(**ARRAYS | arrays))) for arrays in ({}, shuffled))
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name][0] == pytest.approx(theirs[name][0], abs=2e-3), name


def test_labels_of_every_kind_name_the_same_columns(read):
    expected = read(**ARRAYS).signal("phi")
    words = np.array(["ant", "bee", "cow"])
    for label in (LABEL.astype(float), LABEL[:, None], np.eye(3)[LABEL], words[LABEL]):
        np.testing.assert_array_equal(read(**ARRAYS | {"label": label}).signal("phi"), expected)
    for label in (LABEL + 1, LABEL - 1):
        with pytest.warns(InputWarning, match="3 classes in their order"):
            np.testing.assert_array_equal(read(**ARRAYS | {"label": label}).signal("phi"), expected)
    worded = read(**ARRAYS | {"label": words[::-1][LABEL], "classes": words[::-1]})
    np.testing.assert_array_equal(worded.signal("phi"), expected)
    assert score(worded, named("loss")).vulnerable.records[0].label in words


def test_attacks_that_read_several_numbers_of_an_answer_score_a_file(tmp_path):
    z = RNG.normal(size=(6, 24, 3))
    member = Halves()(6, 24, 0)
    np.savez(tmp_path / "observations.npz", logits=z, member=member, label=np.arange(24) % 3)
    attacks = (lookup("ml-leaks-1"), lookup("shokri?shadows=1&network.epochs=1"))
    read = read_observations(tmp_path / "observations.npz", attacks)
    assert read.signals["confidence_vector"].shape == (6, 24, 1, 3)
    np.testing.assert_allclose(read.signals["confidence_vector"][:, :, 0], softmax(z, axis=2), rtol=1e-5)
    assert {one.name for one in score(read, attacks).attacks} == {name_of(attack, REGISTRY) for attack in attacks}
    z[2, 5] = np.nan
    np.savez(tmp_path / "observations.npz", logits=z, member=member, label=np.arange(24) % 3)
    assert score(read_observations(tmp_path / "observations.npz", attacks), attacks).attacks[0].records == 23


@pytest.mark.parametrize("name", ["yoqo", "morgan", "bit-flips"])
def test_attacks_that_ask_again_are_refused_for_a_file(tmp_path, name):
    np.savez(tmp_path / "o.npz", logits=RNG.normal(size=(6, 24, 3)), member=Halves()(6, 24, 0), label=np.arange(24) % 3)
    with pytest.raises(InputError, match="must ask the models again"):
        read_observations(tmp_path / "o.npz", (lookup(name),))


def test_columns_that_nothing_names_are_taken_in_the_order_of_the_labels_text_and_it_is_said():
    logits, member = np.random.default_rng(0).normal(size=(4, 6, 2)), np.arange(24).reshape(4, 6) % 2
    arrays = {"logits": logits, "member": member, "label": np.array(["well", "ill"] * 3)}
    said = as_observations(arrays).notes
    assert said == (
        "observations: label is text and classes names no columns: those of logits are taken for ill, well, in this order.",
    )
    assert as_observations(arrays | {"classes": np.array(["well", "ill"])}).notes == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"member": MEMBER.tolist()}, r"member is \[\[.*: give an array"),
        ({"label": LABEL.tolist()}, r"label is \[.*: give an array"),
        ({"label": LABEL - 1}, "label holds -1: give the number of each record's class, from 0"),
        ({"signals": None}, "signals is None: give arrays by name"),
        ({"signals": {"phi": LOGITS[..., 0]}}, r"signal 'phi' has dtype float64, shape \(6, 40\) and member \(6, 40\)"),
        ({"signals": {"phi": LOGITS[:5]}}, r"signal 'phi' has dtype float64, shape \(5, 40, 3\) and member \(6, 40\)"),
        ({"signals": {"phi": LOGITS.astype(str)}}, "signal 'phi' has dtype <U.*: give the signal as .*, numbers"),
        (
            {"unknown": MEMBER[:2]},
            r"unknown has dtype bool and shape \(2, 40\): give a Boolean array of member's shape",
        ),
    ],
)
def test_what_are_no_observations_are_refused_in_a_sentence(change, words):
    with pytest.raises(InputError, match=words):
        score(Observations(**{"signals": {"phi": LOGITS}, "member": MEMBER, "label": LABEL} | change), named("loss"))


def test_what_is_declared_is_an_attack():
    with pytest.raises(InputError, match="an attack is 'loss': give it as an object"):
        score(observations(), named("loss"), declare="loss")
