#include "tools/calibrate/laser_currents.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "calibration/relaxation_oscillation.hpp"
#include "data/lab_units.hpp"
#include "photonics/error.hpp"

namespace attojoule::tools {

void LaserCurrentOptions::define(CLI::App& app) {
  app.add_option("--currents", currents,
                 "Bias currents of several files, in their order: \"20mA, 30mA, 40mA\"");
  app.add_option("--threshold", threshold, "Of the laser, where it is known: 12mA; else fitted");
  app.add_option("--threshold-uncertainty", threshold_uncertainty, "Of it, type B: 0.1mA");
}

std::vector<std::string> one_for_each(const std::string& option, const std::string& text,
                                      std::size_t count) {
  std::vector<std::string> list = comma_separated(text);
  if (list.size() == 1) list.resize(count, list[0]);
  if (list.empty()) list.resize(count);
  if (list.size() != count) {
    throw ConfigError(fmt::format(
        "{} {}: {} values for {} files (each has its own). Write one for all, or one a file.",
        option, text, list.size(), count));
  }
  return list;
}

std::vector<double> bias_currents(const LaserCurrentOptions& options,
                                  const std::vector<data::LabTable>& tables) {
  const auto given = comma_separated(options.currents);
  if (!given.empty() && given.size() != tables.size()) {
    throw ConfigError(
        fmt::format("--currents {}: {} currents for {} files. Give one a file, in their order.",
                    options.currents, given.size(), tables.size()));
  }
  std::vector<double> currents;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (!given.empty()) {
      currents.push_back(option_quantity("--currents", given[i], "A"));
      continue;
    }
    std::optional<double> found;
    for (const char* name : {"bias current", "bias", "laser current", "current"}) {
      if (!found) found = data::setting_in(tables[i], name, "A");
    }
    if (!found) {
      throw DataError(
          fmt::format("{}: bias current not in file (several files are spectra at several "
                      "currents); write \"# bias current: 30 mA\" into it, or pass --currents "
                      "\"20mA, 30mA, 40mA\".",
                      tables[i].file.string()));
    }
    currents.push_back(*found);
  }
  return currents;
}

calibration::CalibrationResult over_currents(
    const std::string& kind, const LaserCurrentOptions& options, bool scale_sigma,
    const std::vector<data::LabTable>& tables,
    const std::vector<calibration::CalibrationResult>& results) {
  using calibration::Verdict;
  const std::vector<double> currents = bias_currents(options, tables);
  calibration::RelaxationData data;
  data.scale_sigma = scale_sigma;
  data.threshold_a = optional_quantity("--threshold", options.threshold, "A");
  data.threshold_uncertainty_a =
      optional_quantity("--threshold-uncertainty", options.threshold_uncertainty, "A").value_or(0);
  if (data.threshold_uncertainty_a > 0 && !data.threshold_a) {
    throw ConfigError(
        "--threshold-uncertainty: no threshold is given (it is fitted). Pass --threshold, too.");
  }
  std::vector<calibration::RejectedPoint> left_out;
  std::vector<std::string> rejected, warnings;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string place = tables[i].file.filename().string();
    if (results[i].verdict == Verdict::not_identifiable ||
        results[i].verdict == Verdict::no_convergence) {
      left_out.push_back({place, results[i].reasons.empty() ? "" : results[i].reasons.front()});
      continue;
    }
    if (results[i].verdict == Verdict::rejected) {
      rejected.push_back(place + ": " + results[i].reasons.front());
    }
    for (const auto& warning : results[i].warnings) warnings.push_back(place + ": " + warning);
    data.points.push_back(calibration::relaxation_point(results[i], currents[i], place));
  }
  if (data.points.size() < 3 && !left_out.empty()) {
    throw DataError(fmt::format(
        "{}: no relaxation oscillation is determined ({}), and {} files are left of the 3 that the "
        "laws over the current need. Measure beyond the peak, or more currents.",
        left_out.front().place, left_out.front().reason, data.points.size()));
  }
  auto result = calibration::calibrate_relaxation_oscillation(data);
  result.kind = kind;
  for (const auto& reason : rejected) reject(result, reason);
  result.warnings.insert(result.warnings.end(), warnings.begin(), warnings.end());
  result.rejected = left_out;
  for (std::size_t i = 0; i < results.size(); ++i) {
    result.inputs.push_back(input_of(tables[i]));
    if (results[i].plots.empty()) continue;
    auto plot = results[i].plots.front();
    plot.title = fmt::format("{} at {:g} mA", plot.title, 1e3 * currents[i]);
    result.plots.push_back(plot);
  }
  return result;
}

}  // namespace attojoule::tools
