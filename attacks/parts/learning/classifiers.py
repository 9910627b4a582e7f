"""Binary classifiers of updates."""

from typing import Any, Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

Classifier = Literal["logistic", "forest"]
TREES = 50
"""As Melis et al. have."""
NOISE = 1e-10
"""Share of the variance below which a direction is rounding."""


def coordinates(
    known: Float[Tensor, "updates entries"], seen: Float[Tensor, " entries"]
) -> tuple[Float64[Tensor, "updates directions"], Float64[Tensor, " directions"]]:
    """Both in the directions that the known updates span, in units of the largest standard deviation.

    Of a vector that is all that a linear classifier of the known ones can use; and there are no more directions than
    updates, where there may be millions of entries.
    """
    center = known.mean(0)
    centered = known - center
    variances, axes = torch.linalg.eigh((centered @ centered.T).double())
    kept = variances > NOISE * variances[-1]
    lengths, axes = variances[kept].sqrt(), axes[:, kept]
    unit = lengths.amax() / len(known) ** 0.5 if len(lengths) else torch.ones(())
    asked = (centered @ (seen - center)).double() @ axes / lengths
    return axes * lengths / unit, asked / unit


def classify(
    classifier: Classifier,
    known: Float64[Tensor, "updates directions"],
    answers: Float[Tensor, " updates"],
    seen: Float64[Tensor, " directions"],
    seed: int,
) -> float:
    """The probability of yes for `seen`, from updates whose answer, 1 or 0, is known; the one there is if all agree."""
    if answers.min() == answers.max():
        return float(answers[0])
    model = _model(classifier, seed).fit(known.numpy(), answers.numpy())
    return float(model.predict_proba(seen[None].numpy())[0, 1])


def _model(classifier: Classifier, seed: int) -> Any:
    # Imported only here: scikit-learn is slow to import, and every attack's module is read to list them.
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    if classifier == "forest":
        return RandomForestClassifier(TREES, random_state=seed)
    return LogisticRegression(max_iter=1000)
