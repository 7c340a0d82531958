"""The one exception that users see: a sentence that says what is wrong and what was expected."""


class LstmbenchError(ValueError):
    """Something the user asked for cannot be done; the message is one clear sentence."""
