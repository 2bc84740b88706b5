"""Lanes that exchange tensors: BatchNorm over all of a batch whose parts are apart.

A lane (`devices.lanes`) is traced like one of several replicas and sees its part
alone. Where a layer needs all of the batch it calls `gather`, and so do the other lanes
at the same place. To this end the lanes are traced in turns, a thread each, of which
one runs at a time: lane 0 up to its first `gather`, lane 1 up to the same, and so on.
The graph does not depend on timing, and nothing of this remains when a step runs.
"""

import contextlib
import functools
import threading
from collections.abc import Callable

from dglgan_tf.compat import tf

_LOCAL = threading.local()


def size() -> int:
    """Returns how many lanes `gather` gathers from: 1 outside of `abreast`."""
    seat = getattr(_LOCAL, "seat", None)
    return 1 if seat is None else seat.meeting.lanes


def gather(value: tf.Tensor) -> tf.Tensor:
    """Returns every lane's value: [lanes, ...], of equal shapes; differentiable.

    Each lane differentiates a loss of its own; with their sum in mind, what any of
    them makes of this lane's value comes back to it. Outside of `abreast`: [1, ...].
    """
    seat = getattr(_LOCAL, "seat", None)
    if seat is None:
        return value[None]
    return _exchange(value, seat.place("value"), seat)


def _exchange(value, place, seat):
    """`gather` at a place that the lanes agree on; its gradient is another one."""

    @tf.custom_gradient
    def run(value):
        def gradient(upstream):
            everyone = _exchange(upstream, f"gradient of {place}", seat)
            return tf.reduce_sum(everyone, axis=0)[seat.lane]

        return seat.exchange(value, place), gradient

    return run(value)


def abreast(function: Callable) -> Callable:
    """Returns a function that traces one call for each of its arguments, in turns.

    Args:
      function: of one argument; may call `gather`, as often for each argument.

    Returns:
      (*arguments) -> list of results, under a `tf.function`.
    """

    def run(*arguments):
        if len(arguments) == 1:
            return [function(*arguments)]
        return _Meeting([functools.partial(function, a) for a in arguments]).hold()

    return run


class _Meeting:
    """The threads of the lanes, and whose turn it is.

    Attributes:
      lanes: how many there are.
    """

    def __init__(self, calls):
        self.lanes = len(calls)
        self._calls = calls
        self._turns = [threading.Semaphore(0) for _ in calls]
        self._left = [False] * self.lanes
        self._brought, self._gathered = [], None
        self._results, self._error = [None] * self.lanes, None
        self._graph = None
        if not tf.executing_eagerly():
            self._graph = tf.compat.v1.get_default_graph()
        self._context = tf.distribute.get_replica_context()

    def hold(self):
        """Runs all lanes to their ends and returns their results."""
        threads = [
            threading.Thread(target=self._attend, args=(lane,), daemon=True)
            for lane in range(self.lanes)
        ]
        for thread in threads:
            thread.start()
        self._turns[0].release()
        for thread in threads:
            thread.join()
        if self._error is not None:
            raise self._error
        return self._results

    def _attend(self, lane):
        self._turns[lane].acquire()
        if self._error is None:
            try:
                with self._as_caller():
                    _LOCAL.seat = _Seat(self, lane)
                    # As in the caller's thread, where AutoGraph is off.
                    call = tf.autograph.experimental.do_not_convert(self._calls[lane])
                    self._results[lane] = call()
            except BaseException as error:  # the caller's thread raises it
                self._error = self._error or error
        self._left[lane] = True
        self._pass_on(lane)

    @contextlib.contextmanager
    def _as_caller(self):
        """Gives this thread the caller's graph, if it traces one, and its replica."""
        with contextlib.ExitStack() as stack:
            if self._graph is not None:
                # As of a plain graph: that of a function changes what threads share.
                stack.enter_context(tf.Graph.as_default(self._graph))
            if self._context is not None:
                stack.enter_context(self._context)
            yield

    def _pass_on(self, lane):
        """Gives the turn to the next lane that is still here, perhaps this one."""
        order = [(lane + i) % self.lanes for i in range(1, self.lanes + 1)]
        for following in order:
            if not self._left[following]:
                self._turns[following].release()
                return

    def bring(self, lane, value, place):
        """Adds a lane's value; returns all of them once every lane has brought its."""
        self._brought.append((place, value))
        if lane == self.lanes - 1:
            self._conclude()
        self._pass_on(lane)
        self._turns[lane].acquire()
        if self._error is not None:
            raise self._error
        if self._gathered is None or self._gathered[0] != place:
            raise RuntimeError(f"a lane has ended while another one is at {place}")
        return self._gathered[1]

    def _conclude(self):
        places, values = zip(*self._brought, strict=True)
        if places != (places[0],) * self.lanes:
            raise RuntimeError(f"the lanes are at different places: {places}")
        self._gathered, self._brought = (places[0], tf.stack(values)), []


class _Seat:
    """A lane in its meeting: which one, and how often it has gathered."""

    def __init__(self, meeting, lane):
        self.meeting, self.lane, self._count = meeting, lane, 0

    def place(self, name):
        """Returns a name that is new in this lane and the same in all of them."""
        self._count += 1
        return f"{name} {self._count}"

    def exchange(self, value, place):
        """Returns [lanes, ...], see `gather`."""
        return self.meeting.bring(self.lane, value, place)
