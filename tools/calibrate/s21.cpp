// attojoule calibrate s21: bandwidth, poles and group delay of a measured transmission.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numbers>
#include <numeric>
#include <optional>

#include "calibration/frequency_response.hpp"
#include "data/lab_units.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"
#include "tools/calibrate/laser_currents.hpp"

namespace attojoule::tools {
namespace {

using calibration::not_known;

struct Options {
  FitKindOptions common;
  std::string element = "S21", column, reference, poles = "auto", of = "receiver";
  bool laser = false;  // its relaxation oscillation
  LaserCurrentOptions bias;
};

// A standard error that came out as nothing (data without scatter) says nothing.
double known(double error) {
  return error > 0 ? error : not_known;
}

// The level's formula for scipy, and its parameters' names.
std::pair<std::vector<std::string>, std::string> formula_of(calibration::LowPass model) {
  using calibration::LowPass;
  const std::string one = " - 10 * np.log10(1 + (x / f1)**2)";
  const std::string pair = " - 10 * np.log10((1 - (x / f0)**2)**2 + (x / f0 / Q)**2)";
  switch (model) {
    case LowPass::one_pole:
      return {{"gain", "f1"}, "gain" + one};
    case LowPass::two_poles:
      return {{"gain", "f1", "f2"}, "gain" + one + " - 10 * np.log10(1 + (x / f2)**2)"};
    case LowPass::complex_pair:
      return {{"gain", "f0", "Q"}, "gain" + pair};
    case LowPass::complex_pair_and_pole:
      return {{"gain", "f0", "Q", "f1"}, "gain" + pair + one};
  }
  return {};
}

// Rows in the order of the frequency; several of one frequency (repeated sweeps) become their mean.
void in_order_of_frequency(std::vector<double>& f, std::vector<double>& level,
                           std::vector<double>& phase, std::vector<std::string>& places,
                           calibration::CalibrationResult& result) {
  std::vector<std::size_t> order(f.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return f[a] < f[b]; });
  std::vector<double> sorted_f, sorted_level, sorted_phase;
  std::vector<std::string> sorted_places;
  for (std::size_t k = 0; k < order.size();) {
    std::size_t end = k;
    double sum = 0, cosine = 0, sine = 0;
    for (; end < order.size() && f[order[end]] == f[order[k]]; ++end) {
      sum += level[order[end]];
      if (!phase.empty()) {
        cosine += std::cos(phase[order[end]]);
        sine += std::sin(phase[order[end]]);
      }
    }
    sorted_f.push_back(f[order[k]]);
    sorted_level.push_back(sum / static_cast<double>(end - k));
    if (!phase.empty()) sorted_phase.push_back(std::atan2(sine, cosine));
    sorted_places.push_back(places[order[k]]);
    k = end;
  }
  if (sorted_f.size() < f.size()) {
    result.warnings.push_back(
        fmt::format("{} rows have a frequency of another row: each frequency's mean is taken",
                    f.size() - sorted_f.size()));
  }
  f = sorted_f;
  level = sorted_level;
  phase = sorted_phase;
  places = sorted_places;
}

std::vector<calibration::LowPass> candidates_of(const Options& options) {
  using calibration::LowPass;
  std::vector<LowPass> all{LowPass::one_pole, LowPass::two_poles, LowPass::complex_pair,
                           LowPass::complex_pair_and_pole};
  if (options.poles == "1") all = {LowPass::one_pole};
  if (options.poles == "2") all = {LowPass::two_poles, LowPass::complex_pair};
  if (options.poles == "3") all = {LowPass::complex_pair_and_pole};
  if (options.poles == "none") all.clear();
  if (all.size() == 4 && options.poles != "auto") {
    throw ConfigError(fmt::format("--poles: \"{}\" is none of auto, none, 1, 2, 3. Write one.",
                                  data::shown_text(options.poles)));
  }
  if (!options.laser) return all;
  // Relaxation oscillation: a complex pair, alone or with a parasitic pole.
  std::erase_if(all, [](LowPass m) { return m == LowPass::one_pole || m == LowPass::two_poles; });
  if (all.empty()) {
    throw ConfigError(fmt::format(
        "--poles {} beside --laser: a relaxation oscillation is a pair of poles (2), or one with a "
        "parasitic pole (3). Write one of these, or auto.",
        options.poles));
  }
  return all;
}

calibration::CalibrationResult analyse(const Options& options, const data::LabTable& table) {
  using calibration::LowPass;
  if (options.of != "receiver" && options.of != "modulator") {
    throw ConfigError(fmt::format("--of: \"{}\" is neither receiver nor modulator. Write one.",
                                  data::shown_text(options.of)));
  }
  calibration::CalibrationResult result;
  result.kind = "s21";
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
      std::vector<std::string> levels;
      for (const auto& column : table.columns) {
        names.push_back(column.name);
        if (has_dimension(column, "dB")) levels.push_back(column.name);
      }
      if (names.size() == 2) {
        name = names[1];
      } else if (levels.size() == 1) {
        name = levels[0];
      } else {
        throw ConfigError(
            fmt::format("--column: {} has no \"Re {}\" and several others. Name one of "
                        "{}.",
                        table.file.string(), options.element, data::joined_names(names)));
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
      result.warnings.push_back(
          fmt::format("\"{}\" is taken as an amplitude (20 dB a decade)", name));
    } else if (power) {
      all_level = data::column_in(table, name, "dBm");
    } else if (unit && unit->is_level()) {
      all_level = column.values;
    } else {
      all_level = data::column_in(table, name, "dB");
    }
    std::vector<std::string> angles;
    for (const auto& other : table.columns) {
      if (has_dimension(other, "rad")) angles.push_back(other.name);
    }
    if (angles.size() == 1) all_phase = data::column_in(table, angles[0], "rad");
  }
  constexpr double everything = std::numeric_limits<double>::infinity();
  const auto [low, high] =
      options.common.parsed_range("Hz").value_or(std::pair{-everything, everything});
  std::vector<std::string> places;
  std::vector<double> f, level, phase;
  for (std::size_t i = 0; i < all_f.size(); ++i) {
    if (all_f[i] < low || all_f[i] > high) {
      result.rejected.push_back({data::place_of_row(table, i), "outside --range"});
      continue;
    }
    f.push_back(all_f[i]);
    places.push_back(data::place_of_row(table, i));
    level.push_back(all_level[i]);
    if (!all_phase.empty()) phase.push_back(all_phase[i]);
  }
  in_order_of_frequency(f, level, phase, places, result);
  if (f.size() < 8) {
    throw DataError(
        fmt::format("{}: {} points in the range (at least eight are needed); widen "
                    "--range or sweep finer",
                    table.file.string(), f.size()));
  }
  // A plateau near the lower end, above what couplings and line spectra do to the lowest points.
  std::pair<double, double> reference{std::max(f.front(), 0.02 * f.back()),
                                      std::max(f[f.size() / 20], 0.1 * f.back())};
  if (const auto given = quantity_range("--reference", options.reference, "Hz")) {
    reference = *given;
  }
  const auto three = calibration::bandwidth(f, level, reference.first, reference.second, 3.0103);
  const auto six = calibration::bandwidth(f, level, reference.first, reference.second, 6.0206);
  note_table(result, table);
  result.model =
      "L(f) = gain - sum 10 log10(1 + (f/f_k)^2) - 10 log10[(1 - (f/f0)^2)^2 + "
      "(f/(Q f0))^2]";
  result.method = "level in dB of electrical power; 6 dB electrical are 3 dB optical";
  result.settings["reference range"] =
      fmt::format("{:.6g} Hz to {:.6g} Hz", std::max(reference.first, f.front()),
                  std::min(reference.second, f.back()));
  result.points_used = f.size();
  using Kind = calibration::PlotSeries::Kind;
  const std::vector<LowPass> candidates = candidates_of(options);
  if (!three && !options.laser) {
    not_identifiable(result,
                     "the level does not fall 3 dB below its reference within the sweep, which "
                     "therefore has no bandwidth: sweep further, or give --reference");
    result.plots.push_back({"Level of " + name,
                            "frequency [Hz]",
                            "level [dB]",
                            true,
                            false,
                            {{"measured", f, level, {}, Kind::points}}});
    return result;
  }
  // A resonance is seen at its peak before the level falls.
  const double start_hz = three
                              ? three->frequency_hz
                              : f[static_cast<std::size_t>(
                                    std::max_element(level.begin(), level.end()) - level.begin())];
  bool fitted = false;
  if (!candidates.empty()) {
    // Points below the reference range may be shaped by couplings that a low pass has not.
    calibration::CurveData curve;
    curve.x_name = "frequency";
    curve.y_name = "level";
    curve.x_unit = "Hz";
    curve.y_unit = "dB";
    curve.scale_sigma = true;
    for (std::size_t i = 0; i < f.size(); ++i) {
      if (f[i] < reference.first) {
        result.rejected.push_back({places[i], "below the reference range: not fitted"});
        continue;
      }
      curve.x.push_back(f[i]);
      curve.y.push_back(level[i]);
      curve.places.push_back(places[i]);
    }
    const double scatter = calibration::level_scatter_db(curve.y);
    // Below a thousandth of a decibel it is rounding, and no measure of a misfit.
    const bool noisy = scatter > 1e-3;
    if (noisy) curve.sigma.assign(curve.x.size(), scatter);
    std::optional<calibration::Fit> best;
    LowPass model = candidates.front();
    double best_score = 0;
    const auto n = static_cast<double>(curve.x.size());
    calibration::ResultTable models{"models",
                                    {{"model", "1", {}}, {"rms", "dB", {}}, {"schwarz", "1", {}}}};
    std::string failure;
    auto failed = calibration::FitStatus::no_convergence;
    for (const LowPass candidate : candidates) {
      auto fit =
          calibration::fit_low_pass(curve.x, curve.y, candidate, start_hz, noisy ? scatter : 0);
      if (fit.status != calibration::FitStatus::converged) {
        failure = fit.message;
        failed = fit.status;
        continue;
      }
      // Schwarz's criterion: a pole more must be worth its freedom.
      const double score = n * std::log(std::max(fit.residual_sum_of_squares, 1e-24) / n) +
                           static_cast<double>(fit.values.size()) * std::log(n);
      models.columns[0].texts.push_back(calibration::name_of(candidate));
      models.columns[1].values.push_back(std::sqrt(fit.residual_sum_of_squares / n));
      models.columns[2].values.push_back(score);
      if (!best || score < best_score) {
        best_score = score;
        model = candidate;
        best = std::move(fit);
      }
    }
    if (!best) {
      const std::string text = fmt::format("no low pass of --poles {} fits the level{}{}",
                                           options.poles, failure.empty() ? "" : ": ", failure);
      if (failed == calibration::FitStatus::not_identifiable) {
        not_identifiable(result, text);
      } else {
        result.verdict = calibration::Verdict::no_convergence;
        result.reasons.push_back(text);
      }
    } else {
      fitted = true;
      const auto formula = formula_of(model);
      const std::vector<std::string>& names = formula.first;
      adopt(result, *best, {"level at low frequency", "corner of the low pass"});
      append_derived(result, "bandwidth_of_model", "Hz", "3 dB electrical below the gain",
                     [&](const std::vector<double>& p) {
                       calibration::Fit at = *best;
                       at.values.assign(p.begin(),
                                        p.begin() + static_cast<std::ptrdiff_t>(names.size()));
                       return calibration::model_bandwidth(at, model, 3.0103).frequency_hz;
                     });
      const auto& model_width = result.parameters.back();
      if (!(model_width.combined() < 0.3 * model_width.value)) {
        not_identifiable(
            result,
            fmt::format("the level scatters by {:.2g} dB and leaves the bandwidth to +- {:.2g} of "
                        "{:.3g} Hz; average more, or sweep over more of the roll-off",
                        scatter, model_width.combined(), model_width.value));
      }
      if (options.laser) {
        append_derived(result, "relaxation_frequency", "Hz", "f_r of the oscillation",
                       [](const std::vector<double>& p) { return p[1]; });
        append_derived(
            result, "damping", "1/s", "gamma = 2 pi f_r / Q",
            [](const std::vector<double>& p) { return 2 * std::numbers::pi * p[1] / p[2]; });
      }
      result.method +=
          fmt::format("; {}, {}", calibration::name_of(model),
                      options.poles == "auto" ? "chosen by Schwarz's criterion" : "as asked for");
      if (!noisy) result.chi2 = not_known;
      const double rms = std::sqrt(best->residual_sum_of_squares / best->dof);
      result.figures.push_back({"rms", "dB", rms, not_known, 0, not_known, not_known,
                                "of the level about the low pass"});
      result.figures.push_back(
          {"scatter", "dB", scatter, not_known, 0, not_known, not_known, "of neighbouring points"});
      if (noisy && result.chi2_reduced() > 2 && rms > 0.1) {
        reject(result,
               fmt::format("the low pass misses the level by {:.2f} dB, points scatter by {:.2f} "
                           "dB: its poles describe the response roughly only (narrow --range, or "
                           "--poles none for the bandwidths alone)",
                           rms, scatter));
      }
      std::vector<std::size_t> points(curve.x.size());
      std::iota(points.begin(), points.end(), std::size_t{0});
      describe_curve(
          result, curve, points, *best, 1,
          [&](double x) { return calibration::low_pass_level(model, best->values, x); },
          "Level of " + name);
      for (auto& plot : result.plots) plot.log_x = true;
      result.tables.push_back(models);
      result.python =
          scipy_check(result, curve, points, *best, 1, names, best->values, formula.second);
    }
  }
  if (!fitted) {
    for (std::size_t i = 0; i < f.size(); ++i) {
      calibration::ResidualRow row;
      row.place = places[i];
      row.x = f[i];
      row.y = level[i];
      result.residuals.push_back(row);
    }
    result.plots.push_back({"Level of " + name,
                            "frequency [Hz]",
                            "level [dB]",
                            true,
                            false,
                            {{"measured", f, level, {}, Kind::points}}});
    result.python = fmt::format(
        "import numpy as np\nf = np.array([{:.17g}])\nL = np.array([{:.17g}])\nreference = "
        "np.median(L[(f >= {:.17g}) & (f <= {:.17g})])\nprint('reference', repr(float(reference)), "
        "'nan')\n",
        fmt::join(f, ", "), fmt::join(level, ", "), std::max(reference.first, f.front()),
        std::min(reference.second, f.back()));
  }
  if (three)
    append_separate(result, {"bandwidth_3dBe", "Hz", three->frequency_hz, known(three->error_hz), 0,
                             not_known, not_known, "where the level crosses reference - 3 dB"});
  if (three)
    append_separate(result,
                    {"reference", "dB", three->reference_db, known(three->reference_error_db), 0,
                     not_known, not_known, "median of the reference range"});
  if (six) {
    append_separate(result, {"bandwidth_6dBe", "Hz", six->frequency_hz, known(six->error_hz), 0,
                             not_known, not_known, "3 dB optical, behind a photodiode"});
  }
  // The simulator's path is one pole: the corner of that pole, or the pole that has this bandwidth.
  if (!three) return result;
  result.device.push_back(
      {options.of + ".bandwidth", "Hz", fitted ? "bandwidth_of_model" : "bandwidth_3dBe", 1});
  if (phase.size() >= 3) {
    const std::size_t points = std::min<std::size_t>(phase.size() >= 21 ? 5 : 3, phase.size());
    const auto delay = calibration::group_delay(f, phase, points);
    double mean = 0, squares = 0, count = 0;
    for (std::size_t i = 0; i < delay.size(); ++i) {
      if (f[i] > three->frequency_hz) break;
      mean += delay[i];
      squares += delay[i] * delay[i];
      ++count;
    }
    mean /= count;
    // Slopes over `points` neighbours share points.
    const double independent = std::max(count / static_cast<double>(points), 1.0);
    result.figures.push_back(
        {"group_delay", "s", mean,
         known(std::sqrt(std::max(squares / count - mean * mean, 0.0) / independent)), 0, not_known,
         not_known, "mean below the bandwidth; its error from the scatter about the mean"});
    calibration::set_interval(result.figures.back(), everything);
    result.plots.push_back({"Group delay of " + name,
                            "frequency [Hz]",
                            "delay [s]",
                            true,
                            false,
                            {{"group delay", f, delay, {}, Kind::line}}});
  }
  return result;
}

int run(const Options& options, const Streams& streams) {
  const auto& files = options.common.files;
  if (files.size() == 1 || !options.laser) {
    if (!options.bias.currents.empty() && !options.laser) {
      throw ConfigError(
          "--currents: responses at several bias currents are of a laser. Pass --laser, too.");
    }
    return finish(options.common, analyse(options, read_only_file("s21", options.common)), streams);
  }
  std::vector<data::LabTable> tables;
  std::vector<calibration::CalibrationResult> results;
  for (const auto& file : files) {
    tables.push_back(data::read_lab_file(file, options.common.reading.read_options()));
    results.push_back(analyse(options, tables.back()));
  }
  return finish(options.common, over_currents("s21", options.bias, false, tables, results),
                streams);
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
      "--laser: of a laser's modulation response, |H|^2 with its relaxation_frequency and damping; "
      "with one\n"
      "file a bias current (--currents) the laws over it: f_r = D sqrt(I - I_th), gamma = K f_r^2 "
      "+ "
      "gamma_0.\n"
      "Parameters: gain, f0, Q, f1 …, bandwidth_of_model, bandwidth_3dBe, reference, "
      "bandwidth_6dBe;\n"
      "figure group_delay. The 3 dB bandwidth goes into device.yaml as receiver.bandwidth or\n"
      "modulator.bandwidth (--of), which are one pole.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence, 5 not identifiable (no 3 dB in "
      "the\n"
      "sweep), 6 model rejected (--strict).";
  verb.examples = {"attojoule calibrate s21 data/laboratory/lowpass.s2p"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define_files(app);
    options->common.define_range(app);
    app.add_option("--element", options->element, "Of a Touchstone file")->capture_default_str();
    app.add_option("--column", options->column, "Of another file");
    app.add_option("--reference", options->reference, "Frequencies of the reference level");
    app.add_option("--poles", options->poles, "auto, none, 1, 2 or 3")->capture_default_str();
    app.add_option("--of", options->of, "Whose bandwidth it is: receiver or modulator")
        ->capture_default_str();
    app.add_flag("--laser", options->laser,
                 "The response of a laser: relaxation oscillation and damping");
    options->bias.define(app);
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
