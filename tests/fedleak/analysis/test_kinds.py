"""Kinds of training in words."""

from fedleak.analysis.kinds import Kinds


def test_without_named_combinations_it_is_the_setting_without_the_server() -> None:
    kinds = Kinds([{"server": "a", "federation.batch_size": 2}, {"server": "b", "federation.batch_size": 4}])
    assert kinds.of({"server": "b", "federation.batch_size": 4}) == "batch_size=4"


def test_of_a_named_combination_it_is_its_name_and_what_varies_within_it() -> None:
    settings = [
        {"vary": "iid", "server": "a", "federation.batch_size": 2, "federation.partitioner": "Iid"},
        {"vary": "iid", "server": "a", "federation.batch_size": 4, "federation.partitioner": "Iid"},
        {"vary": "skewed", "server": "a", "federation.batch_size": 2, "federation.partitioner": "Dirichlet"},
    ]
    kinds = Kinds(settings)
    assert [kinds.of(one) for one in settings] == ["iid, batch_size=2", "iid, batch_size=4", "skewed"]


def test_with_servers_alone_it_is_empty() -> None:
    assert Kinds([{"server": "a"}, {"server": "b"}]).of({"server": "a"}) == ""
