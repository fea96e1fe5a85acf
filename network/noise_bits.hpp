// The check of noise bits: rounding in the place of noise.
//
// Noise of standard deviation sigma on outputs of range R_y is said to leave B noise bits
// (photonics::noise_bits). If that is a fair name, a network whose outputs are rounded to that many
// levels, without noise, must lose about as much accuracy as under the noise. With Garg et al. 2021
// the number of levels is whole: ceil(R_y / (sqrt(12) sigma) + 1), at equal distances over R_y.
// Tests: tests/network/noise_bits_test.cpp.
#pragma once

#include <cstdint>
#include <vector>

#include "network/program.hpp"

namespace attojoule::network {

// Rounds the outputs of every product that has noise. `statistics`: sums over `samples` samples
// taken under that noise (PassSettings::statistics). A product without variance is left as it is.
std::vector<ProductNoise> plan_rounding(const Program& program,
                                        const std::vector<ProductNoise>& noise,
                                        const std::vector<ProductRecord>& statistics,
                                        double samples);

}  // namespace attojoule::network
