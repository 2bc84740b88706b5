// Separable FIR filters between zero insertion and decimation, every channel alone, on
// one thread.
//
// Written as sums over what a tap meets, so that padding, inserted zeros and skipped
// outputs cost nothing: first over rows, into one line, then over the line's pixels. All
// arrays are channels last.

#pragma once

#include <algorithm>
#include <vector>

#include "product.h"

constexpr int kMostTaps = 16;

struct Resampling {
  long before, up, down;  // pixels of padding, zeros + 1 after an input, outputs kept
};

// What one output meets along an axis: where the inputs are, and their taps.
struct Meeting {
  int count = 0;
  long place[kMostTaps];
  float tap[kMostTaps];
};

inline std::vector<Meeting> Meetings(long inputs, long outputs, const float* taps,
                                     int size, const Resampling& r) {
  std::vector<Meeting> found(outputs);
  for (long i = 0; i < outputs; ++i)
    for (int t = 0; t < size; ++t) {
      const long at = i * r.down + t - r.before;
      if (at < 0 || at % r.up || at / r.up >= inputs) continue;
      Meeting& meeting = found[i];
      meeting.place[meeting.count] = at / r.up;
      meeting.tap[meeting.count++] = taps[t];
    }
  return found;
}

// y [length] = (or += where kAdd) the sum of N parts of x, each times its tap.
template <int N, bool kAdd>
inline void SumOf(const float* const* parts, const float* taps, long length, float* y) {
  const float* from[N + 1];  // copies, since y might be any of them for all that is known
  float tap[N + 1];
  std::copy(parts, parts + N, from);
  std::copy(taps, taps + N, tap);
  for (long c = 0; c < length; c += kLanes) {
    Vec sum = kAdd ? Vec(At(y + c)) : Vec{};
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sum += tap[n] * At(from[n] + c);
    At(y + c) = sum;
  }
}

inline void SumOf(const Meeting& meeting, const float* x, long stride, long length,
                  float* y) {
  const float* parts[kMostTaps];
  for (int n = 0; n < meeting.count; ++n) parts[n] = x + meeting.place[n] * stride;
  const float* taps = meeting.tap;
  switch (std::min(meeting.count, 4)) {
    case 0: SumOf<0, false>(parts, taps, length, y); break;
    case 1: SumOf<1, false>(parts, taps, length, y); break;
    case 2: SumOf<2, false>(parts, taps, length, y); break;
    case 3: SumOf<3, false>(parts, taps, length, y); break;
    default: SumOf<4, false>(parts, taps, length, y);
  }
  for (int n = 4; n < meeting.count; ++n)
    SumOf<1, true>(parts + n, taps + n, length, y);
}

// x [batch, height, width, channels], correlated with taps down each column and along
// each row, to y [batch, y_height, y_width, channels].
inline void Filter(const float* x, long batch, long height, long width, long channels,
                   const float* column_taps, const float* row_taps, int size,
                   const Resampling& r, long y_height, long y_width, float* y) {
  const auto rows = Meetings(height, y_height, column_taps, size, r);
  const auto columns = Meetings(width, y_width, row_taps, size, r);
  std::vector<float> line(width * channels);
  for (long n = 0; n < batch; ++n, x += height * width * channels)
    for (const Meeting& row : rows) {
      SumOf(row, x, width * channels, width * channels, line.data());
      for (const Meeting& column : columns) {
        SumOf(column, line.data(), channels, channels, y);
        y += channels;
      }
    }
}
