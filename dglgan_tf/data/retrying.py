"""An iterator that waits for data that are away and leaves out what is damaged.

The rule: a batch that cannot be read is tried three times. Can the next batch be read
then, this one holds something damaged: it is left out and counted. Can it not, the
data are away (a folder unmounted, a server down): the same batch is tried again and
again, for a limited time, and the training stands still.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator

from dglgan_tf.compat import tf

_OF_DATA = (
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.DataLossError,
    tf.errors.UnknownError,
    tf.errors.PermissionDeniedError,
    tf.errors.FailedPreconditionError,
)
_TRIES = 3


@dataclasses.dataclass
class Patient:
    """Batches of reals.

    Attributes:
      make: position in images -> iterator of batches from there on.
      position: () -> images consumed so far; called before each batch.
      skip: (images) -> None, moves the position past a batch that is left out.
      say: tells the user.
      batch_size: images of a batch.
      patience_seconds: how long data may be away.
      most_bad: batches that may be left out; more end the training.
      may_skip: False where other hosts read the same batches.
    """

    make: Callable[[int], Iterator]
    position: Callable[[], int]
    skip: Callable[[int], None]
    say: Callable[[str], None]
    batch_size: int
    patience_seconds: float = 1800.0
    most_bad: int = 100
    may_skip: bool = True
    bad: int = dataclasses.field(default=0, init=False)

    def __post_init__(self):
        self._iterator = self.make(self.position())

    def __iter__(self):
        return self

    def __next__(self):
        """Returns the next batch that can be read.

        Raises:
          OSError: the data stayed away, or too much of them is damaged.
        """
        try:
            return next(self._iterator)
        except _OF_DATA as error:
            return self._recover(error)

    def _recover(self, error):
        started, pause, told = time.monotonic(), 0.1, False
        while True:
            found = self._several_tries(pause)
            if found is None and self.may_skip:
                ahead = self._try(self.position() + self.batch_size)
                if ahead is not None:
                    found = self._try(self.position())  # back just now, perhaps
                    if found is None:
                        self._leave_out(error)
                        return ahead
            if found is not None:
                if told:
                    self.say("the data are back: the training goes on")
                return found
            self._give_up_after(started, error)
            if not told:
                self.say(f"data cannot be read, waiting for them: {_sentence(error)}")
                told = True
            pause = min(2 * pause, 60.0)
            time.sleep(pause)

    def _several_tries(self, pause):
        found = self._try(self.position())
        for _ in range(_TRIES - 1):
            if found is None:
                time.sleep(pause)
                found = self._try(self.position())
        return found

    def _give_up_after(self, started, error):
        if time.monotonic() - started > self.patience_seconds:
            raise OSError(
                f"the data cannot be read since {self.patience_seconds:.0f} s "
                f"({_sentence(error)}): bring them back and run the same command "
                "again, which continues from the newest snapshot"
            ) from error

    def _try(self, position):
        try:
            iterator = self.make(position)
            found = next(iterator)
        except (*_OF_DATA, OSError, ValueError):
            return None
        self._iterator = iterator
        return found

    def _leave_out(self, error):
        self.bad += 1
        self.skip(self.batch_size)
        self.say(
            f"a batch of data is damaged and left out ({self.bad} so far): "
            f"{_sentence(error)}"
        )
        if self.bad > self.most_bad:
            raise OSError(
                f"more than Schedule.max_bad_batches={self.most_bad} batches of data "
                "are damaged: look at them with python -m dglgan_tf.prepare --check"
            ) from error


def _sentence(error) -> str:
    """Returns the line of TensorFlow's message that says what happened."""
    lines = [line.strip() for line in str(error.message).splitlines() if line.strip()]
    said = [x for x in lines if x.startswith(("ValueError", "FileNotFound", "OSError"))]
    return (said or lines or [type(error).__name__])[0][:300]
