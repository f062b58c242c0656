"""What the CIFAR-10 reproductions share: the sweep of models and its settings.

`lira_cifar10.py` and `rmia_cifar10.py` attack the same models: with the same settings they share a run folder, and
whichever is run first trains them.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from jaxattack import Dataset, InputError, Observations, Recipe, load, membership
from jaxattack.attacks.membership import lookup
from jaxattack.audit import MembershipResult, evaluate
from jaxattack.audit.curves import of_views
from jaxattack.audit.environment import peak_memory
from jaxattack.audit.findings import values
from jaxattack.audit.findings.membership import EvaluationFindings, MembershipFindings
from jaxattack.cli import cores
from jaxattack.cli.output import Output, progress, resumable
from jaxattack.models import Architecture
from jaxattack.signals import Phi
from jaxattack.store import RunFolder
from jaxattack.training import Placement, Queries
from jaxattack.training.learners import Standard

QUERIES, EPOCH_QUERIES = 18, 2
TAYLOR = "rmia-offline?confidence=taylor&join=median"
"""The paper's settings. Both scripts run it, so that both ask the models for the same signals."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How large a reproduction is and how its models are trained.

    Attributes:
        records: of CIFAR-10's 50,000; a model trains on half of them.
        models: how many models.
        model: the architecture.
        recipe: how it is trained.
        epochs: lengths of further, smaller sweeps, for the curve over epochs; the recipe's own is always on it.
        epoch_models: how many models each of those has, at most as many as the main sweep.

    Raises:
        InputError: a length below 1.
    """

    records: int
    models: int
    model: str
    recipe: Recipe
    epochs: tuple[int, ...] = ()
    epoch_models: int = 16

    def __post_init__(self) -> None:
        for epochs in self.epochs:
            replace(self.recipe, epochs=epochs)
        object.__setattr__(self, "epoch_models", min(self.epoch_models, self.models))


SETTINGS = {
    "fast": Setting(
        records=50_000,
        models=256,
        model="resnet9:32",
        recipe=Recipe(
            epochs=24, batch=512, optimizer="sgd", learning_rate=0.4, schedule="linear", warmup=0.2,
            weight_decay=5e-4, flip=True, crop=2, precision="bfloat16",
        ),
    ),
    "paper": Setting(
        records=50_000,
        models=256,
        model="wrn:28-2",
        recipe=Recipe(
            epochs=100, batch=256, optimizer="sgd", learning_rate=0.1, schedule="fixmatch", warmup=0.05,
            weight_decay=5e-4, flip=True, crop=4,
        ),
    ),
    "quick": Setting(
        records=1_000,
        models=16,
        model="cnn:16-32",
        recipe=Recipe(epochs=60, batch=32, learning_rate=4e-3, schedule="cosine", flip=True, crop=2),
        epochs=(15,),
        epoch_models=16,
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Run:
    """One reproduction.

    Attributes:
        name: of its results: the script, the setting, and other numbers of models.
        kind: the setting's name in `SETTINGS`.
        setting: how large it is.
        dataset: CIFAR-10.
        folder: where its sweeps are.
        results: where its results go.
        placement: how the work is cut.
        seed: decides everything random.
    """

    name: str
    kind: str
    setting: Setting
    dataset: Dataset
    folder: Path
    results: Path
    placement: Placement = field(default_factory=Placement)
    seed: int = 0

    @property
    def title(self) -> str:
        """What is attacked, in a line."""
        setting = self.setting
        members, epochs = setting.records // 2, setting.recipe.epochs
        return f"{setting.models} models {setting.model}, {epochs} epochs on {members:,} of {setting.records:,} records, {QUERIES} queries"

    @property
    def whole(self) -> bool:
        """Whether it has as many models as its setting, so that the expected ranges hold."""
        return self.setting.models == SETTINGS[self.kind].models


def parse(script: str, description: str, arguments: Sequence[str] | None = None) -> Run:
    """What the command line asks for, the records read.

    Raises:
        InputError: CIFAR-10 is not at hand, or a value out of range.
    """
    parser = argparse.ArgumentParser(
        prog=f"{script}.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="tfds:cifar10", help="tfds:cifar10, prepared, or an .npz of x (uint8) and y")
    parser.add_argument("--quick", action="store_true", help="1,000 records and a small network, for two CPU cores")
    parser.add_argument(
        "--recipe",
        choices=[name for name in SETTINGS if name != "quick"],
        help="fast, the default: a small residual network in bfloat16; paper: WideResNet-28-2, 100 epochs",
    )
    for name in ("chunk", "vmap", "block"):
        parser.add_argument(f"--{name}", type=int, help="as for jaxattack membership")
    parser.add_argument("--conv", help="as for jaxattack membership")
    parser.add_argument("--models", type=int, help="256 by default; 16 and 64 are published too")
    parser.add_argument("--epochs", type=int, nargs="*", help="lengths of further sweeps, for the curve over epochs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the folder of the sweeps; given again, they go on")
    parser.add_argument("--results", type=Path, help="where JSON, table and figures go; by default the same folder")
    options = parser.parse_args(arguments)
    if options.quick and options.recipe:
        raise InputError(f"recipe is {options.recipe} and quick has a recipe of its own: leave one of them out.")
    kind = "quick" if options.quick else options.recipe or "fast"
    setting = SETTINGS[kind]
    setting = replace(
        setting,
        models=setting.models if options.models is None else options.models,
        epochs=setting.epochs if options.epochs is None else tuple(options.epochs),
    )
    if setting.models < 8 or setting.models % 2:  # pairs, each of which LiRA needs several of
        raise InputError(f"models is {setting.models}: give an even number from 8.")
    placement = Placement(chunk=options.chunk, vmap=options.vmap, conv=options.conv, block=options.block)
    parts = [script, kind, *([str(setting.models)] if setting.models != SETTINGS[kind].models else [])]
    folder = options.out or Path("jaxattack-runs") / f"cifar10-{kind}"
    return Run(
        name="_".join(parts),
        kind=kind,
        setting=setting,
        dataset=read(options.data),
        folder=folder,
        results=options.results or folder,
        placement=placement,
        seed=options.seed,
    )


def read(name: str) -> Dataset:
    """CIFAR-10's training records.

    Raises:
        InputError: they cannot be read, or are something else.
    """
    try:
        dataset = load(name)
    except InputError as error:
        if Path(name).exists():
            raise
        raise InputError(
            f"CIFAR-10 is not at hand as {name!r}: give --data FILE.npz with x (uint8, [50000, 32, 32, 3]) and y, or "
            "prepare tfds:cifar10 and set TFDS_DATA_DIR."
        ) from error
    if dataset.shape != (32, 32, 3) or dataset.classes != 10:
        raise InputError(
            f"{name} has records of shape {dataset.shape} in {dataset.classes} classes: give CIFAR-10, [record, 32, 32, 3] in 10."
        )
    return dataset


@contextmanager
def commanded(script: str) -> Iterator[None]:
    """A program: a virtual device a core, and one sentence and exit status 2 for bad input."""
    if "JAX_NUM_CPU_DEVICES" not in os.environ:
        jax.config.update("jax_num_cpu_devices", cores())
    try:
        yield
    except InputError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"{script}: {error}", markup=False)
        raise SystemExit(2) from None


def sweep_folder(run: Run) -> Path:
    """Where the models are."""
    return run.folder / "models"


def sweep(
    run: Run, attacks: tuple[str, ...], *, folder: Path | None = None, queries: int = QUERIES
) -> MembershipResult:
    """Train the models that are missing and attack every one.

    Args:
        run: what is reproduced.
        attacks: which attacks.
        folder: of the models; the run's own by default.
        queries: views of a record that are asked about.
    """
    setting, folder = run.setting, folder or sweep_folder(run)
    with progress(Output()) as shown, resumable(folder):
        result = membership(
            folder,
            model=Architecture(name=setting.model),
            dataset=run.dataset,
            records=setting.records,
            learner=Standard(recipe=setting.recipe),
            models=setting.models,
            queries=queries,
            attacks=tuple(map(lookup, attacks)),
            seed=run.seed,
            placement=run.placement,
            progress=shown,
        )
    assert isinstance(result, MembershipResult)  # of a sweep, not of one target
    return result


def phi_of(folder: Path, models: int) -> Observations:
    """What the first models of a run folder say, phi alone."""
    observations = RunFolder.existing(folder).observations(models)
    return observations.only((Phi(),))


def lengthened(run: Run) -> dict[int, Observations]:
    """Sweeps by their length of training in epochs: as many models of each, the same members, 2 queries.

    Those of other lengths than the recipe's have been trained by `by_epochs`.
    """
    setting = run.setting
    asked = phi_of(sweep_folder(run), setting.epoch_models)
    own = {setting.recipe.epochs: of_views(asked, Queries.counting(QUERIES), Queries.counting(EPOCH_QUERIES))}
    others = {
        epochs: phi_of(_length_folder(run, epochs), setting.epoch_models)
        for epochs in setting.epochs
        if epochs != setting.recipe.epochs
    }
    return own | others


def _length_folder(run: Run, epochs: int) -> Path:
    return run.folder / f"models-{epochs}-epochs"


def by_epochs(run: Run, attack: str) -> list[dict[str, Any]]:
    """An attack against the length of training, each on as many models of a sweep of its own, with 2 queries.

    Returns:
        For each length ``epochs``, the ``victims`` with their accuracies, and ``auc``, ``tpr`` and ``tpr_interval``;
        nothing where no other length is asked for.
    """
    setting = run.setting
    if not setting.epochs:
        return []
    made = []
    for epochs in sorted({*setting.epochs, setting.recipe.epochs}):
        if epochs == setting.recipe.epochs:
            asked = RunFolder.existing(sweep_folder(run)).observations(setting.epoch_models)
            observations = of_views(asked, Queries.counting(QUERIES), Queries.counting(EPOCH_QUERIES))
            findings = evaluate(observations, (lookup(attack),), growth=False)
        else:
            small = replace(setting, models=setting.epoch_models, recipe=replace(setting.recipe, epochs=epochs))
            folder = _length_folder(run, epochs)
            findings = sweep(replace(run, setting=small), (attack,), folder=folder, queries=EPOCH_QUERIES).findings
        figures = {key: by_name(findings)[attack][key] for key in ("auc", "tpr", "tpr_interval")}
        made.append({"epochs": epochs, "victims": values(findings.models), **figures})
    return made


def described(findings: MembershipFindings, seconds: Mapping[str, float]) -> dict[str, Any]:
    """What was measured, on what, and what it cost.

    Args:
        findings: on the main sweep.
        seconds: phases of this process beside those of the findings.

    Returns:
        ``setting``, ``victims``, ``n``, ``seconds``, ``cpu_seconds`` of this process, ``memory_bytes``, ``device`` and
        ``environment``. Compiling, training and observing count since the sweep began, in whatever process.
    """
    phases = values(findings.cost.seconds).items()
    spent = {phase: value for phase, value in phases if phase != "total"} | dict(seconds)
    config = {key: value for key, value in findings.config.items() if key not in ("data", "signals", "attacks")}
    attack, victims = findings.attacks[0], findings.models
    return {
        "setting": config,
        "victims": {key: values(getattr(victims, key)) for key in ("train_accuracy", "test_accuracy")},
        "n": {
            "models": victims.count,
            "targets": victims.count,
            "records": victims.records,
            "members": victims.members,
            "queries": QUERIES,
            "scores_of_members": attack.roc.positives,
            "scores_of_non_members": attack.roc.negatives,
        },
        "seconds": spent | {"total": sum(spent.values())},
        "cpu_seconds": time.process_time(),
        "memory_bytes": peak_memory(),
        "device": findings.cost.device,
        "environment": {name: word for name, word in findings.environment.items() if name != "platform"},
    }


def kept(entry: Mapping[str, Any], name: str, label: str) -> dict[str, Any]:
    """An attack's part of the results: its figures and its curve, under this name."""
    left_out = ("description", "histogram", "ppv", "transferred")
    return {key: value for key, value in entry.items() if key not in left_out} | {"name": name, "label": label}


def by_name(findings: EvaluationFindings) -> dict[str, dict[str, Any]]:
    """The attacks of findings by their name, in values."""
    return {attack.name: values(attack) for attack in findings.attacks}
