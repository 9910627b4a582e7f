"""Column SSIM: the structural similarity of what was hidden of images."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.metric import metrics
from fedleak.goals.columns import PixelMetric
from fedleak.metrics.ssim import SSIM


@metrics.register("column-ssim")
@dataclass(frozen=True, kw_only=True)
class ColumnSSIM(PixelMetric):
    """SSIM of the hidden columns of pixels of each image, as `ssim` has it of whole images."""

    paper: ClassVar = "https://doi.org/10.1109/TIP.2003.819861"
    cites: ClassVar = "wang2004image"
    unit: ClassVar = SSIM.unit
    higher_is_better: ClassVar = SSIM.higher_is_better
    bounds: ClassVar = SSIM.bounds
    threshold: ClassVar = SSIM.threshold
    margin: ClassVar = SSIM.margin
    on: ClassVar = SSIM
