"""What a run would take against what it takes."""

from __future__ import annotations

import pytest

from jaxattack.attacks.membership import ATTACKS
from jaxattack.audit import Column, MatrixAudit
from jaxattack.audit.forecast import forecast_membership
from jaxattack.audit.matrix.forecast import forecast_matrix
from jaxattack.audit.plan import MembershipAudit
from jaxattack.audit.sweep import run_membership
from jaxattack.data import load
from jaxattack.defences import Round
from jaxattack.error import InputError
from jaxattack.models import Architecture
from jaxattack.training import Recipe
from jaxattack.training.learners import Standard

TRAINED = {
    "model": Architecture(name="softmax"),
    "dataset": load("digits"),
    "records": 60,
    "learner": Standard(recipe=Recipe(epochs=2, batch=10)),
}


def audit(models):
    return MembershipAudit(**TRAINED, models=models, attacks=(ATTACKS["loss"],))


def test_a_forecast_is_what_the_run_takes_and_writes_nothing(tmp_path):
    folder = tmp_path / "run"
    forecast = forecast_membership(folder, audit(6))
    assert not folder.exists()
    assert (forecast.models, forecast.present, forecast.members, forecast.records) == (6, 0, 30, 60)
    assert forecast.parameters == 64 * 10 + 10
    assert forecast.gradient_steps == 6 * 2 * 3
    cost = run_membership(folder, audit(6)).findings.cost
    assert cost.gradient_steps == forecast.gradient_steps
    octets = sum(file.stat().st_size for kind in ("chunk", "weights") for file in folder.glob(f"{kind}-*.npz"))
    assert 0.5 * octets < forecast.disk_bytes < octets  # an archive names its arrays
    assert forecast.disk_bytes >= 6 * 4 * forecast.parameters
    seconds = forecast.seconds
    assert seconds.train > 0
    assert seconds.score is not None
    assert seconds.total == pytest.approx(seconds.compile + seconds.train + seconds.observe + seconds.score)

    more = forecast_membership(folder, audit(8), attack=False)
    assert (more.models, more.present, more.gradient_steps) == (8, 6, 2 * 2 * 3)
    assert more.seconds.score is None
    part = forecast_membership(folder, audit(8), models=range(4, 8), attack=False)
    assert (part.models, part.present) == (4, 2)
    with pytest.raises(InputError, match="holds another run"):
        forecast_membership(folder, MembershipAudit(**TRAINED | {"records": 50}, models=6))
    with pytest.raises(InputError, match="holds files that are no run"):
        forecast_membership(tmp_path, audit(6))


def test_the_columns_of_a_matrix_that_share_their_models_are_counted_once(tmp_path):
    columns = (Column(name="round", defences=(Round(decimals=1),)),)
    matrix = MatrixAudit(**TRAINED, columns=columns, attacks=(ATTACKS["loss"],), models=4)
    forecast = forecast_matrix(tmp_path / "matrix", matrix)
    assert [column.columns for column in forecast.columns] == [("none", "round")]
    assert forecast.columns[0].sweep.gradient_steps == 4 * 2 * 3
    assert not any(tmp_path.iterdir())
    (tmp_path / "notes").touch()
    with pytest.raises(InputError, match="no matrix"):
        forecast_matrix(tmp_path, matrix)
