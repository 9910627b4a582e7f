"""The memory that work takes at its peak."""

import math
import sys

import pytest
import torch

from fedleak.clients import memory as module
from fedleak.clients.memory import footprint

MEGABYTE = 1 << 20
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps and resets the peak of resident memory")


@linux
def test_the_peak_counts_though_it_is_over():
    with footprint() as found:
        torch.ones(64 * MEGABYTE, dtype=torch.uint8)
    assert 60 * MEGABYTE < found.bytes < 90 * MEGABYTE


@linux
def test_what_was_freed_before_is_not_had_for_nothing():
    for _ in range(3):
        with footprint() as found:
            [torch.ones(MEGABYTE // 8, dtype=torch.uint8) for _ in range(256)]
        assert found.bytes > 24 * MEGABYTE


@linux
def test_little_work_takes_little():
    with footprint() as found:
        torch.ones(8).sum()
    assert 0 <= found.bytes < 4 * MEGABYTE


def test_where_nothing_can_be_told_it_is_not_a_number(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_CLEAR", tmp_path / "no" / "such" / "file")
    with footprint() as found:
        pass
    assert math.isnan(found.bytes)
