"""What openvino's errors say."""


def first_line(error: BaseException) -> str:
    """Return the line of an openvino error that says what went wrong, without its source position."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (telling or lines or [type(error).__name__])[0]
