"""`fedleak audit-queries`: what the operator of a prediction API would have seen of each attack that asked it."""

from rich.console import Console

from fedleak.cli.options import FormOption, RunPath, write_json
from fedleak.cli.progress_bar import shown
from fedleak.cli.traffic_table import NOTE, private_facts, private_table, traffic_facts, traffic_tables
from fedleak.runs.reading import read_run
from fedleak.traffic.audit import audit
from fedleak.traffic.private_costs import private_costs
from fedleak.traffic.unseen import unseen_in_words


def command(run: RunPath, form: FormOption = "table") -> None:
    """Judge what attacks asked a prediction API by detectors, beside users who mean no harm: ROC, and when blocked."""
    finished = read_run(run)
    with shown("judging queries"):
        found, costs = audit(finished), private_costs(finished)
    if form == "json":
        private = {"private": private_facts(costs)} if costs else {}
        write_json({"traffic": traffic_facts(found), "unseen": unseen_in_words(found), **private})
        return
    console = Console(highlight=False)
    for table in traffic_tables(found):
        console.print(table)
    if found.traffic:
        console.print(NOTE)
    console.print(unseen_in_words(found), markup=False)
    if costs:
        console.print(private_table(costs))
