#include "network/noise_bits.hpp"

#include <cmath>

namespace attojoule::network {

std::vector<ProductNoise> plan_rounding(const Program& program,
                                        const std::vector<ProductNoise>& noise,
                                        const std::vector<ProductRecord>& statistics,
                                        double samples) {
  std::vector<ProductNoise> plan(noise.size());
  for (std::size_t i = 0; i < noise.size(); ++i) {
    const ProductRecord& record = statistics[i];
    if (noise[i].kind == NoiseKind::none || !(record.variance > 0)) continue;
    const double outputs = static_cast<double>(program.products()[i].outputs()) * samples;
    const double sigma = std::sqrt(record.variance / outputs);
    const double range = record.output_high - record.output_low;
    const double levels = std::ceil(range / (std::sqrt(12.0) * sigma) + 1);
    plan[i].kind = NoiseKind::rounding;
    plan[i].input_full_scale = noise[i].input_full_scale;
    plan[i].weight_full_scale = noise[i].weight_full_scale;
    plan[i].rounding_low = record.output_low;
    plan[i].rounding_step = levels > 1 ? range / (levels - 1) : 0;
  }
  return plan;
}

}  // namespace attojoule::network
