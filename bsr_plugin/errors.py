"""The one exception that means "the user can fix this"."""


class InputError(ValueError):
    """Wrong input: a path, an option or a file that the user can put right.

    The message is one sentence that names the offending value and the fix. Library code raises it; the
    command line prints it without a traceback and exits with status 2.
    """
