#include "tools/run_report.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tools/energy_output.hpp"
#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

using network::EnergyComponent;

std::string cell(double value, int digits) {
  return std::isnan(value) ? "-" : significant(value, digits);
}

std::string fixed(double value, int decimals) {
  return std::isnan(value) ? "-" : fmt::format("{:.{}f}", value, decimals);
}

// JSON has no NaN: what does not apply is null.
nlohmann::ordered_json number(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

struct Column {
  const char* name;
  const char* units;
  const char* long_name;
  double (*value)(const LayerReport&);
};

// The numeric columns of a layer, for JSON and HDF5 alike.
constexpr std::array layer_columns{
    Column{"photons_per_mac", "photon/MAC", "photons per multiplication, both beams",
           [](const LayerReport& l) { return l.photons_per_mac; }},
    Column{"repetitions", "1", "repetitions averaged",
           [](const LayerReport& l) { return l.repetitions; }},
    Column{"snr_db", "dB", "signal to noise ratio of the outputs",
           [](const LayerReport& l) { return l.snr_db; }},
    Column{"noise_bits", "bit", "bits whose rounding error equals the noise",
           [](const LayerReport& l) { return l.noise_bits; }},
    Column{"optical_attojoule_per_mac", "aJ", "detected light per MAC",
           [](const LayerReport& l) { return l.optical_attojoule_per_mac; }},
    Column{"attojoule_per_mac", "aJ", "energy of all components per MAC",
           [](const LayerReport& l) { return l.attojoule_per_mac; }},
    Column{"saturated_fraction", "1", "operands beyond the quantiser's range or full scale",
           [](const LayerReport& l) { return l.saturated_fraction; }},
};

void print_rounded(const RunReport& report, std::ostream& out) {
  if (std::isnan(report.rounded_accuracy)) return;
  out << fmt::format("rounded   {:.2f} % without noise, every output rounded to its noise bits\n",
                     report.rounded_accuracy * 100);
}

}  // namespace

void print_table(const RunReport& report, std::ostream& out) {
  out << fmt::format("{} on {}: {} images, {} noise seed{}\n\n", report.model, report.device,
                     report.images, report.seeds, report.seeds == 1 ? "" : "s");
  std::vector<std::vector<std::string>> rows;
  bool transmission = false;
  bool saturation = false;
  for (const LayerReport& layer : report.layers) {
    transmission = transmission || !std::isnan(layer.transmission);
    saturation = saturation || !std::isnan(layer.saturated_fraction);
  }
  for (const LayerReport& layer : report.layers) {
    rows.push_back({layer.name, layer.digital ? "digital" : layer.kind,
                    significant(static_cast<double>(layer.macs), 4),
                    std::to_string(layer.dot_length), cell(layer.photons_per_mac, 4),
                    cell(layer.repetitions, 3), fixed(layer.snr_db, 1), fixed(layer.noise_bits, 2),
                    cell(layer.optical_attojoule_per_mac, 4), cell(layer.attojoule_per_mac, 4)});
    if (transmission) rows.back().push_back(fixed(layer.transmission, 3));
    if (saturation) rows.back().push_back(cell(layer.saturated_fraction * 100, 2));
  }
  std::vector<std::string> head{"layer",        "kind",      "MACs",   "D",
                                "photons/MAC",  "repeats",   "SNR dB", "noise bits",
                                "light aJ/MAC", "all aJ/MAC"};
  if (transmission) head.emplace_back("transmission");
  if (saturation) head.emplace_back("saturated %");
  out << format_table(head, rows) << "\n";

  print_ledger(report.energy, out);
  if (report.analysis) print_analysis(report.energy, *report.analysis, out);

  if (!report.curve.empty()) {
    std::vector<std::vector<std::string>> points;
    for (const CurvePoint& point : report.curve) {
      points.push_back(
          {significant(point.photons_per_mac, 4), significant(point.optical_attojoule_per_mac, 4),
           fmt::format("{:.2f} ± {:.2f}", point.accuracy.mean * 100, point.accuracy.ci95 * 100)});
    }
    out << fmt::format("Accuracy over light ({} images, {} seeds):\n", report.curve_images,
                       report.curve_seeds)
        << format_table({"photons/MAC", "light aJ/MAC", "accuracy %"}, points) << "\n";
  }
  out << fmt::format(
      "accuracy  clean {:.2f} %   noisy {:.2f} ± {:.2f} % (95 %, noise; ± {:.2f} over images)\n"
      "light     {} aJ/MAC detected   energy {} aJ/MAC in total, {} J per inference of {} MAC\n",
      report.clean_accuracy * 100, report.noisy.mean * 100, report.noisy.ci95 * 100,
      report.noisy.ci95_images * 100,
      significant(report.energy.attojoule_per_mac(EnergyComponent::optical_detected), 4),
      significant(report.energy.total_attojoule_per_mac(), 4),
      significant(network::total(report.energy.joule_per_inference), 4),
      significant(static_cast<double>(report.macs), 4));
  print_rounded(report, out);
}

nlohmann::ordered_json run_json(const RunReport& report) {
  nlohmann::ordered_json json;
  json["model"] = report.model;
  json["device"] = report.device;
  json["accuracy"] = {{"clean", report.clean_accuracy}, {"noisy", report.noisy.mean},
                      {"ci95", report.noisy.ci95},      {"ci95_images", report.noisy.ci95_images},
                      {"images", report.images},        {"seeds", report.seeds}};
  if (!std::isnan(report.rounded_accuracy)) {
    json["accuracy"]["rounded_to_noise_bits"] = report.rounded_accuracy;
  }
  json["macs"] = report.macs;
  json["mean_photons_per_mac"] = number(report.mean_photons_per_mac);
  json["energy"] = ledger_json(report.energy);
  if (report.analysis) add_analysis(*report.analysis, json["energy"]);
  json["layers"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    const LayerReport& layer = report.layers[i];
    nlohmann::ordered_json entry;
    entry["name"] = layer.name;
    entry["kind"] = layer.kind;
    entry["digital"] = layer.digital;
    entry["macs"] = layer.macs;
    entry["dot_length"] = layer.dot_length;
    for (const Column& column : layer_columns) entry[column.name] = number(column.value(layer));
    if (!std::isnan(layer.transmission)) entry["transmission"] = layer.transmission;
    add_joules(report.energy.layers[i], entry);
    json["layers"].push_back(entry);
  }
  if (!report.curve.empty()) {
    json["sweep"] = nlohmann::ordered_json::array();
    for (const CurvePoint& point : report.curve) {
      json["sweep"].push_back({{"photons_per_mac", point.photons_per_mac},
                               {"optical_attojoule_per_mac", point.optical_attojoule_per_mac},
                               {"accuracy", point.accuracy.mean},
                               {"ci95", point.accuracy.ci95}});
    }
  }
  return json;
}

void write_result(const RunReport& report, data::ResultWriter& writer) {
  writer.scalar("/accuracy/clean", report.clean_accuracy, "1", "accuracy without noise");
  writer.scalar("/accuracy/noisy", report.noisy.mean, "1", "mean accuracy under noise");
  writer.scalar("/accuracy/ci95", report.noisy.ci95, "1",
                "half width of the 95 % confidence interval over the noise");
  writer.scalar("/accuracy/ci95_images", report.noisy.ci95_images, "1",
                "half width of the 95 % confidence interval over the choice of images");
  writer.scalar("/accuracy/images", static_cast<double>(report.images), "1", "images");
  writer.scalar("/accuracy/seeds", report.seeds, "1", "noise seeds");
  if (!std::isnan(report.rounded_accuracy)) {
    writer.scalar("/accuracy/rounded_to_noise_bits", report.rounded_accuracy, "1",
                  "accuracy without noise, outputs rounded to their noise bits");
  }
  writer.scalar("/macs", static_cast<double>(report.macs), "MAC",
                "multiplications of one inference");
  writer.scalar("/mean_photons_per_mac", report.mean_photons_per_mac, "photon/MAC",
                "photons per multiplication, repetitions included, mean of analogue products");

  std::vector<std::string> names, kinds;
  std::vector<std::int64_t> macs, lengths;
  std::vector<double> transmission;
  bool has_transmission = false;
  for (const LayerReport& layer : report.layers) {
    names.push_back(layer.name);
    kinds.push_back(layer.digital ? "digital" : layer.kind);
    macs.push_back(layer.macs);
    lengths.push_back(layer.dot_length);
    transmission.push_back(layer.transmission);
    has_transmission = has_transmission || !std::isnan(layer.transmission);
  }
  const data::AxisPaths by_layer{"/layers/name"};
  writer.axis("/layers/name", names, "node of the network");
  writer.write("/layers/kind", kinds, by_layer, "kind of matrix product");
  writer.write("/layers/macs", macs, by_layer, "MAC", "multiplications of one inference");
  writer.write("/layers/dot_length", lengths, by_layer, "1", "multiplications of one output");
  for (const Column& column : layer_columns) {
    std::vector<double> values;
    for (const LayerReport& layer : report.layers) values.push_back(column.value(layer));
    writer.write(std::string("/layers/") + column.name, values, by_layer, column.units,
                 column.long_name);
  }
  if (has_transmission) {
    writer.write("/layers/transmission", transmission, by_layer, "1",
                 "mean transmission of the weights");
  }
  write_ledger(report.energy, writer);
  if (report.analysis) write_analysis(*report.analysis, writer);

  if (!report.curve.empty()) {
    std::vector<double> photons, light, accuracy, ci95;
    for (const CurvePoint& point : report.curve) {
      photons.push_back(point.photons_per_mac);
      light.push_back(point.optical_attojoule_per_mac);
      accuracy.push_back(point.accuracy.mean);
      ci95.push_back(point.accuracy.ci95);
    }
    const data::AxisPaths by_photons{"/sweep/photons_per_mac"};
    writer.axis("/sweep/photons_per_mac", photons, "photon/MAC", "photons per multiplication");
    writer.write("/sweep/optical_attojoule_per_mac", light, by_photons, "aJ",
                 "detected light per MAC");
    writer.write("/sweep/accuracy", accuracy, by_photons, "1", "mean accuracy under noise");
    writer.write("/sweep/ci95", ci95, by_photons, "1",
                 "half width of the 95 % confidence interval over the noise");
  }
  if (!report.clean_logits.empty()) {
    std::vector<double> samples, outputs;
    for (std::int64_t i = 0; i < report.images; ++i) samples.push_back(static_cast<double>(i));
    for (std::int64_t i = 0; i < report.outputs; ++i) outputs.push_back(static_cast<double>(i));
    writer.axis("/logits/sample", samples, "1", "index of the input in its data set");
    writer.axis("/logits/output", outputs, "1", "output of the network");
    const data::AxisPaths axes{"/logits/sample", "/logits/output"};
    writer.write("/logits/clean", report.clean_logits, axes, "1", "outputs without noise");
    writer.write("/logits/noisy", report.noisy_logits, axes, "1",
                 "outputs under noise, first seed");
  }
}

}  // namespace attojoule::tools
