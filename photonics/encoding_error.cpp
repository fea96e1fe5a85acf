#include "photonics/encoding_error.hpp"

#include <cmath>
#include <numbers>

namespace attojoule::photonics {

EncodingError encoding_error(const Modulator& modulator) {
  EncodingError error;
  if (std::isfinite(modulator.extinction_ratio_db)) {
    error.leaked_share = std::pow(10.0, -modulator.extinction_ratio_db / 10);
  }
  if (modulator.dac_bits > 0) {
    const double step = std::numbers::pi / (std::exp2(modulator.dac_bits) - 2);
    error.drive_variance = step * step / 12;
  }
  return error;
}

double leaked_norm(const EncodingError& error, std::int64_t length, double full_scale) {
  return error.leaked_share * static_cast<double>(length) * full_scale * full_scale;
}

VarianceCoefficients at_fixed_light(double base, const EncodingError& error,
                                    const DotProduct& product) {
  const double kept = 1 - error.leaked_share;
  const double weight = leaked_norm(error, product.length, product.weight_full_scale);
  const double input = leaked_norm(error, product.length, product.input_full_scale);
  VarianceCoefficients c;
  c.norm_product = base * kept * kept;
  c.weight_norm = base * kept * input;
  c.input_norm = base * kept * weight;
  c.constant = base * weight * input;
  return c;
}

VarianceCoefficients drive_rounding(const Modulator& modulator, const DotProduct& product) {
  const double variance = encoding_error(modulator).drive_variance;
  VarianceCoefficients c;
  c.weight_norm = variance * product.input_full_scale * product.input_full_scale;
  c.input_norm = variance * product.weight_full_scale * product.weight_full_scale;
  return c;
}

double leaked_product(const EncodingError& error, double length, double encoded_weight_norm2,
                      double encoded_input_norm2) {
  return error.leaked_share * (length - (encoded_weight_norm2 + encoded_input_norm2) / 2);
}

}  // namespace attojoule::photonics
