"""Inference of architecture end to end: a zoo that grows in its folder, a victim that is none of it, findings that say so."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
from attacks.architecture import zoos

from jaxattack.attacks.architecture import KennenI, KennenIO
from jaxattack.audit import architecture
from jaxattack.audit.architecture import ArchitectureAudit, zoo_folder
from jaxattack.audit.architecture.judge import folds_of
from jaxattack.audit.findings import values
from jaxattack.defences import LabelOnly
from jaxattack.models.attribute_grid import ATTRIBUTES, Codes, draw_codes
from jaxattack.oracle import budgeted, from_function
from jaxattack.training.grid import GridChunk, GridRecipe
from jaxattack.types import Access, Dataset, InputError, Inputs

NETS = 40
RNG = np.random.default_rng(0)
DATA = Dataset(x=RNG.integers(0, 256, (80, 4, 4, 1)).astype(np.uint8), y=np.arange(80) % 7, classes=7, name="blocks")
TRAINED = []
"""Networks that were trained, by their numbers."""


class Reading:
    """What knows the codes of those whose labels it is shown: it looks them up by their answers."""

    def __init__(self, questions, table):
        self.questions, self.table = questions, table

    def __call__(self, answer):
        most = max(len(attribute.values) for attribute in ATTRIBUTES)
        posterior = np.full((len(answer.label), len(ATTRIBUTES), most), -np.inf)
        for row, label in enumerate(answer.label):
            codes = self.table.get(label.tobytes(), np.zeros(len(ATTRIBUTES), int))
            posterior[row, np.arange(len(ATTRIBUTES)), codes] = 0
        return posterior


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lookup:
    """Reads the attributes of networks that it has learnt from, and takes any other for the first of all values."""

    questions: int = 10

    name = "lookup"
    paper: ClassVar[str] = "this test"
    levels: ClassVar = ("label", "probability", "logit")
    fewest_classes: ClassVar = 2

    @property
    def records(self):
        return self.questions

    def fit(self, zoo, codes, nets, pool, access, *, seed=0, progress=None):
        questions = pool[: self.questions]
        labels = zoo.answer(questions, access).label
        return Reading(questions, {labels[net].tobytes(): codes[net] for net in nets})


@pytest.fixture(autouse=True)
def untrained(monkeypatch):
    """Networks with random weights instead of trained ones: what is tested here is what is done with them."""

    def train_grid(network, recipe, pool, fresh, codes, numbers, *, chunk, seed=0, progress=None):
        for start in range(0, len(codes), chunk):
            own = numbers[start : start + chunk]
            TRAINED.extend(own.tolist())
            parts = [weights_of(int(number), network) for number in own]
            weights = type(parts[0])(*(np.stack(leaves) for leaves in zip(*parts, strict=True)))
            yield GridChunk(weights, np.full(len(own), 0.5, np.float32))

    monkeypatch.setattr(zoo_folder, "train_grid", train_grid)
    TRAINED.clear()


def weights_of(number, network):
    shapes = zoos.shapes_of(network)
    rng = np.random.default_rng(number)
    return type(shapes)(*(rng.normal(size=leaf.shape).astype(np.float32) for leaf in shapes))


def infer(victim=None, *, splits=("random",), nets=NETS, **options):
    return architecture(victim, Lookup(), dataset=DATA, nets=nets, splits=splits, **options)


def test_the_last_network_of_the_zoo_is_asked_and_not_learnt_from(tmp_path):
    result = infer(out=tmp_path)
    findings = result.findings
    assert [*range(64)] == TRAINED
    assert findings.zoo.nets == NETS == len(result.zoo)
    assert findings.splits[0].nets == NETS - 1
    assert findings.cost.queries == 11  # ten questions, and one asked twice
    truth = [attribute.truth for attribute in findings.attributes]
    assert truth == [a.values[code] for a, code in zip(ATTRIBUTES, draw_codes(NETS)[-1], strict=True)]
    # It has not seen this network, so that it says the first value of each.
    assert [attribute.guess for attribute in findings.attributes] == [a.values[0] for a in ATTRIBUTES]
    np.testing.assert_allclose([sum(a.posterior) for a in findings.attributes], 1)
    assert values(findings)["kind"] == "architecture"


def test_a_zoo_grows_in_its_folder_and_refuses_another(tmp_path):
    first = infer(zoo=tmp_path)
    TRAINED.clear()
    more = infer(zoo=tmp_path, nets=70)
    assert [*range(64, 96)] == TRAINED
    np.testing.assert_array_equal(more.zoo.weights.first[:NETS], first.zoo.weights.first)
    TRAINED.clear()
    again = infer(zoo=tmp_path)
    assert not TRAINED
    assert again.findings.attributes == first.findings.attributes
    with pytest.raises(InputError, match="keeps another zoo"):
        infer(zoo=tmp_path, recipe=GridRecipe(steps=5))
    (tmp_path / "chunk-00001.npz").unlink()
    infer(zoo=tmp_path)
    assert [*range(32, 64)] == TRAINED
    (tmp_path / "chunk-00000.npz").write_bytes(b"no zip")
    with pytest.raises(InputError, match="damaged"):
        infer(zoo=tmp_path)


def test_a_victim_of_ones_own_is_asked_once_and_its_answers_are_kept(tmp_path):
    asked = []

    def answer(x):
        asked.append(len(x))
        return np.eye(7)[x.reshape(len(x), -1).argmax(axis=1) % 7]

    access = Access(level="probability", classes=7, inputs=Inputs.box(0, 255, (16,)))
    oracle = from_function(answer, access, content=lambda: {"name": "mine"})
    first = infer(oracle, out=tmp_path)
    assert sum(asked) == first.findings.cost.queries == 11
    assert all(attribute.truth is None for attribute in first.findings.attributes)
    again = infer(from_function(answer, access, content=lambda: {"name": "mine"}), out=tmp_path)
    assert sum(asked) == 11
    assert again.findings.cost.kept == 11


def test_splits_hold_out_what_they_say():
    codes = draw_codes(400)
    columns = [number for number, attribute in enumerate(ATTRIBUTES) if attribute.architecture]
    for split in ("random", "architecture", "shuffled"):
        folds = [*folds_of(split, codes, 0)]
        np.testing.assert_array_equal(np.sort(np.concatenate([fold.read for fold in folds])), np.arange(400))
        for fold in folds:
            assert not {*fold.learnt} & {*fold.read}
            if split == "architecture":
                assert not {*map(tuple, codes[fold.learnt][:, columns])} & {*map(tuple, codes[fold.read][:, columns])}
    (deep,) = folds_of("depth", codes, 0)
    depth = codes[:, Codes._fields.index("convolutions")]
    assert (depth[deep.read] == 2).all()
    assert (depth[deep.learnt] < 2).all()


def test_the_answers_of_a_defended_victim_are_read_as_they_come(tmp_path):
    findings = infer(defences=(LabelOnly(),), splits=()).findings
    assert findings.victim.level == "label"
    assert findings.splits == ()


def test_a_budget_that_does_not_hold_the_questions_is_said(tmp_path):
    findings = infer(budget=5).findings
    assert not findings.attack.complete
    assert "asks 10 questions at once" in findings.attack.reason
    assert findings.attributes[0].posterior == (0.25,) * 4


def test_what_does_not_fit_is_refused():
    small = from_function(lambda x: x[:, :7], Access(level="logit", classes=7, inputs=Inputs.box(-1, 1, (16,))))
    with pytest.raises(InputError, match="give a victim that takes pictures"):
        infer(budgeted(small, 100))
    with pytest.raises(InputError, match="give images"):
        architecture(small, Lookup(), nets=NETS)
    with pytest.raises(InputError, match="nets is 32"):
        infer(nets=32)
    with pytest.raises(InputError, match="name each once"):
        ArchitectureAudit(splits=("random", "random"))


def test_what_would_be_refused_after_the_zoo_is_refused_before_it_is_trained(tmp_path):
    TRAINED.clear()
    box = Inputs.box(0, 255, (16,))
    labels = from_function(lambda x: x[:, :7].argmax(axis=1), Access(level="label", classes=7, inputs=box))
    with pytest.raises(InputError, match="kennen-io reads probability or logit and the victim answers with a label"):
        architecture(labels, KennenIO(), dataset=DATA, nets=NETS, zoo=tmp_path)
    three = from_function(lambda x: x[:, :3], Access(level="logit", classes=3, inputs=box))
    with pytest.raises(InputError, match="give the data that it is for"):
        architecture(three, Lookup(), dataset=DATA, nets=NETS, zoo=tmp_path)
    with pytest.raises(InputError, match="lookup needs 21 records and blocks leaves 20 to ask"):
        architecture(None, Lookup(questions=21), dataset=DATA, nets=NETS, zoo=tmp_path)
    with pytest.raises(InputError, match="kennen-io reads probability or logit and the victim answers with a label"):
        architecture(None, KennenIO(), dataset=DATA, defences=(LabelOnly(),), nets=NETS, zoo=tmp_path)
    few = dataclasses.replace(DATA, y=DATA.y % 3, classes=3)
    with pytest.raises(InputError, match="kennen-i tells values apart by the label, needs 7 classes for that"):
        architecture(None, KennenI(), dataset=few, nets=NETS, zoo=tmp_path)
    assert not TRAINED
    assert not any(tmp_path.iterdir())


def test_a_zoo_of_networks_that_are_no_numbers_is_one_sentence(tmp_path):
    infer(zoo=tmp_path)
    for file in tmp_path.glob("chunk-*.npz"):
        with np.load(file) as arrays:
            damaged = {
                name: np.full_like(part, np.nan) if part.dtype.kind == "f" else part for name, part in arrays.items()
            }
        np.savez(file, **damaged)
    with pytest.raises(
        InputError, match=r"40 of the 40 networks of the zoo have weights that are NaN or infinite.*delete"
    ):
        infer(zoo=tmp_path)
