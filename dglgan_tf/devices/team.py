"""The hosts of a training among each other: who writes, who wants to stop, who left."""

from dglgan_tf.compat import tf
from dglgan_tf.devices import hosts, strategies

# What TensorFlow raises in the hosts that are left.
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
)


class Team:
    """One host's place among the hosts that train together; alone it agrees with all.

    Attributes:
      index: of this host.
      count: of hosts.
      is_chief: whether this host writes snapshots and pictures.
    """

    def __init__(self, strategy):
        """Takes the `tf.distribute.Strategy` of the training."""
        self._strategy, self._pending = strategy, None
        self.index, self.count = strategies.host_index(strategy)
        self.is_chief = self.index == 0

    def any_wants(self, wanted: bool) -> bool:
        """Tells every host at the same step that one of them wants something.

        Every host must call it once a step. The answer is about the step before, so
        that nobody waits for a reduction.

        Returns:
          whether any host wanted it at the last call, or now if alone.
        """
        if self.count == 1:
            return wanted
        before, self._pending = self._pending, self._summed(float(wanted))
        return before is not None and float(before) > 0

    def agree_on(self, number: int, what: str) -> None:
        """Checks that all hosts have the same number; waits for them.

        Raises:
          ValueError: they have not.
        """
        replicas = self._strategy.num_replicas_in_sync
        if self.count > 1 and float(self._summed(float(number))) != replicas * number:
            raise ValueError(
                f"{what} is {number} here and differs on another host: the run "
                "directory must be the same folder on all of them"
            )

    def _summed(self, number):
        """Adds a number of every replica."""
        value = tf.constant(number, tf.float64)
        return self._strategy.reduce(
            tf.distribute.ReduceOp.SUM,
            self._strategy.run(lambda: tf.identity(value)),
            axis=None,
        )

    def lost(self, newest: str | None) -> ConnectionError:
        """Returns the error of a training whose other hosts went away.

        Args:
          newest: name of the newest snapshot, from which it can continue.
        """
        resolver = self._strategy.cluster_resolver
        addresses = resolver.cluster_spec().as_dict()["worker"]
        known = hosts.Hosts(tuple(addresses), resolver.task_id)
        gone = [known.name(index) for index in hosts.unreachable(known)]
        return ConnectionError(
            f"{' and '.join(gone) or 'another host'} left the training: start the same "
            "command on every host again; the run continues from "
            f"{newest or 'its start'}"
        )
