// attojoule calibrate cmrr: common-mode rejection of a balanced detector.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cmath>
#include <memory>

#include "calibration/common_mode.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  FitKindOptions common;
  std::string frequency, one, both, rejection, floor, sigma;
  std::string reference = "one-diode";
};

// Electrical power of a level (dBm, dB, W) or of an amplitude (V, A).
std::vector<double> electrical_power(const LinearSignal& signal) {
  std::vector<double> values = signal.values;
  if (signal.unit == "V" || signal.unit == "A") {
    for (double& v : values) v *= v;
  }
  return values;
}

int run(const Options& options, const Streams& streams) {
  const auto table = read_only_file("cmrr", options.common);
  const ColumnWish one{
      "reference level",
      "--one",
      options.one,
      {"one", "one lit", "one diode", "single", "single diode", "P_one", "reference"},
      "dBm"};
  const ColumnWish both{"level with both diodes lit",
                        "--both",
                        options.both,
                        {"both", "both lit", "both diodes", "balanced", "P_both", "difference"},
                        "dBm"};
  // The difference itself, where both levels are not written.
  const ColumnWish ratio{"rejection", "--rejection", options.rejection, {}, "dB"};
  std::string ratio_column;
  if (!options.rejection.empty()) {
    ratio_column = require_column(table, ratio);
  } else if (options.one.empty() && options.both.empty()) {
    for (const char* name : {"CMRR", "rejection", "common mode rejection"}) {
      const std::string found = column_or_usual(table, name, {});
      const auto* column = table.find(found);
      if (ratio_column.empty() && column != nullptr && has_dimension(*column, "dB")) {
        ratio_column = found;
      }
    }
  }
  LinearSignal reference, balanced;
  if (ratio_column.empty()) {
    reference = linear_signal(table, one, {});
    balanced = linear_signal(table, both, {reference.column});
  } else {
    reference.column = balanced.column = ratio_column;
    reference.unit = balanced.unit = "1";
    reference.is_ratio = balanced.is_ratio = true;
    reference.values.assign(table.rows(), 1);
    // A gain of the difference is written negative.
    for (const double db : data::column_in(table, ratio_column, "dB")) {
      balanced.values.push_back(std::pow(10, -std::abs(db) / 10));
    }
  }
  if (reference.unit != balanced.unit) {
    throw DataError(
        fmt::format("{}: \"{}\" and \"{}\" are in different dimensions (their ratio is "
                    "wanted). Name others with --one and --both.",
                    table.file.string(), reference.column, balanced.column));
  }
  std::vector<double> floor;
  const char* floor_unit = reference.is_ratio ? "dB" : reference.unit == "W" ? "dBm" : "V";
  if (!options.floor.empty()) {
    const bool amplitude = reference.unit == "V" || reference.unit == "A";
    const std::string unit = amplitude ? reference.unit : floor_unit;
    const double level = option_quantity("--floor", options.floor, unit);
    const double power =
        amplitude ? level * level : std::pow(10, (level - (reference.is_ratio ? 0 : 30)) / 10);
    floor.assign(table.rows(), power);
  } else {
    for (const char* name : {"floor", "dark", "noise floor", "background"}) {
      if (floor.empty() && table.find(name) != nullptr) {
        floor = electrical_power(linear_signal(table, {"floor", "--floor", name, {}, "dBm"}, {}));
      }
    }
  }
  const ColumnWish frequency{
      "frequency", "--frequency", options.frequency, {"f", "frequency", "freq"}, "Hz"};
  const std::string frequency_column = find_column(table, frequency);
  std::vector<double> f;
  if (!frequency_column.empty()) f = values_of(table, frequency_column, frequency);
  const std::vector<double> p_one = electrical_power(reference);
  const std::vector<double> p_both = electrical_power(balanced);
  calibration::CommonModeData data;
  std::vector<calibration::RejectedPoint> outside;
  const auto range = options.common.parsed_range(
      frequency_column.empty() ? "" : table.column(frequency_column).unit);
  if (range && f.empty()) {
    throw ConfigError(
        "--range: the file has no frequency (it is the abscissa). Leave it out, or name it with "
        "--frequency.");
  }
  for (std::size_t i = 0; i < p_one.size(); ++i) {
    if (range) {
      const double own = table.column(frequency_column).values[i];
      if (own < range->first || own > range->second) {
        outside.push_back({place_of_row(table, i), "outside --range"});
        continue;
      }
    }
    data.reference.push_back(p_one[i]);
    data.both.push_back(p_both[i]);
    if (!floor.empty()) data.floor.push_back(floor[i]);
    if (!f.empty()) data.frequency_hz.push_back(f[i]);
    data.places.push_back(place_of_row(table, i));
  }
  data.sigma_db = optional_quantity("--sigma", options.sigma, "dB").value_or(0);
  if (options.common.known_sigma && !(data.sigma_db > 0)) {
    throw ConfigError(
        "--known-sigma: no standard deviation is given (nothing is known of the scatter). Pass "
        "--sigma 0.3dB.");
  }
  data.scale_sigma = options.common.scale_sigma;
  data.reference_is = options.reference == "in-phase" ? calibration::CommonModeReference::in_phase
                                                      : calibration::CommonModeReference::one_diode;
  auto result = calibration::calibrate_common_mode(data, options.common.holdout_blocks());
  result.rejected.insert(result.rejected.end(), outside.begin(), outside.end());
  note_table(result, table);
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_cmrr() {
  Verb verb;
  verb.name = "cmrr";
  verb.summary = "Common-mode rejection of a balanced detector";
  verb.description =
      "CMRR = level of the reference - level with both diodes lit, in dB electrical. One row a "
      "reading:\n"
      "\"one [dBm]\", \"both [dBm]\" (or \"CMRR [dB]\"), and as far as there are \"floor [dBm]\" "
      "and \"frequency [Hz]\". "
      "The\n"
      "reference is one diode lit, or with --reference in-phase both currents added, which reads "
      "6.02 dB\n"
      "more; both are given. Over three and more frequencies a delay between the diodes is fitted "
      "as\n"
      "well. 3 dB electrical are 1.5 dB optical. Readings within 1 dB of the floor are left out.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable, 6 model\n"
      "rejected (--strict).";
  verb.examples = {"attojoule calibrate cmrr data/laboratory/cmrr.csv --sigma 0.2dB"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define(app);
    app.add_option("--frequency", options->frequency, "Column of the tone's frequency");
    app.add_option("--one", options->one, "Column of the reference level");
    app.add_option("--both", options->both, "Column of the level with both diodes lit");
    app.add_option("--rejection", options->rejection,
                   "Column of the rejection itself, in dB, in place of two levels");
    app.add_option("--floor", options->floor, "Level without light, where no column says: -95dBm");
    app.add_option("--sigma", options->sigma, "Known standard deviation of a reading: 0.2dB");
    app.add_option("--reference", options->reference, "one-diode or in-phase")
        ->check(CLI::IsMember({"one-diode", "in-phase"}))
        ->capture_default_str();
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
