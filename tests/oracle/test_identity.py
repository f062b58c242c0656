"""A victim is known by what answers and by its defences: any single ingredient that changes makes another, no path does."""

from __future__ import annotations

import copy
import pickle
import shutil
from dataclasses import fields, replace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from jaxattack.defences import Round
from jaxattack.models import build
from jaxattack.models.conv import using
from jaxattack.oracle import (
    BinnedLogistic,
    budgeted,
    cached,
    checked,
    defended,
    from_estimator,
    from_function,
    from_head,
    from_model,
    journalled,
    label_only,
    limited,
    noisy,
    random_head,
    rounded,
    tempered,
    top_k,
)
from jaxattack.oracle.identity import (
    content,
    defences,
    fingerprint_of,
    identity,
    of_code,
    of_estimator,
    of_file,
    of_network,
    terms,
)
from jaxattack.oracle.ledger import standing_for
from jaxattack.types import Access, InputError, Inputs

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (60, 4))
Y = (X @ RNG.normal(size=(4, 3))).argmax(1)
INPUTS = Inputs.box(-1, 1, (4,))
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
VALUES = st.recursive(
    LEAF, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner), max_leaves=8
)


@given(VALUES)
def test_equal_values_have_equal_fingerprints(value):
    assert fingerprint_of(value) == fingerprint_of(pickle.loads(pickle.dumps(value)))


@given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_a_dictionary_does_not_count(value):
    assert fingerprint_of(value) == fingerprint_of(dict(reversed(value.items())))


@given(st.lists(LEAF, min_size=1, max_size=4), st.lists(LEAF, min_size=1, max_size=4))
def test_what_differs_or_is_grouped_otherwise_has_another_fingerprint(one, other):
    assert fingerprint_of([one, other]) != fingerprint_of([[*one, *other]])
    assert fingerprint_of([one, other]) != fingerprint_of([one, [*other, None]])
    assert (fingerprint_of(one) == fingerprint_of(other)) == (repr(one) == repr(other))


def test_arrays_count_by_type_shape_and_every_bit():
    array = np.arange(6.0).reshape(2, 3)
    others = [array.T, array.astype(np.float32), array.ravel(), np.nextafter(array, 9), -0.0 * array, array.tolist()]
    assert len({fingerprint_of(value) for value in [array, *others]}) == 7
    assert fingerprint_of(array) == fingerprint_of(np.asfortranarray(array)) == fingerprint_of(array[:])
    half = jax.numpy.ones(2, jax.numpy.bfloat16)
    assert fingerprint_of(half) != fingerprint_of(np.ones(2, np.float16))


def test_padding_in_memory_does_not_count():
    kind = np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [0, 8], "itemsize": 16})
    one, other = np.frombuffer(bytes(32), kind).copy(), np.frombuffer(bytes([0, *[7] * 7, *[0] * 8] * 2), kind).copy()
    assert (one["a"] == other["a"]).all()
    assert (one["b"] == other["b"]).all()
    assert fingerprint_of(one) == fingerprint_of(other)
    other["b"][1] = 5e-324
    assert fingerprint_of(one) != fingerprint_of(other)


def test_an_object_that_holds_itself_ends_and_one_that_cannot_be_taken_apart_says_so():
    loop = [1]
    loop.append(loop)
    assert fingerprint_of(loop) != fingerprint_of([1, [1]])
    with pytest.raises(TypeError):
        fingerprint_of(x for x in [1])


def _network(activation="relu", seed=0):
    model = build("mlp:3", (4,), 3, activation=activation)
    return model, model.init(jax.random.key(seed))


def test_a_network_is_another_by_one_bit_of_any_weight():
    model, variables = _network()
    same = of_network(model, jax.tree.map(np.array, variables), (4,))
    assert of_network(model, variables, (4,)) == same
    leaves, tree = jax.tree.flatten(variables)
    for number, leaf in enumerate(leaves):
        moved = np.array(leaf)
        moved.flat[-1] = np.nextafter(moved.flat[-1], np.float32(9))
        changed = jax.tree.unflatten(tree, [*leaves[:number], moved, *leaves[number + 1 :]])
        other = of_network(model, changed, (4,))
        assert other["weights"] != same["weights"]
        assert other["architecture"] == same["architecture"]


def test_a_network_of_the_same_weights_is_another_by_what_is_computed_from_them():
    model, variables = _network()
    base = of_network(model, variables, (4,))["architecture"]
    others = [
        of_network(_network("tanh")[0], variables, (4,))["architecture"],
        of_network(model, variables, (4,), images=True)["architecture"],
        of_network(model._replace(apply=lambda v, x: 2.0 * model.apply(v, x)), variables, (4,))["architecture"],
        of_network(model._replace(apply=lambda v, x: 3.0 * model.apply(v, x)), variables, (4,))["architecture"],
    ]
    shift = np.arange(3.0, dtype=np.float32)
    others += [
        of_network(model._replace(apply=lambda v, x, by=by: model.apply(v, x) + by[None]), variables, (4,))[
            "architecture"
        ]
        for by in (shift, shift + 1)
    ]
    assert len({base, *others}) == len(others) + 1


def test_the_code_of_a_model_is_how_it_starts_learns_and_answers():
    model, _ = _network()
    again = build("mlp:3", (4,), 3)
    changed = [
        model._replace(init=lambda key: jax.tree.map(lambda leaf: 2.0 * leaf, model.init(key))),
        model._replace(apply=lambda v, x: 2.0 * model.apply(v, x)),
        model._replace(forward=lambda v, x, key: (2.0 * model.forward(v, x, key)[0], model.forward(v, x, key)[1])),
    ]
    assert of_code(model, (4,)) == of_code(again, (4,))
    assert len({of_code(one, (4,)) for one in [model, *changed]}) == 4


def test_code_is_the_same_on_a_machine_that_convolves_in_another_form():
    digests = set()
    for form in ("lax", "patches", "mixed"):
        with using(form):
            digests.add(of_code(build("cnn:4", (8, 8, 1), 2), (8, 8, 1)))
    assert len(digests) == 1


ESTIMATORS = {
    "logistic": LogisticRegression(),
    "tree": DecisionTreeClassifier(random_state=0),
    "forest": RandomForestClassifier(3, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=2, random_state=0),
    "histogram": HistGradientBoostingClassifier(max_iter=2, random_state=0),
    "svm": SVC(random_state=0),
    "neighbours": KNeighborsClassifier(3),
    "bayes": GaussianNB(),
    "network": MLPClassifier((3,), max_iter=3, random_state=0),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_is_known_by_all_that_it_has_learnt(name):
    fitted = copy.deepcopy(ESTIMATORS[name]).fit(X, Y)
    again = copy.deepcopy(ESTIMATORS[name]).fit(X.copy(), Y.copy())
    assert of_estimator(fitted) is not None
    assert of_estimator(fitted) == of_estimator(again) == of_estimator(pickle.loads(pickle.dumps(fitted)))
    fitted.predict(X)
    assert of_estimator(fitted) == of_estimator(again)
    moved = np.array(X)
    moved[0] += 0.5
    assert of_estimator(copy.deepcopy(ESTIMATORS[name]).fit(moved, Y)) != of_estimator(fitted)


def test_an_estimator_is_another_by_one_bit_or_one_setting():
    fitted = LogisticRegression().fit(X, Y)
    base = of_estimator(fitted)
    moved = copy.deepcopy(fitted)
    moved.coef_[0, 0] = np.nextafter(moved.coef_[0, 0], 9)
    assert of_estimator(moved) != base
    assert of_estimator(copy.deepcopy(fitted).set_params(C=2.0)) != base
    scaled = [
        make_pipeline(FunctionTransformer(function), LogisticRegression()).fit(X, Y)
        for function in (lambda x: x * 1.0, lambda x: x * 2.0)
    ]
    assert of_estimator(scaled[0]) != of_estimator(scaled[1])


def test_how_long_a_search_took_does_not_count():
    search = [GridSearchCV(LogisticRegression(), {"C": [1.0, 10.0]}, cv=2).fit(X, Y) for _ in range(2)]
    assert of_estimator(search[0]) == of_estimator(search[1])


def test_an_estimator_that_cannot_be_taken_apart_is_unknown():
    fitted = LogisticRegression().fit(X, Y)
    fitted.stream = (x for x in [1])
    assert of_estimator(fitted) is None


def test_a_file_is_known_by_every_byte_and_by_no_path(tmp_path):
    (tmp_path / "one").write_bytes(bytes(range(256)) * 5)
    shutil.copy(tmp_path / "one", tmp_path / "two")
    assert of_file(tmp_path / "one") == of_file(tmp_path / "two")
    base = of_file(tmp_path / "one")
    data = bytearray((tmp_path / "one").read_bytes())
    for place in (0, 700, len(data) - 1):
        data[place] ^= 1
        (tmp_path / "two").write_bytes(data)
        assert of_file(tmp_path / "two") != base
        data[place] ^= 1
    with pytest.raises(InputError, match="cannot be read"):
        of_file(tmp_path / "none")


def test_every_other_kind_of_victim_is_known_by_its_numbers():
    states, projection, inputs = random_head(9, 4)
    moved = np.array(projection)
    moved[0, 0] = np.nextafter(moved[0, 0], 9)
    other_states, _, _ = random_head(9, 4, seed=1)
    offset = np.zeros(9)
    heads = [
        from_head(states, projection, inputs=inputs),
        from_head(states, moved, inputs=inputs),
        from_head(states, projection, inputs=inputs, offset=offset),
        from_head(other_states, projection, inputs=inputs),
    ]
    assert len({content(head)["parameters"] for head in heads}) == 4
    assert content(heads[0]) == content(from_head(states, projection.copy(), inputs=inputs))
    pipelines = [BinnedLogistic.fit(x, Y, INPUTS).oracle() for x in (X, X + 0.125)]
    assert content(pipelines[0]) != content(pipelines[1])
    assert content(from_function(lambda x: x, Access(level="logit", classes=4, inputs=INPUTS))) is None
    told = from_function(lambda x: x, Access(level="logit", classes=4, inputs=INPUTS), content=lambda: {"version": "2"})
    assert content(told) == {"version": "2"}


def _victim(**settings):
    return from_estimator(LogisticRegression().fit(X, Y), inputs=INPUTS, **settings)


CHAINS = {
    "none": lambda oracle: oracle,
    "noise .3": lambda oracle: noisy(oracle, 0.3),
    "noise .001": lambda oracle: noisy(oracle, 0.001),
    "other noise": lambda oracle: noisy(oracle, 0.3, 1),
    "temperature 2": lambda oracle: tempered(oracle, 2.0),
    "temperature 10": lambda oracle: tempered(oracle, 10.0),
    "3 decimals": lambda oracle: rounded(oracle, 3),
    "2 decimals": lambda oracle: rounded(oracle, 2),
    "top 1": lambda oracle: top_k(oracle, 1),
    "top 2": lambda oracle: top_k(oracle, 2),
    "labels": label_only,
    "noise, temperature": lambda oracle: tempered(noisy(oracle, 0.3), 2.0),
    "temperature, noise": lambda oracle: noisy(tempered(oracle, 2.0), 0.3),
    "a defence's value": lambda oracle: defended(oracle, Round(decimals=3)),
    "what it has learnt": lambda oracle: defended(oracle, Round(decimals=3), state=np.zeros(2)),
    "what it draws": lambda oracle: defended(oracle, Round(decimals=3), seed=1),
    "rounded twice": lambda oracle: rounded(rounded(oracle, 2), 3),
}


def test_every_defence_counts_with_its_values_and_its_place():
    seen = {name: fingerprint_of(identity(chain(_victim()))) for name, chain in CHAINS.items()}
    assert len(set(seen.values())) == len(CHAINS)
    chains = {name: fingerprint_of(defences(chain(_victim()))) for name, chain in CHAINS.items()}
    assert len(set(chains.values())) == len(CHAINS)


def test_what_leaves_answers_as_they_are_does_not_count(tmp_path):
    oracle = noisy(_victim(), 0.3)
    with journalled(oracle, tmp_path) as kept:
        for same in (cached(oracle, 5), checked(oracle), limited(oracle, 9.0), budgeted(oracle, 9), kept):
            assert identity(same) == identity(oracle)
    assert identity(standing_for(from_function(lambda x: x, _victim().access), oracle)) == identity(oracle)


OTHER_TERMS = {
    "level": "label",
    "classes": 4,
    "top": 2,
    "decimals": 3,
    "precision": "float32",
    "bias": 1.0,
    "refuses": True,
}
OTHER_INPUTS = {
    "low": np.full(4, np.nextafter(-1, 0)),
    "high": np.full(4, np.nextafter(1, 2)),
    "categories": np.array([0, 0, 0, 1]),
    "missing": True,
    "names": ("a", "b", "c", "d"),
    "whole": True,
}


def test_every_term_counts():
    """A field that is added to the terms and left out here, or out of the identity, is noticed."""
    access = Access(level="probability", classes=3, inputs=INPUTS)
    assert set(OTHER_TERMS) | {"inputs"} == {field.name for field in fields(Access)}
    assert set(OTHER_INPUTS) == {field.name for field in fields(Inputs)}
    others = [replace(access, **{name: value}) for name, value in OTHER_TERMS.items()]
    others += [replace(access, inputs=replace(INPUTS, **{name: value})) for name, value in OTHER_INPUTS.items()]
    others.append(replace(access, inputs=Inputs.box(-1, 1, (2, 2))))
    oracles = [from_function(lambda x: x, one) for one in [access, *others]]
    assert len({fingerprint_of(terms(one)) for one in [access, *others]}) == len(others) + 1
    assert len({fingerprint_of(identity(oracle)) for oracle in oracles}) == len(others) + 1


def test_what_answers_counts_beside_defences_and_terms():
    one, other = (identity(from_estimator(LogisticRegression(C=c).fit(X, Y), inputs=INPUTS)) for c in (1.0, 2.0))
    assert {name for name in one if one[name] != other[name]} == {"content"}


@pytest.mark.parametrize("name", [name for name in CHAINS if name not in ("none", "other noise")])
def test_a_journal_of_another_chain_is_refused(tmp_path, name):
    journalled(_victim(), tmp_path).close()
    with pytest.raises(InputError, match=r"defences.* differ"):
        journalled(CHAINS[name](_victim()), tmp_path)


def test_a_journal_of_another_network_is_refused_and_of_the_same_elsewhere_taken(tmp_path):
    def served(seed):
        model, variables = _network(seed=seed)
        return from_model(model, variables, inputs=INPUTS, classes=3)

    journalled(served(0), tmp_path).close()
    journalled(served(0), tmp_path).close()
    with pytest.raises(InputError, match=r"\(content differ\)"):
        journalled(served(1), tmp_path)


def test_a_network_is_the_same_whatever_the_caller_computes_in():
    model, variables = _network()
    base = of_network(model, variables, (4,)), of_code(model, (4,))
    with jax.enable_x64(True):
        assert (of_network(model, variables, (4,)), of_code(model, (4,))) == base
