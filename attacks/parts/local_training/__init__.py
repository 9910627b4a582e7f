"""Local training as the attacker sees it: several steps unrolled or bridged by a surrogate."""
