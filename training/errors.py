"""What ends a training early."""


class TrainingError(Exception):
    """Something that whoever started the training can mend; the message is one line."""


class TrainingStopped(Exception):
    """It was told to stop, by Ctrl-C or SIGTERM; what it had made is kept."""
