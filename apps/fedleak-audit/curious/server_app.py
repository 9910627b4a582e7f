"""The server: FedAvg as anywhere, with a grid that is tapped, and a look at what that heard."""

import os
from pathlib import Path

import torch
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from curious.look import look
from curious.task import Net
from fedleak.wiretap import FOLDER, tap

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Trains, then attacks what crossed the wire in the first round."""
    config = context.run_config
    out = Path(str(config["out"])).expanduser().resolve()
    os.environ[FOLDER] = str(out / "wire" / str(context.run_id))
    torch.manual_seed(0)
    FedAvg(fraction_evaluate=0.0).start(
        grid=tap(grid),
        initial_arrays=ArrayRecord(Net().state_dict()),
        num_rounds=int(config["num-server-rounds"]),
    )
    for line in look(Path(os.environ[FOLDER]), out, config):
        print(line, flush=True)
