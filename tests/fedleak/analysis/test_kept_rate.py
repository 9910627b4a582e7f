"""Whether checks keep their rate of false alarms is said of each, and where not."""

from fedleak.analysis.detection import FalseAlarms
from fedleak.analysis.kept_rate import kept_rate
from fedleak.statistics.roc import Share


def alarms(rate: float, where: str = "iid", check: str = "weight-watch", defense: str = "watched") -> FalseAlarms:
    share = Share.of([rate] * 3, [0, 1, 2], "message")
    return FalseAlarms(task="t", where=where, defense=defense, check=check, rate=share, own=share, models=30)


def test_a_check_that_keeps_its_rate_is_said_to_and_training_above_it_is_named() -> None:
    (said,) = kept_rate([alarms(0.0), alarms(0.015, "collapse")], 0.01)
    assert said.startswith("weight-watch keeps to its rate of false alarms, 0.01: it takes 0.007 of honest models")
    assert said.endswith("; more in “collapse” (0.01).") or said.endswith("; more in “collapse” (0.015).")


def test_a_check_that_does_not_is_said_not_to() -> None:
    first, second = kept_rate([alarms(0.2), alarms(0.0, check="d-snr")], 0.01)
    assert first == (
        "weight-watch does not keep to its rate of false alarms, 0.01: it takes 0.20 of honest models of other seeds "
        "for crafted."
    )
    assert second.startswith("d-snr keeps")


def test_defenses_are_named_where_there_are_several() -> None:
    assert [one.partition(":")[0] for one in kept_rate([alarms(0.0), alarms(0.0, defense="more")], 0.1)] == [
        "“watched”", "“more”"
    ]  # fmt: skip
