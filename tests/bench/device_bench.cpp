// Speed of the fidelities: dot products in time, and counted outputs of a network's noise pass
// against Gaussian ones. Thread CPU time, taken in turns, minima; one JSON object.
//
// usage: device_bench [ROUNDS]
// Goals: waveform_all_effects_mac_per_s >= 1e6 (one core, 4 samples a slot); counting_vs_analytic
// <= 2 per output at the photons of Garg et al. 2021 (21 per multiplication).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "network/noise_pass.hpp"
#include "photonics/homodyne_receiver.hpp"
#include "photonics/random.hpp"
#include "photonics/waveform.hpp"

namespace {

using namespace attojoule;
using namespace attojoule::photonics;

double cpu_seconds(const std::function<void()>& work) {
  const auto now = [] {
    std::timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  work();
  return now() - start;
}

Device with_all_effects() {
  Device device;
  device.laser.rin_per_hz = 1e-15;
  device.laser.rin_common_to_slots = false;
  device.laser.linewidth_hz = 1e6;
  device.modulator = {
      .extinction_ratio_db = 25, .bias_error_rad = 0.01, .bandwidth_hz = 3e9, .dac_bits = 8};
  device.detector = {.quantum_efficiency = 0.8,
                     .excess_noise_factor = 1.2,
                     .dark_current_a = 1e-9,
                     .efficiency_imbalance = 0.01,
                     .coupler_transmission = 0.49,
                     .saturation_current_a = 1e-3};
  device.receiver.kind = ReceiverKind::transimpedance;
  device.receiver.feedback_resistance_ohm = 1e4;
  device.receiver.amplifier_current_noise_a_per_rthz = 1e-12;
  device.receiver.bandwidth_hz = 5e9;
  device.receiver.integration_time_s = 512e-9;
  device.receiver.path_mismatch_s = 1e-11;
  device.receiver.phase_error_rad = 0.05;
  device.adc = {.bits = 8, .full_scale_v = 1e-3};
  return device;
}

struct Waveform {
  std::vector<float> w = std::vector<float>(512), x = w;
  WaveformReceiver receiver;
  std::uint64_t trial = 0;
  double sum = 0;

  explicit Waveform(const Device& device)
      : receiver(device, Encoding::normalised, {.photons_per_mac = 21},
                 {.length = 512, .weight_full_scale = 4, .input_full_scale = 4}) {
    fill_normal({.seed = 1}, 0, w);
    fill_normal({.seed = 2}, 0, x);
    for (float& v : w) v = std::clamp(v, -4.0f, 4.0f);
    for (float& v : x) v = std::clamp(v, -4.0f, 4.0f);
  }
  void run(int trials) {
    for (int i = 0; i < trials; ++i) {
      RandomSequence random({.seed = 3}, trial++);
      sum += receiver.measure(w, x, random).estimate;
    }
  }
};

// A layer's outputs: channels and positions of a typical convolution.
struct Outputs {
  static constexpr std::int64_t channels = 256, positions = 256, depth = 576;
  std::vector<float> y = std::vector<float>(channels * positions), out = y;
  std::vector<float> norms = std::vector<float>(positions, static_cast<float>(depth));
  std::vector<float> zero = std::vector<float>(channels, 0), slope = zero, deviation = zero;
  std::vector<float> light = zero, gain = zero;
  network::NoisePass pass;
  network::DiodeCounts counts;

  explicit Outputs(double photons) {
    fill_normal({.seed = 4}, 0, y);
    for (float& v : y) v *= 24;
    const double d = static_cast<double>(depth);
    const OperatingPoint point{.photons_per_mac = photons};
    const DotProduct product{.length = depth};
    const NoiseModel model =
        compile_noise_model({}, Law::homodyne, Encoding::normalised, point, product);
    const HomodyneCounts law = compile_homodyne_counts({}, Encoding::normalised, point, product);
    for (std::size_t c = 0; c < slope.size(); ++c) {
      slope[c] = static_cast<float>(model.variance.norm_product * d);
      deviation[c] = std::sqrt(slope[c]);
      light[c] = static_cast<float>(law.light_constant);
      gain[c] = static_cast<float>(law.gain / std::sqrt(d));
    }
    pass.positions = positions;
    pass.channels = channels;
    pass.accumulator = y.data();
    pass.output = out.data();
    pass.norms = norms.data();
    pass.variance_offset = pass.signal = zero.data();
    pass.variance_slope = slope.data();
    pass.deviation_slope = deviation.data();
    pass.has_offset = false;
    pass.stream = {.seed = 5, .domain = NoiseDomain::detection};
    counts.light = light.data();
    counts.gain = gain.data();
  }
};

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 20;
  Waveform ideal{Device{}}, full{with_all_effects()};
  Outputs bright(21), dim(0.01);
  constexpr int dot_products = 20;
  std::vector<std::function<void()>> contenders{
      [&] { ideal.run(dot_products); },
      [&] { full.run(dot_products); },
      [&] { network::apply_gaussian_noise(bright.pass); },
      [&] { network::apply_photoelectron_counting(bright.pass, bright.counts); },
      [&] { network::apply_photoelectron_counting(dim.pass, dim.counts); },
      [&] { network::apply_epilogue(bright.pass); },
  };
  std::vector<double> least(contenders.size(), std::numeric_limits<double>::infinity());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      least[i] = std::min(least[i], cpu_seconds(contenders[i]));
    }
  }
  nlohmann::ordered_json object;
  constexpr double macs = 512.0 * dot_products;
  object["waveform_ideal_mac_per_s"] = macs / least[0];
  object["waveform_all_effects_mac_per_s"] = macs / least[1];
  object["counting_vs_analytic"] = least[3] / least[2];
  object["counting_few_photons_vs_analytic"] = least[4] / least[2];
  object["clean_vs_analytic"] = least[5] / least[2];
  std::printf("%s\n", object.dump(2).c_str());
  return ideal.sum + full.sum == 0 ? 1 : 0;
}
