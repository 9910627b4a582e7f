"""Shares of a property that were told apart in a run, in words: for the terminal, the verdict and the threat model."""

from collections.abc import Iterable

from fedleak.experiment.experiment import Experiment
from fedleak.formatting import listed


def told_apart(experiments: Iterable[Experiment]) -> str:
    """`0.3 from 0.6 of “sex=Female”`, one after the other where there are several; empty where none was asked about."""
    asked = (experiment.adversary for experiment in experiments)
    words = dict.fromkeys(
        f"{listed((f'{share:g}' for share in one.shares), 'from')} of “{one.property}”" for one in asked if one.property
    )
    return listed(words)


def shares_sentence(words: str) -> str:
    """What a figure about shares is about, given such words; nothing where there are none."""
    if not words:
        return ""
    return (
        f"Shares of all that was trained on are told apart: {words}. The likeliest is right where it is the nearest to "
        "the true share; nothing is said of shares in between."
    )
