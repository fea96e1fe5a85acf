// Which layer and which source of noise costs how much accuracy: paired ablation.
//
// Source s of layer l costs what the accuracy gains when that noise alone is taken away and all
// other noise stays as it was, draw for draw: each result is compared image by image with the one
// under all noise (network/certificate.hpp). Costs do not add up to the whole degradation where
// noise of one layer hides that of another; `alone` is the degradation with only that layer's
// noise.
//
// Sources of the homodyne law are taken away on the device: laser intensity noise (RIN), linewidth
// with a path mismatch, dark current, receiver noise (Theta -> 0, no sample or amplifier noise),
// converter, imbalance; what is left is shot noise with its excess and imperfect visibility. Other
// laws have one source. Test: tests/tools/learn_verb_test.cpp.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/simulation.hpp"

namespace attojoule::tools {

struct AttributionEntry {
  double cost = 0;            // accuracy that the noise costs, fraction
  double standard_error = 0;  // over images and seeds
};

struct Attribution {
  std::vector<std::string> layers;                     // products that are not digital
  std::vector<std::string> sources;                    // "all" first
  std::vector<std::vector<AttributionEntry>> without;  // [layer][source]
  std::vector<AttributionEntry> alone;                 // [layer]
  std::vector<AttributionEntry> whole;                 // [source]: of all layers together
  std::int64_t images = 0;
  int seeds = 0;
};

// Images and seeds of the experiment. `done`: ablations done, of all.
Attribution attribute(Simulation& simulation,
                      const std::vector<network::ProductOperatingPoint>& points,
                      const std::function<void(std::size_t done, std::size_t all)>& progress);

// The sources that this device has under this law, and the device without each ("all" left out).
struct NoiseSource {
  std::string name;
  photonics::Device without;
};
std::vector<NoiseSource> noise_sources(const photonics::Device& device, photonics::Law law);

}  // namespace attojoule::tools
