"""jaxattack measures how much a trained model gives away: who was in its training set, what the records looked like, and
what its weights are.

    >>> import jaxattack as ja

Who was in the training set? Many models, each trained on half of the records, and each attacked by what the others say
of its records; `ja.membership(folder, model=..., dataset=...)` does all of it, survives a kill, and ends in findings for a
report.

    >>> iris = ja.load("iris")
    >>> member = ja.designs.Halves()(models=8, records=len(iris), seed=0)
    >>> network = ja.models.build("mlp:16", iris.shape, iris.classes)
    >>> models, observations = ja.train_ensemble(network, ja.Recipe(epochs=20), iris, member)
    >>> scores = ja.attacks.LiRA(online=True)(observations)  # [target, record]: higher is more likely a member
    >>> scores.shape
    (8, 150)
    >>> bool(0 <= ja.metrics.summarise(scores, member).auc <= 1)
    True

How a model learns, what stands before its answers, and what is read of them are values:

    >>> relaxed = ja.learners.Standard(recipe=ja.Recipe(epochs=20), loss=ja.learners.RelaxLoss(alpha=1.0))
    >>> behind = (ja.defences.Temperature(temperature=5), ja.defences.Round(decimals=2))
    >>> ja.signals.GradientNorm().name
    'gradient_norm'

What are its weights? A victim from outside is an oracle, which counts what it is asked; an attack is called with it.

    >>> import numpy as np
    >>> weight = np.random.default_rng(0).normal(size=(20, 3))
    >>> terms = ja.Access(level="logit", classes=3, inputs=ja.Inputs.box(-1, 1, (20,)))
    >>> oracle = ja.oracle.from_function(lambda x: x @ weight, terms)
    >>> stolen = ja.attacks.extraction.Softmax()(ja.oracle.budgeted(oracle, 1000), seed=0)
    >>> stolen.complete
    True
    >>> ja.metrics.fidelity(oracle(np.eye(20)), stolen.answer(np.eye(20))).agreement
    1.0

`ja.oracle.connect` asks a prediction API and `ja.serve` is one. `ja.open_victim` opens a victim by name, file or address;
`ja.extract` steals it, `ja.invert` makes a record of each class back, `ja.evade` changes records until it labels them
otherwise, all with findings for a report:

    >>> tree = ja.open_victim("tree", data="iris")
    >>> ja.extract(tree).extraction.complete
    True
    >>> ja.evade(tree, ja.attacks.evasion.HopSkipJump(queries=100), records=10).evasion.among_right
    1.0

How private is it at most? `ja.epsilon` bounds epsilon from below by the scores of canaries, and says what each bound
assumes; `ja.audit.audit_training` trains private models with canaries first.

    >>> random = np.random.default_rng(0)
    >>> coins = random.random((400, 10)) < 0.5  # [model, canary]: who is in
    >>> bounds = ja.epsilon(coins + random.normal(size=coins.shape), coins)
    >>> bool(0 < bounds.headline.epsilon < 2)
    True

Configurations are frozen, and refuse what they cannot do with one sentence, an `InputError`. A name is imported when it
is first asked for: ``import jaxattack`` imports no JAX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxattack.lazy import attributes
from jaxattack.providers import provide

if TYPE_CHECKING:
    from jaxattack import attacks as attacks
    from jaxattack import audit as audit
    from jaxattack import data as data
    from jaxattack import defences as defences
    from jaxattack import metrics as metrics
    from jaxattack import models as models
    from jaxattack import oracle as oracle
    from jaxattack import report as report
    from jaxattack import serve as serve
    from jaxattack import signals as signals
    from jaxattack import training as training
    from jaxattack.audit import Victim as Victim
    from jaxattack.audit import architecture as architecture
    from jaxattack.audit import as_observations as as_observations
    from jaxattack.audit import compare as compare
    from jaxattack.audit import epsilon as epsilon
    from jaxattack.audit import evade as evade
    from jaxattack.audit import extract as extract
    from jaxattack.audit import invert as invert
    from jaxattack.audit import matrix as matrix
    from jaxattack.audit import membership as membership
    from jaxattack.audit import observe as observe
    from jaxattack.audit import open_victim as open_victim
    from jaxattack.audit import own as own
    from jaxattack.audit import poison as poison
    from jaxattack.audit import read_observations as read_observations
    from jaxattack.audit import read_scores as read_scores
    from jaxattack.audit import reconstruct as reconstruct
    from jaxattack.audit import rescore as rescore
    from jaxattack.audit import run_observations as run_observations
    from jaxattack.audit import score as score
    from jaxattack.data import designs as designs
    from jaxattack.data import load as load
    from jaxattack.training import Recipe as Recipe
    from jaxattack.training import learners as learners
    from jaxattack.training import train_ensemble as train_ensemble
    from jaxattack.types import Access as Access
    from jaxattack.types import Answer as Answer
    from jaxattack.types import Dataset as Dataset
    from jaxattack.types import InputError as InputError
    from jaxattack.types import Inputs as Inputs
    from jaxattack.types import Model as Model
    from jaxattack.types import Observations as Observations
    from jaxattack.types import Oracle as Oracle
    from jaxattack.types import OracleError as OracleError
    from jaxattack.types import Variables as Variables
    from jaxattack.types import WhiteBox as WhiteBox

_HOMES = {
    "Access": "jaxattack.types",
    "Answer": "jaxattack.types",
    "Dataset": "jaxattack.types",
    "InputError": "jaxattack.types",
    "Inputs": "jaxattack.types",
    "Model": "jaxattack.types",
    "Observations": "jaxattack.types",
    "Oracle": "jaxattack.types",
    "OracleError": "jaxattack.types",
    "Recipe": "jaxattack.training",
    "Variables": "jaxattack.types",
    "Victim": "jaxattack.audit",
    "WhiteBox": "jaxattack.types",
    "architecture": "jaxattack.audit",
    "as_observations": "jaxattack.audit",
    "attacks": "jaxattack",
    "audit": "jaxattack",
    "compare": "jaxattack.audit",
    "data": "jaxattack",
    "defences": "jaxattack",
    "designs": "jaxattack.data",
    "epsilon": "jaxattack.audit",
    "evade": "jaxattack.audit",
    "extract": "jaxattack.audit",
    "invert": "jaxattack.audit",
    "learners": "jaxattack.training",
    "load": "jaxattack.data",
    "matrix": "jaxattack.audit",
    "membership": "jaxattack.audit",
    "metrics": "jaxattack",
    "models": "jaxattack",
    "observe": "jaxattack.audit",
    "open_victim": "jaxattack.audit",
    "oracle": "jaxattack",
    "own": "jaxattack.audit",
    "poison": "jaxattack.audit",
    "read_observations": "jaxattack.audit",
    "read_scores": "jaxattack.audit",
    "reconstruct": "jaxattack.audit",
    "report": "jaxattack",
    "rescore": "jaxattack.audit",
    "run_observations": "jaxattack.audit",
    "score": "jaxattack.audit",
    "serve": "jaxattack",
    "signals": "jaxattack",
    "train_ensemble": "jaxattack.training",
    "training": "jaxattack",
}

provide(report="jaxattack.report")

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = attributes(__name__, _HOMES)
