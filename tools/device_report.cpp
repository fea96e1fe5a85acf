#include "tools/device_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/operating_point_file.hpp"
#include "photonics/error.hpp"
#include "photonics/homodyne_receiver.hpp"
#include "photonics/random.hpp"
#include "photonics/read_out.hpp"
#include "photonics/units.hpp"
#include "tools/operating_points.hpp"

namespace attojoule::tools {
namespace {

using namespace photonics;

constexpr double largest_counts_of_distance = 1e7;

DotProduct product_of(const DeviceRequest& request) {
  const double full_scale = request.crest / std::sqrt(static_cast<double>(request.length));
  return {.length = request.length,
          .weight_full_scale = full_scale,
          .input_full_scale = full_scale,
          // Normally distributed values of correlation rho: <w^2 x^2> / (<w^2> <x^2>).
          .slot_unevenness = 1 + 2 * request.correlation * request.correlation};
}

void check(const DeviceRequest& request) {
  if (request.length < 1 || request.trials < 2 || !(std::abs(request.correlation) <= 1)) {
    throw ConfigError(
        "device: --dot-length below 1, --trials below 2 or --correlation outside [-1, 1] (there is "
        "nothing to measure). Correct it.");
  }
  if (!(request.crest >= 1 && std::isfinite(request.crest))) {
    throw ConfigError(fmt::format(
        "device: --crest {} (the largest value is at least as large as the root mean square). Give "
        "1 or more.",
        request.crest));
  }
}

// Running mean and variance of errors.
class Spread {
 public:
  void add(double value) {
    ++count_;
    const double delta = value - mean_;
    mean_ += delta / count_;
    squares_ += delta * (value - mean_);
  }
  FidelityRow row(const char* name) const {
    const double sigma = std::sqrt(squares_ / (count_ - 1));
    return {name, mean_, sigma / std::sqrt(count_), sigma};
  }

 private:
  double count_ = 0, mean_ = 0, squares_ = 0;
};

double variance_of(const VarianceCoefficients& c, const Operands& v) {
  return c.constant + c.weight_norm * v.weight_norm2 + c.input_norm * v.input_norm2 +
         c.norm_product * v.weight_norm2 * v.input_norm2 + c.signal * v.y * v.y;
}

// The same dot products at the three fidelities. The variance of the analytic one is averaged over
// their operands, whose slots are known here.
std::vector<FidelityRow> cross_check(const Device& device, const DeviceRequest& request,
                                     const OperatingPoint& point,
                                     const std::function<void(std::int64_t)>& progress) {
  DotProduct product = product_of(request);
  product.slot_unevenness = 0;
  const double slot_rin = device.laser.rin_common_to_slots
                              ? 0
                              : device.laser.rin_per_hz / (2 * device.receiver.integration_time_s);
  const NoiseModel model =
      compile_noise_model(device, Law::homodyne, Encoding::normalised, point, product);
  const HomodyneCounts counts =
      compile_homodyne_counts(device, Encoding::normalised, point, product);
  const WaveformReceiver receiver(device, Encoding::normalised, point, product);
  double variance = 0;
  Spread counting, waveform;
  for (int trial = 0; trial < request.trials; ++trial) {
    const auto number = static_cast<std::uint64_t>(trial);
    const Operands v = draw_operands(request, number);
    variance += (variance_of(model.variance, v) + slot_rin * v.slot_squares) / request.trials;

    RandomSequence count_draws({.seed = request.seed, .domain = NoiseDomain::photon_count}, number);
    const CountMeans means = counts.means(v.y, v.weight_norm2, v.input_norm2);
    const auto difference =
        static_cast<double>(sample_skellam(means.plus, means.minus, count_draws));
    const double residual = std::sqrt(variance_of(counts.residual, v) + slot_rin * v.slot_squares);
    const double counted = (difference - counts.offset(v.weight_norm2, v.input_norm2)) /
                           counts.gain_of(v.weight_norm2, v.input_norm2);
    counting.add(counted + residual * count_draws.normal() - v.y);

    RandomSequence time_draws({.seed = request.seed, .domain = NoiseDomain::laser}, number);
    waveform.add(receiver.measure(v.w, v.x, time_draws).estimate - v.y);
    if (progress) progress(trial + 1);
  }
  return {
      {"analytic", 0, 0, std::sqrt(variance)}, counting.row("counting"), waveform.row("waveform")};
}

GaussianDistance distance_at(const Device& device, const DeviceRequest& request, double photons) {
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  if (photons * static_cast<double>(request.length) > largest_counts_of_distance) {
    return {unknown, unknown};
  }
  const HomodyneCounts counts = compile_homodyne_counts(
      device, Encoding::normalised, {.photons_per_mac = photons}, product_of(request));
  return gaussian_distance(counts, request.correlation, 1, 1);
}

// Symbols of equal light and random sign in beam x, all plus in beam w: what an eye diagram is of.
Operands random_signs(const DeviceRequest& request) {
  const auto size = static_cast<std::size_t>(request.length);
  const auto amplitude = static_cast<float>(1 / std::sqrt(static_cast<double>(request.length)));
  Operands v;
  v.w.assign(size, amplitude);
  v.x.resize(size);
  fill_uniform({.seed = request.seed, .domain = NoiseDomain::test, .read = 2}, 0, v.x);
  for (float& x : v.x) {
    x = x < 0.5f ? -amplitude : amplitude;
    v.y += static_cast<double>(x) * static_cast<double>(amplitude);
  }
  return v;
}

void write_trace(data::ResultWriter& writer, const std::string& group, const WaveformTrace& trace,
                 int samples_per_slot) {
  std::vector<double> time, current;
  const double per_step = 1 / trace.step_s;
  for (std::size_t i = 0; i < trace.charge.size(); ++i) {
    time.push_back((static_cast<double>(i) + 0.5) * trace.step_s);
    current.push_back((trace.electrons_plus[i] - trace.electrons_minus[i]) * per_step);
  }
  const std::string axis = group + "/time";
  const auto write = [&](const char* name, const std::vector<double>& values, const char* units,
                         const char* what) {
    writer.write(group + "/" + name, values, {axis}, units, what);
  };
  writer.axis(axis, time, "s", "middle of the sample");
  write("field_x", trace.field_x, "sqrt(photon/s)", "beam x");
  write("field_w", trace.field_w, "sqrt(photon/s)", "beam w");
  write("electrons_plus", trace.electrons_plus, "electron",
        "released in the plus diode in the sample");
  write("electrons_minus", trace.electrons_minus, "electron",
        "released in the minus diode in the sample");
  write("current", current, "electron/s", "photocurrent, plus - minus diode");
  write("charge", trace.charge, "electron",
        "held by the integrator at the end of the sample, plus - minus");
  if (!trace.output_v.empty()) {
    write("output", trace.output_v, "V", "of the receiver at the end of the sample");
  }
  writer.scalar(group + "/slot_time", trace.step_s * samples_per_slot, "s", "of one symbol");
  writer.scalar(group + "/samples_per_slot", samples_per_slot, "1", "samples of a symbol");
}

template <class Value>
std::vector<double> column(const std::vector<PowerPoint>& sweep, Value value) {
  std::vector<double> result;
  for (const PowerPoint& point : sweep) result.push_back(value(point));
  return result;
}

}  // namespace

Operands draw_operands(const DeviceRequest& request, std::uint64_t trial) {
  const auto size = static_cast<std::size_t>(request.length);
  Operands v;
  v.w.resize(size);
  v.x.resize(size);
  const RandomStream stream{.seed = request.seed,
                            .domain = NoiseDomain::test,
                            .sample = static_cast<std::uint32_t>(trial)};
  RandomStream other = stream;
  other.read = 1;
  fill_normal(stream, 0, v.w);
  fill_normal(other, 0, v.x);
  const double rho = request.correlation;
  const auto mixed = static_cast<float>(rho);
  const auto own = static_cast<float>(std::sqrt(std::max(0.0, 1 - rho * rho)));
  for (std::size_t k = 0; k < size; ++k) v.x[k] = mixed * v.w[k] + own * v.x[k];
  const auto full_scale =
      static_cast<float>(request.crest / std::sqrt(static_cast<double>(request.length)));
  const auto normalise = [&](std::vector<float>& values) {
    double norm2 = 0;
    for (const float a : values) norm2 += static_cast<double>(a) * static_cast<double>(a);
    const auto inverse = static_cast<float>(1 / std::sqrt(norm2));
    for (float& a : values) a = std::clamp(a * inverse, -full_scale, full_scale);
  };
  normalise(v.w);
  normalise(v.x);
  for (std::size_t k = 0; k < size; ++k) {
    const double a = static_cast<double>(v.w[k]), b = static_cast<double>(v.x[k]);
    v.y += a * b;
    v.weight_norm2 += a * a;
    v.input_norm2 += b * b;
    v.slot_squares += a * b * a * b * static_cast<double>(size);
  }
  return v;
}

DeviceBudget budget_of_device(const Device& device, const DeviceRequest& request) {
  check(request);
  const DotProduct product = product_of(request);
  DeviceBudget result;
  // The photons are those that arrive: full-scale symbols have crest^2 of them.
  const double square = 1 / (request.crest * request.crest);
  result.link = link_budget(device, {.photons_per_mac = request.photons / square}, product,
                            {.mean_square_x = square, .mean_square_w = square});
  result.budget =
      noise_budget(device, {.photons_per_mac = request.photons}, product, request.correlation);
  result.range = shot_noise_range(device, product, request.correlation);
  result.power_per_photon_w = result.budget.power_w / request.photons;
  return result;
}

DeviceReport report_on_device(const Device& device, const DeviceRequest& request,
                              const std::function<void(std::int64_t)>& progress) {
  DeviceReport report;
  static_cast<DeviceBudget&>(report) = budget_of_device(device, request);
  report.device = device;
  report.request = request;
  report.product = product_of(request);
  const OperatingPoint point{.photons_per_mac = request.photons};
  const NoiseModel model =
      compile_noise_model(device, Law::homodyne, Encoding::normalised, point, report.product);
  report.clipping_correlation = model.clipping_correlation;
  report.diode_compression = model.diode_compression;
  report.gaussian = gaussian_distance(
      compile_homodyne_counts(device, Encoding::normalised, point, report.product),
      request.correlation, 1, 1);
  report.automatic = choose_fidelity(report.gaussian);
  for (int i = -8; i <= 28; ++i) {
    const double photons = std::pow(10.0, i / 4.0);
    try {
      report.sweep.push_back(
          {photons,
           noise_budget(device, {.photons_per_mac = photons}, report.product, request.correlation),
           distance_at(device, request, photons)});
    } catch (const ConfigError&) {
      break;  // a single slot overfills the well, and more light does so too
    }
  }
  report.fidelities = cross_check(device, request, point, progress);
  return report;
}

std::vector<LayerPoint> report_on_layers(const Device& device, const DeviceRequest& request,
                                         const std::filesystem::path& file, bool length_is_given) {
  const auto table = data::read_operating_points(file);
  const Law law = law_of(file, table);
  if (law != Law::homodyne && law != Law::garg_shot) {
    throw ConfigError(fmt::format(
        "operating_point.file: {} is of law: {} (its energies are not photons at a homodyne "
        "receiver). Give points of homodyne or garg-shot.",
        file.string(), table.law));
  }
  std::vector<LayerPoint> layers;
  for (const auto& layer : table.layers) {
    if (layer.points.empty()) {
      throw ConfigError(fmt::format("operating_point.file: {}: no point of '{}'. Add it.",
                                    file.string(), layer.name));
    }
    LayerPoint own;
    own.name = layer.name;
    own.length = layer.dot_length;
    if (own.length == 0) {
      if (!length_is_given) {
        throw ConfigError(fmt::format(
            "operating_point.file: {} does not say the dot length of '{}' (noise depends on it). "
            "Add dot_length, or give one for all with --dot-length.",
            file.string(), layer.name));
      }
      own.length = request.length;
    }
    OperatingPoint mean{0, 0, 0};
    const auto count = static_cast<double>(layer.points.size());
    own.lowest_photons = own.highest_photons = layer.points[0].photons_per_mac;
    for (const auto& point : layer.points) {
      mean.photons_per_mac += point.photons_per_mac;
      mean.repetitions += point.repetitions;
      mean.integrations += point.integrations;
      own.lowest_photons = std::min(own.lowest_photons, point.photons_per_mac);
      own.highest_photons = std::max(own.highest_photons, point.photons_per_mac);
    }
    own.photons = mean.photons_per_mac / count;
    own.repetitions = mean.repetitions / count;
    own.integrations = mean.integrations / count;
    DeviceRequest at = request;
    at.length = own.length;
    const DotProduct product = product_of(at);
    // A budget is that of whole integration times: the nearest to the mean where channels differ.
    const OperatingPoint once{own.photons, 1, std::round(own.integrations)};
    try {
      own.reads =
          own.repetitions * static_cast<double>(cut_into_chunks(device, once, product).count);
      own.budget = noise_budget(device, once, product, request.correlation);
    } catch (const ConfigError& error) {
      throw ConfigError(
          fmt::format("operating_point.file: {}: {}: {}", file.string(), layer.name, error.what()));
    }
    own.snr_db = own.budget.snr_db() + 10 * std::log10(own.repetitions);
    // A mean of K is log2(K) / 2 bits better.
    NoiseBudget averaged = own.budget;
    averaged.variance /= own.repetitions;
    own.effective_bits = averaged.effective_bits();
    own.noise_bits = averaged.bits();
    for (const NoiseTerm& term : own.budget.terms) {
      if (term.name.starts_with("shot noise")) own.shot_share += term.variance;
    }
    own.shot_share /= own.budget.variance;
    layers.push_back(own);
  }
  return layers;
}

namespace {

void write_layers(data::ResultWriter& writer, const std::vector<LayerPoint>& layers) {
  if (layers.empty()) return;
  std::vector<std::string> names;
  for (const LayerPoint& layer : layers) names.push_back(layer.name);
  const std::string axis = "/layers/name";
  writer.axis(axis, names, "layer of the file of operating points");
  const auto write = [&](const char* name, const char* units, const char* what, auto value) {
    std::vector<double> values;
    for (const LayerPoint& layer : layers) values.push_back(value(layer));
    writer.write(std::string("/layers/") + name, values, {axis}, units, what);
  };
  write("dot_length", "1", "multiplications of one output",
        [](const LayerPoint& l) { return static_cast<double>(l.length); });
  write("photons_per_mac", "photon/MAC", "of one repetition, mean over channels",
        [](const LayerPoint& l) { return l.photons; });
  write("repetitions", "1", "mean repetitions", [](const LayerPoint& l) { return l.repetitions; });
  write("integrations", "1", "mean lengthening of the integration",
        [](const LayerPoint& l) { return l.integrations; });
  write("reads", "1", "of one dot product", [](const LayerPoint& l) { return l.reads; });
  write("power", "W", "optical power at the receiver, both beams",
        [](const LayerPoint& l) { return l.budget.power_w; });
  write("snr", "dB", "signal to noise ratio, repetitions averaged",
        [](const LayerPoint& l) { return l.snr_db; });
  write("enob", "bit", "effective number of bits of the whole range",
        [](const LayerPoint& l) { return l.effective_bits; });
  write("noise_bits", "bit", "bits whose rounding error equals the noise",
        [](const LayerPoint& l) { return l.noise_bits; });
  write("shot_share", "1", "shot noise in the variance",
        [](const LayerPoint& l) { return l.shot_share; });
}

}  // namespace

void write_device_report(data::ResultWriter& writer, const DeviceReport& report) {
  write_layers(writer, report.layers);
  writer.scalar("/operating_point/photons_per_mac", report.request.photons, "photon/MAC",
                "photons per multiplication at the receiver, both beams");
  writer.scalar("/operating_point/dot_length", static_cast<double>(report.request.length), "MAC",
                "multiplications of the dot product");
  writer.scalar("/operating_point/correlation", report.request.correlation, "1", "w.x / (|w| |x|)");
  writer.scalar("/operating_point/crest", report.request.crest, "1",
                "full scale of the modulators over the rms of the values");

  std::vector<std::string> elements;
  std::vector<double> loss_x, loss_w, power_x, power_w;
  for (const LinkPoint& p : report.link.points) {
    elements.push_back(p.element);
    loss_x.push_back(p.loss_x_db);
    loss_w.push_back(p.loss_w_db);
    power_x.push_back(p.power_x_w);
    power_w.push_back(p.power_w_w);
  }
  const std::string element = "/link/element";
  writer.axis(element, elements, "element of the path, from the laser's facet");
  writer.write("/link/loss_x", loss_x, {element}, "dB", "loss of beam x in the element");
  writer.write("/link/loss_w", loss_w, {element}, "dB", "loss of beam w in the element");
  writer.write("/link/power_x", power_x, {element}, "W", "power of beam x behind the element");
  writer.write("/link/power_w", power_w, {element}, "W", "power of beam w behind the element");
  writer.scalar("/link/facet_power", report.link.facet_power_w, "W",
                "one transmitter of each beam at the laser's facet");
  writer.scalar("/link/margin", report.link.margin_db, "dB",
                "largest power of the laser over the facet power");

  std::vector<std::string> names;
  std::vector<double> rms, share;
  for (const NoiseTerm& term : report.budget.terms) {
    names.push_back(term.name);
    rms.push_back(std::sqrt(term.variance));
    share.push_back(term.variance / report.budget.variance);
  }
  const std::string term = "/noise/term";
  writer.axis(term, names, "source of noise");
  writer.write("/noise/electrons_rms", rms, {term}, "electron", "root mean square of the term");
  writer.write("/noise/share", share, {term}, "1", "share of the variance");
  writer.scalar("/noise/total_rms", std::sqrt(report.budget.variance), "electron",
                "root mean square of all terms");
  writer.scalar("/noise/signal", report.budget.signal_electrons, "electron",
                "mean difference of the diodes");
  writer.scalar("/noise/power", report.budget.power_w, "W",
                "optical power at the receiver, both beams");
  writer.scalar("/noise/snr", report.budget.snr_db(), "dB", "signal to noise ratio");
  writer.scalar("/noise/enob", report.budget.effective_bits(), "bit",
                "effective number of bits of the whole range");
  writer.scalar("/noise/noise_bits", report.budget.bits(), "bit",
                "bits whose rounding error equals the noise");
  writer.scalar("/noise/shot_limited_above", report.range.lower, "photon/MAC",
                "shot noise is at least half of the variance from here");
  writer.scalar("/noise/shot_limited_below", report.range.upper, "photon/MAC", "to here");
  writer.scalar("/noise/shot_limited_above_power", report.range.lower * report.power_per_photon_w,
                "W", "optical power at the receiver, both beams");
  writer.scalar("/noise/shot_limited_below_power", report.range.upper * report.power_per_photon_w,
                "W", "optical power at the receiver, both beams");
  writer.scalar("/noise/clipping_correlation", report.clipping_correlation, "1",
                "|w.x| / (|w| |x|) from which the converter clips");
  writer.scalar("/noise/diode_compression", report.diode_compression, "1",
                "largest share of its current that a diode loses to saturation");

  const std::string photons = "/sweep/photons_per_mac", kind = "/sweep/term";
  const auto write = [&](const char* name, auto value, const char* units, const char* what) {
    writer.write(std::string("/sweep/") + name, column(report.sweep, value), {photons}, units,
                 what);
  };
  writer.axis(photons, column(report.sweep, [](const PowerPoint& p) { return p.photons; }),
              "photon/MAC", "photons per multiplication");
  writer.axis(kind, names, "source of noise");
  std::vector<double> terms, shares;
  for (const PowerPoint& p : report.sweep) {
    for (const NoiseTerm& t : p.budget.terms) {
      terms.push_back(std::sqrt(t.variance));
      shares.push_back(t.variance / p.budget.variance);
    }
  }
  writer.write("/sweep/electrons_rms", terms, {photons, kind}, "electron",
               "root mean square of the term");
  writer.write("/sweep/share", shares, {photons, kind}, "1", "share of the variance");
  write(
      "power", [](const PowerPoint& p) { return p.budget.power_w; }, "W",
      "optical power at the receiver, both beams");
  write(
      "signal", [](const PowerPoint& p) { return p.budget.signal_electrons; }, "electron",
      "mean difference of the diodes");
  write(
      "snr", [](const PowerPoint& p) { return p.budget.snr_db(); }, "dB", "signal to noise ratio");
  write(
      "enob", [](const PowerPoint& p) { return p.budget.effective_bits(); }, "bit",
      "effective number of bits of the whole range");
  write(
      "noise_bits", [](const PowerPoint& p) { return p.budget.bits(); }, "bit",
      "bits whose rounding error equals the noise");
  write(
      "kolmogorov", [](const PowerPoint& p) { return p.gaussian.kolmogorov; }, "1",
      "Kolmogorov distance of the Gaussian to the counts; NaN above 1e7 counts");
  write(
      "total_variation", [](const PowerPoint& p) { return p.gaussian.total_variation; }, "1",
      "total variation of the rounded Gaussian to the counts; NaN above 1e7 counts");

  writer.scalar("/gaussian/kolmogorov", report.gaussian.kolmogorov, "1",
                "Kolmogorov distance of the Gaussian to the counts");
  writer.scalar("/gaussian/total_variation", report.gaussian.total_variation, "1",
                "total variation of the rounded Gaussian to the counts");
  writer.scalar("/gaussian/auto",
                std::string(report.automatic == Fidelity::analytic ? "analytic" : "counting"),
                "what fidelity: auto takes");

  std::vector<std::string> fidelities;
  std::vector<double> bias, bias_error, sigma;
  for (const FidelityRow& row : report.fidelities) {
    fidelities.push_back(row.name);
    bias.push_back(row.bias);
    bias_error.push_back(row.bias_error);
    sigma.push_back(row.sigma);
  }
  const std::string fidelity = "/fidelity/name";
  writer.axis(fidelity, fidelities, "fidelity");
  writer.write("/fidelity/bias", bias, {fidelity}, "1", "mean error for |w| = |x| = 1");
  writer.write("/fidelity/bias_error", bias_error, {fidelity}, "1", "standard error of the bias");
  writer.write("/fidelity/sigma", sigma, {fidelity}, "1",
               "standard deviation of the error for |w| = |x| = 1");
  writer.scalar("/fidelity/trials", report.request.trials, "1", "dot products measured");
}

void write_waveform(data::ResultWriter& writer, const Device& device, const DeviceRequest& request,
                    int samples_per_slot) {
  check(request);
  const OperatingPoint point{.photons_per_mac = request.photons};
  const WaveformReceiver receiver(device, Encoding::normalised, point, product_of(request),
                                  samples_per_slot);
  const auto measure = [&](const std::string& group, const Operands& v) {
    WaveformTrace trace;
    RandomSequence random({.seed = request.seed, .domain = NoiseDomain::laser}, 0);
    const Reading reading = receiver.measure(v.w, v.x, random, &trace);
    write_trace(writer, group, trace, samples_per_slot);
    writer.scalar(group + "/value", v.y, "1", "w.x of the operands");
    writer.scalar(group + "/estimate", reading.estimate, "1", "w.x as it was read");
  };
  measure("/waveform", draw_operands(request, 0));
  measure("/eye", random_signs(request));
}

}  // namespace attojoule::tools
