#include "tools/attribution.hpp"

#include <algorithm>
#include <cmath>

namespace attojoule::tools {
namespace {

using network::ProductNoise;

constexpr const char* shot_noise = "shot";

// Noise of a homodyne product without its shot part: what the device has beside `shot_only`.
void subtract(ProductNoise& noise, const ProductNoise& shot_only) {
  for (std::size_t c = 0; c < noise.models.size(); ++c) {
    auto& v = noise.models[c].variance;
    const auto& shot = shot_only.models[c].variance;
    const auto take = [](double& from, double part) { from = std::max(from - part, 0.0); };
    take(v.constant, shot.constant);
    take(v.weight_norm, shot.weight_norm);
    take(v.input_norm, shot.input_norm);
    take(v.norm_product, shot.norm_product);
    take(v.signal, shot.signal);
  }
}

AttributionEntry difference(const std::vector<network::PassResult>& better,
                            const std::vector<network::PassResult>& worse) {
  // Mean over seeds of every image, then over images.
  const std::size_t images = better[0].correct.size();
  std::vector<double> values(images, 0.0);
  double mean = 0;
  for (std::size_t i = 0; i < images; ++i) {
    for (std::size_t s = 0; s < worse.size(); ++s) {
      values[i] += (static_cast<double>(better[better.size() == 1 ? 0 : s].correct[i]) -
                    static_cast<double>(worse[s].correct[i])) /
                   static_cast<double>(worse.size());
    }
    mean += values[i] / static_cast<double>(images);
  }
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const auto count = static_cast<double>(images);
  return {mean, std::sqrt(squares / std::max(count - 1, 1.0) / count)};
}

}  // namespace

std::vector<NoiseSource> noise_sources(const photonics::Device& device, photonics::Law law) {
  std::vector<NoiseSource> sources;
  if (law != photonics::Law::homodyne) return sources;
  const auto without = [&](const char* name, bool present, auto change) {
    if (!present) return;
    NoiseSource source{name, device};
    change(source.without);
    sources.push_back(std::move(source));
  };
  const auto& receiver = device.receiver;
  without("laser intensity", device.laser.rin_per_hz > 0,
          [](photonics::Device& d) { d.laser.rin_per_hz = 0; });
  without("laser phase", device.laser.linewidth_hz > 0 && receiver.path_mismatch_s != 0,
          [](photonics::Device& d) { d.laser.linewidth_hz = 0; });
  without("dark current", device.detector.dark_current_a > 0,
          [](photonics::Device& d) { d.detector.dark_current_a = 0; });
  without("receiver", receiver.kind != photonics::ReceiverKind::ideal, [](photonics::Device& d) {
    d.receiver.temperature_k = 0;
    d.receiver.sample_noise_electrons = 0;
    d.receiver.amplifier_current_noise_a_per_rthz = 0;
    d.receiver.amplifier_voltage_noise_v_per_rthz = 0;
  });
  without("converter", device.adc.bits > 0, [](photonics::Device& d) {
    d.adc.bits = 0;
    d.adc.full_scale_v = 0;
  });
  if (sources.empty()) return sources;
  // Only shot noise left: what is subtracted for the source "shot".
  NoiseSource shot{shot_noise, device};
  shot.without = sources[0].without;
  photonics::Device& d = shot.without;
  d.laser.rin_per_hz = 0;
  d.laser.linewidth_hz = 0;
  d.detector.dark_current_a = 0;
  d.receiver.temperature_k = 0;
  d.receiver.sample_noise_electrons = 0;
  d.receiver.amplifier_current_noise_a_per_rthz = 0;
  d.receiver.amplifier_voltage_noise_v_per_rthz = 0;
  d.adc.bits = 0;
  d.adc.full_scale_v = 0;
  sources.insert(sources.begin(), shot);
  return sources;
}

Attribution attribute(Simulation& simulation,
                      const std::vector<network::ProductOperatingPoint>& points,
                      const std::function<void(std::size_t, std::size_t)>& progress) {
  const Experiment& experiment = simulation.experiment();
  network::Program& program = simulation.program();
  network::NoiseRequest request = simulation.noise_request();
  request.fidelity = network::Fidelity::analytic;
  request.points = points;
  const auto plan = [&](const photonics::Device& device) {
    return network::plan_noise(device, program, request);
  };
  const auto full = plan(experiment.device);
  Attribution result;
  result.images = simulation.images();
  result.seeds = experiment.seeds;
  result.sources.emplace_back("all");
  // Noise of every product without each source; the first is without any noise.
  std::vector<std::vector<ProductNoise>> without;
  without.emplace_back(full.size());
  for (const auto& source : noise_sources(experiment.device, experiment.law)) {
    result.sources.push_back(source.name);
    auto reduced = plan(source.without);
    if (source.name == shot_noise) {
      auto rest = full;
      for (std::size_t i = 0; i < rest.size(); ++i) subtract(rest[i], reduced[i]);
      reduced = std::move(rest);
    }
    without.push_back(std::move(reduced));
  }
  std::vector<std::size_t> analogue;
  for (std::size_t i = 0; i < full.size(); ++i) {
    if (full[i].kind == network::NoiseKind::none) continue;
    analogue.push_back(i);
    result.layers.push_back(program.products()[i].name);
  }

  const std::size_t all = 1 + analogue.size() * (without.size() + 1) + without.size() - 1;
  std::size_t done = 0;
  const auto passes = [&](const std::vector<ProductNoise>& noise) {
    auto measured = simulation.passes_under(noise, result.images, result.seeds, false, {});
    progress(++done, all);
    return measured;
  };
  network::PassRequest clean_request;
  clean_request.images = result.images;
  const std::vector<network::PassResult> clean{simulation.evaluator().run(clean_request, {})};
  const auto noisy = passes(full);
  for (std::size_t s = 0; s < without.size(); ++s) {
    result.whole.push_back(s == 0 ? difference(clean, noisy)
                                  : difference(passes(without[s]), noisy));
  }
  for (const std::size_t i : analogue) {
    auto& row = result.without.emplace_back();
    for (const auto& reduced : without) {
      auto noise = full;
      noise[i] = reduced[i];
      row.push_back(difference(passes(noise), noisy));
    }
    std::vector<ProductNoise> only(full.size());
    only[i] = full[i];
    result.alone.push_back(difference(clean, passes(only)));
  }
  return result;
}

}  // namespace attojoule::tools
