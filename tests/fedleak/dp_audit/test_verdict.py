from dataclasses import replace

import pytest

from fedleak.dp_audit.verdict import Judged, confirmed

BROKEN = Judged(verdict="broken", cause="no noise", sentence="broken", least=9.0)


def test_what_a_second_measurement_shows_too_is_broken_by_the_less_of_both():
    found = confirmed(BROKEN, replace(BROKEN, least=7.0))
    assert (found.verdict, found.cause, found.least) == ("broken", "no noise", 7.0)


@pytest.mark.parametrize("verdict", ["holds", "open"])
def test_what_it_does_not_show_is_open(verdict):
    found = confirmed(BROKEN, Judged(verdict=verdict, cause="", sentence="holds", least=3.0))
    assert (found.verdict, found.cause, found.least) == ("open", "", 3.0)
    assert "another with other coins did not" in found.sentence
