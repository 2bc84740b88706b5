"""The gradient of a phase's loss over one microbatch: the tape, and how it compiles.

| the phase | its function | why |
|---|---|---|
| under XLA | compiled as one program | XLA takes one microbatch's loss and gradient; all-reduce and optimizers fail inside it |
| several microbatches, one after another | traced once, called, not inlined | copies of it in the caller's graph, which wait for each other, need a third more memory |
| one microbatch a lane | traced once, inlined | TensorFlow then shares what the lanes compute alike |
| a single microbatch, or a reduction over replicas inside the loss | part of the step's own graph | nothing is to be shared, and a reduction needs the replica's own thread |
"""  # noqa: E501

from dglgan_tf.compat import tf
from dglgan_tf.devices import lane_exchange
from dglgan_tf.layers import updates
from dglgan_tf.native import library
from dglgan_tf.ops import resample

SCALE = "loss_scale"  # among the scalars of a microbatch


class Gradient:
    """Microbatches that are traced together -> [(gradients, metrics, state values)].

    Attributes:
      updates: the `Update`s that the loss proposes, in the order of the state values;
        known once the function was traced.
    """

    def __init__(self, phase, jit: bool, form: str):
        """Traces nothing yet.

        Args:
          phase: `phase.Phase`.
          jit: compile with XLA where the phase allows it.
          form: of the filter passes (`ops.resample`).
        """
        self._phase, self._form = phase, form
        self._jit = jit and phase.local
        self.updates: list[updates.Update] = []
        self._function = self._compiled(lane_exchange.trace_lanes(self._of_one))

    def __call__(self, *microbatches: dict) -> list:
        """Returns a result for each microbatch; replica context.

        Args:
          *microbatches: {'z': [n, z_dim], 'seed': [2], ...}, see `objective.Objective`.

        Returns:
          [(gradients like the phase's variables, {metric: []}, state values)].
        """
        return self._function(*microbatches)

    def _compiled(self, function):
        phase = self._phase
        if self._jit:
            return tf.function(function, jit_compile=True, autograph=False)
        called = phase.microbatches // (phase.lanes if phase.joint else 1)
        if called < 2 or not phase.local:
            return function
        kept = {"_noinline": True} if phase.microbatches > phase.lanes else None
        return tf.function(function, autograph=False, experimental_attributes=kept)

    def _of_one(self, microbatch):
        phase, factor = self._phase, microbatch.pop(SCALE, None)
        with library.use(not self._jit), resample.use_form(self._form):
            with (
                updates.collect() as proposed,
                tf.GradientTape(watch_accessed_variables=False) as tape,
            ):
                tape.watch(phase.variables)
                loss, metrics = phase.loss_fn(microbatch)
                scaled = loss if factor is None else loss * factor
            gradients = tape.gradient(
                scaled,
                phase.variables,
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
        self.updates[:] = proposed
        metrics = {f"{phase.name}/{name}": value for name, value in metrics.items()}
        metrics[f"{phase.name}/loss"] = loss
        # Embedding look-ups give IndexedSlices, which neither add up nor divide.
        gradients = [tf.convert_to_tensor(g) for g in gradients]
        if factor is not None:
            gradients = [g / factor for g in gradients]
        return gradients, metrics, [update.value for update in proposed]
