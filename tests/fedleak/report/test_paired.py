"""Lines of the paired tests."""

from fedleak.report.paired import pairs


def test_a_comparison_without_a_pair_is_no_line(make_comparison):
    lines, more = pairs([make_comparison(-3.0, 0.01, defense="noisy"), make_comparison(0.0, 1.0, pairs=0)])
    assert [(line.defense, line.sentence) for line in lines] == [("noisy", "less leaks")]
    assert more == 0
