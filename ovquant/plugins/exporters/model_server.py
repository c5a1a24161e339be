"""Export a result as a model repository of OpenVINO Model Server."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ovquant.domain.model_folder import CONFIG, MODEL, beside
from ovquant.domain.place import new_folder
from ovquant.errors import UsageError

NEEDED = (f"{MODEL}.xml", CONFIG, "openvino_tokenizer.xml", "openvino_detokenizer.xml")
"""What the server generates text with."""
GRAPH = "graph.pbtxt"
_NODE = """\
input_stream: "HTTP_REQUEST_PAYLOAD:input"
output_stream: "HTTP_RESPONSE_PAYLOAD:output"
node {{
  name: "LLMExecutor"
  calculator: "HttpLLMCalculator"
  input_side_packet: "LLM_NODE_RESOURCES:llm"
  input_stream: "LOOPBACK:loopback"
  input_stream: "HTTP_REQUEST_PAYLOAD:input"
  output_stream: "LOOPBACK:loopback"
  output_stream: "HTTP_RESPONSE_PAYLOAD:output"
  input_stream_info {{ tag_index: "LOOPBACK:0" back_edge: true }}
  input_stream_handler {{
    input_stream_handler: "SyncSetInputStreamHandler"
    options {{ [mediapipe.SyncSetInputStreamHandlerOptions.ext] {{ sync_set {{ tag_index: "LOOPBACK:0" }} }} }}
  }}
  node_options {{
    [type.googleapis.com/mediapipe.LLMCalculatorOptions] {{
      models_path: "./"
      device: {device}
      plugin_config: {properties}
    }}
  }}
}}
"""


@dataclass(frozen=True)
class ModelServer:
    """Lay the model out for OpenVINO Model Server: a folder per model, and a config.json to start it with.

    name: what clients call the model; by default that of the result's folder. version: a number above zero. layout: `versions` has a
    folder per version, for the inference APIs; the compile properties go into plugin_config, the device into target_device.
    `graph` has the whole folder of a model that generates text, with a graph.pbtxt, for the completion APIs; one that
    came in the folder is kept. By default it is `graph` where openvino_tokenizer.xml and openvino_detokenizer.xml are there. Base
    paths are relative to config.json.
    """

    name: str = ""
    version: int = 1
    layout: Literal["auto", "versions", "graph"] = "auto"

    def __post_init__(self) -> None:
        """Check the version."""
        if self.version < 1:
            raise UsageError(f"Exporter 'model-server': version={self.version} must be at least 1.")

    def export(self, folder: Path, target: Path) -> None:
        """Write the repository; raises UsageError where the layout asked for needs what is not there."""
        missing = [name for name in NEEDED if not (folder / name).is_file()]
        if self.layout == "graph" and missing:
            raise UsageError(
                f"To generate text, the server needs {', '.join(missing)} beside the model. "
                "'convert_tokenizer FOLDER --with-detokenizer -o FOLDER' of openvino-tokenizers makes both tokenizers; put them beside the "
                "model, or take layout=versions."
            )
        serving = json.loads((folder / "compile.json").read_text(encoding="utf-8"))
        name = self.name or folder.resolve().name
        with new_folder(target) as partial:
            if self.layout == "versions" or missing:
                listed = self._versions(folder, partial, name, serving)
            else:
                listed = _graph(folder, partial, name, serving)
            (partial / "config.json").write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")

    def _versions(self, folder: Path, target: Path, name: str, serving: Mapping[str, Any]) -> dict[str, Any]:
        _copy_model(folder, target / name / str(self.version), "model")
        config = {
            "name": name,
            "base_path": name,
            "target_device": serving["device"],
            "plugin_config": serving["config"],
        }
        return {"model_config_list": [{"config": config}]}


def _graph(folder: Path, target: Path, name: str, serving: Mapping[str, Any]) -> dict[str, Any]:
    _copy_model(folder, target / name, MODEL)
    for file in beside(folder, MODEL):
        shutil.copy2(file, target / name / file.name)
    graph = target / name / GRAPH
    if not graph.exists():
        properties = _quoted(json.dumps(serving["config"]))
        graph.write_text(_NODE.format(device=_quoted(serving["device"]), properties=properties), encoding="utf-8")
    return {"model_config_list": [], "mediapipe_config_list": [{"name": name, "base_path": name}]}


def _copy_model(folder: Path, place: Path, name: str) -> None:
    place.mkdir(parents=True)
    for suffix in (".xml", ".bin"):
        shutil.copy2(folder / f"model{suffix}", place / f"{name}{suffix}")


def _quoted(text: str) -> str:
    """Return a text as protobuf's text format writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
