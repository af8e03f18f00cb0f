"""What keeps a command from running, told in words instead of a traceback."""


class StartError(Exception):
    """`str()` is one line for the terminal that says what is wrong and how to mend it.

    `exit_code` is what the command should end with.
    """

    exit_code = 2


class NotRunning(StartError):
    """A command needs the server that `serve` embeds, and none runs on the data folder."""


class StateRefused(StartError):
    """What is kept in Redis can't be served by this version."""

    exit_code = 1


class ChildFailed(StartError):
    """A process can't be kept alive, or did not become ready in time."""

    exit_code = 1
