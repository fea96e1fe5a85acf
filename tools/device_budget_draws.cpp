#include "tools/device_budget_draws.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "photonics/error.hpp"
#include "photonics/units.hpp"
#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

struct Figure {
  std::string name, unit, long_name;
  double value;
};

std::vector<Figure> figures_of(const photonics::Device& device, const DeviceRequest& request) {
  const DeviceBudget b = budget_of_device(device, request);
  // No power (shot noise dominates at any low light) has no level.
  const auto dbm = [](double watt) {
    return watt > 0 && std::isfinite(watt) ? photonics::dbm_from_power(watt * photonics::watt)
                                           : -std::numeric_limits<double>::infinity();
  };
  std::vector<Figure> figures{
      {"snr_db", "dB", "signal to noise ratio", b.budget.snr_db()},
      {"enob", "bit", "effective number of bits", b.budget.effective_bits()},
      {"noise_bits", "bit", "bits whose rounding error equals the noise", b.budget.bits()},
      {"signal_electrons", "electron", "signal", b.budget.signal_electrons},
      {"electrons_rms", "electron", "noise, root mean square", std::sqrt(b.budget.variance)},
      {"facet_power_dbm", "dBm", "one transmitter of each beam at the facet",
       dbm(b.link.facet_power_w)},
      {"margin_db", "dB", "the laser's largest power over it", b.link.margin_db},
      {"shot_limited_above_dbm", "dBm", "shot noise dominates above this power at the receiver",
       dbm(b.range.lower * b.power_per_photon_w)},
      {"shot_limited_below_dbm", "dBm", "shot noise dominates below this power at the receiver",
       dbm(b.range.upper * b.power_per_photon_w)}};
  for (const auto& term : b.budget.terms) {
    figures.push_back({"electrons_rms of " + term.name, "electron", "noise term " + term.name,
                       std::sqrt(term.variance)});
  }
  return figures;
}

void describe(BudgetSpread& figure) {
  const auto count = static_cast<double>(figure.by_device.size());
  const double first = figure.by_device.front();
  double mean = 0, squares = 0;
  for (const double v : figure.by_device) mean += (v - first) / count;
  for (const double v : figure.by_device) squares += (v - first - mean) * (v - first - mean);
  figure.mean = first + mean;
  figure.u = std::sqrt(squares / (count - 1));
  std::vector<double> sorted = figure.by_device;
  std::sort(sorted.begin(), sorted.end());
  const auto quantile = [&](double p) {
    const double at = p * (count - 1);
    const auto i = static_cast<std::size_t>(at);
    const double next = sorted[std::min(i + 1, sorted.size() - 1)];
    return sorted[i] + (at - static_cast<double>(i)) * (next - sorted[i]);
  };
  figure.low95 = quantile(0.025);
  figure.high95 = quantile(0.975);
}

}  // namespace

BudgetDrawsReport budget_of_drawn_devices(const photonics::Device& device,
                                          const DeviceRequest& request, DrawnDevices drawn) {
  BudgetDrawsReport report;
  for (const Figure& figure : figures_of(device, request)) {
    report.figures.push_back(
        {figure.name, figure.unit, figure.long_name, figure.value, {}, 0, 0, 0, 0, {}});
  }
  for (std::size_t k = 0; k < drawn.draws.devices.size(); ++k) {
    try {
      const auto figures = figures_of(drawn.draws.devices[k], request);
      for (std::size_t i = 0; i < figures.size(); ++i) {
        report.figures[i].by_device.push_back(figures[i].value);
      }
      drawn.ran.push_back(k);
    } catch (const ConfigError& error) {
      if (drawn.why_not.empty()) drawn.why_not = error.what();
    }
  }
  drawn.require_two("work at this operating point");
  std::erase_if(report.figures, [](const BudgetSpread& figure) {
    const auto finite = [](double v) { return std::isfinite(v); };
    return !finite(figure.calibrated) ||
           !std::all_of(figure.by_device.begin(), figure.by_device.end(), finite);
  });
  for (BudgetSpread& figure : report.figures) {
    describe(figure);
    figure.correlations = drawn.correlations(figure.by_device);
  }
  report.drawn = std::move(drawn);
  return report;
}

void print_budget_draws(const BudgetDrawsReport& report, std::ostream& out) {
  print_drawn(report.drawn, out);
  const auto& parameters = report.drawn.calibration.parameters;
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    rows.push_back({parameters[i].key, significant(parameters[i].value, 5),
                    significant(report.drawn.standard_uncertainty(i), 2), parameters[i].unit});
  }
  out << format_table({"calibrated parameter", "value", "u", "unit"}, rows) << "\n";
  rows.clear();
  for (const BudgetSpread& figure : report.figures) {
    // The parameter that it follows most.
    std::size_t most = 0;
    for (std::size_t i = 1; i < figure.correlations.size(); ++i) {
      if (!(std::abs(figure.correlations[i]) <= std::abs(figure.correlations[most]))) most = i;
    }
    const double r = figure.correlations.empty() ? NAN : figure.correlations[most];
    rows.push_back({figure.name, significant(figure.calibrated, 4), significant(figure.mean, 4),
                    significant(figure.u, 2), significant(figure.low95, 4),
                    significant(figure.high95, 4), figure.unit,
                    std::isfinite(r) ? fmt::format("{} ({:.2f})", parameters[most].key, r) : "-"});
  }
  out << format_table({"over the devices", "calibrated", "mean", "u", "95 % from", "to", "unit",
                       "follows (correlation)"},
                      rows);
}

nlohmann::ordered_json budget_draws_json(const BudgetDrawsReport& report) {
  nlohmann::ordered_json json = drawn_json(report.drawn);
  for (const BudgetSpread& figure : report.figures) {
    json["figures"][figure.name] = {
        {"calibrated", figure.calibrated},
        {"mean", figure.mean},
        {"u_calibration", figure.u},
        {"interval95", {figure.low95, figure.high95}},
        {"unit", figure.unit},
        {"correlation", correlations_json(report.drawn, figure.correlations)}};
  }
  return json;
}

void write_budget_draws(const BudgetDrawsReport& report, data::ResultWriter& writer) {
  write_drawn(report.drawn, writer);
  for (const BudgetSpread& figure : report.figures) {
    const std::string path = "/calibration/figures/" + figure.name;
    writer.write(path + "/by_device", figure.by_device, {draw_axis}, figure.unit, figure.long_name);
    writer.scalar(path + "/calibrated", figure.calibrated, figure.unit,
                  figure.long_name + ", at the calibrated values");
    writer.scalar(path + "/mean", figure.mean, figure.unit, figure.long_name + ", mean");
    writer.scalar(path + "/u_calibration", figure.u, figure.unit,
                  "standard deviation between devices");
    writer.scalar(path + "/interval95_low", figure.low95, figure.unit, "2.5 % quantile");
    writer.scalar(path + "/interval95_high", figure.high95, figure.unit, "97.5 % quantile");
    writer.write(path + "/correlation", figure.correlations, {parameter_axis}, "1",
                 "correlation with the drawn values");
  }
}

}  // namespace attojoule::tools
