"""Every cell of a matrix is what the one audit of the same models says."""

from __future__ import annotations

import pytest
from audit.matrices import LABEL, LOSS, NOISE, ONLINE, PLACEMENT, ROUND, cells_by_access, settings

from jaxattack.audit import extract, invert, membership
from jaxattack.audit.matrix import columns, run_matrix
from jaxattack.audit.matrix.victims import victim_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    audit, folder = settings(columns=(ROUND, NOISE, LABEL), targets=8), tmp_path_factory.mktemp("matrix")
    return audit, folder, run_matrix(folder, audit, placement=PLACEMENT).findings


@pytest.mark.parametrize("column", [None, ROUND, NOISE, LABEL], ids=["none", "round", "noise", "label"])
def test_membership_is_that_of_one_sweep(made, column):
    audit, _, findings = made
    defences = () if column is None else column.defences
    attacks = (LOSS, ONLINE) if column is not LABEL else ()
    name = "none" if column is None else column.name
    if not attacks:
        for attack in ("loss", "lira-online"):
            assert all(cell.auc is None for cell in cells_by_access(findings, name, attack).values())
        return
    alone = membership(
        None, model=audit.model, dataset=audit.dataset, learner=audit.learner, attacks=attacks, defences=defences,
        models=8, seed=audit.seed, standardise="none", placement=PLACEMENT,
    ).findings  # fmt: skip
    for attack in alone.attacks:
        cell = cells_by_access(findings, name, attack.name)[True, 1]
        assert cell.auc == pytest.approx(attack.auc, abs=1e-12)
        assert cell.tpr == pytest.approx(attack.tpr, abs=1e-12)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["none", "round", "noise"])
def test_thefts_and_inversions_are_those_of_the_columns_first_model(made, place):
    audit, folder, findings = made
    column = audit.columns[place]
    run = columns.open_column(folder, audit, column, placement=PLACEMENT, cluster=None, progress=None)
    for attack in audit.extractions:
        alone = extract(victim_of(run, audit.seed), attack, seed=audit.seed, trials=0).findings
        (cell,) = (
            cell for cell in findings.cells
            if (cell.family, cell.defence) == ("extraction", column.name) and cell.attack.startswith(attack.name)
        )  # fmt: skip
        assert (cell.leak, cell.leak_interval) == (alone.fidelity.held_out.agreement, alone.fidelity.held_out.interval)
        assert cell.queries == alone.cost.queries == alone.cost.attack
    alone = invert(victim_of(run, audit.seed), audit.inversions[0], seed=audit.seed).findings
    (cell,) = (
        cell for cell in findings.cells
        if (cell.family, cell.defence) == ("inversion", column.name) and cell.attack.startswith("numeric")
    )  # fmt: skip
    assert (cell.leak, cell.recognised_by_victim) == (alone.recognition.top1, alone.recognition.victim)
    assert cell.queries == alone.cost.queries
