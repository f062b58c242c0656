"""What an owner can prove: tests of ownership held against copies of a model and against models of independent people.

plan         what is tested on what
split        whose the records are
suspects     the owner's models, a thief's copies, independent models
folder       what a run keeps
run          all of it
judgement    from proofs to AUC, calibrated p-values and false accusations
"""

from jaxattack.audit.ownership.plan import OwnershipAudit
from jaxattack.audit.ownership.run import OwnershipResult, own, run_ownership

__all__ = ["OwnershipAudit", "OwnershipResult", "own", "run_ownership"]
