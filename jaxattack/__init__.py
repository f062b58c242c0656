"""jaxattack measures how much a trained model gives away."""
