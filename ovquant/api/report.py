"""Render a saved result's reports again: nothing is measured."""

from pathlib import Path

from ovquant.api.result import Result
from ovquant.domain.files import written
from ovquant.domain.model_folder import CARD, card_of
from ovquant.domain.place import find_place
from ovquant.domain.record import FileFacts, Record, own
from ovquant.domain.swap import free_name
from ovquant.plugins.reports import render_reports


def report(folder: str | Path) -> tuple[Path, ...]:
    """Write the reports of a saved result again, as this version and the plugins that are installed render them.

    A report that was edited is kept beside the new one, with `.edited` behind its name. Returns the files. Raises UsageError
    when the folder holds no result, and OutputError when it cannot be written or a run writes it just now.
    """
    result = Result.load(folder)
    place = find_place(folder, force=True)
    with place.locked():
        before = Record.read(place.real)
        texts = render_reports(result)
        if before is not None and CARD in before.files:
            texts[CARD] = card_of(texts.get("report.md", ""))
        kept = own(place.real)
        for name, text in texts.items():
            file = place.real / name
            if file.exists() and name not in kept:
                file.replace(file.with_name(free_name(place.real, name)))
            with written(file) as partial:
                partial.write_text(text, encoding="utf-8")
        if before is not None:
            facts = {name: FileFacts.of(place.real / name) for name in texts}
            Record(before.kind, {**before.files, **facts}).write(place.real)
    return tuple(Path(folder) / name for name in texts)
