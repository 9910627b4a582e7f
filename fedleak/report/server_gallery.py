"""Servers in the report as one section: a sentence for each server and defense, and the pictures behind them."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from fedleak.errors import RecordingError
from fedleak.figures.panels import Picture
from fedleak.figures.servers import collect_servers
from fedleak.figures.sheet import Block
from fedleak.formatting import opening
from fedleak.report.pictures import data_uri
from fedleak.report.servers import ServerVerdict, server_verdicts
from fedleak.results.federation_row import FederationRow
from fedleak.runs.reading import FinishedRun


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One picture, with its figure below; without one, why there is none."""

    source: str
    words: str
    exact: bool


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one server got under one defense: pictures with words below, or words alone."""

    tiles: tuple[Tile, ...]
    words: str
    more: str
    calm: bool


@dataclass(frozen=True, kw_only=True)
class GalleryRow:
    """The truth, the prior, or a server."""

    title: str
    subtitle: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class ServerGallery:
    """The same pictures as in the gallery of the run."""

    groups: tuple[tuple[str, str], ...]
    rows: tuple[GalleryRow, ...]
    note: str


@dataclass(frozen=True, kw_only=True)
class ServerVerdicts:
    """What one server got in one setting under each defense."""

    server: str
    where: str
    verdicts: tuple[ServerVerdict, ...]


@dataclass(frozen=True, kw_only=True)
class Servers:
    """The section."""

    found: tuple[ServerVerdicts, ...]
    gallery: ServerGallery | None
    """None where no attack has a figure of images, or these are no longer there."""


def servers_of(run: FinishedRun, federations: Iterable[FederationRow], example: str) -> Servers | None:
    """The section of a run; None where all servers are honest."""
    verdicts = server_verdicts(run.campaign, run.rows, federations, example)
    found = tuple(
        ServerVerdicts(server=server, where=where, verdicts=tuple(own))
        for (server, where), own in groupby(verdicts, lambda one: (one.server, one.where))
    )
    return Servers(found=found, gallery=_gallery(run)) if found else None


def _gallery(run: FinishedRun) -> ServerGallery | None:
    try:
        sheet = collect_servers(run.folder, run.campaign)
    except RecordingError:
        return None
    if sheet is None:
        return None
    rows = tuple(
        GalleryRow(title=row.title, subtitle=row.subtitle, cells=tuple(map(_cell, row.blocks))) for row in sheet.rows
    )
    return ServerGallery(groups=sheet.groups, rows=rows, note=f"{opening(sheet.note)}.")


def _cell(block: Block) -> Cell:
    return Cell(tiles=tuple(map(_tile, block.pictures)), words=block.words, more=block.more, calm=block.calm)


def _tile(picture: Picture) -> Tile:
    source = "" if picture.image is None else data_uri(picture.image)
    return Tile(source=source, words=picture.caption or picture.reason, exact=picture.exact)
