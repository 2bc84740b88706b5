"""What a SavedModel could do, read from its graph before TensorFlow loads it.

A SavedModel is a program: its operations can read and write files and call Python.
Here it may only compute: every function that can be reached holds operations of
`ALLOWED`, nothing runs while it is loaded, and its sizes are those of its files.
"""

import math
from pathlib import Path

from dglgan_tf.compat import tf
from dglgan_tf.containers import errors, tf_variables

LARGEST_GRAPH = 2**28  # bytes of saved_model.pb
_LARGEST_CONSTANTS = 2**28  # bytes, beyond what the file holds of them
_LARGEST_TENSOR = 2**29  # elements for one image; 1024 px StyleGAN2 has 2**26
_OBJECTS = ("_generic_user_object", "signature_map", "trackable_list_wrapper",
            "trackable_dict_wrapper", "trackable_tuple_wrapper")  # fmt: skip
_KINDS = ("user_object", "variable", "bare_concrete_function", "function", "constant",
          "captured_tensor")  # fmt: skip
_MATHS = """
    Abs Acos Acosh Add AddN AddV2 Angle ArgMax ArgMin Asin Asinh Atan Atan2 Atanh
    BesselI0e BesselI1e Ceil ClipByValue Complex ComplexAbs Conj Cos Cosh Cross Cumprod
    Cumsum CumulativeLogsumexp Digamma Div DivNoNan Erf Erfc Erfinv Exp Expm1 Floor
    FloorDiv FloorMod Imag Inv Invert IsFinite IsInf IsNan LeftShift Lgamma Log Log1p
    Maximum Mean Min Minimum Max Mod Mul MulNoNan Ndtri Neg NextAfter Polygamma Pow Prod
    Real RealDiv Reciprocal RightShift Rint Round Rsqrt Sigmoid Sign Sin Sinh Softplus
    Softsign Sqrt Square SquaredDifference Sub Sum Tan Tanh TruncateDiv TruncateMod
    Xdivy Xlog1py Xlogy Zeta All Any BitwiseAnd BitwiseOr BitwiseXor Equal Greater
    GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr NotEqual
    ApproximateEqual Bucketize EuclideanNorm SegmentMax SegmentMean SegmentMin
    SegmentProd SegmentSum UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd
    UnsortedSegmentSum
"""
_ALGEBRA = """
    BatchMatMul BatchMatMulV2 BatchMatMulV3 Cholesky Einsum Lu MatMul MatrixBandPart
    MatrixDeterminant MatrixDiag MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3
    MatrixDiagV2 MatrixDiagV3 MatrixInverse MatrixSetDiag MatrixSetDiagV2
    MatrixSetDiagV3 MatrixSolve MatrixTriangularSolve Qr SelfAdjointEigV2 Svd FFT FFT2D
    FFT3D IFFT IFFT2D IFFT3D RFFT RFFT2D RFFT3D IRFFT IRFFT2D IRFFT3D
"""
_LAYERS = """
    AvgPool AvgPool3D BiasAdd BiasAddV1 BatchNormWithGlobalNormalization Conv2D
    Conv2DBackpropInput Conv3D Conv3DBackpropInputV2 DepthwiseConv2dNative
    DepthwiseConv2dNativeBackpropInput DepthToSpace Dilation2D Elu FusedBatchNorm
    FusedBatchNormV2 FusedBatchNormV3 InTopKV2 L2Loss LRN LeakyRelu LogSoftmax MaxPool
    MaxPool3D MaxPoolV2 Relu Relu6 Selu Softmax SoftmaxCrossEntropyWithLogits
    SparseSoftmaxCrossEntropyWithLogits SpaceToDepth TopKV2 _FusedConv2D _FusedMatMul
    CropAndResize ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor
    AdjustContrastv2 AdjustHue AdjustSaturation HSVToRGB RGBToHSV ScaleAndTranslate
    ImageProjectiveTransformV3
"""
_ARRAYS = """
    BatchToSpace BatchToSpaceND Bitcast BroadcastArgs BroadcastTo Cast CheckNumerics
    Concat ConcatV2 Const Diag DiagPart DynamicPartition DynamicStitch Empty
    EnsureShape ExpandDims Fill Gather GatherNd GatherV2 Identity
    IdentityN InvertPermutation LinSpace ListDiff MirrorPad NoOp OneHot OnesLike Pack
    Pad PadV2 ParallelDynamicStitch PlaceholderWithDefault Placeholder PreventGradient
    Range Rank Reshape ResourceGather ReverseV2 ReverseSequence Roll ScatterNd Select
    SelectV2 Shape ShapeN Size Slice Snapshot SpaceToBatch SpaceToBatchND Split SplitV
    Squeeze StopGradient StridedSlice TensorScatterAdd TensorScatterMax
    TensorScatterMin TensorScatterSub TensorScatterUpdate Tile Transpose Unique UniqueV2
    Unpack UnravelIndex Where Where3 ZerosLike Zeros
"""
_OTHER = """
    If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf Assert
    ReadVariableOp VarHandleOp VarIsInitializedOp VariableShape
    RandomShuffle RandomStandardNormal RandomUniform RandomUniformInt TruncatedNormal
    StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomNormal
    StatelessRandomNormalV2 StatelessRandomUniform StatelessRandomUniformInt
    StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessTruncatedNormal
    StatelessTruncatedNormalV2
    _Arg _Retval _DeviceArg _DeviceRetval
    FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
    Dequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
"""
ALLOWED = frozenset(" ".join((_MATHS, _ALGEBRA, _LAYERS, _ARRAYS, _OTHER)).split())


def check(folder) -> None:
    """Says whether a SavedModel only computes.

    Args:
      folder: holds saved_model.pb and variables/.

    Raises:
      ValueError: it is too large, no SavedModel, or could do something else; says
        which operation, and that --trust loads it all the same.
    """
    folder = Path(folder)
    try:
        graph = _read(folder / "saved_model.pb")
        _check_objects(graph)
        _check_functions(graph)
        if (folder / "variables").exists():
            tf_variables.open_checked(folder / "variables" / "variables")
    except (_Refused, errors.CheckpointError) as error:
        raise ValueError(
            f"SavedModel {folder} is not loaded: {error}; give --trust if you know "
            "who made it"
        ) from error


def check_sizes(function) -> None:
    """Says whether what a loaded function computes can be held, before it runs.

    Args:
      function: a concrete function of a loaded SavedModel; sizes that depend on its
        inputs count as 1.

    Raises:
      ValueError: some tensor of it is too large; says which.
    """
    graph = function.graph.as_graph_def(add_shapes=True)
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    for node in nodes:
        for shape in node.attr["_output_shapes"].list.shape:
            size = math.prod(max(dimension.size, 1) for dimension in shape.dim)
            if size > _LARGEST_TENSOR:
                raise ValueError(
                    f"its operation {node.name[:60]!r} makes {size:,} numbers, over "
                    f"{_LARGEST_TENSOR:,}; give --trust if you know who made it"
                )


class _Refused(Exception):
    """Why a SavedModel is not loaded."""


def _read(path):
    """Returns the one graph of a SavedModel with its objects."""
    from google.protobuf import message
    from tensorflow.core.protobuf import saved_model_pb2

    if path.stat().st_size > LARGEST_GRAPH:
        raise _Refused(f"{path.name} has {path.stat().st_size:,} bytes")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(path.read_bytes())
    except (message.DecodeError, ValueError, RecursionError) as error:
        raise _Refused(f"{path.name} is damaged, or no SavedModel") from error
    if len(model.meta_graphs) != 1:
        raise _Refused(f"it has {len(model.meta_graphs)} graphs, not one")
    (graph,) = model.meta_graphs
    if not graph.HasField("object_graph_def"):
        raise _Refused("it is of TensorFlow 1, which runs it while loading")
    return graph


def _check_objects(graph):
    """Refuses objects that run, read or rebuild something while they are loaded."""
    for node in graph.object_graph_def.nodes:
        kind = node.WhichOneof("kind")
        if kind not in _KINDS:
            raise _Refused(f"it holds a {kind or 'thing of unknown kind'}")
        if kind == "user_object" and node.user_object.identifier not in _OBJECTS:
            raise _Refused(f"it holds a {node.user_object.identifier[:60]!r}")
        if node.registered_name or node.registered_saver or node.saveable_objects:
            raise _Refused("it holds an object that loads itself")


def _check_functions(graph):
    """Refuses what the reachable functions are not allowed to do."""
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    gradients = {
        gradient.function_name: gradient.gradient_func
        for gradient in graph.graph_def.library.gradient
    }
    done, spare = set(), _LARGEST_CONSTANTS + graph.ByteSize()
    called = list(graph.object_graph_def.concrete_functions)
    while called:
        name = called.pop()
        if name in done:
            continue
        done.add(name)
        if name in gradients:
            called.append(gradients[name])
        for node in functions[name].node_def if name in functions else ():
            if node.op not in ALLOWED and node.op not in functions:
                raise _Refused(f"it contains the operation {node.op[:60]}")
            spare -= _constant_bytes(node)
            if spare < 0:
                raise _Refused("its constants are larger than its file")
            called += [node.op, *_called_by(node)]
    _check_no_circle(functions)


def _called_by(node) -> list[str]:
    """Returns the names of the functions that a node calls."""
    found = []
    for attribute in node.attr.values():
        found.append(attribute.func.name)
        found += [function.name for function in attribute.list.func]
    return [name for name in found if name]


def _constant_bytes(node) -> int:
    if node.op != "Const" or "value" not in node.attr:
        return 0
    tensor = node.attr["value"].tensor
    sizes = [max(dimension.size, 0) for dimension in tensor.tensor_shape.dim]
    try:
        width = tf.dtypes.as_dtype(tensor.dtype).size or 1
    except (TypeError, ValueError) as error:
        raise _Refused("it has a constant of an unknown type") from error
    return math.prod(sizes) * width


def _check_no_circle(functions):
    """Refuses functions that call themselves, which would never end."""
    calls = {
        name: {c for node in f.node_def for c in (node.op, *_called_by(node))}
        & functions.keys()
        for name, f in functions.items()
    }
    free = {name for name, called in calls.items() if not called}
    while free:
        calls = {n: c - free for n, c in calls.items() if n not in free}
        free = {name for name, called in calls.items() if not called}
    if calls:
        raise _Refused(f"its function {min(calls)[:60]!r} calls itself")
