#include "tools/run_measurement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "photonics/error.hpp"

namespace attojoule::tools {
namespace {

// Samples on which signal and noise power of every layer are measured.
constexpr std::int64_t statistics_images = 64;

std::vector<LayerReport> report_layers(
    Simulation& simulation, const std::vector<network::ProductOperatingPoint>& all_points,
    const std::vector<network::ProductNoise>& noise, const network::PassResult& statistics,
    const std::vector<network::ProductRecord>& totals, const network::EnergyLedger& ledger,
    double samples) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const auto& products = simulation.program().products();
  const bool counting = simulation.experiment().law == photonics::Law::counting;
  std::vector<LayerReport> layers;
  for (std::size_t i = 0; i < products.size(); ++i) {
    LayerReport layer;
    layer.name = products[i].name;
    layer.kind = network::to_string(products[i].kind);
    layer.macs = products[i].macs();
    layer.dot_length = products[i].dot_length;
    layer.digital = noise[i].kind == network::NoiseKind::none;
    layer.transmission = nan;
    const auto& record = statistics.totals[i];
    layer.saturated_fraction = record.operands > 0 ? record.saturated / record.operands : nan;
    if (layer.digital) {
      layer.photons_per_mac = layer.repetitions = layer.snr_db = layer.noise_bits =
          layer.optical_attojoule_per_mac = layer.attojoule_per_mac = nan;
      layers.push_back(layer);
      continue;
    }
    const auto macs = static_cast<double>(layer.macs);
    const double outputs =
        static_cast<double>(products[i].outputs()) * static_cast<double>(statistics.correct.size());
    const auto& points = all_points[i];
    const auto channels = static_cast<double>(points.size());
    for (const auto& point : points) {
      layer.photons_per_mac += point.photons_per_mac / channels;
      layer.repetitions += point.repetitions / channels;
    }
    layer.snr_db = record.variance > 0 ? 10 * std::log10(record.signal / record.variance) : nan;
    layer.noise_bits = record.variance > 0
                           ? photonics::noise_bits(record.output_high - record.output_low,
                                                   std::sqrt(record.variance / outputs))
                           : nan;
    const auto& energy = ledger.layers[i].joule_per_inference;
    layer.optical_attojoule_per_mac =
        energy[static_cast<std::size_t>(network::EnergyComponent::optical_detected)] / macs * 1e18;
    layer.attojoule_per_mac = network::total(energy) / macs * 1e18;
    if (counting) layer.transmission = totals[i].transmission / samples;
    layers.push_back(layer);
  }
  return layers;
}

// Root mean square of w.x / (|w| |x|) over the outputs, from the power of the signal and that of
// the noise, which is c_wx |w|^2 |x|^2 + c_y y^2; NaN where the noise has other terms as well.
double measured_correlation(const network::ProductNoise& noise,
                            const network::ProductRecord& record) {
  double product = 0, signal = 0;
  for (const auto& model : noise.models) {
    const auto& v = model.variance;
    if (v.constant != 0 || v.weight_norm != 0 || v.input_norm != 0) {
      return std::numeric_limits<double>::quiet_NaN();
    }
    product += v.norm_product / static_cast<double>(noise.models.size());
    signal += v.signal / static_cast<double>(noise.models.size());
  }
  const double norms = (record.variance - signal * record.signal) / product;
  return record.signal > 0 && norms > 0 ? std::min(1.0, std::sqrt(record.signal / norms))
                                        : std::numeric_limits<double>::quiet_NaN();
}

// Mean squares over full scale: those of the weights are known, those of the inputs follow from the
// light that arrived.
void measure_light(const photonics::Device& device, const network::MatrixProduct& product,
                   const network::LayerEnergy& layer, network::CostRequest& request) {
  const double arriving =
      layer.light.detected / (device.detector.quantum_efficiency * layer.light.full_scale);
  const double share = device.receiver.signal_beam_share;
  if (product.weight_norms.empty()) {
    request.mean_square_input = request.mean_square_weight = arriving;
    return;
  }
  double norms = 0;
  for (const double norm : product.weight_norms) norms += norm;
  const double full = product.weight_absolute_maximum * product.weight_absolute_maximum *
                      static_cast<double>(product.dot_length);
  request.mean_square_weight = norms / static_cast<double>(product.weight_norms.size()) / full;
  request.mean_square_input = (arriving - (1 - share) * request.mean_square_weight) / share;
}

}  // namespace

std::vector<network::LayerQuestion> layer_questions(
    Simulation& simulation, const std::vector<network::ProductOperatingPoint>& points,
    const RunMeasurement& measurement) {
  const Experiment& experiment = simulation.experiment();
  const auto& products = simulation.program().products();
  std::vector<network::LayerQuestion> questions(products.size());
  for (std::size_t i = 0; i < products.size(); ++i) {
    const network::ProductNoise& noise = measurement.noise[i];
    if (noise.kind == network::NoiseKind::none) continue;
    network::LayerQuestion& question = questions[i];
    question.product = &products[i];
    question.points = points[i];
    question.request.law = experiment.law;
    question.request.encoding = experiment.encoding;
    question.correlation = measured_correlation(noise, measurement.statistics.totals[i]);
    if (experiment.law == photonics::Law::homodyne &&
        experiment.encoding == photonics::Encoding::full_scale) {
      measure_light(experiment.device, products[i], measurement.report.energy.layers[i],
                    question.request);
    }
  }
  return questions;
}

std::vector<network::ProductRecord> sum_totals(const std::vector<network::PassResult>& passes) {
  std::vector<network::ProductRecord> totals = passes[0].totals;
  for (std::size_t k = 1; k < passes.size(); ++k) {
    for (std::size_t i = 0; i < totals.size(); ++i) {
      totals[i].photons += passes[k].totals[i].photons;
      totals[i].photons_detected += passes[k].totals[i].photons_detected;
      totals[i].transmission += passes[k].totals[i].transmission;
    }
  }
  return totals;
}

RunMeasurement measure_run(Simulation& simulation,
                           const std::vector<network::ProductOperatingPoint>& points, bool logits,
                           const network::Progress& done,
                           const std::function<void(const std::string&)>& stage) {
  const Experiment& experiment = simulation.experiment();
  RunMeasurement measurement;
  RunReport& report = measurement.report;
  report.model = experiment.model.filename().string();
  report.device = experiment.device.name;
  report.images = simulation.images();
  report.seeds = experiment.seeds;
  report.outputs = simulation.program().output_size();
  for (const auto& product : simulation.program().products()) report.macs += product.macs();
  report.mean_photons_per_mac =
      mean_photons_per_mac(simulation.program(), points, simulation.digital());

  measurement.noise = simulation.set_points(points);
  const auto& noise = measurement.noise;
  stage("without noise");
  network::PassRequest clean;
  clean.images = report.images;
  clean.keep_logits = logits;
  clean.keep_losses = true;
  measurement.clean = simulation.evaluator().run(clean, done);
  report.clean_accuracy = measurement.clean.accuracy();
  report.clean_logits = std::move(measurement.clean.logits);

  network::PassRequest statistics;
  statistics.images = std::min(report.images, statistics_images);
  statistics.statistics = true;
  measurement.statistics = simulation.evaluator().run(statistics, {});

  stage("under noise");
  measurement.passes =
      simulation.noisy_passes(report.images, report.seeds, logits, [&](std::int64_t in_passes) {
        if (done) done(report.images + in_passes);
      });
  report.noisy = network::estimate_accuracy(measurement.passes, simulation.noise_shared_by_pass());
  report.noisy_logits = std::move(measurement.passes[0].logits);
  const double samples = static_cast<double>(report.images) * report.seeds;
  const auto totals = sum_totals(measurement.passes);
  report.energy =
      network::account_energy(experiment.device, simulation.program(), noise, totals, samples);
  report.layers = report_layers(simulation, points, noise, measurement.statistics, totals,
                                report.energy, samples);
  return measurement;
}

}  // namespace attojoule::tools
