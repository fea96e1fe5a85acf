// attojoule calibrate adc: effective bits and linearity of a converter from records of a sine wave.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>

#include "calibration/converter.hpp"
#include "photonics/error.hpp"
#include "tools/calibrate/fit_kind.hpp"

namespace attojoule::tools {
namespace {

using calibration::not_known;

struct Options {
  FitKindOptions common;
  std::string column, rate, frequency, full_scale;
  int bits = 0;
};

int run(const Options& options, const Streams& streams) {
  if (options.bits < 0 || options.bits > 24) {
    throw ConfigError("--bits: not from 1 to 24. Write the converter's resolution.");
  }
  const auto table = read_only_file("adc", options.common);
  const bool timed = table.columns.size() > 1 && has_dimension(table.columns[0], "s");
  double rate = 1;
  bool rate_known = true;
  if (!options.rate.empty()) {
    rate = option_quantity("--rate", options.rate, "Hz");
  } else if (timed) {
    const auto t = data::column_in(table, table.columns[0].name, "s");
    rate = static_cast<double>(t.size() - 1) / (t.back() - t.front());
  } else if (const auto interval = data::setting_in(table, "sample interval", "s")) {
    rate = 1 / *interval;
  } else {
    rate_known = false;
  }
  if (!(rate > 0) || !std::isfinite(rate)) throw ConfigError("--rate: not above 0 Hz. Mend it.");
  std::vector<std::string> others;
  if (timed) others.push_back(table.columns[0].name);
  const std::string name = only_column(table, options.column, others);
  const auto& y = table.column(name).values;
  double omega = 0;
  if (!options.frequency.empty()) {
    if (!rate_known)
      throw ConfigError("--frequency: the sample rate is not known. Pass --rate, too.");
    omega = 2 * std::numbers::pi * option_quantity("--frequency", options.frequency, "Hz") / rate;
    if (!(omega > 0) || omega >= std::numbers::pi) {
      throw ConfigError(
          "--frequency: not between 0 and half the sample rate. Give the alias that the "
          "record shows.");
    }
  }
  const auto fit = calibration::fit_sine(y, omega);
  const std::string unit = table.column(name).unit.empty() ? "DN" : table.column(name).unit;
  calibration::CalibrationResult result;
  result.kind = "adc";
  result.model = "y_n = C + sqrt(A^2 + B^2) cos(w n + phi)";
  result.method = fmt::format(
      "sine fit of IEEE Std 1057 with {} parameters; histogram of IEEE Std "
      "1241 for DNL and INL",
      omega > 0 ? "three" : "four");
  result.points_used = y.size();
  result.tables.push_back({"record", {{"sample", unit, y}}, false});
  note_table(result, table);
  // A sine fitted to a clipped one reaches beyond what the record shows.
  const auto [lowest, highest] = std::minmax_element(y.begin(), y.end());
  const double beyond =
      std::max(fit.offset + fit.amplitude - *highest, *lowest - fit.offset + fit.amplitude);
  if (fit.converged && beyond > std::max(0.01 * fit.amplitude, 5 * fit.noise / std::sqrt(8.0)) &&
      beyond > 2 * fit.noise) {
    result.warnings.push_back(
        fmt::format("the fitted sine reaches {:.3g} {} beyond the record: it is clipped, and ENOB "
                    "and SINAD are those of a clipped sine; use less amplitude",
                    beyond, unit));
  }
  if (!fit.converged) {
    result.verdict = calibration::Verdict::no_convergence;
    result.reasons.push_back(
        "no convergence of the sine fit (is there one sine wave in the record?): give its "
        "frequency with --frequency, or another --column");
    return finish(options.common, result, streams);
  }
  const auto figures = calibration::converter_figures(fit, options.bits);
  const double per_radian = rate / (2 * std::numbers::pi);
  std::vector<calibration::Estimate> fitted{
      {"amplitude", unit, fit.amplitude, fit.amplitude_error, 0, not_known, not_known,
       "of the sine"},
      {"offset", unit, fit.offset, fit.offset_error, 0, not_known, not_known, "of the sine"}};
  std::vector<double> factors{1, 1};
  if (fit.frequency_fitted) {
    fitted.push_back({"frequency", rate_known ? "Hz" : "1", fit.omega * per_radian,
                      fit.omega_error * per_radian, 0, not_known, not_known,
                      rate_known ? "of the sine" : "of the sine, per sample"});
    factors.push_back(per_radian);
  }
  const auto n = static_cast<Eigen::Index>(fitted.size());
  result.parameters = fitted;
  result.covariance_a = fit.covariance;
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index k = 0; k < n; ++k) {
      result.covariance_a(i, k) *=
          factors[static_cast<std::size_t>(i)] * factors[static_cast<std::size_t>(k)];
    }
  }
  result.covariance_b = Eigen::MatrixXd::Zero(n, n);
  const double dof = static_cast<double>(y.size()) - (fit.frequency_fitted ? 4 : 3);
  result.covariance_scaled = true;
  for (auto& estimate : result.parameters) calibration::set_interval(estimate, dof);
  const auto append = [&](const char* what, const char* of, double value, double error,
                          const std::string& meaning) {
    append_separate(result, {what, of, value, error, 0, not_known, not_known, meaning});
  };
  append("noise", unit.c_str(), fit.residual_rms, fit.residual_rms / std::sqrt(2 * dof),
         "root mean square of the residuals");
  append("enob", "bit", figures.enob, figures.enob_error,
         figures.enob_of_full_scale ? "log2(2^bits / (r sqrt(12)))"
                                    : "of the sine's range; pass --bits for the full scale");
  append("sinad", "dB", figures.sinad_db, figures.sinad_error_db, "electrical");
  append("sfdr", "dB", figures.sfdr_db, figures.sfdr_error_db,
         "fundamental over greatest other line");
  append("thd", "dB", figures.thd_db, figures.thd_error_db, "harmonics 2 to 10");
  for (std::size_t k = 0; k < figures.harmonic_db.size(); ++k) {
    // A harmonic that falls on the fundamental, or on zero frequency, is not there to be seen.
    if (!std::isfinite(figures.harmonic_db[k])) continue;
    result.figures.push_back({fmt::format("harmonic_{}", k + 2), "dB", figures.harmonic_db[k],
                              not_known, 0, not_known, not_known, "over the fundamental"});
  }
  if (options.bits > 0) {
    const double full = std::exp2(options.bits);
    const double share = 2 * fit.amplitude / full;
    result.figures.push_back({"amplitude_of_full_scale", "1", share, 2 * fit.amplitude_error / full,
                              0, not_known, not_known, "range of the sine over the full scale"});
    if (share < 0.5) {
      result.warnings.push_back(fmt::format(
          "the sine fills {:.0f} % of the full scale: noise that grows with the signal is missed",
          100 * share));
    }
    const auto [low, high] = std::minmax_element(y.begin(), y.end());
    if (*high - *low > full - 1) {
      throw DataError(fmt::format("{}: codes from {} to {} do not fit {} bit; mend --bits",
                                  table.file.string(), *low, *high, options.bits));
    }
    result.device.push_back({"adc.bits", "1", "enob", 1});
    if (!options.full_scale.empty()) {
      const double volt = option_quantity("--full-scale", options.full_scale, "V");
      if (!(volt > 0)) {
        throw ConfigError("--full-scale: not above 0 V. Write the input range, peak to peak.");
      }
      result.device_conditions.emplace_back("adc.full_scale", fmt::format("{:.17g} V", volt));
    }
  } else if (!options.full_scale.empty()) {
    throw ConfigError(
        "--full-scale without --bits: effective bits are of the full scale of the "
        "converter's codes. Pass --bits as well.");
  }
  using Kind = calibration::PlotSeries::Kind;
  calibration::PlotSeries against{"residual", {}, {}, {}, Kind::points};
  for (std::size_t i = 0; i < y.size(); ++i) {
    calibration::ResidualRow row;
    row.place = data::place_of_row(table, i);
    row.x = static_cast<double>(i);
    row.y = y[i];
    row.model = y[i] - fit.residuals[i];
    row.sigma = fit.noise;
    row.standardised = fit.residuals[i] / fit.noise;
    result.residuals.push_back(row);
    against.x.push_back(row.model);
    against.y.push_back(fit.residuals[i]);
  }
  result.plots.push_back({"Residuals of the sine fit against its value",
                          name + " [" + unit + "]",
                          "residual [" + unit + "]",
                          false,
                          false,
                          {against}});
  std::string histogram_check;
  const bool whole = std::all_of(y.begin(), y.end(), [](double v) { return v == std::round(v); });
  if (whole) {
    const auto [low, high] = std::minmax_element(y.begin(), y.end());
    const double codes = *high - *low + 1;
    // Below that a histogram says nothing about single codes.
    if (codes >= 6 && static_cast<double>(y.size()) >= 32 * codes) {
      const auto histogram = calibration::code_histogram(y);
      const auto greatest = [](const std::vector<double>& values) {
        return static_cast<std::size_t>(
            std::max_element(values.begin(), values.end(),
                             [](double a, double b) { return std::abs(a) < std::abs(b); }) -
            values.begin());
      };
      const std::size_t d = greatest(histogram.dnl), i = greatest(histogram.inl);
      append("dnl", "LSB", histogram.dnl[d], histogram.dnl_error[d],
             fmt::format("greatest, at code {}; the error is of that code",
                         histogram.first_code + static_cast<int>(d)));
      append("inl", "LSB", histogram.inl[i], histogram.inl_error[i],
             fmt::format("greatest, at code {}; the error is of that code",
                         histogram.first_code + static_cast<int>(i)));
      if (!histogram.missing.empty()) {
        result.warnings.push_back(fmt::format("{} codes have no sample, the first of them {}",
                                              histogram.missing.size(), histogram.missing[0]));
      }
      calibration::PlotSeries dnl{"DNL", {}, histogram.dnl, {}, Kind::points};
      calibration::PlotSeries inl{"INL", {}, histogram.inl, {}, Kind::line};
      for (std::size_t k = 0; k < histogram.dnl.size(); ++k) {
        dnl.x.push_back(histogram.first_code + static_cast<double>(k));
      }
      inl.x = dnl.x;
      result.plots.push_back({"Linearity", "code", "deviation [LSB]", false, false, {dnl, inl}});
      result.tables.push_back({"linearity",
                               {{"code", "DN", dnl.x},
                                {"dnl", "LSB", histogram.dnl},
                                {"dnl_error", "LSB", histogram.dnl_error},
                                {"inl", "LSB", histogram.inl},
                                {"inl_error", "LSB", histogram.inl_error}},
                               false});
      histogram_check =
          "h = np.bincount((y - y.min()).astype(int))\n"
          "T = -np.cos(np.pi * np.cumsum(h)[:-1] / len(y))[1:-1]\n"
          "Q = (T[-1] - T[0]) / (len(T) - 1)\n"
          "dnl, inl = np.diff(T) / Q - 1, (T[:-1] - T[0]) / Q - np.arange(len(T) - 1)\n"
          "print('dnl', repr(float(dnl[np.argmax(abs(dnl))])), 'nan')\n"
          "print('inl', repr(float(inl[np.argmax(abs(inl))])), 'nan')\n";
    } else {
      result.warnings.push_back(
          fmt::format("{} samples of {} codes are too few for DNL and INL (at least 32 per code)",
                      y.size(), codes));
    }
  } else {
    result.warnings.push_back("samples are no whole numbers: no DNL and INL");
  }
  // Amplitude and phase from the middle of the record, where they do not depend on the frequency.
  const double middle = (static_cast<double>(y.size()) - 1) / 2;
  result.python =
      python_table("record.csv", "(y,)") +
      fmt::format(
          "from scipy.optimize import curve_fit\nt = np.arange(len(y)) - {:.17g}\nw0 = {:.17g}\n"
          "def sine(t, amplitude, phase, offset{}): return amplitude * np.cos({} * t + phase) + "
          "offset\np, cov = curve_fit(sine, t, y, [{:.17g}, {:.17g}, {:.17g}{}])\n"
          "u = np.sqrt(np.diag(cov))\nr = np.sqrt(np.mean((y - sine(t, *p))**2))\n"
          "print('amplitude', repr(float(p[0])), repr(float(u[0])))\n"
          "print('offset', repr(float(p[2])), repr(float(u[2])))\n{}"
          "print('noise', repr(float(r)), 'nan')\n"
          "print('sinad', repr(float(20 * np.log10(p[0] / np.sqrt(2) / r))), 'nan')\n"
          "print('enob', repr(float(np.log2({} / r / np.sqrt(12)))), 'nan')\n",
          middle, fit.omega, fit.frequency_fitted ? ", turn" : "",
          fit.frequency_fitted ? "(w0 + turn / len(y))" : "w0", 1.001 * fit.amplitude,
          std::remainder(fit.phase + fit.omega * middle, 2 * std::numbers::pi) + 1e-3, fit.offset,
          fit.frequency_fitted ? ", 1e-3" : "",
          fit.frequency_fitted
              ? fmt::format("print('frequency', repr(float((w0 + p[3] / len(y)) * {0:.17g})), "
                            "repr(float(u[3] / len(y) * {0:.17g})))\n",
                            per_radian)
              : "",
          options.bits > 0 ? fmt::format("{:.17g}", std::exp2(options.bits)) : "(2 * p[0])") +
      histogram_check;
  return finish(options.common, result, streams);
}

}  // namespace

Verb calibrate_adc() {
  Verb verb;
  verb.name = "adc";
  verb.summary = "Effective bits, distortion and linearity of a converter from a sine record";
  verb.description =
      "Sine fit of IEEE Std 1057 (four parameters; three with --frequency): SINAD, ENOB, THD of\n"
      "harmonics 2 to 10, SFDR. ENOB refers to the full scale of --bits, else to the sine's "
      "range.\n"
      "Codes (whole numbers, 32 samples each at least) also give DNL and INL by the histogram of\n"
      "IEEE Std 1241; the sine must not be coherent with the clock for that.\n"
      "ENOB counts quantisation noise, log2(V / (sigma sqrt(12))); log2(V / sigma) is 1.79 bit "
      "more.\n"
      "With --bits, enob goes into device.yaml as adc.bits (it needs a --device with a receiver, "
      "and "
      "a\n"
      "--full-scale where that has none).\n"
      "Exit codes: 0 ok, 2 usage, 3 bad input, 4 no convergence.";
  verb.examples = {"attojoule calibrate adc data/laboratory/sine_8bit.csv --bits 8"};
  verb.define = [](CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->common.define_files(app);
    app.add_option("--column", options->column, "Its column (default: the only one)");
    app.add_option("--bits", options->bits, "Resolution of the converter");
    app.add_option("--rate", options->rate, "Sample rate, where the file has no time column");
    app.add_option("--frequency", options->frequency, "Of the sine, where it is known exactly");
    app.add_option("--full-scale", options->full_scale,
                   "Input range, peak to peak, for device.yaml: 1V");
    return [options](const Streams& streams) { return run(*options, streams); };
  };
  return verb;
}

}  // namespace attojoule::tools
