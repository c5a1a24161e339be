"""The result of a model that came in a folder of optimum-intel's is such a folder."""

from pathlib import Path

import openvino

from ovquant.domain.model_folder import CONFIG, DECODER, ENCODER, complete, model_in, pair_in
from ovquant.graph.pairs import parted


def completed(source: str | Path, folder: Path, report: str) -> list[str]:
    """Make a result's folder one like that of its model, if that came in one; return the names of the files that were added.

    A model that was made of two is taken apart. Raises ModelError where it cannot be any more.
    """
    file = model_in(source)
    if file is not None:
        return complete(file.parent, folder, report, file.stem)
    if pair_in(source) is None or not (Path(source) / CONFIG).is_file():
        return []
    whole = openvino.Core().read_model(folder / "model.xml")
    for name, part in zip((ENCODER, DECODER), parted(whole), strict=True):
        openvino.save_model(part, folder / f"{name}.xml", compress_to_fp16=False)
    return complete(Path(source), folder, report, ENCODER, DECODER)
