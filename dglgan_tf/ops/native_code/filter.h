// FIR filters between zero insertion and decimation, every channel alone, on one thread.
//
// Written as the sum over what a tap meets, so that padding, inserted zeros and skipped
// outputs cost nothing. All arrays are channels last.

#pragma once

#include <vector>

#include "product.h"

struct Resampling {
  long before, up, down;  // pixels of padding, zeros + 1 after an input, outputs kept
};

// What the taps of one output meet along an axis: places of inputs, and the taps.
struct Meeting {
  int count = 0;
  long place[16];
  int tap[16];
};

inline std::vector<Meeting> Meetings(long inputs, long outputs, int taps,
                                     const Resampling& r) {
  std::vector<Meeting> found(outputs);
  for (long i = 0; i < outputs; ++i)
    for (int t = 0; t < taps; ++t) {
      const long at = i * r.down + t - r.before;
      if (at < 0 || at % r.up || at / r.up >= inputs) continue;
      Meeting& meeting = found[i];
      meeting.place[meeting.count] = at / r.up;
      meeting.tap[meeting.count++] = t;
    }
  return found;
}

// Sums N vectors of channels over what one output meets.
template <int N>
inline void FilterVectors(const float* x, long width, long channels, const float* taps,
                          int size, const Meeting& rows, const Meeting& columns,
                          float* y) {
  Vec sum[N] = {};
  for (int i = 0; i < rows.count; ++i)
    for (int j = 0; j < columns.count; ++j) {
      const float tap = taps[rows.tap[i] * size + columns.tap[j]];
      const float* from = x + (rows.place[i] * width + columns.place[j]) * channels;
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) sum[n] += tap * At(from + n * kLanes);
    }
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) At(y + n * kLanes) = sum[n];
}

// x [batch, height, width, channels], correlated with taps [size, size], to
// y [batch, y_height, y_width, channels].
inline void Filter(const float* x, long batch, long height, long width, long channels,
                   const float* taps, int size, const Resampling& r, long y_height,
                   long y_width, float* y) {
  const auto rows = Meetings(height, y_height, size, r);
  const auto columns = Meetings(width, y_width, size, r);
  for (long n = 0; n < batch; ++n, x += height * width * channels)
    for (long i = 0; i < y_height; ++i)
      for (long j = 0; j < y_width; ++j, y += channels) {
        long c = 0;
        for (; c + 4 * kLanes <= channels; c += 4 * kLanes)
          FilterVectors<4>(x + c, width, channels, taps, size, rows[i], columns[j],
                           y + c);
        for (; c < channels; c += kLanes)
          FilterVectors<1>(x + c, width, channels, taps, size, rows[i], columns[j],
                           y + c);
      }
}
