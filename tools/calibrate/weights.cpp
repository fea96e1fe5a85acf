// attojoule calibrate weights: what scatters a weight, and how far it is from its target.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <tuple>
#include <utility>

#include "calibration/nested_variance.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

using calibration::not_known;

struct Options {
  FitKindOptions common;
  std::string target = "target", write = "write", value = "value";
  double full_scale = 0;
  bool as_converter = false;
};

using Interval = std::pair<double, double>;

void set_intervals(calibration::Estimate& estimate, const Interval& of95, const Interval& of68) {
  std::tie(estimate.interval_low, estimate.interval_high) = of95;
  std::tie(estimate.interval68_low, estimate.interval68_high) = of68;
}

// A variance as a standard deviation, with its intervals; one that came out negative is zero with
// an upper limit, and said so.
void append_deviation(calibration::CalibrationResult& result, const std::string& name,
                      const std::string& unit, double variance, double error, const Interval& of95,
                      const Interval& of68, const char* meaning) {
  calibration::Estimate estimate{name, unit, std::sqrt(std::max(variance, 0.0))};
  if (variance > 0) estimate.u_a = error / (2 * std::sqrt(variance));
  const auto root = [](const Interval& v) {
    return Interval{std::sqrt(v.first), std::sqrt(v.second)};
  };
  set_intervals(estimate, root(of95), root(of68));
  estimate.meaning = meaning;
  append_separate(result, estimate);
  if (!(variance > 0)) {
    result.warnings.push_back(fmt::format(
        "{}: the estimate of its variance is {:.3g} (not above zero: not resolved in this design); "
        "only the upper limit of the interval says something",
        name, variance));
  }
}

// The analysis of variance once more, in numpy.
constexpr const char* numpy_analysis = R"(targets = np.unique(target)
within = between = corrected = cells = 0
mean, count, squares = [], [], []
for t in targets:
    groups = [value[(target == t) & (write == w)] for w in np.unique(write[target == t])]
    n = np.array([len(g) for g in groups])
    m = np.array([g.mean() for g in groups])
    within += sum(((g - g.mean())**2).sum() for g in groups)
    between += (n * (m - value[target == t].mean())**2).sum()
    corrected += n.sum() - (n**2).sum() / n.sum()
    cells += len(groups)
    mean.append(value[target == t].mean())
    count.append(n.sum())
    squares.append((n**2).sum())
mean, count, squares = np.array(mean), np.array(count), np.array(squares)
f_read, f_write = len(value) - cells, cells - len(targets)
ms_read, ms_write, n0 = within / f_read, between / f_write, corrected / f_write
programming, read = (ms_write - ms_read) / n0, ms_read
u_programming = np.sqrt(2 * ms_write**2 / f_write + 2 * ms_read**2 / f_read) / n0
u_read = ms_read * np.sqrt(2 / f_read)
noise = max(programming, 0) * squares / count**2 + read / count
def line_with(extra):
    w = 1 / (noise + extra if noise.any() else np.ones(len(targets)))
    line, cov = np.polyfit(targets, mean, 1, w=np.sqrt(w), cov='unscaled')
    return line, cov, (w * (mean - np.polyval(line, targets))**2).sum()
dof, transfer = len(targets) - 2, 0
if dof and noise.any() and line_with(0)[2] > dof:
    transfer = brentq(lambda t: line_with(t)[2] - dof, 0, np.ptp(mean)**2 * len(targets), xtol=1e-300, rtol=1e-14)
line, cov, chi2 = line_with(transfer)
u_line = np.sqrt(np.diag(cov) * (chi2 / dof if dof else noise.any()))
def deviation(name, v, u):
    print(name, repr(float(np.sqrt(max(v, 0)))), repr(float(u / 2 / np.sqrt(v))) if v > 0 else 'nan')
deviation('sigma_programming', programming, u_programming)
deviation('sigma_read', read, u_read)
d = mean - targets
deviation('rms_transfer_error', ((d**2).sum() - noise.sum()) / len(d),
          np.sqrt((4 * d**2 * noise + 2 * noise**2).sum()) / len(d))
print('gain', repr(float(line[0])), repr(float(u_line[0])))
print('offset', repr(float(line[1])), repr(float(u_line[1])))
)";

int run(const Options& given, const Streams& streams) {
  const auto table = read_only_file("weights", given.common);
  Options options = given;
  options.target =
      column_or_usual(table, given.target, {"set", "setpoint", "set point", "programmed", "goal"});
  options.write = column_or_usual(table, given.write, {"cycle", "programming", "write cycle"});
  options.value = column_or_usual(
      table, given.value, {"measured", "reading", "weight", "readout", "G", "conductance", "y"});
  const data::LabColumn& value = table.column(options.value);
  const std::string unit = value.unit.empty() ? "1" : value.unit;
  // Both in the unit of the measured value.
  const auto targets = data::column_in(table, options.target, unit);
  const auto values = data::column_in(table, options.value, unit);
  const auto& writes = table.column(options.write).values;
  const auto found = calibration::nested_variance(targets, writes, values);
  calibration::CalibrationResult result;
  result.kind = "weights";
  result.model = "y = m(target) + programming + read";
  result.method = fmt::format(
      "nested analysis of variance: {} targets, {} writes, {} readings; intervals chi-square, "
      "generalized for programming and transfer, Student's for the line",
      found.targets, found.cells, found.readings);
  result.points_used = found.readings;
  result.tables.push_back(
      {"record",
       {{"target", unit, targets}, {"write", "1", writes}, {"value", unit, values}},
       false});
  note_table(result, table);
  if (!found.undetermined.empty()) {
    not_identifiable(result, found.undetermined);
    return finish(options.common, result, streams);
  }
  const double p68 = calibration::one_sigma;
  append_deviation(result, "sigma_programming", unit, found.write_variance, found.write_error,
                   found.write_interval(0.95), found.write_interval(p68),
                   "scatter from one writing to the next");
  append_deviation(result, "sigma_read", unit, found.read_variance, found.read_error,
                   found.read_interval(0.95), found.read_interval(p68),
                   "scatter from one reading to the next");
  append_deviation(result, "rms_transfer_error", unit, found.transfer_variance,
                   found.transfer_error, found.transfer_interval(0.95),
                   found.transfer_interval(p68), "of the mean against the target, less its noise");
  const auto of_line = [&](const char* name, const std::string& its_unit, double number,
                           double error, const char* meaning) {
    calibration::Estimate estimate{name, its_unit, number, error, 0, not_known, not_known, meaning};
    set_interval(estimate, found.line_dof);
    append_separate(result, estimate);
  };
  of_line("gain", "1", found.gain, found.gain_error, "slope of the mean over the target");
  of_line("offset", unit, found.offset, found.offset_error, "of that line at 0");
  const Eigen::Index gain = result.covariance_a.rows() - 2;
  result.covariance_a(gain, gain + 1) = result.covariance_a(gain + 1, gain) = found.line_covariance;
  if (found.targets == 2) {
    result.warnings.push_back(
        "two targets: nothing shows a transfer that is no line; the errors of gain and offset are "
        "those of programming and read noise alone");
  }
  const double full =
      options.full_scale > 0 ? options.full_scale : found.target.back() - found.target.front();
  // Bits of a full scale over `divisor` standard deviations, with its intervals.
  const auto bits = [&](const char* name, double divisor, double variance, double error,
                        const Interval& of95, const Interval& of68, const char* meaning) {
    const auto of = [&](double v) { return std::log2(full / (divisor * std::sqrt(v))); };
    calibration::Estimate estimate{name, "bit", of(std::max(variance, 0.0))};
    if (variance > 0) estimate.u_a = error / (2 * variance) / std::log(2.0);
    set_intervals(estimate, {of(of95.second), of(of95.first)}, {of(of68.second), of(of68.first)});
    estimate.meaning = meaning;
    append_separate(result, estimate);
  };
  const double total = std::max(found.write_variance, 0.0) + found.read_variance;
  const double total_error = std::hypot(found.write_error, found.read_error);
  const double of_quantiser = std::sqrt(12.0);
  const Interval total95 = found.total_interval(0.95), total68 = found.total_interval(p68);
  bits("bits_sigma", 1, total, total_error, total95, total68,
       "log2(full scale / sigma), both noises");
  bits("bits_quantiser", of_quantiser, total, total_error, total95, total68,
       "log2(full scale / (sigma sqrt(12))), both noises");
  if (found.write_variance > 0) {
    bits("programming_bits", of_quantiser, found.write_variance, found.write_error,
         found.write_interval(0.95), found.write_interval(p68),
         "of a converter whose rounding is as large as the programming noise");
    if (options.as_converter) {
      result.device.push_back({"modulator.dac_bits", "1", "programming_bits", 1});
      result.warnings.push_back(
          "modulator.dac_bits stands for the programming noise: the same rms over the full scale, "
          "but rounding in place of a normal law");
    }
  } else if (options.as_converter) {
    result.warnings.push_back(
        "--as-converter: no programming noise is resolved, so that no "
        "converter stands for it");
  }
  const std::string variance_unit = unit == "1" ? "1" : unit + "^2";
  result.settings["full scale"] = fmt::format("{:.6g}{}", full, unit == "1" ? "" : " " + unit);
  result.figures.push_back({"write_mean_square", variance_unit, found.ms_write, not_known, 0,
                            not_known, not_known,
                            fmt::format("{:g} degrees of freedom", found.dof_write)});
  result.figures.push_back({"read_mean_square", variance_unit, found.ms_read, not_known, 0,
                            not_known, not_known,
                            fmt::format("{:g} degrees of freedom", found.dof_read)});
  result.figures.push_back({"probability_without_programming", "1", found.write_probability,
                            not_known, 0, not_known, not_known,
                            "of an F as large if writing scattered nothing"});
  result.figures.push_back({"variance_about_line", variance_unit, found.residual_variance,
                            not_known, 0, not_known, not_known, "of the means, less their noise"});
  using Kind = calibration::PlotSeries::Kind;
  calibration::PlotSeries points{"mean - target (bars: 95 %)", {}, {}, {}, Kind::points};
  calibration::PlotSeries line{"line - target", {}, {}, {}, Kind::line};
  for (std::size_t i = 0; i < found.targets; ++i) {
    calibration::ResidualRow row;
    row.place = fmt::format("target {:g}", found.target[i]);
    row.x = found.target[i];
    row.y = found.mean[i];
    row.model = found.offset + found.gain * found.target[i];
    row.sigma = found.mean_error[i];
    row.standardised = row.sigma > 0 ? (row.y - row.model) / row.sigma : not_known;
    result.residuals.push_back(row);
    points.x.push_back(row.x);
    points.y.push_back(row.y - row.x);
    points.error.push_back(1.96 * row.sigma);
    line.x.push_back(row.x);
    line.y.push_back(row.model - row.x);
  }
  result.plots.push_back({"Systematic transfer error",
                          "target [" + unit + "]",
                          "deviation [" + unit + "]",
                          false,
                          false,
                          {points, line}});
  result.python = "from scipy.optimize import brentq\n" +
                  python_table("record.csv", "target, write, value") + numpy_analysis;
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_weights() {
  Verb verb;
  verb.name = "weights";
  verb.summary = "Programming noise, read noise and transfer error of weights";
  verb.description =
      "Every target is written several times (column `write`, a number), every written value read\n"
      "several times (further rows). A nested analysis of variance separates programming noise, "
      "read\n"
      "noise and the systematic transfer error (mean against target, and against a line: gain,\n"
      "offset). Intervals: chi-square; generalized ones for the programming noise; Student's for "
      "the\n"
      "line, whose errors count the scatter of the means about it.\n"
      "Bits are given as log2(full scale / sigma) and, 1.79 less, log2(full scale / (sigma "
      "sqrt(12))).\n"
      "--as-converter puts the programming noise into device.yaml as modulator.dac_bits, the "
      "converter\n"
      "whose rounding is as large.\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 5 not identifiable (nothing written or read twice).";
  verb.examples = {"attojoule calibrate weights data/laboratory/weights.csv"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define_files(app);
    app.add_option("--target", options->target, "Column of the commanded weight")
        ->capture_default_str();
    app.add_option("--write", options->write, "Column that numbers the writes")
        ->capture_default_str();
    app.add_option("--value", options->value, "Column of the measured weight")
        ->capture_default_str();
    app.add_option("--full-scale", options->full_scale,
                   "For the bits, in the unit of the value (default: range of the targets)");
    app.add_flag("--as-converter", options->as_converter,
                 "modulator.dac_bits stands for the programming noise");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
