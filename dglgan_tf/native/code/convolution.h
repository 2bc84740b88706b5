// 3x3 convolutions by the algorithms of algorithms.h, on one thread.
//
// Tiles are taken in blocks that stay in the second-level cache: their inputs are
// transformed, multiplied product by product, and transformed back, so nothing larger
// than a block is ever written but the result. All arrays are channels last.

#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "algorithms.h"
#include "product.h"

constexpr long kBlock = 128 * 1024;  // floats of a block of transformed tiles: 512 kB
constexpr long kMultiple = 16;      // channels come in multiples of this many
constexpr long kMost = 2048;        // and are this many at most: 256 MB of kernels

struct Sizes {
  long batch, height, width, inputs, outputs;  // of the input; numbers of channels
};

template <class M>
struct Tile {
  long image, row, column;
  Tile(const Sizes& s, long index) {
    const long wide = M::Tiles(s.width), high = M::Tiles(s.height);
    image = index / (wide * high);
    row = index / wide % high;
    column = index % wide;
  }
  // Where its output begins.
  long Output(const Sizes& s) const {
    const long line = image * M::Resampled(s.height) + row * M::kOutputStep;
    return (line * M::Resampled(s.width) + column * M::kOutputStep) * s.outputs;
  }
};

template <class M>
long Tiles(const Sizes& s) {
  return s.batch * M::Tiles(s.height) * M::Tiles(s.width);
}

template <class M>
long TilesAtOnce(long channels) {
  const long tiles = kBlock / (M::kProducts * M::kProducts * channels);
  return std::max(24L, std::min(120L, tiles / kRows * kRows));
}

// Which transformed kernel product i of both axes is multiplied with.
template <class M>
constexpr int KernelOf(int i) {
  const int row = i / M::kProducts, column = i % M::kProducts, last = M::kKernels - 1;
  return std::min(row, last) * M::kKernels + std::min(column, last);
}

// Memory of this thread that stays: fresh pages for each call would cost more than it.
inline float* Scratch(int which, long floats) {
  struct Buffer {
    float* data = nullptr;
    long size = 0;
    ~Buffer() { free(data); }
  };
  thread_local Buffer buffers[4];
  Buffer& buffer = buffers[which];
  if (buffer.size < floats) {
    free(buffer.data);
    const long size = (floats + 15) / 16 * 16;
    buffer.size = 0;
    buffer.data = static_cast<float*>(aligned_alloc(64, size * sizeof(float)));
    if (buffer.data == nullptr) throw std::bad_alloc();
    buffer.size = size;
  }
  return buffer.data;
}

// Applies a transform along both axes: from [I][I] to [J][J].
template <int I, int J, class F>
inline void AlongBoth(const Vec (&from)[I][I], Vec (&to)[J][J], F transform) {
  Vec half[I][J];
#pragma GCC unroll 8
  for (int i = 0; i < I; ++i) transform(from[i], half[i]);
#pragma GCC unroll 8
  for (int j = 0; j < J; ++j) {
    Vec before[I], after[J];
#pragma GCC unroll 8
    for (int i = 0; i < I; ++i) before[i] = half[i][j];
    transform(before, after);
#pragma GCC unroll 8
    for (int i = 0; i < J; ++i) to[i][j] = after[i];
  }
}

// Kernel [3][3][inputs][outputs] times a factor -> [panel][kernel][inputs][kPanel].
template <class M>
void TransformKernel(const float* kernel, float factor, const Sizes& s, float* to) {
  constexpr int K = M::kKernels;
  for (long c = 0; c < s.inputs; ++c)
    for (long o = 0; o < s.outputs; o += kLanes) {
      Vec taps[3][3], found[K][K];
      for (int i = 0; i < 9; ++i)
        taps[i / 3][i % 3] = factor * At(kernel + (i * s.inputs + c) * s.outputs + o);
      AlongBoth<3, K>(taps, found, M::template Kernel<Vec>);
      float* place = to + (o / kPanel * K * K * s.inputs + c) * kPanel + o % kPanel;
      for (int i = 0; i < K * K; ++i)
        At(place + i * s.inputs * kPanel) = found[i / K][i % K];
    }
}

// Its transpose: [kernel][inputs][outputs] -> [3][3][inputs][outputs].
template <class M>
void TransformKernelBack(const float* from, float factor, const Sizes& s, float* kernel) {
  constexpr int K = M::kKernels;
  const long size = s.inputs * s.outputs;
  for (long c = 0; c < size; c += kLanes) {
    Vec values[K][K], taps[3][3];
    for (int i = 0; i < K * K; ++i) values[i / K][i % K] = At(from + i * size + c);
    AlongBoth<K, 3>(values, taps, M::template KernelTurned<Vec>);
    for (int i = 0; i < 9; ++i) At(kernel + i * size + c) = factor * taps[i / 3][i % 3];
  }
}

// Kernel [3][3][inputs][outputs] -> turned by half a circle, channels swapped.
inline void TurnKernel(const float* kernel, long inputs, long outputs, float* to) {
  for (int i = 0; i < 9; ++i, kernel += inputs * outputs) {
    float* place = to + (8 - i) * inputs * outputs;
    for (long c = 0; c < inputs; c += kMultiple)
      for (long o = 0; o < outputs; ++o)
        for (long j = 0; j < kMultiple; ++j)
          place[o * inputs + c + j] = kernel[(c + j) * outputs + o];
  }
}

// Inputs of tiles first, first + 1, ... -> [product][stride][inputs].
template <class M>
void TransformInput(const float* x, const Sizes& s, long first, long count, long stride,
                    float* to) {
  constexpr int I = M::kInputs, P = M::kProducts;
  static const float zeros[kMost] = {};  // what lies outside the image
  for (long t = 0; t < count; ++t) {
    const Tile<M> tile(s, first + t);
    const float* pixels[I][I];
    for (int i = 0; i < I * I; ++i) {
      const long row = tile.row * M::kStep + i / I - M::kBefore;
      const long column = tile.column * M::kStep + i % I - M::kBefore;
      const bool inside =
          row >= 0 && row < s.height && column >= 0 && column < s.width;
      const long pixel = (tile.image * s.height + row) * s.width + column;
      pixels[i / I][i % I] = inside ? x + pixel * s.inputs : zeros;
    }
    for (long c = 0; c < s.inputs; c += kLanes) {
      Vec values[I][I], found[P][P];
#pragma GCC unroll 32
      for (int i = 0; i < I * I; ++i) values[i / I][i % I] = At(pixels[i / I][i % I] + c);
      AlongBoth<I, P>(values, found, M::template Input<Vec>);
#pragma GCC unroll 32
      for (int i = 0; i < P * P; ++i)
        At(to + (i * stride + t) * s.inputs + c) = found[i / P][i % P];
    }
  }
}

// Products [product][stride][kPanel] -> some columns of the output of these tiles.
template <class M>
void TransformOutput(const float* products, long stride, const Sizes& s, long first,
                     long count, long columns, float* y) {
  constexpr int O = M::kOutputs, P = M::kProducts;
  const long line = M::Resampled(s.width) * s.outputs;
  for (long t = 0; t < count; ++t) {
    const Tile<M> tile(s, first + t);
    float* to = y + tile.Output(s);
    for (long c = 0; c < columns; c += kLanes) {
      if constexpr (O == 1) {
        At(to + c) = At(products + t * kPanel + c);
      } else {
        Vec values[P][P], found[O][O];
#pragma GCC unroll 32
        for (int i = 0; i < P * P; ++i)
          values[i / P][i % P] = At(products + (i * stride + t) * kPanel + c);
        AlongBoth<P, O>(values, found, M::template Output<Vec>);
#pragma GCC unroll 32
        for (int i = 0; i < O * O; ++i) {
          Place place = At(to + i / O * line + i % O * s.outputs + c);
          // The first row and column are also the last ones of the tiles before.
          const bool shared = O > M::kOutputStep && ((i / O == 0 && tile.row > 0) ||
                                                     (i % O == 0 && tile.column > 0));
          place = shared ? Vec(place) + found[i / O][i % O] : found[i / O][i % O];
        }
      }
    }
  }
}

// Its transpose: a gradient like the output -> [product][stride][outputs].
template <class M>
void TransformOutputBack(const float* y, const Sizes& s, long first, long count,
                         long stride, float* to) {
  constexpr int O = M::kOutputs, P = M::kProducts;
  const long line = M::Resampled(s.width) * s.outputs;
  for (long t = 0; t < count; ++t) {
    const float* from = y + Tile<M>(s, first + t).Output(s);
    for (long c = 0; c < s.outputs; c += kLanes) {
      Vec values[O][O], found[P][P];
#pragma GCC unroll 32
      for (int i = 0; i < O * O; ++i)
        values[i / O][i % O] = At(from + i / O * line + i % O * s.outputs + c);
      AlongBoth<O, P>(values, found, M::template OutputTurned<Vec>);
#pragma GCC unroll 32
      for (int i = 0; i < P * P; ++i)
        At(to + (i * stride + t) * s.outputs + c) = found[i / P][i % P];
    }
  }
}

// y = factor * convolution of x, resampled as M says. Where turned, `kernel` is the
// [3][3][outputs][inputs] one of the convolution whose transpose this is.
template <class M>
void Convolve(const float* x, const float* kernel, bool turned, float factor,
              const Sizes& s, float* y) {
  constexpr int P = M::kProducts * M::kProducts, K = M::kKernels * M::kKernels;
  const long panels = (s.outputs + kPanel - 1) / kPanel;
  if (turned) {
    float* straight = Scratch(3, 9 * s.inputs * s.outputs);
    TurnKernel(kernel, s.outputs, s.inputs, straight);
    kernel = straight;
  }
  float* kernels = Scratch(0, panels * K * s.inputs * kPanel);
  TransformKernel<M>(kernel, factor, s, kernels);
  const long tiles = Tiles<M>(s), stride = TilesAtOnce<M>(s.inputs);
  float* inputs = Scratch(1, P * stride * s.inputs);
  float* products = Scratch(2, P * stride * kPanel);
  for (long first = 0; first < tiles; first += stride) {
    const long count = std::min(stride, tiles - first);
    TransformInput<M>(x, s, first, count, stride, inputs);
    for (long panel = 0; panel < panels; ++panel) {
      const long columns = std::min(kPanel, s.outputs - panel * kPanel);
      for (int i = 0; i < P; ++i) {
        const bool adds = M::kOutputs == 1 && i > 0;
        auto multiply = adds ? Multiply<false, true> : Multiply<false, false>;
        float* to = M::kOutputs == 1 ? products : products + i * stride * kPanel;
        multiply(count, columns, s.inputs, inputs + i * stride * s.inputs, s.inputs,
                 kernels + (panel * K + KernelOf<M>(i)) * s.inputs * kPanel, kPanel, to,
                 kPanel);
      }
      TransformOutput<M>(products, stride, s, first, count, columns,
                         y + panel * kPanel);
    }
  }
}

// The gradient [3][3][inputs][outputs] of `Convolve` (not turned) to its kernel.
template <class M>
void KernelGradient(const float* x, const float* y_gradient, float factor,
                    const Sizes& s, float* gradient) {
  constexpr int P = M::kProducts * M::kProducts, K = M::kKernels * M::kKernels;
  constexpr bool kShared = M::kOutputs == 1;  // all products have the same gradient
  const long size = s.inputs * s.outputs;
  float* sums = Scratch(0, K * size);
  memset(sums, 0, K * size * sizeof(float));
  const long tiles = Tiles<M>(s), stride = TilesAtOnce<M>(s.inputs + s.outputs);
  float* inputs = Scratch(1, P * stride * s.inputs);
  float* outputs = kShared ? nullptr : Scratch(2, P * stride * s.outputs);
  for (long first = 0; first < tiles; first += stride) {
    const long count = std::min(stride, tiles - first);
    TransformInput<M>(x, s, first, count, stride, inputs);
    if constexpr (!kShared)
      TransformOutputBack<M>(y_gradient, s, first, count, stride, outputs);
    for (int i = 0; i < P; ++i) {
      const float* right = kShared ? y_gradient + first * s.outputs
                                   : outputs + i * stride * s.outputs;
      for (long o = 0; o < s.outputs; o += kPanel)
        Multiply<true, true>(s.inputs, std::min(kPanel, s.outputs - o), count,
                             inputs + i * stride * s.inputs, s.inputs, right + o,
                             s.outputs, sums + KernelOf<M>(i) * size + o, s.outputs);
    }
  }
  TransformKernelBack<M>(sums, factor, s, gradient);
}
