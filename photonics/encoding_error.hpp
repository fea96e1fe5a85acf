// What two modulators that are not ideal do to a dot product, as far as its norms can tell.
//
// Modulator of v in [-1, 1]: field v + j r s, s = sqrt(1 - v^2), r^2 = 10^(-ER/10) (modulator.hpp).
//
// Extinction. The light of a beam is sum(v^2 + r^2 s^2) = (1 - r^2) |v|^2 + r^2 D full-scale slots:
//   full_scale   more light than the values need, r^2 D + (1 - r^2)|v|^2 instead of |v|^2
//   normalised   of the same light less is signal; |w|^2 of the law becomes
//                (1 - r^2) |w|^2 + r^2 D w_fs^2, and |x|^2 likewise
// The leaked fields interfere to an error w_fs x_fs r^2 sum s_w s_x of the product. To the fourth
// order in v it is w_fs x_fs r^2 (D - (|w/w_fs|^2 + |x/x_fs|^2) / 2), which the norms tell: it is
// taken off with them (leaked_product). What is left is the same in every repetition and no larger
// than w_fs x_fs r^2 D / 2; for normally distributed values of a quarter of full scale it is
// 3e-4 r^2 D on average with a spread of 3e-3 r^2 sqrt(D), and it is not drawn.
//
// DAC. 2^b - 1 drives: theta errs by at most half a step pi / (2^b - 2), in the mean square by
// sigma^2 = (pi / (2^b - 2))^2 / 12, and the value by s times that:
//   c_w = sigma^2 x_fs^2,  c_x = sigma^2 w_fs^2                  (an upper bound: s <= 1)
// Rounding is the same whenever the same value is sent. It is drawn anew for every output, which
// has the right size but not the repetition over outputs.
//
// Bias error and bandwidth have no such form: a bias error is an error of sum w + sum x, a
// bandwidth mixes neighbours. Both are in the waveform only. Test:
// tests/physics/encoding_error_test.cpp. Text: docs/physics/modulator.md.
#pragma once

#include <cstdint>

#include "photonics/device.hpp"
#include "photonics/noise_model.hpp"

namespace attojoule::photonics {

struct EncodingError {
  double leaked_share = 0;    // r^2
  double drive_variance = 0;  // sigma^2, rad^2

  bool needs_full_scales() const { return leaked_share > 0 || drive_variance > 0; }
};
// The modulator must have passed validate().
EncodingError encoding_error(const Modulator& modulator);

// r^2 D fs^2: what the leaked light adds to a squared norm.
double leaked_norm(const EncodingError& error, std::int64_t length, double full_scale);

// `base` |w|^2 |x|^2 with both norms replaced as above.
VarianceCoefficients at_fixed_light(double base, const EncodingError& error,
                                    const DotProduct& product);

// weight_norm and input_norm of the DACs' rounding.
VarianceCoefficients drive_rounding(const Modulator& modulator, const DotProduct& product);

// r^2 (D - (v_w2 + v_x2) / 2), in units of w_fs x_fs: the part of the leaked product that follows
// from the squared norms of the encoded values.
double leaked_product(const EncodingError& error, double length, double encoded_weight_norm2,
                      double encoded_input_norm2);

}  // namespace attojoule::photonics
