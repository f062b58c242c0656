"""Parametric models stolen by solving for their parameters: every answer with confidences is a few equations."""
