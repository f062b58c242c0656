"""Gradient inversion: records made back from what users of federated learning send."""

from jaxattack.attacks.inversion.gradient.analytic import Analytic
from jaxattack.attacks.inversion.gradient.attack import DLG, GradientAttack, InvertingGradients, match_records
from jaxattack.attacks.inversion.gradient.labels import recover_labels
from jaxattack.attacks.inversion.gradient.update import Local, Terms, Update, federated_update, gradient_of

__all__ = [
    "DLG",
    "Analytic",
    "GradientAttack",
    "InvertingGradients",
    "Local",
    "Terms",
    "Update",
    "federated_update",
    "gradient_of",
    "match_records",
    "recover_labels",
]
