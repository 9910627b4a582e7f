"""Column PSNR: the peak signal-to-noise ratio of what was hidden of images."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.metric import metrics
from fedleak.goals.columns import PixelMetric
from fedleak.metrics.psnr import PSNR


@metrics.register("column-psnr")
@dataclass(frozen=True, kw_only=True)
class ColumnPSNR(PixelMetric):
    """PSNR of the hidden columns of pixels of each image, in dB, as `psnr` has it of whole images."""

    paper: ClassVar = "https://doi.org/10.1049/el:20080522"
    cites: ClassVar = "huynhthu2008scope"
    unit: ClassVar = PSNR.unit
    higher_is_better: ClassVar = PSNR.higher_is_better
    bounds: ClassVar = PSNR.bounds
    threshold: ClassVar = PSNR.threshold
    margin: ClassVar = PSNR.margin
    on: ClassVar = PSNR
