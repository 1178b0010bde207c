"""The exception for a mistake that the user can mend: shown as a single line, with exit status 2."""


class InputError(ValueError):
    """Data, options or files are not what a command needs; the message says what and where."""
