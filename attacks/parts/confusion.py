"""Counts under which a network that confuses classes in a known way would err as its bias gradient says."""

import torch
from jaxtyping import Float
from torch import Tensor

SUM = 1e3
"""Weight of the equation that shares sum to 1, which is certain."""


def solve_counts(
    confusion: Float[Tensor, "classes posteriors"],
    bias: Float[Tensor, " classes"],
    examples: int,
    trust: Float[Tensor, "classes posteriors"] | None = None,
    belief: Float[Tensor, " classes"] | None = None,
) -> Float[Tensor, " classes"]:
    """Solves `Qᵀ n - n = K g_b` and `Σ n = K` for `0 <= n <= K` by least squares; row c of Q is class c's posterior.

    `trust` multiplies both sides of the first. With `belief`, the classes' shares among examples, deviations from it
    weigh as they do for examples drawn at random: `(n_i / K - belief_i)² / belief_i`.
    """
    # Imported here: it takes a while, and every command reads the catalogue of attacks.
    from scipy.optimize import lsq_linear

    identity = torch.eye(len(bias), dtype=bias.dtype)
    trust = identity if trust is None else trust
    rows = [trust @ (confusion.T - identity), SUM * torch.ones_like(identity[:1])]
    right = [trust @ bias, SUM * torch.ones_like(bias[:1])]
    if belief is not None:
        rows.append(identity / belief.sqrt())
        right.append(belief.sqrt())
    solved = lsq_linear(torch.cat(rows).numpy(), torch.cat(right).numpy(), bounds=(0.0, 1.0))
    return examples * torch.from_numpy(solved.x)
