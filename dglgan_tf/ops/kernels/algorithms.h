// Bilinear algorithms for 3x3 convolutions: fewer multiplications, equal results.
//
// Along one axis a tile of inputs d, the three taps k and a tile of outputs y are
// joined by products: y = Output(Input(d) * Kernel(k)). Applied along both axes every
// product becomes a matrix product over channels. `OutputTurned` and `KernelTurned` are
// the transposes of `Output` and `Kernel`, which the gradient of the kernel needs.
//
//   Same   F(2, 3) of Winograd (Lavin & Gray 2016): 4 products for 2 outputs of 3 taps.
//   Up     after nearest upsampling: an input is seen through sums of neighbouring taps;
//          with differences of neighbouring inputs 3 products make 2 outputs, where the
//          folded 4x4 kernel takes 4.
//   Down   before pooling by sums, the transpose of Up: 3 products for 1 output.
//
// Coefficients are 1 and 1/2, so rounding stays that of a direct convolution.

#pragma once

struct Same {
  static constexpr int kInputs = 4, kStep = 2, kProducts = 4, kOutputs = 2;
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
  static constexpr int kInputs = 3, kStep = 1, kProducts = 3, kOutputs = 2;
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
  static constexpr int kInputs = 4, kStep = 2, kProducts = 3, kOutputs = 1;
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
