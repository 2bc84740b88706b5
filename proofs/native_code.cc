// Compares the native convolutions and filters with sums written out; exit code 0 where
// all agree. Without TensorFlow, so that sanitizers see nothing but our own code.

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "convolution.h"
#include "filter.h"

namespace {

typedef std::vector<float> Numbers;

std::mt19937 generator(0);
int failures = 0;

// Exactly as many as asked for, so that a step beyond the end is seen.
Numbers Random(long count) {
  std::normal_distribution<float> normal;
  Numbers found(count);
  for (float& number : found) number = normal(generator);
  return found;
}

double Dot(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * b[i];
  return sum;
}

double Norm(const Numbers& a) { return std::sqrt(Dot(a, a)); }

void Check(const char* what, const Sizes& s, double difference, double scale) {
  if (difference <= 2e-5 * scale) return;
  ++failures;
  std::printf("%s [%ld, %ld, %ld, %ld -> %ld]: %g of %g\n", what, s.batch, s.height,
              s.width, s.inputs, s.outputs, difference, scale);
}

// One number of the input after nearest upsampling by `up`, zero outside.
float Pixel(const Numbers& x, const Sizes& s, long n, long row, long column, long c,
            long up) {
  if (row < 0 || column < 0 || row >= s.height * up || column >= s.width * up) return 0;
  return x[((n * s.height + row / up) * s.width + column / up) * s.inputs + c];
}

// Output (row, column) sums over a square of `pool` pixels of a 3x3 convolution with
// `stride`, `before` pixels of padding and nearest upsampling by `up` in front of it.
Numbers WrittenOut(const Numbers& x, const Numbers& kernel, const Sizes& s, long height,
                   long width, long up, long pool, long stride, long before) {
  Numbers y(s.batch * height * width * s.outputs);
  for (long n = 0, at = 0; n < s.batch; ++n)
    for (long row = 0; row < height; ++row)
      for (long column = 0; column < width; ++column)
        for (long o = 0; o < s.outputs; ++o, ++at) {
          double sum = 0;
          for (long p = 0; p < pool * pool; ++p)
            for (long t = 0; t < 9; ++t)
              for (long c = 0; c < s.inputs; ++c)
                sum += kernel[(t * s.inputs + c) * s.outputs + o] *
                       Pixel(x, s, n, (row * pool + p / pool) * stride + t / 3 - before,
                             (column * pool + p % pool) * stride + t % 3 - before, c, up);
          y[at] = float(sum);
        }
  return y;
}

// A convolution against sums, its transpose and kernel gradient against the convolution.
template <class M, class Transpose>
void CheckWay(const char* name, const Sizes& s, long up, long pool, long stride,
              long before) {
  const long height = M::Resampled(s.height), width = M::Resampled(s.width);
  const Numbers x = Random(s.batch * s.height * s.width * s.inputs);
  const Numbers kernel = Random(9 * s.inputs * s.outputs);
  const Numbers direction = Random(s.batch * height * width * s.outputs);
  Numbers y(direction.size()), back(x.size()), gradient(kernel.size());
  Convolve<M>(x.data(), kernel.data(), false, 1.5f, s, y.data());
  if (stride) {
    Numbers expected = WrittenOut(x, kernel, s, height, width, up, pool, stride, before);
    for (size_t i = 0; i < y.size(); ++i) expected[i] = 1.5f * expected[i] - y[i];
    Check(name, s, Norm(expected), Norm(y));
  }
  const Sizes turned = {s.batch, height, width, s.outputs, s.inputs};
  Convolve<Transpose>(direction.data(), kernel.data(), true, 1.5f, turned, back.data());
  const double scale = Norm(y) * Norm(direction);
  Check("its transpose", s, std::abs(Dot(y, direction) - Dot(x, back)), scale);
  KernelGradient<M>(x.data(), direction.data(), 1.5f, s, gradient.data());
  Check("its kernel's gradient", s, std::abs(Dot(y, direction) - Dot(kernel, gradient)),
        scale);
}

void CheckFilter(long size, const Resampling& r) {
  const Sizes s = {2, 5, 7, 16, 16};
  const Numbers x = Random(s.batch * s.height * s.width * s.inputs);
  const Numbers columns = Random(size), rows = Random(size);
  const long height = s.height * r.up / r.down, width = s.width * r.up / r.down;
  Numbers y(s.batch * height * width * s.inputs);
  Filter(x.data(), s.batch, s.height, s.width, s.inputs, columns.data(), rows.data(),
         int(size), r, height, width, y.data());
  Numbers difference = y;
  for (long n = 0, at = 0; n < s.batch; ++n)
    for (long row = 0; row < height; ++row)
      for (long column = 0; column < width; ++column)
        for (long c = 0; c < s.inputs; ++c, ++at) {
          double sum = 0;
          for (long t = 0; t < size * size; ++t) {
            const long i = row * r.down + t / size - r.before;
            const long j = column * r.down + t % size - r.before;
            if (i < 0 || j < 0 || i % r.up || j % r.up) continue;
            sum += columns[t / size] * rows[t % size] *
                   (i / r.up < s.height && j / r.up < s.width
                        ? Pixel(x, s, n, i / r.up, j / r.up, c, 1)
                        : 0);
          }
          difference[at] -= float(sum);
        }
  Check("filter", s, Norm(difference), Norm(y));
}

}  // namespace

int main() {
  for (auto [inputs, outputs] : {std::pair(16L, 16L), std::pair(48L, 80L),
                                 std::pair(32L, 144L)}) {
    CheckWay<Same, Same>("same", {2, 6, 10, inputs, outputs}, 1, 1, 1, 1);
    CheckWay<Up, Down>("up", {2, 3, 5, inputs, outputs}, 2, 1, 1, 1);
    CheckWay<Down, Up>("down", {2, 6, 4, inputs, outputs}, 1, 2, 1, 1);
    CheckWay<Halve, Double>("halve", {2, 9, 5, inputs, outputs}, 1, 1, 2, 0);
    CheckWay<Double, Halve>("double", {2, 4, 2, inputs, outputs}, 0, 0, 0, 0);
    CheckWay<Same, Same>("same, many tiles", {3, 24, 22, inputs, outputs}, 1, 1, 1, 1);
  }
  for (long size : {1L, 4L, 12L, 16L})
    for (const Resampling& r : {Resampling{size / 2, 1, 1}, Resampling{size / 2, 2, 1},
                                Resampling{size / 2, 1, 2}})
      CheckFilter(size, r);
  std::printf("%d failures\n", failures);
  return failures != 0;
}
