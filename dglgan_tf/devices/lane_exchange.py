"""Lanes that exchange tensors: BatchNorm over all of a batch whose parts are apart.

Two invariants:

1. Every lane calls `all_gather` equally often and in the same order, its gradients
   included; a lane that ends early or stands at another call is a RuntimeError.
2. One lane is traced at a time, in the order of the lanes: lane 0 up to its first
   `all_gather`, lane 1 up to the same, and so on. So the graph does not depend on
   timing.

A lane (`devices.lanes`) is traced like one of several replicas and sees its part
alone. Where a layer needs all of the batch it calls `all_gather`, and so do the other
lanes. Each lane is traced in a thread of its own, which is how one waits in the middle
of a call for the others; the threads end with the tracing, and nothing of this remains
when a step runs. They begin inside the caller's scopes (`foundation.scope`).
"""

import contextlib
import threading
from collections.abc import Callable

from dglgan_tf.compat import tf
from dglgan_tf.foundation import scope

_LANE = scope.Scope("devices.lane_exchange")


def size() -> int:
    """Returns how many lanes `all_gather` gathers from: 1 outside of `trace_lanes`."""
    lane = _LANE.get()
    return 1 if lane is None else lane.tracing.lanes


def all_gather(value: tf.Tensor) -> tf.Tensor:
    """Returns every lane's value; differentiable, any number of times.

    Each lane differentiates a loss of its own; with their sum in mind, what any of
    them makes of this lane's value comes back to it.

    Args:
      value: [...], of equal shape and type in all lanes.

    Returns:
      [lanes, ...], in the order of the lanes; [1, ...] outside of `trace_lanes`.

    Raises:
      RuntimeError: the lanes break the first invariant.
    """
    lane = _LANE.get()
    if lane is None:
        return value[None]
    return _differentiable(value, lane.next_call("value"), lane)


def _differentiable(value, call, lane):
    """`all_gather` at a call that the lanes agree on; its gradient is another one."""

    @tf.custom_gradient
    def run(value):
        def gradient(upstream):
            gathered = _differentiable(upstream, f"gradient of {call}", lane)
            return tf.reduce_sum(gathered, axis=0)[lane.index]

        gathered = lane.tracing.exchange(lane.index, value, call)
        # TensorFlow looks for variables behind a result: not through all other lanes.
        return tf.stop_gradient(gathered), gradient

    return run(value)


def trace_lanes(function: Callable) -> Callable:
    """Returns a function that traces one call for each of its arguments, in turns.

    Args:
      function: of one argument; may call `all_gather`, as often for each argument.

    Returns:
      (*arguments) -> list of results, under a `tf.function`.
    """

    def run(*arguments):
        if len(arguments) == 1:
            return [function(*arguments)]
        return _Tracing(function, arguments).results()

    return run


class _Tracing:
    """The threads that trace the lanes, and whose turn it is.

    Attributes:
      lanes: how many there are.
    """

    def __init__(self, function, arguments):
        self.lanes = len(arguments)
        # As in the caller's thread, where AutoGraph is off.
        self._function = tf.autograph.experimental.do_not_convert(function)
        self._arguments = arguments
        self._turns = [threading.Semaphore(0) for _ in arguments]
        self._ended = [False] * self.lanes
        self._values, self._gathered = [], None
        self._results, self._error = [None] * self.lanes, None
        self._graph = None
        if not tf.executing_eagerly():
            self._graph = tf.compat.v1.get_default_graph()
        self._replica = tf.distribute.get_replica_context()

    def results(self):
        """Traces all lanes to their ends and returns their results."""
        trace = scope.carry(self._trace)
        threads = [
            threading.Thread(target=self._run, args=(trace, lane), daemon=True)
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

    def _run(self, trace, lane):
        """What a lane's thread does."""
        self._turns[lane].acquire()
        if self._error is None:
            try:
                self._results[lane] = trace(lane)
            except BaseException as error:  # the caller's thread raises it
                self._error = self._error or error
        self._ended[lane] = True
        self._pass_on(lane)

    def _trace(self, lane):
        with self._as_caller(), _LANE.set_to(_Lane(self, lane)):
            return self._function(self._arguments[lane])

    @contextlib.contextmanager
    def _as_caller(self):
        """Gives this thread the caller's graph, if it traces one, and its replica."""
        with contextlib.ExitStack() as stack:
            if self._graph is not None:
                # As of a plain graph: that of a function changes what threads share.
                stack.enter_context(tf.Graph.as_default(self._graph))
            if self._replica is not None:
                stack.enter_context(self._replica)
            yield

    def _pass_on(self, lane):
        """Gives the turn to the next lane that has not ended, perhaps this one."""
        order = [(lane + i) % self.lanes for i in range(1, self.lanes + 1)]
        for following in order:
            if not self._ended[following]:
                self._turns[following].release()
                return

    def exchange(self, lane, value, call):
        """Adds a lane's value; returns [lanes, ...] once every lane has added its."""
        self._values.append((call, value))
        if lane == self.lanes - 1:
            self._gather()
        self._pass_on(lane)
        self._turns[lane].acquire()
        if self._error is not None:
            raise self._error
        if self._gathered is None or self._gathered[0] != call:
            raise RuntimeError(f"a lane has ended while another one is at {call}")
        return self._gathered[1]

    def _gather(self):
        calls, values = zip(*self._values, strict=True)
        if calls != (calls[0],) * self.lanes:
            raise RuntimeError(f"the lanes are at different calls: {calls}")
        self._gathered, self._values = (calls[0], tf.stack(values)), []


class _Lane:
    """One lane: its index, what traces it, and how often it has gathered."""

    def __init__(self, tracing, index):
        self.tracing, self.index, self._count = tracing, index, 0

    def next_call(self, name):
        """Returns a name that is new in this lane and the same in all of them."""
        self._count += 1
        return f"{name} {self._count}"
