"""The numerics that attack families share: coordinates, lockstep, bisection, least squares, descent."""
