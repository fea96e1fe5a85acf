// attojoule device: what the hardware does to one dot product, from the laser to the converter.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "data/device_file.hpp"
#include "data/result_file.hpp"
#include "photonics/error.hpp"
#include "photonics/link.hpp"
#include "photonics/noise_budget.hpp"
#include "photonics/units.hpp"
#include "photonics/waveform.hpp"
#include "tools/text_table.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tools {
namespace {

using namespace photonics;

struct DeviceOptions {
  std::string device;
  std::vector<std::string> set;
  double photons = 50;
  std::int64_t length = 512;
  double correlation = 0.5;
  int trials = 2000;
  std::uint64_t seed = 1;
  bool json = false;
  std::string waveform;
};

// Two vectors of unit norm and given correlation: slots of equal size whose signs agree as often as
// that takes. Rounded to what the length allows.
struct UnitVectors {
  std::vector<float> w, x;
  double y = 0;
  DotProduct product;

  UnitVectors(std::int64_t length, double correlation) {
    const auto size = static_cast<std::size_t>(length);
    const double amplitude = 1 / std::sqrt(static_cast<double>(length));
    const auto agreeing = std::llround(static_cast<double>(length) * (1 + correlation) / 2);
    w.assign(size, static_cast<float>(amplitude));
    x = w;
    // Opposite signs are spread evenly, so that every part of a dot product has its share.
    std::int64_t done = 0;
    for (std::size_t k = 0; k < size; ++k) {
      const auto due = static_cast<std::int64_t>(k + 1) * (length - agreeing) / length;
      if (due > done) x[k] = -x[k];
      done = due;
    }
    y = static_cast<double>(2 * agreeing - length) / static_cast<double>(length);
    product = {.length = length, .weight_full_scale = amplitude, .input_full_scale = amplitude};
  }
};

struct Spread {
  double mean = 0, sigma = 0;
};

template <class Draw>
Spread spread_of(int trials, Draw&& draw) {
  double mean = 0, squares = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const double value = draw(static_cast<std::uint64_t>(trial));
    const double delta = value - mean;
    mean += delta / (trial + 1);
    squares += delta * (value - mean);
  }
  return {mean, std::sqrt(squares / (trials - 1))};
}

std::string dbm(double power_w) {
  return fmt::format("{:.1f}", dbm_from_power(power_w * watt));
}

void write_waveform(const DeviceOptions& options, const Device& device,
                    const WaveformTrace& trace) {
  data::Provenance provenance;
  provenance.command_line = command_line();
  provenance.seed = options.seed;
  provenance.rng_contract = rng_contract;
  provenance.config = data::device_to_yaml(device);
  data::ResultWriter writer(options.waveform, provenance);
  std::vector<double> time;
  for (std::size_t i = 0; i < trace.charge.size(); ++i) {
    time.push_back((static_cast<double>(i) + 0.5) * trace.step_s);
  }
  const std::string axis = "/waveform/time";
  writer.axis(axis, time, "s", "middle of the sample");
  writer.write("/waveform/field_x", trace.field_x, {axis}, "sqrt(photon/s)", "beam x");
  writer.write("/waveform/field_w", trace.field_w, {axis}, "sqrt(photon/s)", "beam w");
  writer.write("/waveform/electrons_plus", trace.electrons_plus, {axis}, "electron",
               "released in the plus diode in the sample");
  writer.write("/waveform/electrons_minus", trace.electrons_minus, {axis}, "electron",
               "released in the minus diode in the sample");
  writer.write("/waveform/charge", trace.charge, {axis}, "electron",
               "held by the integrator, plus - minus");
  writer.commit();
}

int describe(const DeviceOptions& options, const Streams& streams) {
  const Device device = data::load_device(options.device, options.set);
  if (options.length < 1 || options.trials < 2 || !(std::abs(options.correlation) <= 1)) {
    throw ConfigError(
        "device: --dot-length below 1, --trials below 2 or --correlation outside [-1, 1] (there is "
        "nothing to measure). Correct it.");
  }
  const UnitVectors v(options.length, options.correlation);
  const OperatingPoint point{.photons_per_mac = options.photons};
  const NoiseModel model =
      compile_noise_model(device, Law::homodyne, Encoding::normalised, point, v.product);
  const LinkBudget link = link_budget(device, point, v.product, {});
  const NoiseBudget budget = noise_budget(device, point, v.product, v.y);
  const ShotNoiseRange range = shot_noise_range(device, v.product, v.y);
  const double power_per_photon = budget.power_w / options.photons;
  const HomodyneCounts counts =
      compile_homodyne_counts(device, Encoding::normalised, point, v.product);
  const GaussianDistance distance = gaussian_distance(counts, v.y, 1, 1);
  const bool gaussian = choose_fidelity(distance) == Fidelity::analytic;

  const Spread analytic{v.y,
                        std::sqrt(model.variance.norm_product + model.variance.signal * v.y * v.y)};
  const CountMeans means = counts.means(v.y, 1, 1);
  const double residual = std::sqrt(counts.residual.norm_product + counts.residual.constant +
                                    counts.residual.weight_norm + counts.residual.input_norm +
                                    counts.residual.signal * v.y * v.y);
  const Spread counting = spread_of(options.trials, [&](std::uint64_t trial) {
    RandomSequence random({.seed = options.seed, .domain = NoiseDomain::photon_count}, trial);
    const auto d = static_cast<double>(sample_skellam(means.plus, means.minus, random));
    return (d - counts.offset(1, 1)) / counts.gain_of(1, 1) + residual * random.normal();
  });
  const WaveformReceiver receiver(device, Encoding::normalised, point, v.product);
  WaveformTrace trace;
  const Spread waveform = spread_of(options.trials, [&](std::uint64_t trial) {
    RandomSequence random({.seed = options.seed, .domain = NoiseDomain::laser}, trial);
    return receiver.measure(v.w, v.x, random, trial == 0 ? &trace : nullptr).estimate;
  });
  if (!options.waveform.empty()) write_waveform(options, device, trace);

  std::vector<std::array<double, 3>> over_photons;  // photons, SNR [dB], noise bits
  for (const double photons : {0.1, 1.0, 10.0, 100.0, 1000.0}) {
    try {
      const NoiseBudget b = noise_budget(device, {.photons_per_mac = photons}, v.product, v.y);
      // The output's range is that of correlations -1 to 1.
      const double range_electrons =
          2 * noise_budget(device, {.photons_per_mac = photons}, v.product, 1).signal_electrons;
      over_photons.push_back(
          {photons, b.snr_db(), noise_bits(std::abs(range_electrons), std::sqrt(b.variance))});
    } catch (const ConfigError&) {
      break;  // a single slot overfills the well, and more light does so too
    }
  }

  if (options.json) {
    nlohmann::ordered_json object;
    object["device"] = device.name;
    object["photons_per_mac"] = options.photons;
    object["dot_length"] = options.length;
    object["correlation"] = v.y;
    object["link"]["facet_power_w"] = link.facet_power_w;
    if (std::isfinite(link.margin_db)) object["link"]["margin_db"] = link.margin_db;
    for (const LinkPoint& p : link.points) {
      object["link"]["points"].push_back({{"element", p.element},
                                          {"loss_x_db", p.loss_x_db},
                                          {"loss_w_db", p.loss_w_db},
                                          {"power_x_w", p.power_x_w},
                                          {"power_w_w", p.power_w_w}});
    }
    for (const NoiseTerm& term : budget.terms) {
      object["noise"]["terms"].push_back({{"name", term.name},
                                          {"electrons_rms", std::sqrt(term.variance)},
                                          {"share", term.variance / budget.variance}});
    }
    object["noise"]["electrons_rms"] = std::sqrt(budget.variance);
    object["noise"]["signal_electrons"] = budget.signal_electrons;
    object["noise"]["power_w"] = budget.power_w;
    if (std::isfinite(range.lower)) object["noise"]["shot_limited_above_photons"] = range.lower;
    if (std::isfinite(range.upper)) object["noise"]["shot_limited_below_photons"] = range.upper;
    for (const auto& [photons, snr, bits] : over_photons) {
      object["over_photons"].push_back(
          {{"photons_per_mac", photons}, {"snr_db", snr}, {"noise_bits", bits}});
    }
    object["gaussian"] = {{"kolmogorov", distance.kolmogorov},
                          {"total_variation", distance.total_variation},
                          {"auto", gaussian ? "analytic" : "counting"}};
    for (const auto& [name, s] : {std::pair{"analytic", analytic}, std::pair{"counting", counting},
                                  std::pair{"waveform", waveform}}) {
      object["fidelity"][name] = {{"mean", s.mean}, {"sigma", s.sigma}};
    }
    streams.out << object.dump(2) << "\n";
    return 0;
  }

  auto& out = streams.out;
  out << fmt::format(
      "{}: {} photons/MAC, dot length {}, correlation {}\n\nLink budget, full scale\n", device.name,
      significant(options.photons, 3), options.length, significant(v.y, 3));
  std::vector<std::vector<std::string>> rows;
  for (const LinkPoint& p : link.points) {
    rows.push_back({p.element, fmt::format("{:.2f}", p.loss_x_db), dbm(p.power_x_w),
                    fmt::format("{:.2f}", p.loss_w_db), dbm(p.power_w_w)});
  }
  out << format_table({"behind", "x [dB]", "x [dBm]", "w [dB]", "w [dBm]"}, rows);
  out << fmt::format(
      "both transmitters {} dBm at the facet, margin {}\n\nNoise budget\n", dbm(link.facet_power_w),
      std::isfinite(link.margin_db) ? fmt::format("{:.1f} dB", link.margin_db) : "unlimited");
  rows.clear();
  for (const NoiseTerm& term : budget.terms) {
    rows.push_back({term.name, significant(std::sqrt(term.variance), 3),
                    fmt::format("{:.1f}", 100 * term.variance / budget.variance)});
  }
  rows.push_back({"all", significant(std::sqrt(budget.variance), 3), "100.0"});
  out << format_table({"term", "electrons rms", "% of variance"}, rows);
  out << fmt::format("signal {} electrons, SNR {:.1f} dB, {} dBm at the receiver\n",
                     significant(budget.signal_electrons, 4), budget.snr_db(), dbm(budget.power_w));
  if (std::isinf(range.lower)) {
    out << "shot noise is the larger part at no power\n";
  } else {
    out << "shot-noise limited "
        << (range.lower > 0
                ? fmt::format("above {} dBm ({} photons/MAC)", dbm(range.lower * power_per_photon),
                              significant(range.lower, 3))
                : "at any low power")
        << (std::isfinite(range.upper)
                ? fmt::format(", below {} dBm ({} photons/MAC)",
                              dbm(range.upper * power_per_photon), significant(range.upper, 3))
                : "")
        << "\n";
  }
  rows.clear();
  for (const auto& [photons, snr, bits] : over_photons) {
    rows.push_back(
        {significant(photons, 3), fmt::format("{:.1f}", snr), fmt::format("{:.2f}", bits)});
  }
  out << "\n" << format_table({"photons/MAC", "SNR [dB]", "noise bits"}, rows);
  out << fmt::format(
      "\nGaussian against exact counts: Kolmogorov {}, total variation {}; `auto` takes {}\n\n",
      significant(distance.kolmogorov, 2), significant(distance.total_variation, 2),
      gaussian ? "analytic" : "counting");
  out << format_table(
      {"fidelity", "mean", "sigma"},
      {{"analytic", significant(analytic.mean, 5), significant(analytic.sigma, 4)},
       {"counting", significant(counting.mean, 5), significant(counting.sigma, 4)},
       {"waveform", significant(waveform.mean, 5), significant(waveform.sigma, 4)}});
  out << fmt::format("for |w| = |x| = 1, {} dot products; standard error of sigma {:.1f} %\n",
                     options.trials, 100 / std::sqrt(2.0 * options.trials));
  return 0;
}

}  // namespace

Verb device_verb() {
  Verb verb;
  verb.name = "device";
  verb.summary = "Link budget, noise budget and fidelity cross-check of a device";
  verb.description =
      "Follows the light of one dot product from the laser's facet to the photodiode, lists every\n"
      "noise term, says between which powers shot noise dominates and whether a Gaussian will do,\n"
      "and measures the same dot product at the three fidelities.";
  verb.examples = {"attojoule device ideal-shot-noise",
                   "attojoule device ideal-shot-noise --photons 0.2 --dot-length 16 --json"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<DeviceOptions>();
    app.add_option("device", options->device, "Preset's name, or a device.yaml")->required();
    app.add_option("--set", options->set, "Overrides a value: receiver.capacitance=1pF");
    app.add_option("--photons", options->photons, "Photons per multiplication, both beams")
        ->capture_default_str();
    app.add_option("--dot-length", options->length, "Multiplications of the dot product")
        ->capture_default_str();
    app.add_option("--correlation", options->correlation, "w.x / (|w||x|) of the example")
        ->capture_default_str();
    app.add_option("--trials", options->trials, "Dot products measured a fidelity")
        ->capture_default_str();
    app.add_option("--seed", options->seed, "Of the random numbers")->capture_default_str();
    app.add_option("--waveform", options->waveform, "Writes the first dot product in time (HDF5)");
    app.add_flag("--json", options->json, "One JSON object instead of text");
    return [options](const Streams& streams) { return describe(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
