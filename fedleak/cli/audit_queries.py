"""`fedleak audit-queries`: what the operator of a prediction API would have seen of each attack that asked it."""

from rich.console import Console

from fedleak.cli.options import FormOption, RunPath, write_json
from fedleak.cli.progress_bar import shown
from fedleak.cli.traffic_table import NOTE, traffic_facts, traffic_tables
from fedleak.runs.reading import read_run
from fedleak.traffic.audit import audit
from fedleak.traffic.unseen import unseen_in_words


def command(run: RunPath, form: FormOption = "table") -> None:
    """Judge what attacks asked a prediction API by detectors, beside users who mean no harm: ROC, and when blocked."""
    with shown("judging queries"):
        found = audit(read_run(run))
    if form == "json":
        write_json({"traffic": traffic_facts(found), "unseen": unseen_in_words(found)})
        return
    console = Console(highlight=False)
    for table in traffic_tables(found):
        console.print(table)
    console.print(NOTE)
    console.print(unseen_in_words(found), markup=False)
