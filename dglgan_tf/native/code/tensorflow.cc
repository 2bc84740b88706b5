// TensorFlow operations for convolution.h and filter.h, through TensorFlow's C interface,
// whose binary form does not change from release to release. `native/convolutions.py`
// and `native/filters.py` call them.

#include <cstdio>
#include <iterator>
#include <new>
#include <utility>
#include <vector>

#include "convolution.h"
#include "filter.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_tensor.h"

// As in tensorflow/c/kernels.h, which needs headers of C++ and compiles for seconds.
extern "C" {
typedef struct TF_KernelBuilder TF_KernelBuilder;
typedef struct TF_OpKernelConstruction TF_OpKernelConstruction;
typedef struct TF_OpKernelContext TF_OpKernelContext;
TF_KernelBuilder* TF_NewKernelBuilder(const char*, const char*,
                                      void* (*)(TF_OpKernelConstruction*),
                                      void (*)(void*, TF_OpKernelContext*),
                                      void (*)(void*));
void TF_RegisterKernelBuilder(const char*, TF_KernelBuilder*, TF_Status*);
void TF_GetInput(TF_OpKernelContext*, int, TF_Tensor**, TF_Status*);
TF_Tensor* TF_AllocateOutput(TF_OpKernelContext*, int, TF_DataType, const int64_t*, int,
                             size_t, TF_Status*);
void TF_OpKernelContext_Failure(TF_OpKernelContext*, TF_Status*);
void TF_OpKernelConstruction_Failure(TF_OpKernelConstruction*, TF_Status*);
void TF_OpKernelConstruction_GetAttrInt32(TF_OpKernelConstruction*, const char*,
                                          int32_t*, TF_Status*);
void TF_OpKernelConstruction_GetAttrFloat(TF_OpKernelConstruction*, const char*, float*,
                                          TF_Status*);
void TF_OpKernelConstruction_GetAttrBool(TF_OpKernelConstruction*, const char*,
                                         unsigned char*, TF_Status*);
}

namespace {

struct Algorithm {
  bool (*fits)(long side);
  long (*resampled)(long side);
  decltype(&Convolve<Same>) convolve;
  decltype(&KernelGradient<Same>) kernel_gradient;
};

template <class M>
constexpr Algorithm Make() {
  return {M::Fits, M::Resampled, Convolve<M>, KernelGradient<M>};
}

// In the order of `native/convolutions.py`.
constexpr Algorithm kAlgorithms[] = {Make<Same>(), Make<Up>(), Make<Down>(),
                                     Make<Halve>(), Make<Double>()};

struct Status {
  TF_Status* status = TF_NewStatus();
  ~Status() { TF_DeleteStatus(status); }
  bool ok() const { return TF_GetCode(status) == TF_OK; }
};

struct Input {
  TF_Tensor* tensor = nullptr;
  Input(TF_OpKernelContext* context, int index, Status& s) {
    TF_GetInput(context, index, &tensor, s.status);
  }
  ~Input() {
    if (tensor != nullptr) TF_DeleteTensor(tensor);
  }
  long Side(int axis) const { return TF_Dim(tensor, axis); }
  const float* data() const { return static_cast<const float*>(TF_TensorData(tensor)); }
};

struct Output {
  TF_Tensor* tensor = nullptr;
  ~Output() {
    if (tensor != nullptr) TF_DeleteTensor(tensor);
  }
};

struct Attributes {
  int32_t way = 0;
  unsigned char turned = 0;
  float factor = 1;
  const Algorithm& algorithm() const { return kAlgorithms[way]; }
};

template <bool kHasTurned>
void* Create(TF_OpKernelConstruction* construction) {
  auto* found = new Attributes;
  Status s;
  TF_OpKernelConstruction_GetAttrInt32(construction, "way", &found->way,
                                       s.status);
  if (s.ok())
    TF_OpKernelConstruction_GetAttrFloat(construction, "factor", &found->factor,
                                         s.status);
  if (s.ok() && kHasTurned)
    TF_OpKernelConstruction_GetAttrBool(construction, "turned", &found->turned,
                                        s.status);
  if (s.ok() && (found->way < 0 || found->way >= long(std::size(kAlgorithms))))
    TF_SetStatus(s.status, TF_INVALID_ARGUMENT, "way is unknown");
  if (!s.ok()) TF_OpKernelConstruction_Failure(construction, s.status);
  return found;
}

void Delete(void* attributes) { delete static_cast<Attributes*>(attributes); }

void Fail(TF_OpKernelContext* context, const char* what,
          TF_Code code = TF_INVALID_ARGUMENT) {
  Status s;
  TF_SetStatus(s.status, code, what);
  TF_OpKernelContext_Failure(context, s.status);
}

// A kernel whose want of memory is TensorFlow's error, which a training can survive.
template <void (*compute)(void*, TF_OpKernelContext*)>
void Guarded(void* kernel, TF_OpKernelContext* context) {
  try {
    compute(kernel, context);
  } catch (const std::bad_alloc&) {
    Fail(context, "no memory for a native operation", TF_RESOURCE_EXHAUSTED);
  }
}

bool Fits(const Sizes& s, const Algorithm& algorithm) {
  for (long channels : {s.inputs, s.outputs})
    if (channels <= 0 || channels % kMultiple || channels > kMost) return false;
  return algorithm.fits(s.height) && algorithm.fits(s.width);
}

float* Allocate(TF_OpKernelContext* context, const int64_t (&shape)[4], Output* output) {
  Status s;
  const size_t bytes = sizeof(float) * shape[0] * shape[1] * shape[2] * shape[3];
  output->tensor = TF_AllocateOutput(context, 0, TF_FLOAT, shape, 4, bytes, s.status);
  if (s.ok()) return static_cast<float*>(TF_TensorData(output->tensor));
  TF_OpKernelContext_Failure(context, s.status);
  return nullptr;
}

void ComputeConvolution(void* kernel, TF_OpKernelContext* context) {
  const auto& given = *static_cast<Attributes*>(kernel);
  Status s;
  Input x(context, 0, s), weights(context, 1, s);
  if (TF_NumDims(x.tensor) != 4 || TF_NumDims(weights.tensor) != 4)
    return Fail(context, "x and kernel must have four dimensions");
  const long inputs = weights.Side(given.turned ? 3 : 2);
  const Sizes sizes = {x.Side(0), x.Side(1), x.Side(2), inputs,
                       weights.Side(given.turned ? 2 : 3)};
  if (weights.Side(0) != 3 || weights.Side(1) != 3 || inputs != x.Side(3) ||
      !Fits(sizes, given.algorithm()))
    return Fail(context, "kernel must be [3, 3, C, out] for x [N, H, W, C], channels "
                         "multiples of 16, H and W fit for the way");
  const int64_t shape[4] = {sizes.batch, given.algorithm().resampled(sizes.height),
                            given.algorithm().resampled(sizes.width), sizes.outputs};
  Output result;
  float* y = Allocate(context, shape, &result);
  if (y == nullptr) return;
  given.algorithm().convolve(x.data(), weights.data(), given.turned, given.factor,
                             sizes, y);
}

void ComputeKernelGradient(void* kernel, TF_OpKernelContext* context) {
  const auto& given = *static_cast<Attributes*>(kernel);
  Status s;
  Input x(context, 0, s), gradient(context, 1, s);
  if (TF_NumDims(x.tensor) != 4 || TF_NumDims(gradient.tensor) != 4)
    return Fail(context, "x and gradient must have four dimensions");
  const Sizes sizes = {x.Side(0), x.Side(1), x.Side(2), x.Side(3), gradient.Side(3)};
  if (gradient.Side(0) != sizes.batch ||
      gradient.Side(1) != given.algorithm().resampled(sizes.height) ||
      gradient.Side(2) != given.algorithm().resampled(sizes.width) ||
      !Fits(sizes, given.algorithm()))
    return Fail(context, "gradient must be of the convolution's output");
  const int64_t shape[4] = {3, 3, sizes.inputs, sizes.outputs};
  Output result;
  float* to = Allocate(context, shape, &result);
  if (to == nullptr) return;
  given.algorithm().kernel_gradient(x.data(), gradient.data(), given.factor, sizes, to);
}

struct FilterAttributes {
  int32_t before = 0, up = 1, down = 1, height = 0, width = 0;
};

void* CreateFilter(TF_OpKernelConstruction* construction) {
  auto* found = new FilterAttributes;
  Status s;
  for (auto [name, value] : {std::pair("before", &found->before),
                             std::pair("up", &found->up), std::pair("down", &found->down),
                             std::pair("height", &found->height),
                             std::pair("width", &found->width)})
    if (s.ok()) TF_OpKernelConstruction_GetAttrInt32(construction, name, value, s.status);
  if (s.ok() && (found->up < 1 || found->down < 1 || found->height < 1 || found->width < 1))
    TF_SetStatus(s.status, TF_INVALID_ARGUMENT, "up, down, height, width must be positive");
  if (!s.ok()) TF_OpKernelConstruction_Failure(construction, s.status);
  return found;
}

void DeleteFilter(void* attributes) { delete static_cast<FilterAttributes*>(attributes); }

void ComputeFilter(void* kernel, TF_OpKernelContext* context) {
  const auto& given = *static_cast<FilterAttributes*>(kernel);
  Status s;
  Input x(context, 0, s), taps(context, 1, s);
  if (TF_NumDims(x.tensor) != 4 || TF_NumDims(taps.tensor) != 2 || taps.Side(0) != 2 ||
      taps.Side(1) > kMostTaps || x.Side(3) % kMultiple)
    return Fail(context, "x must be [N, H, W, C], C a multiple of 16, and taps [2, k], "
                         "k <= 16");
  const int64_t shape[4] = {x.Side(0), given.height, given.width, x.Side(3)};
  Output result;
  float* y = Allocate(context, shape, &result);
  if (y == nullptr) return;
  Filter(x.data(), x.Side(0), x.Side(1), x.Side(2), x.Side(3), taps.data(),
         taps.data() + taps.Side(1), taps.Side(1), {given.before, given.up, given.down},
         given.height, given.width, y);
}

void UnknownShape(TF_ShapeInferenceContext* context, TF_Status* status) {
  TF_ShapeInferenceContextSetUnknownShape(context, status);
}

struct Operation {
  const char* name;
  const char* second;  // the input beside x
  std::vector<const char*> attributes;
  void* (*create)(TF_OpKernelConstruction*);
  void (*compute)(void*, TF_OpKernelContext*);
  void (*end)(void*);
};

void Register(const Operation& operation) {
  Status s;
  TF_OpDefinitionBuilder* op = TF_NewOpDefinitionBuilder(operation.name);
  TF_OpDefinitionBuilderAddInput(op, "x: float");
  TF_OpDefinitionBuilderAddInput(op, operation.second);
  TF_OpDefinitionBuilderAddOutput(op, "result: float");
  for (const char* attribute : operation.attributes)
    TF_OpDefinitionBuilderAddAttr(op, attribute);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, &UnknownShape);
  TF_RegisterOpDefinition(op, s.status);
  if (s.ok())
    TF_RegisterKernelBuilder(operation.name,
                             TF_NewKernelBuilder(operation.name, "CPU", operation.create,
                                                 operation.compute, operation.end),
                             s.status);
  if (!s.ok()) fprintf(stderr, "%s: %s\n", operation.name, TF_Message(s.status));
}

struct Registration {
  Registration() {
    Register({"DglganConvolution",
              "kernel: float",
              {"way: int", "factor: float", "turned: bool"},
              Create<true>,
              Guarded<ComputeConvolution>,
              Delete});
    Register({"DglganKernelGradient",
              "gradient: float",
              {"way: int", "factor: float"},
              Create<false>,
              Guarded<ComputeKernelGradient>,
              Delete});
    Register({"DglganFilter",
              "taps: float",
              {"before: int", "up: int", "down: int", "height: int", "width: int"},
              CreateFilter,
              Guarded<ComputeFilter>,
              DeleteFilter});
  }
} registration;

}  // namespace
