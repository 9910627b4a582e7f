"""Servers in the report: what each recovered under each defense in a sentence, lost rounds and alarms among them."""

from dataclasses import replace

import pytest

from fedleak.experiment.experiment import parse_experiment
from fedleak.experiment.grid import parse_campaign
from fedleak.report.servers import server_facts, server_verdicts
from fedleak.results.federation_row import FederationRow
from fedleak.results.seen import Seen, seen_text
from fedleak.statistics.singletons import expected_share

TREE = {
    "name": "n",
    "task": "digits-mlp",
    "federation": {"clients": 4, "rounds": 2},
    "attacks": [{"use": "imprint-readout"}, {"use": "prior"}],
    "defenses": [{"name": "none"}, {"name": "sum", "chain": [{"use": "secure-aggregation"}]}],
    "servers": [
        {"name": "honest"},
        {"name": "planting", "begins": 2, "chain": [{"use": "imprint", "bins": 8}]},
    ],
}
PLAYED = FederationRow(
    task="digits-mlp", defense="sum", server="planting", seed=0, split="test", round=2, messages=5, failures=0,
    accuracy=0.5, loss=1.0, seconds=1.0, federation="", setting={"server": "planting"}, manipulated=True,
)  # fmt: skip


@pytest.fixture
def told(make_row):
    """The sentence of the planting server under a sum, and its counts."""

    def verdict(*samples, federations=(PLAYED,), **changed):
        about = {"attack": "imprint-readout", "algorithm": "imprint-readout", "defense": "sum", "client": "aggregate"}
        setting = {"server": "planting"}
        rows = [make_row(*samples, **{**about, "setting": setting, "round": 2, **changed})]
        found = server_verdicts(parse_campaign(TREE), rows, federations, "digit")
        return next(one for one in found if (one.server, one.defense) == ("planting", "sum"))

    return verdict


def test_exact_images_are_counted_beside_what_chance_leaves_alone(told):
    found = told(100.0, 41.0, 39.0, 9.0)
    assert (found.exact, found.asked, found.where) == (2, 4, "digits-mlp")
    assert found.sentence == (
        "Recovers 2 of 4 digits exactly through the sum over 4 clients (imprint-readout); chance leaves a share of "
        f"{expected_share(4, 8):.3f} alone in a bin that is read."
    )


def test_what_chance_leaves_alone_goes_by_the_bins_that_are_read(make_row):
    """One-shot bins are for one example of the round each; of single updates each goes by its own examples."""
    about = {"attack": "imprint-readout", "algorithm": "imprint-readout", "setting": {"server": "planting"}}

    def sentence(does, defense, rows):
        tree = {**TREE, "federation": {"clients": 2, "batch_size": 8},
                "servers": [{"name": "planting", "chain": [does]}]}  # fmt: skip
        found = server_verdicts(parse_campaign(tree), [make_row(*row, **about, **where) for row, where in rows], [])
        return next(one.sentence for one in found if one.defense == defense)

    one_shot = {"use": "imprint", "form": "one-shot", "bins": 8}
    whole = [((100.0,) * 16, {"defense": "sum", "client": "aggregate"})]
    assert f"{0.5 * expected_share(16, 16):.3f} alone" in sentence(one_shot, "sum", whole)
    single = [((100.0,) * 8, {"defense": "none", "client": 0}), ((100.0,) * 2, {"defense": "none", "client": 1})]
    share = (8 * 0.5 * expected_share(8, 16) + 2 * 0.5 * expected_share(2, 16)) / 10
    assert f"{share:.3f} alone" in sentence(one_shot, "none", single)
    hidden = {"use": "stealthy", "alive": 0.5, "manipulation": {"use": "imprint", "bins": 64}}
    assert f"{0.5 * expected_share(16, 64):.3f} alone" in sentence(hidden, "sum", whole)


def test_what_is_no_better_than_guesses_is_nothing(told):
    assert told(9.0, 8.0).sentence.startswith("Nothing beyond guessing of 2 digits through the sum over 4 clients")


def test_rebuilt_and_not_exact(told):
    found = told(30.0, 8.0, threshold=20.0)
    assert "ebuilds 1 of 2 digits through the sum over 4 clients, none exactly: 30.0 dB at best" in found.sentence


def test_checks_are_named_with_how_often_they_see_it_and_how_often_honest_rounds(told):
    seen = seen_text([Seen("weight-watch", 1, "rows are alike")])
    one = replace(PLAYED, seen=seen, alarms=1)
    found = told(100.0, federations=(PLAYED, one))
    alone = "; seen by weight-watch at 1 of 8 clients in 1 of 2 rounds, first in round 2"
    assert found.sentence.endswith(f"{alone}; there is no honest round to compare with.")
    before = replace(one, round=1, manipulated=False)
    assert f"{alone} (of honest rounds at 1 of 4 clients)." in told(100.0, federations=(PLAYED, one, before)).sentence
    fair = [
        replace(PLAYED, server="honest", setting={"server": "honest"}, manipulated=False, round=round)
        for round in (1, 2)
    ]
    found = told(100.0, federations=(PLAYED, one, before, *fair))
    assert found.sentence.endswith(f"{alone} (of honest rounds at 0 of 8 clients in 0 of 2 rounds).")


def test_alarms_of_an_honest_server_are_false(make_row):
    seen = seen_text([Seen("weight-watch", 2, "rows are alike")])
    fair = replace(PLAYED, server="honest", setting={"server": "honest"}, manipulated=False)
    rounds = [replace(fair, round=1, seen=seen), fair]
    found = next(one for one in server_verdicts(parse_campaign(TREE), [], rounds) if one.defense == "sum")
    assert found.sentence.endswith(
        "; false alarms by weight-watch at 2 of 8 clients in 1 of 2 rounds, first in round 1."
    )


def test_a_round_that_clients_refused_is_told_as_lost(told):
    seen = seen_text([Seen("weight-watch", 4, "rows are alike")])
    refused = replace(PLAYED, lost=True, seen=seen, alarms=4, refused=4, messages=0, failures=4)
    found = told(federations=(refused,))
    assert found.sentence == (
        "Nothing: the round was lost, as clients refused the model (4 refusals); seen by weight-watch at 4 of 4 "
        "clients, first in round 2; there is no honest round to compare with."
    )
    assert (found.exact, found.asked) == (0, 0)
    assert "lost, as no sum was opened (it raised)" in told(federations=(replace(PLAYED, lost=True),)).sentence
    assert "lost, as no sum was opened" in told(federations=(replace(refused, refused=0),)).sentence  # only reported


def test_a_lie_that_was_refused_is_named_and_what_is_left_is_an_honest_server_s(make_row):
    tree = {**TREE, "attacks": [{"use": "analytic-linear"}], "defenses": TREE["defenses"][1:],
            "servers": [{"name": "liar", "chain": [{"use": "forged-roster"}]}]}  # fmt: skip
    about = {"attack": "analytic-linear", "algorithm": "analytic-linear", "defense": "sum", "client": "aggregate"}
    liar = {"setting": {"server": "liar"}}
    rows = [make_row(100.0, 9.0, **about, **liar, round=round) for round in (1, 2)]

    def sentence(rows, *disbelieved, lost=False):
        played = [
            replace(PLAYED, server="liar", **liar, round=round, disbelieved=count, lost=lost)
            for round, count in enumerate(disbelieved, 1)
        ]
        return next(server_verdicts(parse_campaign(tree), rows, played)).sentence

    recovered = "ecovers 2 of 4 examples exactly through 2 sums over 4 clients (analytic-linear)."
    assert sentence(rows, 0, 0) == f"R{recovered}"
    assert sentence(rows, 1, 1) == f"The lie was refused, which leaves what an honest server gets: r{recovered}"
    assert sentence(rows, 0, 1) == f"The lie was refused in 1 of 2 rounds; r{recovered}"
    reason = "FederationError: client 1 did not believe it"
    gone = [make_row(reason=reason, **about, **liar, round=round) for round in (1, 2)]
    lost = sentence(gone, 1, 1, lost=True)
    assert lost == "Nothing: 2 of 2 rounds were lost, as clients refused the lie (client 1 did not believe it)."


def test_whether_checks_saw_anything_is_told_where_there_are_some(make_row):
    watched = {**TREE, "defenses": [{"name": "sum", "chain": [{"use": "weight-watch"}, *TREE["defenses"][1]["chain"]]}]}
    about = {"attack": "imprint-readout", "defense": "sum", "round": 2, "setting": {"server": "planting"}}
    rows = [make_row(100.0, client="aggregate", **about)]
    found = [one.sentence for one in server_verdicts(parse_campaign(watched), rows, [PLAYED]) if one.asked]
    assert [sentence.endswith("; no check saw anything.") for sentence in found] == [True]
    without = [one.sentence for one in server_verdicts(parse_campaign(TREE), rows, [PLAYED]) if one.asked]
    assert ["check" in sentence for sentence in without] == [False]


def test_combinations_that_differ_in_their_name_alone_have_the_same_honest_rounds(make_row):
    vary = [{"name": "here", "servers": TREE["servers"][:1], "attacks": [{"use": "dlg"}]},
            {"name": "there", "servers": TREE["servers"][1:]}]  # fmt: skip
    tree = {**{key: value for key, value in TREE.items() if key != "servers"}, "vary": vary}
    seen = replace(PLAYED, seen=seen_text([Seen("weight-watch", 4, "rows are alike")]), alarms=4,
                   setting={"server": "planting", "vary": "there"})  # fmt: skip
    fair = replace(PLAYED, server="honest", manipulated=False, setting={"server": "honest", "vary": "here"})
    found = [one.sentence for one in server_verdicts(parse_campaign(tree), [], [seen, fair])
             if (one.server, one.defense) == ("planting", "sum")]  # fmt: skip
    assert ["(of honest rounds at 0 of 4 clients)" in sentence for sentence in found] == [True]


def test_of_several_rounds_each_has_its_own_reason(told):
    refused = replace(PLAYED, lost=True, refused=4, round=3)
    unopened = replace(PLAYED, lost=True, round=4, seed=1)
    found = told(federations=(PLAYED, refused))
    assert found.sentence.startswith(
        "Nothing: 1 of 2 rounds was lost, as clients refused the model (4 refusals); in the other round no figure: "
        "it raised (1 message)."
    )
    found = told(federations=(PLAYED, replace(PLAYED, round=5), refused, unopened, replace(unopened, round=2)))
    assert found.sentence.startswith(
        "Nothing: 3 of 5 rounds were lost, 1 as clients refused the model (4 refusals) and 2 as no sum was opened; in "
        "the other 2 rounds no figure: it raised (1 message)."
    )


def test_reasons_are_told_by_how_many_messages_have_them(make_row):
    about = {"attack": "imprint-readout", "algorithm": "imprint-readout", "round": 2, "setting": {"server": "planting"}}
    rows = [make_row(client=client, reason=reason, **about)
            for client, reason in enumerate(["it raised", "it is masked", "it is masked", "it is odd"])]  # fmt: skip
    found = next(one for one in server_verdicts(parse_campaign(TREE), rows, [PLAYED])
                 if (one.server, one.defense) == ("planting", "none"))  # fmt: skip
    assert found.sentence.startswith("No figure: it is masked (2 messages); it raised (1 message); 1 more reason.")


def test_rounds_before_it_begins_and_guesses_without_the_update_count_for_nothing(told):
    assert told(100.0, round=1).asked == 0
    assert told(100.0, attack="prior", algorithm="prior").asked == 0


def test_a_failed_attack_is_no_safety(told, make_row):
    assert told().sentence.startswith("No figure: it raised")
    about = {"attack": "imprint-readout", "algorithm": "imprint-readout", "defense": "none", "round": 2}
    rows = [make_row(*samples, setting={"server": "planting"}, client=client, **about)
            for client, samples in enumerate([(100.0,), ()])]  # fmt: skip
    found = [one for one in server_verdicts(parse_campaign(TREE), rows, []) if one.asked]
    assert ["; 1 message without a figure." in one.sentence for one in found] == [True]


def test_honest_servers_alone_are_no_section(make_row):
    tree = {**TREE, "servers": [{"name": "honest"}], "attacks": [{"use": "prior"}]}
    assert not list(server_verdicts(parse_campaign(tree), [make_row(100.0)], []))


def test_what_a_server_does_and_takes_is_in_the_threat_model():
    planting = {"name": "planting", "begins": 2, "chain": [{"use": "imprint", "bins": 8}]}
    [(term, words)] = server_facts([parse_experiment({**{key: TREE[key] for key in ("name", "task", "federation")},
                                                      "server": planting})] * 2)  # fmt: skip
    assert term == "the server “planting”"
    assert words.startswith("Plants a layer that sorts images into bins")
    assert "bins" in words
    assert ", from round 2 on. It takes public examples" in words
    assert not list(server_facts([parse_experiment({"name": "n", "task": "digits-mlp"})]))
