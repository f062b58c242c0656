"""Classifiers of two classes that answer one score: a decision function, and no regressor's number."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.svm import LinearSVC

from jaxattack.attacks.evasion import HopSkipJump
from jaxattack.attacks.extraction import Softmax
from jaxattack.audit import evade, extract, open_victim
from jaxattack.oracle import from_onnx
from jaxattack.types import InputError

skl2onnx = pytest.importorskip("skl2onnx")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (120, 4)).astype(np.float32)
SECOND = (X @ [1.0, -2.0, 0.5, 0.3] > 0.1).astype(int)


def export(path, machine, y):
    path.write_bytes(skl2onnx.to_onnx(machine.fit(X, y), X[:1]).SerializeToString())
    return path


@pytest.mark.parametrize("machine", [LinearSVC(), RidgeClassifier()])
@pytest.mark.parametrize("names", [np.array([0, 1]), np.array(["no", "yes"])])
def test_one_score_of_two_classes_is_their_margin(tmp_path, machine, names):
    """It was read as a regressor's number, with the one label 0: "agreement 100%", right on half of the records."""
    victim = from_onnx(export(tmp_path / "m.onnx", machine, names[SECOND]))
    assert (victim.access.level, victim.access.classes) == ("probability", 2)
    assert victim.names == tuple(map(str, names))
    answer, margin = victim(X), machine.decision_function(X)
    np.testing.assert_array_equal(names[answer.label], machine.predict(X))
    np.testing.assert_allclose(answer.probability[:, 1], expit(margin), atol=1e-5)
    assert "the logit of the second of two classes less that of the first" in victim.notes[0]
    logits = from_onnx(tmp_path / "m.onnx", level="logit")(X).logit
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], margin, atol=1e-5)


def test_a_regressor_is_one_still(tmp_path):
    assert from_onnx(export(tmp_path / "m.onnx", LinearRegression(), SECOND)).access.classes == 1


def test_a_margin_of_the_other_class_is_refused(tmp_path):
    import onnx

    path = export(tmp_path / "m.onnx", LinearSVC(), SECOND)
    model = onnx.load(str(path))
    scores = model.graph.output[1].name
    for node in model.graph.node:
        node.output[:] = ["turned" if name == scores else name for name in node.output]
    model.graph.node.append(onnx.helper.make_node("Neg", ["turned"], [scores]))
    onnx.save(model, str(path))
    with pytest.raises(InputError, match="of another class than"):
        from_onnx(path)


def test_it_is_stolen_and_fooled_as_a_classifier(tmp_path):
    path = export(tmp_path / "m.onnx", LinearSVC(), SECOND)
    np.savez(tmp_path / "records.npz", x=X, y=SECOND)
    victim = open_victim(str(path), data=str(tmp_path / "records.npz"))
    stolen = extract(victim, Softmax()).findings
    assert stolen.fidelity.held_out.accuracy.victim > 0.9
    assert stolen.fidelity.held_out.agreement == 1
    assert evade(victim, HopSkipJump(queries=100), records=10).evasion.among_right == 1
