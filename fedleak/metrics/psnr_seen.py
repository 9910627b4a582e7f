"""PSNR of the seen part: peak signal-to-noise ratio over the pixels that a client trained on."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.metric import metrics
from fedleak.learning.batch import Batch
from fedleak.metrics.psnr import PSNR, decibels


@metrics.register("psnr-seen")
@dataclass(frozen=True, kw_only=True)
class PSNRSeen(PSNR):
    """PSNR over those pixels of each image that reached what the client trained on; as `psnr` where all did.

    A defense that moves images leaves a part out of the picture, which nobody can recover and which lowers the PSNR of
    the whole. What is in the picture may have leaked all the same. Which part that is follows from the client's own
    draws, not from what the attacker guesses well. NaN where nothing of an image was seen.
    """

    of_seen: ClassVar = True

    def per_sample(self, guess: Batch, truth: Batch) -> list[float]:
        error = truth.space.errors(guess.inputs.double(), truth.inputs.double()).square()
        return decibels(error.flatten(1).nanmean(dim=1))
