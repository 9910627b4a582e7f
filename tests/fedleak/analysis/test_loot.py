"""The most that a server got: exact images before rebuilt ones, and what has no figure counts for nothing."""

from fedleak.analysis.loot import group_of, loot_of


def test_the_greater_share_that_is_exact_counts_more_than_the_number(make_row):
    few, many = make_row(100.0, 100.0, attack="few"), make_row(100.0, 100.0, 100.0, 9.0, attack="many")
    loot = loot_of([few, many])
    assert (loot.group.attack, loot.exact, loot.asked) == ("few", 2, 2)


def test_without_an_exact_one_the_best_single_guess_decides(make_row):
    loot = loot_of(
        [make_row(30.0, 8.0, attack="one", threshold=20.0), make_row(25.0, 24.0, attack="two", threshold=20.0)]
    )
    assert (loot.group.attack, loot.exact, loot.leaked, loot.best) == ("one", 0, 1, 30.0)


def test_messages_without_a_figure_are_counted_apart(make_row):
    rows = [make_row(100.0, client=0), make_row(client=1), make_row(99.0, client="aggregate")]
    loot = loot_of(rows)
    assert loot.group == group_of(rows[0])
    assert (len(loot.rows), loot.silent) == (1, 1)
    assert loot_of([make_row()]) is None
    assert loot_of([]) is None
