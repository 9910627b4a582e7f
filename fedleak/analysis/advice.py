"""Advice: which defenses keep leakage below a limit and accuracy above one, and what that rests on."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedleak.analysis.conditions import condition_of
from fedleak.analysis.defenses import DefenseResult
from fedleak.analysis.exposure import Exposure, exposure_of
from fedleak.analysis.frontier import Trade, members
from fedleak.analysis.judgement import KINDS
from fedleak.analysis.other_readings import Other, other_readings, read_in_words
from fedleak.contracts.metric import metrics
from fedleak.errors import ConfigError, did_you_mean
from fedleak.formatting import counted, figure
from fedleak.results.row import Row
from fedleak.statistics.group import Group, installed
from fedleak.statistics.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is wanted."""

    max_leak: float
    """Of a sample, in the metric's unit."""
    max_share: float = 0.05
    """The share of the samples of which more may leak, from above 0 to 1."""
    min_accuracy: float = 0.0
    """From 0 to 1."""
    allowed: frozenset[str] = frozenset()
    """What else may be read: kinds beyond guessing, such as `labels`, and images by other metrics, such as `ssim`."""

    def __post_init__(self) -> None:
        known = (*KINDS[1:], *(one.name for one in metrics if one.compares == KINDS[0]))
        for name in sorted(self.allowed - set(known)):
            raise ConfigError(f"--allow: expected one of {', '.join(known)}, got '{name}'{did_you_mean(name, known)}")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A defense with all that advice on it is drawn from."""

    result: DefenseResult
    exposure: Exposure
    others: Mapping[str, Other | None]
    """For each kind but that of the limit, and each other metric of that; None where nobody tried."""

    @classmethod
    def of(
        cls, result: DefenseResult, groups: Mapping[Group, Sequence[Row]], summaries: Iterable[Summary], limits: Limits
    ) -> "Candidate":
        """The candidate of a result, from the rows of each group and the summaries by all metrics."""
        own = [s for s in summaries if (condition_of(s.group), s.group.defense) == (result.condition, result.defense)]
        metric = next((one.group.metric for one in result.attackers), "")
        return cls(
            result=result,
            exposure=exposure_of(result, groups, limits.max_leak),
            others=other_readings(own, groups, metric),
        )

    @property
    def defense(self) -> str:
        """Its name."""
        return self.result.defense

    @property
    def unmeasured(self) -> list[str]:
        """The kinds of which nothing is known."""
        return [name for name, one in self.others.items() if one is None]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The defenses of one condition, apart by what can be said of them."""

    named: tuple[Candidate, ...]
    """Both limits are kept at the unfavorable ends, and no other defense that does so is better."""
    beaten: tuple[Candidate, ...]
    """Both limits are kept too, but another defense leaks no more and is as accurate."""
    near: tuple[tuple[Candidate, str], ...]
    """Kept by what was seen alone, and why that is not enough."""
    refused: tuple[tuple[Candidate, str], ...]
    """The others, and why."""


def parse_leak(text: str, metric: str) -> float:
    """`20`, `20dB` or `20 dB`, and `5%` of what is a share; raises `ConfigError` for what nothing could be past."""
    found = re.fullmatch(r"\s*(-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*([A-Za-z%²]*)\s*", text)
    if found is None:
        raise ConfigError(f"--max-leak: expected a number in the metric's unit, as in 20dB, got {text!r}")
    known, limit = installed(metric), float(found.group(1))
    if known is None:
        return limit
    units = {"": 1.0, known.unit: 1.0, **({"%": 0.01} if known.unit.startswith("share") else {})}
    if found.group(2) not in units:
        raise ConfigError(f"--max-leak: {metric} is in {known.unit or 'no unit'}, got {text!r}")
    limit *= units[found.group(2)]
    most = known.bounds[1 if known.higher_is_better else 0]
    if limit >= most if known.higher_is_better else limit <= most:
        raise ConfigError(
            f"--max-leak: nothing leaks more than {metric} {figure(most)}, so every defense would keep "
            f"{figure(limit)}; expected {'less' if known.higher_is_better else 'more'}"
        )
    return limit


def advise(candidates: Sequence[Candidate], limits: Limits) -> Advice:
    """Sorts the defenses of one condition."""
    kept, near, refused = [], [], []
    for candidate in candidates:
        problem = why_not(candidate, limits)
        doubt = "" if problem else _doubt(candidate, limits)
        if problem:
            refused.append((candidate, problem))
        elif doubt:
            near.append((candidate, doubt))
        else:
            kept.append(candidate)
    best = _frontier(kept)
    named = tuple(one for one in kept if one.defense in best)
    beaten = tuple(one for one in kept if one.defense not in best)
    return Advice(named=named, beaten=beaten, near=tuple(near), refused=tuple(refused))


def why_not(candidate: Candidate, limits: Limits) -> str:
    """Why a defense does not keep the limits in what was seen; empty where it does."""
    result = candidate.result
    if result.strongest is None:
        return "no attack on it has a figure"
    if not result.tested:
        return "untested: every attack on it took no notice of the defense"
    return leak(candidate, limits) or too_inaccurate(result, limits)


def leak(candidate: Candidate, limits: Limits) -> str:
    """What was seen to leak of a defense that was attacked; empty where it keeps the limits on that."""
    if candidate.exposure.share > limits.max_share:
        return f"{past_in_words(candidate, limits)}, the most is {limits.max_share:.2g} of them"
    return _read(candidate, limits)


def possible_leak(candidate: Candidate, limits: Limits) -> str:
    """What may leak for all that was seen, though it was not; empty where hardly anything may."""
    return _may_be_past(candidate, limits) or _may_be_read(candidate, limits)


def past_in_words(candidate: Candidate, limits: Limits) -> str:
    """`3 of 40 samples past psnr 15.0`."""
    metric, exposure = candidate.result.attackers[0].group.metric, candidate.exposure
    return f"{exposure.count} of {counted(len(exposure.past), 'sample')} past {metric} {figure(limits.max_leak)}"


def _read(candidate: Candidate, limits: Limits) -> str:
    """What else is read from its messages that was not allowed."""
    found = {
        name: read_in_words(name, other)
        for name, other in candidate.others.items()
        if other is not None and other.found(limits.max_share) and name not in limits.allowed
    }
    allow = " ".join(f"--allow {name}" for name in found)
    return f"{'; '.join(found.values())}; {allow} accepts that" if found else ""


def _may_be_read(candidate: Candidate, limits: Limits) -> str:
    """What else may be read for all that these messages show."""
    found = {
        name: f"{read_in_words(name, other)}, and {figure(min(other.at_most, 1.0))} of them may be read (97.5%)"
        for name, other in candidate.others.items()
        if other is not None and other.at_most > limits.max_share and name not in limits.allowed
    }
    allow = " ".join(f"--allow {name}" for name in found)
    return f"{'; '.join(found.values())}; more seeds may show less, {allow} accepts that" if found else ""


def too_inaccurate(result: DefenseResult, limits: Limits) -> str:
    """Why its accuracy is not what is wanted; empty where it is, as measured."""
    if limits.min_accuracy > 0 and math.isnan(result.accuracy.mean):
        return "its accuracy was not measured; set utility.rounds, or federation.fraction_evaluate above 0"
    if limits.min_accuracy > 0 and not result.operating_point.one:
        return f"leak and accuracy do not belong together: {result.operating_point.differs}"
    if result.accuracy.mean < limits.min_accuracy:
        return f"accuracy {result.accuracy.mean:.1%}, and {limits.min_accuracy:.1%} is wanted"
    return ""


def _doubt(candidate: Candidate, limits: Limits) -> str:
    """Why what was seen leaves it open; empty where it does not."""
    past, accuracy = _may_be_past(candidate, limits), possibly_inaccurate(candidate.result, limits)
    return past or accuracy or _may_be_read(candidate, limits)


def _may_be_past(candidate: Candidate, limits: Limits) -> str:
    """Why more samples may be past the limit than were."""
    exposure = candidate.exposure
    if exposure.at_most <= limits.max_share:
        return ""
    seen = f"{past_in_words(candidate, limits)} in {counted(exposure.distinct_seeds, 'seed')}"
    left = sum(exposure.open)
    clean = "seeds, no further of which leaks," if exposure.count or left else "clean seeds"
    needed = f"{exposure.needed(limits.max_share)} {clean} would show at most {limits.max_share:.2g}"
    return f"{seen}{_left_open(exposure)}: the share may be {exposure.at_most:.2g} (97.5%); {needed}"


def possibly_inaccurate(result: DefenseResult, limits: Limits) -> str:
    """Why its accuracy may not be what is wanted; empty where it surely is."""
    accuracy = result.accuracy.interval
    if limits.min_accuracy > 0 and result.broken:
        return f"{counted(result.broken, 'federation')} did not get to the end, so the accuracy is unknown"
    if limits.min_accuracy > 0 and math.isnan(accuracy.low):
        return f"its accuracy has no interval ({accuracy.method}); run more seeds"
    if accuracy.low < limits.min_accuracy:
        return f"accuracy may be {accuracy.low:.1%} (95%), and {limits.min_accuracy:.1%} is wanted"
    return ""


def _left_open(exposure: Exposure) -> str:
    """`; 8 more may be: dlg has no figure (it raised) in 2 messages`."""
    left = sum(exposure.open)
    if not left:
        return ""
    who = [f"{words} in {counted(count, 'message')}" for words, count in Counter(exposure.failures).most_common(2)]
    return f"; {left} more may be: {', '.join(who) or 'no attack that knows the defense has a figure of them'}"


def _frontier(kept: Sequence[Candidate]) -> set[str]:
    """Those that no other beats of what surely keeps the limits; what has no accuracy is compared with nothing."""
    trades = {one.defense: _trade(one) for one in kept if not math.isnan(one.result.accuracy.mean)}
    return members(trades) | {one.defense for one in kept if one.defense not in trades}


def _trade(candidate: Candidate) -> Trade:
    worst, exposure = candidate.result.attackers[0], candidate.exposure
    return Trade(accuracy=candidate.result.accuracy.mean, worst=worst, share=exposure.at_most, tail=exposure.tail)
