"""Rows are kept in order while there is more and more of them."""

import torch

from fedleak.learning.growing import Growing


def test_rows_are_kept_in_order_while_there_is_more_and_more():
    grown, rows = Growing((2,)), torch.arange(80.0).reshape(40, 2)
    for part in rows.split([1, 20, 0, 19]):
        grown.append(part)
    assert len(grown) == 40
    assert torch.equal(grown.rows, rows)
