"""Validation of a policy: names that nothing in a run answers to, and rules that guard the wrong end, are errors."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from fedleak.contracts.metric import metrics
from fedleak.errors import ConfigError, did_you_mean
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.naming import labels_of
from fedleak.gate.figures import DECIBELS, level_of, meant_by
from fedleak.gate.measurement import OF_A_FEDERATION, OF_AN_ATTACK, answers, attack_answers, short_key
from fedleak.gate.policy import Policy, Rule
from fedleak.gate.rule import COUNTED, KEEPS, OF_FEDERATIONS, Aggregate, Comparison, Operator, number_text
from fedleak.settings.base import Scalar
from fedleak.statistics.group import SENDERS

NEAR = 0.8
"""How alike a name and a slip of it are, from 0 to 1."""
MIDDLE = 50.0
"""The percentile about which a figure says as much of the samples that leak most as of those that leak least."""
UPPER: tuple[Operator, ...] = ("<", "<=")
LOWER: tuple[Operator, ...] = (">", ">=")


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What the groups of a run can be called."""

    metrics: Collection[str]
    fields: Mapping[str, Collection[Scalar]]
    """The values of each field; setting keys in full."""

    @classmethod
    def of(cls, campaign: Campaign) -> "Vocabulary":
        """What a campaign will have, known before it runs."""
        experiments = [point.experiment for point in campaign.points]
        setting: dict[str, set[Scalar]] = {}
        for point in campaign.points:
            for key, value in point.setting.items():
                setting.setdefault(key, set()).add(value)
        return cls(
            metrics={cls.name for cls in metrics} | {name for one in experiments for name in one.metrics},
            fields={
                **setting,
                "task": {one.task.label for one in experiments},
                "defense": {name for one in experiments for row in one.defenses for name in answers(row.name)},
                "attack": {
                    name for one in experiments for own in labels_of(one.attacks) for name in attack_answers(own)
                },
                "sender": set(SENDERS),
            },
        )


def validate(policy: Policy, vocabulary: Vocabulary) -> None:
    """Raises `ConfigError` for the first name in the policy that is a typo, or rule that guards the wrong end.

    What follows `where` must exist, or else the rule would be about nothing. What follows `unless` need not exist, so
    that one policy fits several runs, but must not look like a slip of what does.
    """
    for rule in policy.rules:
        where = f"{policy.path}: {rule.label}"
        _check_figure(rule, vocabulary, where)
        _check_direction(rule, where)
        _check_threshold(rule, where)
        _check_share(rule, where)
        for clause, must_exist in ((rule.assertion.where, True), (rule.assertion.unless, False)):
            for comparison in clause.comparisons() if clause is not None else ():
                _check_field(rule, comparison, vocabulary, where)
                _check_values(comparison, vocabulary, where, must_exist=must_exist)


def _check_figure(rule: Rule, vocabulary: Vocabulary, where: str) -> None:
    figure = rule.assertion.figure
    known = {*vocabulary.metrics, *COUNTED}
    if figure.name not in known and level_of(figure.name) is None:
        share = meant_by(figure.name)
        hint = did_you_mean(figure.name, known) if share is None else f"; did you mean '{share}'?"
        raise ConfigError(f"{where}, column {figure.column}: no metric is called '{figure.name}'{hint}")
    if level_of(figure.name) is not None and figure.aggregate == Aggregate(name="share"):
        raise ConfigError(
            f"{where}, column {figure.column}: {figure.name} is a share of each message, and which messages' share is "
            f"asked for takes a threshold, as in {figure.name}.share(0.5)"
        )


def _check_field(rule: Rule, comparison: Comparison, vocabulary: Vocabulary, where: str) -> None:
    name, figure = comparison.field, rule.assertion.figure.name
    if figure in OF_FEDERATIONS and name in OF_AN_ATTACK and name not in OF_A_FEDERATION:
        raise ConfigError(
            f"{where}, column {comparison.column}: {figure} is a federation's and has no {name}; "
            "select by task, defense or setting"
        )
    full = [key for key in vocabulary.fields if name in (key, short_key(key))]
    if name not in vocabulary.fields and len(full) > 1:
        raise ConfigError(
            f"{where}, column {comparison.column}: '{name}' may be {' or '.join(full)}; write one of these"
        )
    if not full:
        names = {*vocabulary.fields, *map(short_key, vocabulary.fields)}
        raise ConfigError(
            f"{where}, column {comparison.column}: no field '{name}' tells this run's groups apart"
            f"{did_you_mean(name, names)}"
        )


def _check_values(comparison: Comparison, vocabulary: Vocabulary, where: str, *, must_exist: bool) -> None:
    key = next(key for key in vocabulary.fields if comparison.field in (key, short_key(key)))
    present = [value for value in vocabulary.fields[key] if isinstance(value, str)]
    for value in comparison.values:
        if not isinstance(value, str) or value in present:
            continue
        if must_exist:
            raise ConfigError(
                f"{where}: no {comparison.field} of this run is called '{value}'{did_you_mean(value, present)}"
            )
        slip = _slip(value, present)
        if slip is not None:
            raise ConfigError(f"{where}: no {comparison.field} of this run is called '{value}'; did you mean '{slip}'?")


def _slip(value: str, known: Iterable[str]) -> str | None:
    """The name that `value` is a misspelling of. Names that differ in their numbers mean different things."""
    own = {name.casefold(): name for name in known if re.findall(r"\d+", name) == re.findall(r"\d+", value)}
    near = difflib.get_close_matches(value.casefold(), own, n=1, cutoff=NEAR)
    return own[near[0]] if near else None


def _check_threshold(rule: Rule, where: str) -> None:
    """Refuses a threshold that every sample is at, or that none can reach: there is nothing to count then."""
    figure, by_name = rule.assertion.figure, {cls.name: cls for cls in metrics}
    level = level_of(figure.name)
    least, greatest = by_name[DECIBELS].bounds
    if level is not None and not least < level <= greatest:
        raise ConfigError(
            f"{where}, column {figure.column}: expected decibels above {least:g} and up to {greatest:g}, where PSNR is "
            f"capped, as in share-at-40dB, got {figure.name}"
        )
    threshold = None if figure.aggregate is None or figure.aggregate.name != "share" else figure.aggregate.number
    if threshold is None or (level is None and figure.name not in by_name):
        return
    least, greatest = (0.0, 1.0) if level is not None else by_name[figure.name].bounds
    higher = level is not None or by_name[figure.name].higher_is_better
    if not (least < threshold <= greatest if higher else least <= threshold < greatest):
        ends = f"above {least:g} and up to {greatest:g}" if higher else f"from {least:g} and below {greatest:g}"
        raise ConfigError(
            f"{where}, column {figure.column}: expected a threshold {ends}, which some {figure.name} can be past and "
            f"some not, got {figure}"
        )


def _check_share(rule: Rule, where: str) -> None:
    """Refuses a rule that a share, which is from 0 to 1, keeps or breaks whatever it is.

    An accuracy of 0 or more is one that was measured, which may be asked for.
    """
    figure, bound, operator = rule.assertion.figure, rule.assertion.bound, rule.assertion.operator
    shares = figure.name == "accuracy" or level_of(figure.name) is not None
    if bound.baseline is not None or not (
        shares or (figure.aggregate is not None and figure.aggregate.name == "share")
    ):
        return
    kept = {KEEPS[operator](share, bound.number) for share in (0.0, min(max(bound.number, 0.0), 1.0), 1.0)}
    if len(kept) == 1 and not (figure.name == "accuracy" and kept == {True}):
        never = "cannot fail" if kept == {True} else "cannot hold"
        raise ConfigError(
            f"{where}: {figure} is a share, so this rule {never}: expected a bound from 0 to 1 that some shares are "
            f"within and some not, got {operator} {bound}"
        )


def _check_direction(rule: Rule, where: str) -> None:
    """Refuses rules that look at the samples that leak least to forbid leakage: they hold while other samples leak.

    The middle, the mean and every share are about all samples.
    """
    figure, operator = rule.assertion.figure, rule.assertion.operator
    by_name = {cls.name: cls for cls in metrics}
    metric = figure.name if level_of(figure.name) is None else DECIBELS
    if figure.aggregate is None or metric not in by_name:
        return
    higher = by_name[metric].higher_is_better
    place = _place(figure.aggregate)
    quiet = place < MIDDLE if higher else place > MIDDLE
    if quiet and operator in (UPPER if higher else LOWER):
        raise ConfigError(
            f"{where}, column {figure.column}: {figure.name} leaks more when {'higher' if higher else 'lower'}; "
            f"{figure.aggregate} is the samples that leak least: did you mean {_mirrored(figure.aggregate)} or worst?"
        )


def _place(aggregate: Aggregate) -> float:
    """As a percentile."""
    places = {"min": 0.0, "max": 100.0, "percentile": aggregate.number or 0.0}
    return places.get(aggregate.name, MIDDLE)


def _mirrored(aggregate: Aggregate) -> str:
    """The aggregate at the other end."""
    others = {"min": "max", "max": "min"}
    return others.get(aggregate.name) or f"p{number_text(round(100 - (aggregate.number or 0.0), 3))}"
