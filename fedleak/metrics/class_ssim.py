"""Class SSIM: structural similarity of an image to the mean private example of its class."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.answer import Subject
from fedleak.goals.representatives import RepresentativeMetric
from fedleak.learning.batch import Batch
from fedleak.metrics.ssim import SSIM, similarity


@metrics.register("class-ssim")
@dataclass(frozen=True, kw_only=True)
class ClassSSIM(RepresentativeMetric):
    """The structural similarity of each image to the mean private example of its class; stands beside a verdict.

    As `ssim`, clamped to [0, 1] first; 1 is the mean itself. A mean is blurred, and so is a mean public image, which
    gets far by this measure alone.
    """

    paper: ClassVar = "https://doi.org/10.1109/TIP.2003.819861"
    cites: ClassVar = "wang2004image"
    unit: ClassVar = "similarity"
    higher_is_better: ClassVar = True
    bounds: ClassVar = (-1.0, 1.0)
    threshold: ClassVar = 0.5
    margin: ClassVar = 0.1
    speaks: ClassVar = False

    def inapplicable(self, private: Batch) -> str | None:
        return SSIM().inapplicable(private)

    def per_class(self, guess: Float[Tensor, "*shape"], subject: Subject) -> float:
        mean = subject.private.inputs.double().mean(0, keepdim=True)
        return float(similarity(subject.private.space.clamped(guess[None].double()), mean).mean())
