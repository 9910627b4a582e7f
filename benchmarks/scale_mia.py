"""What `scale-mia` reads of 64 images through secure aggregation, by how many public images the adversary holds.

    python benchmarks/scale_mia.py photos
    python benchmarks/scale_mia.py image-folder:CIFAR-10 --public 273 --public 1000

A federation of one round for each seed, 8 clients with 8 images each; the sum is all that is read. A LeNet-5 of 512
neurons behind its convolutions. Beside PSNR and SSIM stands the share of 18 dB or more, which the paper counts as
recovered.
"""

import time
from statistics import mean
from typing import Any

import typer

from fedleak.api import attack, capture, score

CLIENTS, BATCH, BINS = 8, 8, 512
RECOVERED = 18.0
"""PSNR in dB beyond which the paper counts an image as recovered."""


def main(
    data: str,
    public: list[int] = typer.Option([32, 128, 273]),  # noqa: B008
    seeds: int = 2,
    steps: int = 600,
) -> None:
    """Prints a line for each number of public images, mean over seeds."""
    task: dict[str, Any] = {"data": data, "network": "lenet5", "options": {"hidden": BINS}}
    server = [{"use": "scale-mia", "bins": BINS, "steps": steps}]
    for count in public:
        values: list[float] = []
        similar: list[float] = []
        spent, notes = [], []
        for seed in range(seeds):
            adversary = {"auxiliary": count, "victims": 1}
            started = time.process_time()
            seen = capture(task, defense=[{"use": "secure-aggregation"}], server=server, seed=seed, clients=CLIENTS,
                           batch_size=BATCH, adversary=adversary)[-1]  # fmt: skip
            sent = time.process_time()
            guess = attack(seen, "scale-mia-readout", seed=seed)
            spent.append((sent - started, time.process_time() - sent))
            psnr, ssim = score(guess, seen, ("psnr", "ssim"))
            values += psnr.per_sample
            similar += ssim.per_sample
            notes.append(guess.note)
        sending, reading = (mean(one) for one in zip(*spent, strict=True))
        typer.echo(
            f"{data}, {count} public: PSNR {mean(values):.2f} dB, SSIM {mean(similar):.2f}, "
            f"{mean(one > RECOVERED for one in values):.2f} beyond {RECOVERED:g} dB; processor time {sending:.0f} s of "
            f"the federation, {reading:.0f} s of the attack; {notes[0]}"
        )


if __name__ == "__main__":
    typer.run(main)
