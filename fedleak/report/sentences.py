"""Phrases: one figure as a sentence. How many leaked, the mean beside guessing, and the same without a defense."""

import math
from collections.abc import Iterator

from fedleak.analysis.conditions import condition_of
from fedleak.analysis.evidence import BARE, SIGNIFICANT, Evidence
from fedleak.analysis.judgement import FOUND, Judgement, by_luck, guessing, hits, judge, kind_of, of_labels, reached
from fedleak.formatting import counted, listed, measured, number, opening, p_value, plural
from fedleak.goals.goals import GOALS
from fedleak.results.schema import ACTIVE, RELAY
from fedleak.statistics.summary import Summary

FOOLED = 0.5
"""The share of classes that judges must see, where none was recognised, for a verdict to say that they are fooled."""


def where(evidence: Evidence, summary: Summary) -> str:
    """In a campaign of several conditions: in how many, and in which most."""
    kind, place = kind_of(summary.group.metric), (evidence.label(summary.group), summary.group.sender)
    same = evidence.places(kind)[place]
    settings = len({condition_of(one.group) for one in same})
    if settings < 2:
        return ""
    beyond = len({condition_of(one.group) for one in same if judge(one) in FOUND})
    return (
        f"beyond guessing in {beyond or 'none'} of {settings} settings; most with {condition_of(summary.group).words}: "
    )


def change(evidence: Evidence, summary: Summary) -> str:
    """How the same attack fared on the same messages under the reference."""
    paired = next((c for c in evidence.comparisons if c.group == summary.group), None)
    if paired is None or not paired.pairs:
        return ""
    bare = evidence.label(paired.reference) == BARE
    than = "without a defense" if bare else f"under {paired.reference.defense}"
    strongest = evidence.without_defense(summary)
    another = strongest is not None and strongest.group.attack != summary.group.attack
    who = "for this attack " if another else ""  # where another got more without the defense, it bought more than this
    over = f"over {counted(paired.pairs, 'pair')}"
    if paired.difference == 0:
        return f"; {who}the same as {than} {over}"
    size = f"{measured(abs(paired.difference), summary.unit)} {'lower' if paired.difference < 0 else 'higher'}"
    if not paired.can_show(SIGNIFICANT):
        return f"; {who}{size} than {than}, {over} too few to test"
    chance = ", which chance may explain" if paired.p_value >= SIGNIFICANT else ""
    p = p_value(paired.p_value)
    return f"; {who}{size} than {than}{chance} (p {p if p.startswith('<') else f'= {p}'} {over})"


def sentence(evidence: Evidence, summary: Summary) -> str:
    """All that is to be said of the figure with the gravest judgement on one kind of message."""
    if judge(summary) is Judgement.MISSING:
        return opening(f"{where(evidence, summary)}{found(evidence, summary)}{failures(summary)}.")
    if judge(summary) is Judgement.NO_GAIN:
        return opening(f"{where(evidence, summary)}{found(evidence, summary)}{_shown(evidence, summary)}.")
    phrase = f"{found(evidence, summary)}{_certificate(summary)}{_by_whom(summary)}: {figures(summary)}"
    return opening(f"{where(evidence, summary)}{phrase}{''.join(_more(evidence, summary))}.")


def found(evidence: Evidence, summary: Summary) -> str:
    """What the attack did, counts first, without other figures."""
    kind = kind_of(summary.group.metric)
    noun, verb, few = evidence.noun(kind), GOALS[kind].verb, counted(summary.messages, summary.group.carrier)
    by = "" if evidence.in_first_metric(summary) is None else f" by {summary.group.metric}"
    who = _attack(evidence, summary)
    did = f"{who} {verb} {hits(summary) or 'none'} of {total(evidence, summary)}{by}"
    match judge(summary):
        case Judgement.LEAKED if hits(summary):
            return did
        case Judgement.LEAKED:
            proved = f"{who} proved its guess in {summary.certified} of {few}"
            be = "is" if len(summary.samples) == 1 else "are"
            return f"{proved}, though {verb} {be} none of {total(evidence, summary)}{by}"
        case Judgement.BEYOND if by_luck(summary):
            return f"{did}, but on average does better than guessing"
        case Judgement.BEYOND:
            return f"{did}, but came nearer than guessing does"
        case Judgement.UNCLEAR:
            luck = "which luck may explain" if by_luck(summary) else "and came no nearer than luck may explain"
            return f"{did}, {luck}"
        case Judgement.TOO_FEW if math.isnan(summary.gain):
            return f"{did}, and there is no guess to compare that with"
        case Judgement.TOO_FEW:
            return f"{did}; {few} {'is' if summary.messages == 1 else 'are'} too few to tell that from guessing"
        case Judgement.NOTHING if by_luck(summary):
            return f"no attacker {verb} more of {total(evidence, summary)} than guessing does"
        case Judgement.NOTHING:
            return (
                f"no attacker {verb} any of {total(evidence, summary)}{by} or came nearer than guessing does on average"
            )
        case Judgement.NO_GAIN:
            return f"nothing was to be gained of {total(evidence, summary)}: the public data has examples of each"
        case _:
            return f"no attack has a figure for the {plural(noun)}"


def _shown(evidence: Evidence, summary: Summary) -> str:
    """What the images look like that public data had anyway, and what it has."""
    same = (s for s in evidence.summaries if s.group.variant == summary.group.variant and not math.isnan(s.mean))
    looks = next((s for s in same if s.group.metric == "class-ssim"), None)
    if looks is None:
        return ""
    mean, guess = measured(looks.mean, looks.unit), measured(guessing(looks), looks.unit)
    return f"; {looks.group.attack} shows them at {looks.group.metric} {mean}, guessing at {guess}"


def fooled_judges(evidence: Evidence) -> Iterator[str]:
    """A sentence where judges were convinced by attacks that nothing was recognised of."""
    recognised = {s.group.variant for s in evidence.summaries if s.group.metric == "recognised" and s.mean == 0}
    seen = [s for s in evidence.summaries if s.group.metric == "judged" and s.mean >= FOOLED]
    alone = [s for s in seen if s.group.variant in recognised and judge(s) is Judgement.BESIDE]
    fooled = [s for s in alone if not s.nothing_to_gain]  # where there is, an image may be right and yet no gain
    if fooled:
        who = listed(dict.fromkeys(s.group.attack for s in fooled))
        yield (
            f"{opening(who)} convinced the judges of up to {max(s.mean for s in fooled):.0%} of the classes, and none "
            "was recognised: a judge alone is fooled, by images that are no nearer to private examples than guessing."
        )


def _by_whom(summary: Summary) -> str:
    """Whose figure follows where the counts spoke of all attackers."""
    return f"; the strongest, {summary.group.attack}" if judge(summary) is Judgement.NOTHING else ""


def total(evidence: Evidence, summary: Summary) -> str:
    """What the counts are out of: only what has a figure counts."""
    things = counted(len(summary.samples), evidence.noun(kind_of(summary.group.metric)))
    if not summary.failed:
        return things
    return f"the {things} that {'has' if len(summary.samples) == 1 else 'have'} a figure"


def failures(summary: Summary) -> str:
    """The messages that the metric could judge and that have no figure."""
    return f"; {counted(summary.failed, summary.group.carrier)} failed" if summary.failed else ""


def aside(summary: Summary) -> str:
    """The mean and what guessing gives, in brackets."""
    if judge(summary) is Judgement.MISSING:
        return ""
    guess = measured(guessing(summary), summary.unit)
    mean = "" if of_labels(summary) else f"{_mean(summary)}{', certified' if summary.certified else ''}; "
    return f" ({mean}guessing gives {guess}{failures(summary)})"


def once(summary: Summary) -> str:
    """What a single message does not tell."""
    alone = summary.messages == 1 and judge(summary) in FOUND
    return f"how often that happens one {summary.group.carrier} does not tell" if alone else ""


def figures(summary: Summary) -> str:
    """The mean, and how it compares with guessing: the gain of the same messages, in pairs."""
    gain, low, high = summary.gain, summary.gain_interval.low, summary.gain_interval.high
    if math.isnan(gain):
        return _mean(summary)
    if of_labels(summary):  # judged by an exact test of the hits; an interval of means would tell another story
        return f"{_mean(summary)}, guessing gives {measured(guessing(summary), summary.unit)}"
    than = "better than guessing"
    if gain < 0:
        gain, low, high, than = -gain, -high, -low, "worse than guessing"
    spread = "" if math.isnan(low) else f" (95%: {number(low)} to {number(high)})"
    return f"{_mean(summary)}, {measured(gain, summary.unit)} {than}{spread}"


def _mean(summary: Summary) -> str:
    mean = "mean " if len(summary.samples) > 1 else ""
    return f"{mean}{summary.group.metric} {measured(summary.mean, summary.unit)}"


def _attack(evidence: Evidence, summary: Summary) -> str:
    chosen = evidence.chosen(summary)
    seats = {ACTIVE: " at the active party", RELAY: " at the relay"}
    name = summary.group.attack + seats.get(summary.group.sender, "")
    return name if chosen is None else f"{name}, which tuning did not choose,"


def _certificate(summary: Summary) -> str:
    """Of a batch it says that this explains the update, or its first layer's part; not that no other does."""
    if not summary.certified:
        return ""
    many = len(summary.samples) > summary.messages
    explained = "the first layer's part of the update" if summary.partly else "the whole update"
    if 0 < summary.partly < summary.certified:
        explained = f"the whole update, in {summary.partly} only the first layer's part"
    what = f"the batch explains {explained}, which another may too" if many else f"explains {explained}"
    part = "" if summary.certified >= summary.messages else f" in {summary.certified} of {summary.messages} messages"
    return f" (certified{part}: {what})"


def _more(evidence: Evidence, summary: Summary) -> Iterator[str]:
    yield _nearest(evidence, summary)
    if (first := evidence.in_first_metric(summary)) is not None:
        yield f"; {figures(first)}"
    chosen = evidence.chosen(summary)
    if chosen is not None and chosen.messages:
        yield f"; {chosen.group.attack}, which it chose, got {measured(chosen.mean, chosen.unit)}"
    yield failures(summary)
    yield f"; {once(summary)}" if once(summary) else ""
    yield change(evidence, summary)


def _nearest(evidence: Evidence, summary: Summary) -> str:
    """Where nothing was rebuilt: the example that leaked most, and those that a guess or an oracle does as well."""
    if by_luck(summary):
        return ""
    easy = reached(summary) - summary.leaked
    where = measured(summary.threshold, summary.unit)
    count = f"; {easy} of {len(summary.samples)} reached {where}"
    known = f"{count}, but a guess or a public example comes about as near" if easy > 0 else ""
    if judge(summary) is Judgement.LEAKED or len(summary.samples) == 1:
        return known
    return f", the nearest {evidence.example} {measured(summary.worst_case, summary.unit)}{known}"


def tally(place_words: str, summary: Summary) -> str:
    """A defense with its counts, in one bracket: `secure aggregation (sum, 2 of 4)`."""
    parts = ["sum"] if summary.group.sender == "aggregate" else []
    if judge(summary) is Judgement.LEAKED:
        parts.append(f"{hits(summary)} of {len(summary.samples)}")
    if summary.failed:
        parts.append(f"{counted(summary.failed, summary.group.carrier)} failed")
    return f"{place_words} ({', '.join(parts)})" if parts else place_words
