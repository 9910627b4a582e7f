"""Judgement: what a figure allows one to say, in the words that stand in its cell."""

from enum import StrEnum


class Judgement(StrEnum):
    """What a summary allows one to say, in the words that stand in its cell; from the worst news to none."""

    LEAKED = "leaked"
    """At least one image was rebuilt, or a guess was proved; of labels, more were read than guessing explains."""
    BEYOND = "beyond guessing"
    """No image was rebuilt, but guessing alone would hardly come as near."""
    UNCLEAR = "unclear"
    """Better than guessing on average, which chance may explain."""
    TOO_FEW = "too few to tell"
    """Too few messages, or nothing to compare with."""
    NOTHING = "not beyond guessing"
    """No better than guessing on average."""
    NO_GAIN = "nothing to gain"
    """The adversary's public data has examples of what was asked about: whatever it shows need not have leaked."""
    MISSING = "no figure"
    """Nothing was measured."""
    BESIDE = "beside the verdict"
    """A figure that says nothing by itself, such as what a classifier takes an image for."""
    BLIND = "a blind guess"
    """An attack that ignores the update."""
