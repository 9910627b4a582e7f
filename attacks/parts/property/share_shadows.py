"""Models of which the adversary knows what share of everybody has a property: it trained them itself."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.errors import NotApplicable
from fedleak.goals.goal import public_in
from fedleak.learning.batch import Batch
from fedleak.learning.federations_by_share import federations_by_share
from fedleak.learning.having import having
from fedleak.learning.weights import NamedTensors
from fedleak.tamperings.property_poison import PropertyPoison

from ..learning.classifiers import coordinates

PLACE = "adversary.property"


@dataclass(frozen=True, kw_only=True)
class ShareShadows:
    """Trained models, stacked, and of each which of the stated shares was behind it."""

    parameters: NamedTensors
    answers: Int[Tensor, " shadows"]
    public: Batch
    """What they were trained on, but for poison."""

    @classmethod
    def of(cls, view: Released | Served, count: int, poison: PropertyPoison | None = None) -> "ShareShadows":
        """So many, like the observed one, of each share as many; raises `NotApplicable` where there cannot be any.

        With `poison` one of the clients poisons them as it did the observed one.
        """
        if not view.shares:
            raise NotApplicable(
                "no share of a property was asked about: say of what by adversary.property, and by adversary.shares "
                "which are told apart"
            )
        if count < len(view.shares):
            raise NotApplicable(
                f"shadows: expected one or more for each of the {len(view.shares)} shares that are told apart, got "
                f"{count} in all; raise shadows"
            )
        public = public_in(view)
        if public is None:
            raise NotApplicable("the adversary holds no public examples to train models of its own on")
        weights = {} if view.weights is None else view.weights.parameters
        if not all(value.isfinite().all() for value in weights.values()):
            raise NotApplicable("the released weights are not finite, so they tell nothing")
        asked, answers = federations_by_share(
            view.task,
            public,
            view.training,
            has=having(public, view.property, PLACE),
            shares=view.shares,
            federations=count,
            clients=len(view.cohort),
            examples=view.num_examples,
            rounds=view.round,
        )
        if poison is not None and poison.client in view.cohort:
            asked = poison.in_shadows(asked, view.cohort.index(poison.client))
        parameters = view.shadows.trained(asked)
        if not all(value.isfinite().all() for value in parameters.values()):
            raise NotApplicable("training diverges on public examples, so there is nothing to learn from")
        return cls(parameters=parameters, answers=answers, public=public)


def told_by_weights(known: NamedTensors, answers: Int[Tensor, " models"], seen: NamedTensors) -> Float64[Tensor, " k"]:
    """How probable each answer is of one model, by a logistic regression on the flattened weights of known models."""
    vectors = torch.cat([value.flatten(1) for value in known.values()], 1)
    asked = torch.cat([value.flatten() for value in seen.values()])
    return told(*coordinates(vectors, asked), answers)


def told(
    known: Float64[Tensor, "models features"], seen: Float64[Tensor, " features"], answers: Int[Tensor, " models"]
) -> Float64[Tensor, " k"]:
    """How probable each answer, 0 to k - 1, is of `seen`, by a logistic regression on known ones."""
    # Imported only here: scikit-learn is slow to import, and every attack's module is read to list them.
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000).fit(known.numpy(), answers.numpy())
    return torch.from_numpy(model.predict_proba(seen[None].numpy())[0])
