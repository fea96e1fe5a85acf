#include "calibration/propagation_loss.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <set>

#include "calibration/curve.hpp"
#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

// A guide that is this improbable, and off by twice a coupling's repeatability, is believed to be
// off.
constexpr double outlier_probability = 0.01;

FitProblem problem_of(const CutbackData& data, bool curved) {
  FitProblem problem;
  const double longest = *std::max_element(data.length_cm.begin(), data.length_cm.end());
  problem.parameters = {
      {.name = "propagation_loss",
       .start = 1,
       .unit = "dB/cm",
       .lower = 0,
       .bound_reason = "a waveguide without gain does not amplify: a column that counts a loss is "
                       "headed \"loss [dB]\""},
      {.name = "intercept", .start = data.transmission_db.front(), .unit = data.transmission_unit}};
  if (curved) problem.parameters.push_back({.name = "curvature", .start = 0});
  problem.model =
      Model(data.length_cm.size(),
            [length = data.length_cm, longest, curved]<class T>(const T* p, std::size_t i) -> T {
              const T l(length[i]);
              T t = p[1] - p[0] * l;
              if (curved) t = t + p[2] * l * l / T(longest);
              return t;
            });
  problem.y = data.transmission_db;
  problem.sigma = data.sigma_db;
  problem.convention = data.sigma_db.empty() ? SigmaConvention::scale : SigmaConvention::known;
  return problem;
}

}  // namespace

CalibrationResult calibrate_propagation_loss(const CutbackData& data) {
  const std::size_t n = data.length_cm.size();
  const auto place = [&](std::size_t i) {
    return i < data.places.size() ? data.places[i] : fmt::format("guide {}", i + 1);
  };
  const std::set<double> lengths(data.length_cm.begin(), data.length_cm.end());
  if (n < 3) {
    throw DataError(fmt::format(
        "loss: {} guides (a line with an uncertainty needs 3). Measure more lengths.", n));
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(data.transmission_db[i]) || !(data.length_cm[i] >= 0)) {
      throw DataError(fmt::format(
          "{}: length {:g} cm, transmission {:g} {} (both must be numbers, and a length is not "
          "negative). Correct or remove it.",
          place(i), data.length_cm[i], data.transmission_db[i], data.transmission_unit));
    }
  }
  CalibrationResult result;
  result.kind = "loss";
  result.model = "T = T_0 - alpha L";
  result.method = data.sigma_db.empty() ? "least squares in dB, scatter from the residuals"
                                        : "weighted least squares in dB, known sigmas";
  Fit best = fit(problem_of(data, false));
  if (best.status == FitStatus::not_identifiable) {
    best.message = fmt::format(
        "cannot separate propagation and coupling loss: {} different lengths. Measure guides of "
        "clearly different length",
        lengths.size());
  }
  adopt(result, best, {"propagation loss", "transmission at length 0: both couplings"});
  if (best.status == FitStatus::converged) {
    double largest = 0, largest_t = 0, squares = 0;
    std::size_t worst = 0, worst_t = 0;
    const double s2 = best.chi2_reduced();
    for (std::size_t i = 0; i < n; ++i) {
      const double off = std::abs(best.residuals[i]);
      squares += off * off;
      if (off > largest) {
        largest = off;
        worst = i;
      }
      // Externally studentised: the guide's distance from the line of the others.
      const double z2 = best.standardised[i] * best.standardised[i] / s2;
      if (n >= 5 && std::isfinite(z2) && best.dof - z2 > 0) {
        const double t = std::sqrt(z2 * (best.dof - 1) / (best.dof - z2));
        if (t > largest_t) {
          largest_t = t;
          worst_t = i;
        }
      } else if (n >= 5 && std::isfinite(z2)) {
        largest_t = std::numeric_limits<double>::infinity();
        worst_t = i;
      }
    }
    if (largest > 6 * data.repeatability_db) {
      reject(
          result,
          fmt::format("{}{:.1f} dB off the line, more than six times the repeatability of a "
                      "coupling ({:g} dB): a damaged guide, a wrong length, or another mode. "
                      "Measure again, or leave one out with --exclude",
                      // A line through few guides is drawn to the wrong one.
                      n >= 5 ? place(worst) + ": "
                             : fmt::format("with {} guides none can be told to be the wrong one; "
                                           "residuals of {:.1f} dB rms and up to ",
                                           n, std::sqrt(squares / static_cast<double>(n))),
                      largest, data.repeatability_db));
    } else if (n >= 5 && largest > 2 * data.repeatability_db) {
      const double dof = best.dof - 1;
      const double p = std::isfinite(largest_t) ? 2 * static_cast<double>(n) *
                                                      boost::math::cdf(boost::math::complement(
                                                          boost::math::students_t(dof), largest_t))
                                                : 0;
      if (p < outlier_probability) {
        reject(result, fmt::format("{}: {:.2f} dB off the line of the other guides (probability "
                                   "{:.1e}): measure it again, or leave it out with --exclude",
                                   place(worst_t), std::abs(best.residuals[worst_t]), p));
      }
    }
    if (n >= 5 && lengths.size() >= 4) {
      const Fit curved = fit(problem_of(data, true));
      if (curved.status == FitStatus::converged) {
        const double t = curved.values[2] / curved.standard_error(2);
        double bend = 0;
        for (std::size_t i = 0; i < n; ++i) {
          bend = std::max(bend, std::abs(curved.model_values[i] - best.model_values[i]));
        }
        if (std::abs(t) > curved.coverage_factor(1 - rejection_probability) &&
            bend > data.repeatability_db) {
          reject(result,
                 fmt::format("the transmission is curved in length (t = {:.1f}, {:.2f} dB): "
                             "the loss is not the same along the guides",
                             t, bend));
        }
      }
    }
    if (n == 3) {
      result.warnings.push_back(
          "three guides: one degree of freedom, and no way to tell which of them is off; measure "
          "more lengths");
    }
    if (data.length_scale_uncertainty > 0) {
      add_type_b(result, {-result.parameters[0].value * data.length_scale_uncertainty, 0},
                 fmt::format("scale of the lengths {:g} %", 100 * data.length_scale_uncertainty));
    }
    if (data.path_length_cm > 0) {
      result.device.push_back(
          {"link.propagation_loss", "dB", "propagation_loss", data.path_length_cm});
      result.settings["path length"] = fmt::format("{:g} cm", data.path_length_cm);
    }
    Estimate scatter;
    scatter.name = "scatter";
    scatter.unit = "dB";
    scatter.value = std::sqrt(best.residual_sum_of_squares / best.dof);
    scatter.u_a = scatter.value / std::sqrt(2 * best.dof);
    scatter.meaning = "standard deviation of a guide about the line";
    result.figures.push_back(scatter);
  }
  PlotSeries measured{"measured", {}, {}, {}, PlotSeries::Kind::points};
  PlotSeries line{"fit", {}, {}, {}, PlotSeries::Kind::line};
  PlotSeries off{"residual", {}, {}, {}, PlotSeries::Kind::points};
  for (std::size_t i = 0; i < n; ++i) {
    ResidualRow row{place(i),
                    data.length_cm[i],
                    data.transmission_db[i],
                    best.model_values[i],
                    data.sigma_db.empty() ? not_known : data.sigma_db[i],
                    best.standardised[i],
                    best.leverage[i],
                    true};
    if (data.sigma_db.empty() && best.dof > 0) row.standardised /= std::sqrt(best.chi2_reduced());
    result.residuals.push_back(row);
    measured.x.push_back(row.x);
    measured.y.push_back(row.y);
    off.x.push_back(row.x);
    off.y.push_back(row.y - row.model);
  }
  measured.error = data.sigma_db;
  const double longest = *std::max_element(data.length_cm.begin(), data.length_cm.end());
  for (const double x : {0.0, longest}) {
    line.x.push_back(x);
    line.y.push_back(best.values[1] - best.values[0] * x);
  }
  const std::string y_label = fmt::format("transmission [{}]", data.transmission_unit);
  result.plots.push_back({"Cut-back", "length [cm]", y_label, false, false, {measured, line}});
  result.plots.push_back({"Residuals", "length [cm]", "residual [dB]", false, false, {off}});
  PythonColumns columns{{"x", data.length_cm}, {"y", data.transmission_db}};
  if (!data.sigma_db.empty()) columns.emplace_back("sigma", data.sigma_db);
  result.python = fmt::format(
      "import numpy as np\nfrom scipy.optimize import curve_fit\n{}p, cov = curve_fit(lambda x, a, "
      "t: t - a * x, x, y, p0=[1, y[0]]{})\nfor n, v, s in zip(('propagation_loss', 'intercept'), "
      "p, np.sqrt(np.diag(cov))):\n    print(n, repr(float(v)), repr(float(s)))\n",
      python_arrays(result, columns),
      data.sigma_db.empty() ? "" : ", sigma=sigma, absolute_sigma=True");
  return result;
}

}  // namespace attojoule::calibration
