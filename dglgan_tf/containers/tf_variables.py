"""TensorFlow's variable files (index and data), measured before they are read.

Reading them runs nothing: an index names tensors, data files hold their bytes.
"""

import math
from pathlib import Path

from dglgan_tf.containers.errors import CheckpointError, shown

_LARGEST_INDEX = 2**28


def open_checked(prefix: Path):
    """Returns a checkpoint reader and {name: shape} of variable files.

    Args:
      prefix: path without '.index'.

    Raises:
      CheckpointError: not such files, or an index that promises more bytes than the
        data files have.
    """
    from dglgan_tf.compat import tf

    index = prefix.with_name(f"{prefix.name}.index")
    if not index.is_file() or index.stat().st_size > _LARGEST_INDEX:
        raise CheckpointError(f"there is no usable {index}")
    parts = prefix.parent.glob(f"{prefix.name}.data-*")
    held = sum(path.stat().st_size for path in parts if path.is_file())
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
        types = reader.get_variable_to_dtype_map()
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        said = str(error).splitlines() or [""]
        raise CheckpointError(
            f"the TensorFlow variables at {prefix} cannot be read: "
            f"{shown(said[0], 150)}"
        ) from error
    wanted = sum(math.prod(shapes[name]) * types[name].size for name in shapes)
    if wanted > held:
        raise CheckpointError(
            f"the TensorFlow variables at {prefix} are said to have {wanted:,} bytes: "
            f"their files have {held:,}"
        )
    return reader, shapes
