// What the network layer knows of the hardware: the variance of one dot product, and its photons.
//
// For output i of a matrix product with weight row w_i (length D) and input vector x_j,
//
//   Var[y_ij] = c0 + c_w |w_i|^2 + c_x |x_j|^2 + c_wx |w_i|^2 |x_j|^2 + c_y y_ij^2
//
// in units of y^2 (physics: docs/physics/homodyne.md). The photons that set these coefficients are
// carried in the same struct and are the ones that are billed.
#pragma once

#include <cstdint>
#include <string_view>

#include "photonics/device.hpp"

namespace attojoule::photonics {

enum class Law { homodyne, counting, garg_shot, garg_thermal, garg_weight };
enum class Encoding { normalised, full_scale };

// The two levers of a layer (or output channel): light per multiplication, and how often the whole
// operation is repeated and averaged digitally. For Garg's thermal and weight laws, and only
// there, `photons_per_mac` holds the paper's E, in repeats of a base operation.
struct OperatingPoint {
  double photons_per_mac = 0;  // both beams together, > 0, incident on the receiver
  double repetitions = 1;      // >= 1, whole
};

// What the noise of a dot product depends on besides the device. Full scales and ranges are in the
// units of w and x; 0 = unknown (an error where a law or encoding needs it).
struct DotProduct {
  std::int64_t length = 0;       // D, number of multiplications
  double weight_full_scale = 0;  // w_fs = largest |w| that the modulator can encode
  double input_full_scale = 0;   // x_fs
  double weight_range = 0;  // R_w = max - min of the quantiser (Garg's thermal and weight laws)
  double input_range = 0;   // R_x
};

// Coefficients of the variance above, for the average over all repetitions.
struct VarianceCoefficients {
  double constant = 0;      // c0   [y^2]
  double weight_norm = 0;   // c_w  [y^2 / w^2]
  double input_norm = 0;    // c_x  [y^2 / x^2]
  double norm_product = 0;  // c_wx [1]
  double signal = 0;        // c_y  [1]

  bool is_zero() const {
    return constant == 0 && weight_norm == 0 && input_norm == 0 && norm_product == 0 && signal == 0;
  }
};

// Photons that reach the receiver for one dot product, all repetitions included:
//   constant + per_weight_norm |w_i|^2 + per_input_norm |x_j|^2
// (`normalised`: constant = K D n; `full_scale`: K n_w |w_i|^2 / w_fs^2 + K n_x |x_j|^2 / x_fs^2).
struct PhotonCoefficients {
  double constant = 0;
  double per_weight_norm = 0;
  double per_input_norm = 0;
  // Photons of an all-full-scale dot product: what the lasers must be able to send.
  double full_scale = 0;
};

struct NoiseModel {
  VarianceCoefficients variance;
  PhotonCoefficients photons;     // incident on the receiver
  double quantum_efficiency = 1;  // detected = incident * quantum_efficiency
  double reads = 1;               // ADC conversions per dot product: chunks * repetitions
  // Garg's weight law: standard deviation of the noise of every single weight, one draw a pass.
  double weight_noise = 0;
  // Law::counting (Wang et al. 2022): photons per multiplication incident on the weights, times
  // repetitions; the executor draws the counts.
  double photons_per_multiplication = 0;
};

// Throws ConfigError where the law or encoding needs a value that is missing or out of range.
NoiseModel compile_noise_model(const Device& device, Law law, Encoding encoding,
                               const OperatingPoint& point, const DotProduct& product);

// Effective number of bits of an output of range R_y = max - min under noise of standard deviation
// sigma: B = log2(R_y / (sqrt(12) sigma) + 1), so that sigma is the rounding error of B bits.
double noise_bits(double output_range, double sigma);

}  // namespace attojoule::photonics
