"""Find the line of a reader's error that says what went wrong."""

_NOISE = (
    "Exception from ",
    "Exception:",
    "Check '",
    "FrontEnd API failed",
    "While validating node",
    "Couldn't get TorchScript module by tracing",
    "Model wasn't fully converted",
)
_TELLING = "-- No conversion rule found"


def first_cause(error: BaseException) -> str:
    """Return the first informative line of an error; openvino's begin with the place in its sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(_TELLING)]
    informative = [line for line in lines if not line.startswith(_NOISE)]
    text = (telling or informative or lines or [type(error).__name__])[0].removeprefix("-- ")
    return text if text.endswith((".", "!", "?")) else f"{text}."


def first_line(error: BaseException) -> str:
    """Return the line of an openvino error that says what went wrong, without its source position."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (telling or lines or [type(error).__name__])[0]
