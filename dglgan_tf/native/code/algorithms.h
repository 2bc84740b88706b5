// Bilinear algorithms for 3x3 convolutions: fewer multiplications, equal results.
//
// Along one axis a tile of inputs d, the three taps k and a tile of outputs y are joined
// by products: y = Output(Input(d) * Kernel(k)). Applied along both axes, every product
// becomes a matrix product over channels. `OutputTurned` and `KernelTurned` are the
// transposes of `Output` and `Kernel`, which the gradient of the kernel needs.
//
//   Same    zero padding: F(2, 3) of Winograd (Lavin & Gray 2016, section 4.1), 4 products
//           for 2 outputs.
//   Up      zero padding, after nearest upsampling: every input is seen through sums of
//           neighbouring taps. With differences of neighbouring inputs 3 products make 2
//           outputs, where the folded 4x4 kernel takes 4.
//   Down    its transpose, before sums over two pixels: 3 products for an output.
//   Halve   every second output, no padding: even inputs meet two taps, for which F(2, 2)
//           takes 3 products, odd inputs one: 5 products for 2 outputs instead of 6.
//   Double  its transpose. Neighbouring tiles share an output, to which both add.
//
// Coefficients are 1 and 1/2, so rounding stays close to that of a direct convolution.
//
//   kInputs, kStep          inputs of a tile, and to those of the next one
//   kBefore                 how many of them precede the tile's own place (padding)
//   kProducts, kKernels     products, and different factors: the last ones share one
//   kOutputs, kOutputStep   as of the inputs

#pragma once

struct Same {
  static constexpr int kInputs = 4, kStep = 2, kBefore = 1, kProducts = 4;
  static constexpr int kKernels = 4, kOutputs = 2, kOutputStep = 2;
  static bool Fits(long side) { return side % 2 == 0; }
  static long Tiles(long side) { return side / 2; }
  static long Resampled(long side) { return side; }
  template <class T>
  static void Input(const T* d, T* p) {
    p[0] = d[0] - d[2];
    p[1] = d[1] + d[2];
    p[2] = d[2] - d[1];
    p[3] = d[1] - d[3];
  }
  template <class T>
  static void Kernel(const T* k, T* u) {
    u[0] = k[0];
    u[1] = (k[0] + k[1] + k[2]) * 0.5f;
    u[2] = (k[0] - k[1] + k[2]) * 0.5f;
    u[3] = k[2];
  }
  template <class T>
  static void Output(const T* m, T* y) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
  }
  template <class T>
  static void OutputTurned(const T* y, T* m) {
    m[0] = y[0];
    m[1] = y[0] + y[1];
    m[2] = y[0] - y[1];
    m[3] = -y[1];
  }
  template <class T>
  static void KernelTurned(const T* u, T* k) {
    k[0] = u[0] + (u[1] + u[2]) * 0.5f;
    k[1] = (u[1] - u[2]) * 0.5f;
    k[2] = (u[1] + u[2]) * 0.5f + u[3];
  }
};

struct Up {
  static constexpr int kInputs = 3, kStep = 1, kBefore = 1, kProducts = 3;
  static constexpr int kKernels = 3, kOutputs = 2, kOutputStep = 2;
  static bool Fits(long) { return true; }
  static long Tiles(long side) { return side; }
  static long Resampled(long side) { return 2 * side; }
  template <class T>
  static void Input(const T* d, T* p) {
    p[0] = d[0] - d[1];
    p[1] = d[1];
    p[2] = d[2] - d[1];
  }
  template <class T>
  static void Kernel(const T* k, T* u) {
    u[0] = k[0];
    u[1] = k[0] + k[1] + k[2];
    u[2] = k[2];
  }
  template <class T>
  static void Output(const T* m, T* y) {
    y[0] = m[0] + m[1];
    y[1] = m[1] + m[2];
  }
  template <class T>
  static void OutputTurned(const T* y, T* m) {
    m[0] = y[0];
    m[1] = y[0] + y[1];
    m[2] = y[1];
  }
  template <class T>
  static void KernelTurned(const T* u, T* k) {
    k[0] = u[0] + u[1];
    k[1] = u[1];
    k[2] = u[1] + u[2];
  }
};

// Its products add up to one output: `Output` is a plain sum over both axes.
struct Down {
  static constexpr int kInputs = 4, kStep = 2, kBefore = 1, kProducts = 3;
  static constexpr int kKernels = 3, kOutputs = 1, kOutputStep = 1;
  static bool Fits(long side) { return side % 2 == 0; }
  static long Tiles(long side) { return side / 2; }
  static long Resampled(long side) { return side / 2; }
  template <class T>
  static void Input(const T* d, T* p) {
    p[0] = d[0] - d[2];
    p[1] = d[1] + d[2];
    p[2] = d[3] - d[1];
  }
  template <class T>
  static void Kernel(const T* k, T* u) {
    Up::Kernel(k, u);
  }
  template <class T>
  static void KernelTurned(const T* u, T* k) {
    Up::KernelTurned(u, k);
  }
};

struct Halve {
  static constexpr int kInputs = 5, kStep = 4, kBefore = 0, kProducts = 5;
  static constexpr int kKernels = 4, kOutputs = 2, kOutputStep = 2;
  static bool Fits(long side) { return side % 4 == 1 && side > 1; }
  static long Tiles(long side) { return side / 4; }
  static long Resampled(long side) { return side / 2; }
  template <class T>
  static void Input(const T* d, T* p) {
    p[0] = d[0] - d[2];
    p[1] = d[2];
    p[2] = d[2] - d[4];
    p[3] = d[1];
    p[4] = d[3];
  }
  template <class T>
  static void Kernel(const T* k, T* u) {
    u[0] = k[0];
    u[1] = k[0] + k[2];
    u[2] = k[2];
    u[3] = k[1];
  }
  template <class T>
  static void Output(const T* m, T* y) {
    y[0] = m[0] + m[1] + m[3];
    y[1] = m[1] - m[2] + m[4];
  }
  template <class T>
  static void OutputTurned(const T* y, T* m) {
    m[0] = y[0];
    m[1] = y[0] + y[1];
    m[2] = -y[1];
    m[3] = y[0];
    m[4] = y[1];
  }
  template <class T>
  static void KernelTurned(const T* u, T* k) {
    k[0] = u[0] + u[1];
    k[1] = u[3];
    k[2] = u[1] + u[2];
  }
};

// The taps turn round, as those of a transposed convolution do.
struct Double {
  static constexpr int kInputs = 2, kStep = 2, kBefore = 0, kProducts = 5;
  static constexpr int kKernels = 4, kOutputs = 5, kOutputStep = 4;
  static bool Fits(long side) { return side % 2 == 0; }
  static long Tiles(long side) { return side / 2; }
  static long Resampled(long side) { return 2 * side + 1; }
  template <class T>
  static void Input(const T* d, T* p) {
    Halve::OutputTurned(d, p);
  }
  template <class T>
  static void Kernel(const T* k, T* u) {
    const T turned[3] = {k[2], k[1], k[0]};
    Halve::Kernel(turned, u);
  }
  template <class T>
  static void Output(const T* m, T* y) {
    y[0] = m[0];
    y[1] = m[3];
    y[2] = m[1] - m[0] + m[2];
    y[3] = m[4];
    y[4] = -m[2];
  }
  template <class T>
  static void OutputTurned(const T* y, T* m) {
    Halve::Input(y, m);
  }
  template <class T>
  static void KernelTurned(const T* u, T* k) {
    k[0] = u[1] + u[2];
    k[1] = u[3];
    k[2] = u[0] + u[1];
  }
};
