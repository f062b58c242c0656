"""From a Model, a Dataset and a member matrix to trained models and their Observations."""

from jaxattack.training import copies, generators, learners
from jaxattack.training.alone import observe_one, train_one
from jaxattack.training.checkpoints import observe_checkpoints
from jaxattack.training.denoising import denoising_start
from jaxattack.training.ensemble import Engine, train_ensemble
from jaxattack.training.gradient_canaries import draw_directions, score_gradient_canaries
from jaxattack.training.images import Queries
from jaxattack.training.placement import Placement
from jaxattack.training.recipe import Recipe
from jaxattack.training.sweep import Sweep, check_seed

__all__ = [
    "Engine",
    "Placement",
    "Queries",
    "Recipe",
    "Sweep",
    "check_seed",
    "copies",
    "denoising_start",
    "draw_directions",
    "generators",
    "learners",
    "observe_checkpoints",
    "observe_one",
    "score_gradient_canaries",
    "train_ensemble",
    "train_one",
]
