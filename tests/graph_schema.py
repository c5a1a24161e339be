"""What a graph.pbtxt of OpenVINO Model Server may say, as far as its documentation and that of MediaPipe tell, for protobuf to read it by."""

from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, text_format

STRING, BOOL, MESSAGE = 9, 8, 11
ONE, MANY = 1, 3
_FIELDS = {
    "CalculatorGraphConfig": [
        ("node", MANY, ".mediapipe.Node"),
        ("input_stream", MANY, STRING),
        ("output_stream", MANY, STRING),
    ],
    "Node": [
        ("name", ONE, STRING),
        ("calculator", ONE, STRING),
        ("input_stream", MANY, STRING),
        ("output_stream", MANY, STRING),
        ("input_side_packet", MANY, STRING),
        ("input_stream_info", MANY, ".mediapipe.InputStreamInfo"),
        ("input_stream_handler", ONE, ".mediapipe.InputStreamHandlerConfig"),
        ("node_options", MANY, ".google.protobuf.Any"),
    ],
    "InputStreamInfo": [("tag_index", ONE, STRING), ("back_edge", ONE, BOOL)],
    "InputStreamHandlerConfig": [
        ("input_stream_handler", ONE, STRING),
        ("options", ONE, ".mediapipe.MediaPipeOptions"),
    ],
    "MediaPipeOptions": [],
    "SyncSet": [("tag_index", MANY, STRING)],
    "SyncSetInputStreamHandlerOptions": [("sync_set", MANY, ".mediapipe.SyncSet")],
    "LLMCalculatorOptions": [("models_path", ONE, STRING), ("device", ONE, STRING), ("plugin_config", ONE, STRING)],
}


def parsed_graph(text: str) -> Any:
    """Return a graph; raises google.protobuf.text_format.ParseError for what is not one."""
    return text_format.Parse(text, _message("CalculatorGraphConfig")(), descriptor_pool=_POOL)


def llm_options(node: Any) -> Any:
    """Return what the calculator of a node is given."""
    options = _message("LLMCalculatorOptions")()
    assert node.node_options[0].Unpack(options)
    return options


def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="graph.proto", package="mediapipe", syntax="proto2")
    file.dependency.append("google/protobuf/any.proto")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, (field, label, kind) in enumerate(fields, start=1):
            _add(message.field, field, number, label, kind)
        if name == "MediaPipeOptions":
            message.extension_range.add(start=1000, end=2000)
        if name == "SyncSetInputStreamHandlerOptions":
            extension = _add(message.extension, "ext", 1000, ONE, ".mediapipe.SyncSetInputStreamHandlerOptions")
            extension.extendee = ".mediapipe.MediaPipeOptions"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return pool


def _add(fields: Any, name: str, number: int, label: int, kind: int | str) -> Any:
    made = fields.add(name=name, number=number, label=label)
    if isinstance(kind, str):
        made.type, made.type_name = MESSAGE, kind
    else:
        made.type = kind
    return made


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"mediapipe.{name}"))


_POOL = _pool()
