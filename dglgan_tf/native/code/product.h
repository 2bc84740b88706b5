// Matrix products of blocks that lie in the processor's caches, on one thread.

#pragma once

#include <cstring>

#if defined(__AVX512F__)
constexpr long kLanes = 16, kVectors = 4;
#elif defined(__AVX__)
constexpr long kLanes = 8, kVectors = 2;
#else
constexpr long kLanes = 4, kVectors = 4;
#endif
constexpr int kRows = 6;                     // with kVectors: what the registers hold
constexpr long kPanel = kLanes * kVectors;   // columns that are computed at once

typedef float Vec __attribute__((vector_size(4 * kLanes)));

// kLanes floats anywhere in an array, whose address is a multiple of 4 only.
inline Vec At(const float* p) {
  Vec found;
  memcpy(&found, p, sizeof found);
  return found;
}
struct Place {
  float* p;
  operator Vec() const { return At(static_cast<const float*>(p)); }
  void operator=(Vec value) { memcpy(p, &value, sizeof value); }
};
inline Place At(float* p) { return {p}; }

// c [R, N vectors] = a b, or += where kAdd; a is [R, depth], or [depth, R] where kTurned.
template <int R, int N, bool kTurned, bool kAdd>
__attribute__((noinline)) void Block(const float* a, long a_stride, const float* b,
                                     long b_stride, float* c, long c_stride,
                                     long depth) {
  Vec sum[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n)
      sum[r][n] = kAdd ? Vec(At(c + r * c_stride + n * kLanes)) : Vec{};
  for (long k = 0; k < depth; ++k) {
    Vec row[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) row[n] = At(b + k * b_stride + n * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const float left = kTurned ? a[k * a_stride + r] : a[r * a_stride + k];
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) sum[r][n] += left * row[n];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) At(c + r * c_stride + n * kLanes) = sum[r][n];
}

// As `Block`, for any number of rows.
template <int R, int N, bool kTurned, bool kAdd>
void Rows(long rows, const float* a, long a_stride, const float* b, long b_stride,
          float* c, long c_stride, long depth) {
  for (; rows >= R; rows -= R, a += kTurned ? R : R * a_stride, c += R * c_stride)
    Block<R, N, kTurned, kAdd>(a, a_stride, b, b_stride, c, c_stride, depth);
  if constexpr (R > 1)
    if (rows)
      Rows<R - 1, N, kTurned, kAdd>(rows, a, a_stride, b, b_stride, c, c_stride,
                                    depth);
}

// As `Rows`, for up to kPanel columns, a multiple of kLanes.
template <bool kTurned, bool kAdd, int N = kVectors>
void Multiply(long rows, long columns, long depth, const float* a, long a_stride,
              const float* b, long b_stride, float* c, long c_stride) {
  if constexpr (N > 1)
    if (columns < N * kLanes)
      return Multiply<kTurned, kAdd, N - 1>(rows, columns, depth, a, a_stride, b,
                                            b_stride, c, c_stride);
  Rows<kRows, N, kTurned, kAdd>(rows, a, a_stride, b, b_stride, c, c_stride, depth);
}
