"""Engines of an audit: what runs the app's two parties, by name."""

from collections.abc import Mapping

from fedleak.audit.loopback import loopback
from fedleak.audit.simulation import simulate
from fedleak.audit.stage import Engine

ENGINES: Mapping[str, Engine] = {"loopback": loopback, "simulation": simulate}
