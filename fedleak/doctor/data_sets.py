"""The data sets: those inside packages are read, those in files are looked for, nothing is downloaded."""

from collections.abc import Iterator

from fedleak.doctor.check import Check

TOPIC = "data"


def check_data() -> Iterator[Check]:
    """Each data set that fedleak ships a loader for."""
    try:
        from fedleak.data.loader import loaders

        names = [cls.name for cls in loaders if cls.__module__.startswith("fedleak.data.")]
    except Exception as error:  # noqa: BLE001  without torch, or with a plug-in that does not load, nothing can be read
        remedy = "mend what is missing above or below first"
        yield Check(topic=TOPIC, what="data sets", state="missing", found=f"cannot be read: {error}", remedy=remedy)
        return
    from fedleak.tasks import sources

    yield from (_data_set(name) for name in names if name in sources)


def _data_set(name: str) -> Check:
    from fedleak.data.loader import loaders
    from fedleak.data.torchvision_sets import TorchvisionLoader
    from fedleak.errors import DataError
    from fedleak.tasks import sources

    loader = loaders.build(name, {})
    if isinstance(loader, TorchvisionLoader):
        if loader.there():
            return Check(topic=TOPIC, what=name, state="ok", found="files found, not read")
        remedy = f"{loader.expected()}; else a download is tried"
        return Check(topic=TOPIC, what=name, state="note", found="no files", remedy=remedy)
    try:
        examples = loader.read(sources[name])
    except DataError as error:
        found, _, remedy = str(error).partition("; ")
        return Check(topic=TOPIC, what=name, state="missing", found=found, remedy=remedy)
    return Check(topic=TOPIC, what=name, state="ok", found=f"{len(examples):,} examples")
