"""The one exception that users see: a sentence that says what is wrong and what was expected."""


class LstmbenchError(ValueError):
    """A request that cannot be carried out; the message is one clear sentence."""


def os_error_reason(error: Exception) -> str:
    """Return the system's words for an OSError, without the path; or another error's message."""
    return str(getattr(error, "strerror", None) or error)


def error_text(error: BaseException) -> str:
    """Return the first line of an error's message, to end a sentence with; it has one full stop."""
    line = str(error).split("\n")[0].strip() or type(error).__name__
    return f"{line.rstrip(' .:')}."
