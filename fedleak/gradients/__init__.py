"""Public mathematics of an update: what attackers, defenders and the profile of a federation all compute from it."""
