"""Assumptions on local training: the ways a client may have trained that fit what the adversary holds."""

from dataclasses import replace

from fedleak.contracts.observation import Observation
from fedleak.learning.training import LocalTraining

from ..applicability import mode_of

EPOCHS = (1, 2, 5, 10)
BATCHES = (1, 2, 4)
"""What is tried where the number is unknown: values far enough apart for an update to distinguish them."""


def possible_trainings(observation: Observation) -> list[LocalTraining]:
    """Every way of training that fits what is known, with all facts but the learning rate, which may stay None.

    Unknown momentum and weight decay count as 0. Epochs and batches follow from the batch size, from the local steps
    that BatchNorm counts, or else are those of a small grid. A cohort counts as one client with batches of all.
    Poisson samples count as batches of a fixed size, in as many epochs as make about as many steps.
    """
    known, examples = observation.training, observation.examples()
    each = -(-examples // len(observation.cohort))
    size = min(known.batch_size, each) if known.batch_size else None
    batches = max(each // size if known.drop_last else -(-each // size), 1) if size else known.batches
    batches = batches and min(batches, each)
    epochs = known.epochs
    if known.sampling_rate and known.passes and batches:
        epochs = max(round(known.passes / batches), 1)
    pairs = _pairs(batches, epochs, counted_steps(observation), each)
    return [
        replace(
            known,
            sampling_rate=0.0,
            batch_size=(size or -(-each // many)) * len(observation.cohort),
            batches=many,
            epochs=epochs,
            momentum=known.momentum or 0.0,
            weight_decay=known.weight_decay or 0.0,
            mode=mode_of(observation),
        )
        for many, epochs in pairs
    ]


def counted_steps(observation: Observation) -> int | None:
    """The local steps that BatchNorm counted; None where there is no such layer, or it did not count."""
    after, before = observation.buffers_after or {}, observation.before.buffers
    names = [name for name in after if name.endswith("num_batches_tracked") and name in before]
    # Flower averages counters as floating-point numbers.
    counts = {round(float(after[name]) - float(before[name])) for name in names}
    return max(counts) if counts and max(counts) > 0 else None


def assumptions(observation: Observation, training: LocalTraining, tried: int, rate: float | None) -> str | None:
    """What was assumed, searched or learned, in words; None where everything was known."""
    known, notes = observation.training, []
    assumed = [(name, words) for name, words in (("momentum", "no momentum"), ("weight_decay", "no weight decay"))]
    notes += [f"{words} was assumed" for name, words in assumed if name in known.unknown()]
    if known.mode is None:
        notes.append(f'mode "{training.mode}" was read off the BatchNorm buffers')
    steps = f"{training.epochs} epochs of {training.batches} batches"
    if tried > 1:
        notes.append(f"{steps} explain the update best among {tried} possibilities")
    elif {"batches", "epochs"} & set(known.unknown()):
        notes.append(f"{steps} follow from what is known")
    if rate is not None:
        notes.append(f"learning rate {rate:.3g} was learned")
    if len(observation.cohort) > 1:
        notes.append(f"the {len(observation.cohort)} clients of the cohort count as one with batches of all")
    return "; ".join(notes) or None


def _pairs(batches: int | None, epochs: int | None, steps: int | None, each: int) -> list[tuple[int, int]]:
    """Numbers of batches and epochs that are possible, likeliest first."""
    many = [batches] if batches else [number for number in BATCHES if number <= each]
    often = [epochs] if epochs else list(EPOCHS)
    if steps is not None and (batches is None or epochs is None):
        counted = [(m, steps // m) for m in range(1, min(steps, each) + 1) if steps % m == 0]
        fitting = [(m, e) for m, e in counted if batches in {None, m} and epochs in {None, e}]
        if fitting:
            return fitting
    return [(m, e) for m in many for e in often]
