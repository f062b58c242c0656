"""A property of a training set, read off answers alone."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

import jaxattack as ja
from jaxattack import Dataset, Recipe
from jaxattack.attacks.reconstruction import PropertyAnswers, lookup
from jaxattack.attacks.reconstruction.property import draw_members
from jaxattack.attacks.reconstruction.property_answers import answers, balanced, nearest_share, share_by_loss


def test_the_share_of_a_group_shows_in_the_answers():
    x, y = load_digits(return_X_y=True)
    small = y < 5
    data = Dataset(x=(x / 16).astype(np.float32), y=y % 2, classes=2, name="odd")
    share = np.tile([0.1, 0.9], 45)
    member = draw_members(small, share, 200)
    model = ja.models.build("softmax", (64,), 2)
    ensemble, _ = ja.train_ensemble(model, Recipe(epochs=10, batch=25), data, member)
    rows = balanced(small, 200, 0)
    said = answers(model, ensemble.variables, data.take(rows))
    shadows, victims, truth = said[:50], said[50:], share[50:] > 0.5
    nearest, gap = nearest_share(victims, shadows, share[:50])
    assert ((nearest > 0.5) == truth).mean() > 0.9
    assert (gap >= 0).all()
    line, _ = share_by_loss(victims, shadows, share[:50], data.y[rows], small[rows])
    assert roc_auc_score(truth, line) > 0.95
    shuffled = np.random.default_rng(0).permutation(share[:50])
    null, _ = share_by_loss(victims, shadows, shuffled, data.y[rows], small[rows])
    assert abs(null - 0.5).max() < abs(line - 0.5).max()  # a line through nothing is nearly flat


def test_the_divergence_is_its_definition():
    rng = np.random.default_rng(0)
    victims, shadows = (np.log(rng.dirichlet(np.ones(3), (models, 5))) for models in (2, 4))
    shares = np.array([0.1, 0.9, 0.1, 0.9])
    value, gap = nearest_share(victims, shadows, shares)
    for victim, found, far in zip(victims, value, gap, strict=True):
        each = [(np.exp(victim) * (victim - shadow)).sum(axis=1).mean() for shadow in shadows]
        sides = [np.mean(each[::2]), np.mean(each[1::2])]
        assert found == (0.1, 0.9)[int(np.argmin(sides))]
        np.testing.assert_allclose(far, abs(sides[0] - sides[1]))


def test_half_of_the_records_asked_have_it():
    has = np.arange(50) < 12
    assert has[balanced(has, 20, 0)].sum() == 10
    assert len(balanced(has, 40, 0)) == 24  # as many as there are


def test_both_tests_are_attacks_by_name():
    assert lookup("property-loss?shadows=40").shadows == 40
    assert PropertyAnswers().name == "property-kl"
