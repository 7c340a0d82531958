"""The one exception that users see: a sentence that says what is wrong and what was expected."""


class LstmbenchError(ValueError):
    """Something the user asked for cannot be done; the message is one clear sentence."""


def error_text(error: BaseException) -> str:
    """Return what an error says, as the end of a sentence of ours, with its full stop."""
    lines = str(error).split("\n")[0].strip() or type(error).__name__
    return f"{lines.rstrip(' .:')}."
