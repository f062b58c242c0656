"""The observations of a run folder that can be asked for more: signals that were not observed, of models that are kept."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxattack.audit.optimising import ask_optimised, read_variables, work_of
from jaxattack.audit.plan import MembershipAudit, Plan, planned, require_reserve
from jaxattack.own_code import own_version
from jaxattack.training.afterwards import ask_afterwards
from jaxattack.training.view import sight
from jaxattack.types import InputError, Observations, OptimisedSignal, ProxySignal, Signal, check_arguments, sees


@check_arguments("out", "audit")
def run_observations(out: str | Path, audit: MembershipAudit) -> Observations:
    """What the models of a finished run say; `Observations.of` asks them for any further signal, once.

    Args:
        out: the run folder.
        audit: as the run was made.

    Raises:
        InputError: another run, or one that lacks models.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> settings = {
        ...     "model": ja.models.Architecture(name="softmax"),
        ...     "dataset": ja.load("iris"),
        ...     "learner": ja.learners.Standard(recipe=ja.Recipe(epochs=2)),
        ...     "attacks": (ja.attacks.Gap(),),
        ...     "models": 4,
        ... }
        >>> with TemporaryDirectory() as run:
        ...     audit = ja.membership(run, **settings)
        ...     norms = ja.run_observations(run, ja.audit.MembershipAudit(**settings)).of(ja.signals.GradientNorm())
        >>> norms.shape
        (4, 150, 1)
    """
    return of_plan(planned(Path(out), audit))


def of_plan(plan: Plan) -> Observations:
    """The observations of a run that is made ready and finished."""
    observations = plan.folder.observations(len(plan.member))
    return replace(observations, ask=partial(_ask, plan), names=plan.records.names, ids=plan.records.ids)


def _ask(plan: Plan, signal: Signal) -> np.ndarray:
    """A signal of every model.

    Raises:
        InputError: the models show less than it sees, or weights were not kept.
    """
    access = sight(plan.records, plan.sweep.defences)
    if not sees(signal, access):
        raise InputError(
            f"{signal.name} sees {signal.sees} and the defended models show {access}: ask for another signal."
        )

    if isinstance(signal, OptimisedSignal):
        return ask_optimised(plan, signal)
    if isinstance(signal, ProxySignal):
        return proxy_answers(plan, signal, of_plan(plan).of(signal.reads))

    require_reserve((signal,), plan.sweep.reserve)

    def of_chunk(models: np.ndarray, weights: Path) -> np.ndarray:
        return ask_chunk(plan, (signal,), models, weights)[signal.name]

    return plan.folder.signal(signal.name, len(plan.member), of_chunk, own_version(signal))


def proxy_answers(
    plan: Plan, signal: ProxySignal, answers: Float[np.ndarray, "model record query"]
) -> Float[np.ndarray, "model record query 2"]:
    """What is read of the records that stand for others, and whether each model was trained on them.

    Records that are set aside stand for none but themselves: no model was trained on them.
    """
    proxies, others = np.arange(len(plan.records)), len(plan.records) - plan.sweep.reserve
    proxies[:others] = signal.proxies(plan.records.x[:others], plan.records.y[:others])
    inside = np.broadcast_to(plan.member[:, proxies, None], answers.shape)
    return np.stack([answers[:, proxies], inside.astype(answers.dtype)], axis=-1)


def ask_chunk(plan: Plan, signals: tuple[Signal, ...], models: np.ndarray, weights: Path) -> dict[str, np.ndarray]:
    """Some signals of the models of a chunk, behind the defences of the plan.

    Args:
        plan: of the run.
        signals: what is asked, all in one program.
        models: of the chunk.
        weights: the file of what they learnt.

    Raises:
        InputError: the chunk has models that the plan has not, or the file is damaged.
    """
    work = work_of(plan, signals)
    variables = read_variables(plan, work, models, weights)
    return ask_afterwards(work, plan.sweep.seed, plan.records, models, plan.member[models], variables)
