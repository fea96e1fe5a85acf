// attojoule calibrate s21: bandwidth, poles and group delay of a measured transmission.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>

#include "calibration/frequency_response.hpp"
#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/kinds.hpp"
#include "tools/calibrate/outcome.hpp"

namespace attojoule::tools {
namespace {

struct Options {
  std::string file, element = "S21", column, range, reference, poles = "auto";
  FileOptions reading;
  OutcomeOptions outcome;
};

int run(const Options& options, const Streams& streams) {
  using calibration::LowPass;
  const auto table = data::read_lab_file(options.file, options.reading.read_options());
  Outcome outcome;
  outcome.kind = "s21";
  outcome.add_input(table);
  const auto all_f = data::column_in(table, table.columns[0].name, "Hz");
  std::vector<double> all_level, all_phase;
  std::string name = options.column;
  if (name.empty() && table.find("Re " + options.element) != nullptr) {
    name = options.element;
    const auto& re = table.column("Re " + name).values;
    const auto& im = table.column("Im " + name).values;
    for (std::size_t i = 0; i < re.size(); ++i) {
      const double magnitude = std::hypot(re[i], im[i]);
      if (!(magnitude > 0)) {
        throw DataError(fmt::format("{}: {} is zero (its level does not exist); delete the row",
                                    data::place_of_row(table, i), name));
      }
      all_level.push_back(20 * std::log10(magnitude));
      all_phase.push_back(std::atan2(im[i], re[i]));
    }
  } else {
    if (name.empty()) {
      std::vector<std::string> names;
      for (const auto& column : table.columns) names.push_back(column.name);
      if (names.size() == 2) {
        name = names[1];
      } else {
        throw ConfigError(
            fmt::format("--column: {} has no \"Re {}\" and several others. Name one of "
                        "{}.",
                        options.file, options.element, data::joined_names(names)));
      }
    }
    const data::LabColumn& column = table.column(name);
    const auto unit = data::parse_lab_unit(column.unit);
    const bool power = unit && data::same_dimension(*unit, *data::parse_lab_unit("W"));
    const bool amplitude =
        unit && !column.unit.empty() && !unit->is_level() &&
        (data::same_dimension(*unit, *data::parse_lab_unit("V")) || column.unit == "1");
    if (amplitude) {
      for (std::size_t i = 0; i < column.values.size(); ++i) {
        if (!(column.values[i] > 0)) {
          throw DataError(fmt::format("{}: {} is not positive; delete the row",
                                      data::place_of_row(table, i), name));
        }
        all_level.push_back(20 * std::log10(column.values[i]));
      }
      outcome.warnings.push_back(
          fmt::format("\"{}\" is taken as an amplitude (20 dB a decade)", name));
    } else if (power) {
      all_level = data::column_in(table, name, "dBm");
    } else if (unit && unit->is_level()) {
      all_level = column.values;
    } else {
      all_level = data::column_in(table, name, "dB");
    }
  }
  const auto [low, high] = parse_range(options.range, "Hz");
  std::vector<double> f, level, phase;
  for (std::size_t i = 0; i < all_f.size(); ++i) {
    if (all_f[i] < low || all_f[i] > high) continue;
    f.push_back(all_f[i]);
    level.push_back(all_level[i]);
    if (!all_phase.empty()) phase.push_back(all_phase[i]);
  }
  if (f.size() < 8) {
    throw DataError(
        fmt::format("{}: {} points in the range (at least eight are needed); widen "
                    "--range or sweep finer",
                    options.file, f.size()));
  }
  // A plateau near the lower end, above what couplings and line spectra do to the lowest points.
  std::pair<double, double> reference{std::max(f.front(), 0.02 * f.back()),
                                      std::max(f[f.size() / 20], 0.1 * f.back())};
  if (!options.reference.empty()) reference = parse_range(options.reference, "Hz");
  outcome.details["reference_range_hz"] = {
      std::isfinite(reference.first) ? reference.first : f.front(),
      std::isfinite(reference.second) ? reference.second : f.back()};
  const auto three = calibration::bandwidth(f, level, reference.first, reference.second, 3.0103);
  const auto six = calibration::bandwidth(f, level, reference.first, reference.second, 6.0206);
  if (three) {
    outcome.parameters.push_back({"bandwidth_3dBe", "Hz", three->frequency_hz, three->error_hz});
    outcome.parameters.push_back(
        {"reference", "dB", three->reference_db, three->reference_error_db});
  } else {
    outcome.warnings.push_back(
        "the level does not fall 3 dB below its reference within the sweep: no "
        "bandwidth (sweep further, or give --reference)");
  }
  if (six) outcome.parameters.push_back({"bandwidth_6dBe", "Hz", six->frequency_hz, six->error_hz});
  outcome.details["level_is"] = "dB of electrical power; 6 dB electrical are 3 dB optical";
  data::LabColumn fc, lc, mc, rc;
  fc.name = "frequency";
  fc.unit = "Hz";
  lc.name = "level";
  lc.unit = "dB";
  mc.name = "model";
  mc.unit = "dB";
  rc.name = "residual";
  rc.unit = "dB";
  fc.values = f;
  lc.values = level;
  outcome.residuals = {fc, lc};
  std::vector<PlotSeries> shown{{name, f, level, {}, false}};
  if (three && options.poles != "none") {
    std::vector<LowPass> candidates;
    if (options.poles == "1") candidates = {LowPass::one_pole};
    if (options.poles == "2") candidates = {LowPass::two_poles, LowPass::complex_pair};
    if (options.poles == "3") candidates = {LowPass::complex_pair_and_pole};
    if (options.poles == "auto") {
      candidates = {LowPass::one_pole, LowPass::two_poles, LowPass::complex_pair,
                    LowPass::complex_pair_and_pole};
    }
    if (candidates.empty()) {
      throw ConfigError(fmt::format("--poles: \"{}\" is none of auto, none, 1, 2, 3. Write one.",
                                    data::shown_text(options.poles)));
    }
    // Points below the reference range may be shaped by couplings that a low pass has not.
    std::vector<double> fit_f, fit_level;
    for (std::size_t i = 0; i < f.size(); ++i) {
      if (f[i] < reference.first) continue;
      fit_f.push_back(f[i]);
      fit_level.push_back(level[i]);
    }
    std::optional<calibration::Fit> best;
    LowPass model = candidates.front();
    double best_score = 0;
    const auto n = static_cast<double>(fit_f.size());
    for (const LowPass candidate : candidates) {
      auto fit = calibration::fit_low_pass(fit_f, fit_level, candidate, three->frequency_hz);
      if (fit.status != calibration::FitStatus::converged) continue;
      // Schwarz's criterion: a pole more must be worth its freedom.
      const double score = n * std::log(std::max(fit.residual_sum_of_squares, 1e-24) / n) +
                           static_cast<double>(fit.values.size()) * std::log(n);
      outcome.details["models"][calibration::name_of(candidate)] = {
          {"rms_db", std::sqrt(fit.residual_sum_of_squares / n)}, {"schwarz", score}};
      if (!best || score < best_score) {
        best_score = score;
        model = candidate;
        best = std::move(fit);
      }
    }
    if (!best) {
      outcome.warnings.push_back("no low pass of up to three poles fits the level");
    } else {
      outcome.details["model"] = calibration::name_of(model);
      for (std::size_t k = 0; k < best->values.size(); ++k) {
        const auto& parameter = best->parameters[k];
        outcome.parameters.push_back(
            {parameter.name, parameter.unit,
             parameter.name == "gain" ? best->values[k] : std::abs(best->values[k]),
             best->standard_error(k)});
      }
      const auto at = calibration::model_bandwidth(*best, model, 3.0103);
      outcome.parameters.push_back({"bandwidth_of_model", "Hz", at.frequency_hz, at.error_hz});
      const double rms = std::sqrt(best->residual_sum_of_squares / best->dof);
      const double scatter = calibration::level_scatter_db(fit_level);
      outcome.details["rms_db"] = rms;
      outcome.details["scatter_db"] = scatter;
      if (scatter > 1e-3) {
        outcome.chi2_reduced = rms * rms / (scatter * scatter);
        if (*outcome.chi2_reduced > 2 && rms > 0.1) {
          outcome.verdict = "rejected";
          outcome.warnings.push_back(fmt::format(
              "the low pass misses the level by {:.2f} dB, points scatter by {:.2f} dB: its poles "
              "describe the response roughly only (narrow --range)",
              rms, scatter));
        }
      }
      lc.values = fit_level;
      fc.values = fit_f;
      mc.values = best->model_values;
      rc.values = best->residuals;
      outcome.residuals = {fc, lc, mc, rc};
      shown.push_back({calibration::name_of(model), fit_f, best->model_values, {}, true});
    }
  }
  outcome.plots.push_back({"Level of " + name, "frequency [Hz]", "level [dB]", true, false, shown});
  if (phase.size() >= 3) {
    const std::size_t points = std::min<std::size_t>(phase.size() >= 21 ? 5 : 3, phase.size());
    const auto delay = calibration::group_delay(f, phase, points);
    double mean = 0, squares = 0, count = 0;
    for (std::size_t i = 0; i < delay.size(); ++i) {
      if (three && f[i] > three->frequency_hz) break;
      mean += delay[i];
      squares += delay[i] * delay[i];
      ++count;
    }
    mean /= count;
    outcome.parameters.push_back(
        {"group_delay", "s", mean,
         std::sqrt(std::max(squares / count - mean * mean, 0.0) / std::max(count, 1.0))});
    outcome.details["group_delay_is"] = "mean below the bandwidth";
    outcome.plots.push_back({"Group delay of " + name,
                             "frequency [Hz]",
                             "delay [s]",
                             true,
                             false,
                             {{"", f, delay, {}, true}}});
  }
  outcome.python_check = fmt::format(
      "import numpy as np\nf, L = ..., ...  # frequency [Hz], level of \"{}\" [dB]\nref = "
      "np.median(L[(f >= {}) & (f <= {})])\nprint(f[(f > {}) & (L < ref - 3.0103)][0])  # to a "
      "point\n",
      name, reference.first, reference.second, reference.second);
  return deliver(outcome, options.outcome, streams);
}

}  // namespace

Verb calibrate_s21() {
  Verb verb;
  verb.name = "s21";
  verb.summary = "Bandwidth, poles and group delay of a transmission (Touchstone or level)";
  verb.description =
      "Touchstone: |S21|, or another --element. Other files: --column with a level in dB, dBm or "
      "dBuV,\n"
      "a power, or an amplitude. Bandwidths are 3 dB and 6 dB electrical below the median level of "
      "the\n"
      "reference range (default 2 % to 10 % of the sweep; --reference); 6 dB electrical are 3 dB "
      "optical\n"
      "behind a photodiode. Low passes of one to three poles are fitted, and the one that "
      "Schwarz's\n"
      "criterion prefers is given. Group delay where the file has phases.\n"
      "result.json: bandwidth_3dBe, bandwidth_6dBe, gain, f0, Q, f1 …, bandwidth_of_model, "
      "group_delay.";
  verb.examples = {"attojoule calibrate s21 data/laboratory/lowpass.s2p"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("file", options->file, "File with the transmission")->required();
    app.add_option("--element", options->element, "Of a Touchstone file")->capture_default_str();
    app.add_option("--column", options->column, "Of another file");
    app.add_option("--range", options->range, "Frequencies that count: 1MHz:500MHz");
    app.add_option("--reference", options->reference, "Frequencies of the reference level");
    app.add_option("--poles", options->poles, "auto, none, 1, 2 or 3")->capture_default_str();
    options->reading.define(app);
    options->outcome.define(app);
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
