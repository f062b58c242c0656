"""Models of any framework asked about every record: the same answers as theirs, in memory and in a file."""

from __future__ import annotations

import numpy as np
import pytest
from flax import nnx
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

import jaxattack as ja
from jaxattack.types import InputError

RECORDS, CLASSES = 30, 3
X = np.random.default_rng(0).normal(size=(RECORDS, 4))
Y = np.arange(RECORDS) % CLASSES
MEMBER = np.random.default_rng(1).random((4, RECORDS)) < 0.5
WEIGHT = np.random.default_rng(2).normal(size=(4, 4, CLASSES))
MODELS = [lambda x, weight=weight: x @ weight for weight in WEIGHT]
LOGITS = np.einsum("rf,mfc->mrc", X, WEIGHT)


def same(one, other):
    assert {*one.signals} == {*other.signals}
    for name in one.signals:
        np.testing.assert_allclose(one.signal(name), other.signal(name), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(one.member, other.member)
    np.testing.assert_array_equal(one.label, other.label)
    assert (one.names, one.ids) == (other.names, other.ids)


def test_answers_are_those_of_the_models_in_memory_and_in_a_file(tmp_path):
    arrays = {"logits": LOGITS, "member": MEMBER, "label": Y, "ids": np.arange(100, 130)}
    naive = ja.as_observations(arrays)
    told = []
    ids = [str(number) for number in range(100, 130)]
    observations = ja.observe(MODELS, X, Y, member=MEMBER, ids=ids, batch=7, progress=lambda *done: told.append(done))
    same(observations, naive)
    assert repr(observations).startswith("<Observations: 4 models, 30 records; ")
    assert len(repr(observations).splitlines()) == 1
    assert told == [("models", model, 4) for model in (1, 2, 3, 4)]
    path = ja.observe(iter(MODELS), X, Y, member=MEMBER.astype(int), ids=ids, out=str(tmp_path / "said.npz"), batch=7)
    same(ja.read_observations(path), naive)
    with np.load(path) as file:
        np.testing.assert_allclose(file["logits"], LOGITS, rtol=1e-9, atol=1e-12)
        assert file["logits"].dtype == np.float64


def test_probabilities_are_told_by_their_rows_and_names_and_ids_come_with_a_data_set():
    dataset = ja.data.from_arrays(X, Y, names=["a", "b", "c"], ids=[f"r{number}" for number in range(RECORDS)])
    observations = ja.observe([lambda x, one=one: softmax(one(x), axis=1) for one in MODELS], dataset, member=MEMBER)
    assert any("probability is read as such" in note for note in observations.notes)
    naive = ja.as_observations({"logits": LOGITS, "member": MEMBER, "label": Y})
    np.testing.assert_allclose(observations.signal("phi"), naive.signal("phi"), rtol=1e-3, atol=1e-4)
    assert (observations.names, observations.ids) == (dataset.names, dataset.ids)


@pytest.mark.parametrize("labels", [[0, 1, 2], [3, 5, 9], ["x", "y", "z"]])
@pytest.mark.filterwarnings("ignore:y holds 3 different labels")
def test_estimators_answer_by_the_names_of_their_classes_and_lack_some(labels):
    y = np.array(labels)[Y]
    rows = [Y < 3, Y > 0, Y != 1, Y < 2]
    models = [LogisticRegression().fit(X[row], y[row]) for row in rows]
    probability = np.zeros((4, RECORDS, 3))
    for model, (one, row) in enumerate(zip(models, rows, strict=True)):
        probability[model][:, np.unique(Y[row])] = one.predict_proba(X)
    naive = ja.as_observations({"probability": probability, "member": MEMBER, "label": Y})
    observations = ja.observe(models, X, y, member=MEMBER)
    np.testing.assert_allclose(observations.signal("phi"), naive.signal("phi"), rtol=1e-4)


@pytest.mark.parametrize("told", [0, 1])
def test_estimators_of_numbered_classes_were_told_the_numbers_or_the_names(told):
    """A table whose labels are 1 to 3 has the classes 0 to 2 of these names; models are fitted on either."""
    dataset = ja.data.from_arrays(X, Y, names=["1", "2", "3"])
    models = [LogisticRegression().fit(X[row], Y[row] + told) for row in MEMBER]
    naive = ja.as_observations(
        {"probability": np.stack([one.predict_proba(X) for one in models]), "member": MEMBER, "label": Y}
    )
    observations = ja.observe(models, dataset, member=MEMBER)
    np.testing.assert_allclose(observations.signal("phi"), naive.signal("phi"), rtol=1e-4, atol=1e-5)
    lacking = LogisticRegression().fit(X[Y > 0], Y[Y > 0])  # of the names, or of all numbers but 0
    with pytest.raises(
        InputError, match=r"knows the classes 1, 2, which may be numbers of classes or other classes' names"
    ):
        ja.observe([lacking, *models[1:]], dataset, member=MEMBER)


def test_each_model_may_have_records_of_its_own_and_a_transform():
    own = [X + model for model in range(4)]
    observations = ja.observe(MODELS, own, Y, member=MEMBER, transform=lambda x: x / 2)
    naive = np.stack([(X + model) / 2 @ weight for model, weight in enumerate(WEIGHT)])
    same(observations, ja.as_observations({"logits": naive, "member": MEMBER, "label": Y}))


def test_pandas_frames_reach_models_as_they_are():
    pandas = pytest.importorskip("pandas", reason="the extra tables is not installed")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    models = [lambda x, one=one: one(x[["a", "b", "c", "d"]].to_numpy()) for one in MODELS]
    same(
        ja.observe(models, frame, Y, member=MEMBER),
        ja.as_observations({"logits": LOGITS, "member": MEMBER, "label": Y}),
    )


def test_channels_come_first_where_models_take_them_so():
    pictures = np.random.default_rng(3).normal(size=(RECORDS, 2, 3, 4))

    def model(x):
        assert x.shape[1:] == (4, 2, 3)
        return x.sum(axis=(2, 3))[:, :3]

    observations = ja.observe([model] * 4, pictures, Y, member=MEMBER, layout="nchw")
    naive = np.tile(pictures.sum(axis=(1, 2))[:, :3], (4, 1, 1))
    same(observations, ja.as_observations({"logits": naive, "member": MEMBER, "label": Y}))


class Net(nnx.Module):
    def __init__(self, rngs):
        self.layer, self.drop = nnx.Linear(4, CLASSES, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.layer(self.drop(x))


def test_flax_modules_answer_without_dropout_and_stay_as_they_are():
    modules = [Net(nnx.Rngs(seed)) for seed in range(2)]
    observations = ja.observe(modules, X, Y, member=MEMBER[:2])
    logits = np.stack([X @ np.asarray(one.layer.kernel[...]) + np.asarray(one.layer.bias[...]) for one in modules])
    naive = ja.as_observations({"logits": logits, "member": MEMBER[:2], "label": Y})
    np.testing.assert_allclose(observations.signal("phi"), naive.signal("phi"), rtol=1e-3, atol=1e-3)
    assert not modules[0].drop.deterministic


def test_torch_modules_are_asked_in_evaluation_mode_without_gradients():
    torch = pytest.importorskip("torch", reason="torch is not installed here")
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(3))
    module[2].eval()
    observations = ja.observe([module] * 2, X, Y, member=MEMBER[:2])
    assert [part.training for part in module.modules()] == [True, True, True, False]
    module.eval()
    logits = module(torch.tensor(X, dtype=torch.float32)).detach().numpy()
    naive = ja.as_observations({"logits": np.stack([logits] * 2), "member": MEMBER[:2], "label": Y})
    same(observations, naive)


def fails(x):
    raise RuntimeError("shapes cannot be multiplied\nmore")


def loading():
    yield MODELS[0]
    raise FileNotFoundError("no checkpoint 1")


@pytest.mark.parametrize(
    ("models", "settings", "words"),
    [
        (
            [fails],
            {},
            r"asking model 0 \(fails\) of records 0 to 29 failed \(RuntimeError: shapes cannot be multiplied\)",
        ),
        ([lambda x: x[0]], {}, r"gave float64 of shape \(4,\): answer with one number a class, \[30, classes\]"),
        ([MODELS[0], lambda x: x], {}, r"model 1 .* answers with 4 numbers and there are 3 classes"),
        (MODELS[:3], {}, "models are 3 and member has 4 rows: give one model a row"),
        ([*MODELS, MODELS[0]], {}, "models are more and member has 4 rows"),
        ([], {}, "models are none"),
        ([3], {}, r"model 0 \(int\): it is a int: give something that is called"),
        (loading(), {}, r"making model 1 failed \(FileNotFoundError: no checkpoint 1\)"),
        (MODELS, {"answers": "probability"}, "probability of model 0 holds -.*, which is negative: give logits"),
        (MODELS, {"answers": "scores"}, "answers is 'scores': give logits or probability"),
        ([MODELS[0], lambda x: softmax(MODELS[1](x), axis=1)], {}, "logits of model 1 are not negative and sum to 1"),
        (MODELS, {"classes": ["a", "b"]}, "y ranges from 0 to 2, outside 0 to 1"),
        (MODELS, {"classes": ["a", "b", "c", "d"]}, "classes names 4 and the models answer with 3"),
        (MODELS, {"layout": "nchw"}, r"layout is nchw and a batch has shape \(30, 4\)"),
        (MODELS, {"batch": 0}, "batch is 0: give at least 1"),
        (MODELS, {"out": 3}, "out is 3: give the path of a folder or a file, or none"),
        (MODELS, {"progress": 3}, "progress is 3: give a function or none"),
        (MODELS, {"out": "said.npy"}, "out is 'said.npy': give a name that ends in .npz"),
        (MODELS, {"member": MEMBER[0]}, r"member has shape \(30,\): give 0 or 1 for each"),
        (MODELS, {"member": MEMBER[:, :9]}, "x has 30 records and member 9"),
    ],
)
@pytest.mark.parametrize("file", [False, True])
def test_what_cannot_be_asked_is_refused_in_a_sentence_and_leaves_no_file(
    tmp_path, monkeypatch, models, settings, words, file
):
    monkeypatch.chdir(tmp_path)
    settings = {"member": MEMBER, **({"out": "said.npz"} if file else {}), **settings}
    models = models if isinstance(models, list) else loading()
    with pytest.raises(InputError, match=words) as caught:
        ja.observe(models, X, Y, **settings)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_the_users_code_raised_is_the_cause():
    with pytest.raises(InputError) as caught:
        ja.observe([fails], X, Y, member=MEMBER[:1])
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"logits": [[1, 2], [3]]}, "logits is no array"),
        ({"logits": np.full((4, RECORDS, 3), None)}, "logits holds Python objects"),
        ({"phi": LOGITS[..., 0], "label": Y[:4]}, r"label has shape \(4,\) and member \(4, 30\)"),
        ({}, "mine has no logits, probability or phi: it holds member, label"),
    ],
)
def test_arrays_in_memory_are_refused_as_those_of_files_are(arrays, words):
    with pytest.raises(InputError, match=words):
        ja.as_observations({"member": MEMBER, "label": Y, **arrays}, name="mine")
