// Input-output curves of many channels: how an optical nonlinearity bends, and how well it is
// known.
//
// Each channel is scaled by its own greatest input and output of the training set, and fitted:
//
//   line        y = a + b x
//   cubic       y = a + b x + c x^2 + d x^3
//   power       y = a + b x^p
//   saturation  y = a + b x / (1 + x / s)
//
// Quality is the root mean square of y - f(x) over points that were not fitted, in units of the
// full scale. Among models, the one with the least error of prediction by contiguous blocks of the
// training set is preferred (never by the test set).
// Test: tests/calibration/nonlinearity_test.cpp (known curves, coverage, the intensifier data).
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calibration/fit.hpp"

namespace attojoule::calibration {

enum class CurveModel { line, cubic, power, saturation };
inline constexpr std::array curve_models = {CurveModel::line, CurveModel::cubic, CurveModel::power,
                                            CurveModel::saturation};
std::string name_of(CurveModel model);

struct ChannelCurve {
  double channel = 0;
  double input_scale = 1, output_scale = 1;  // greatest of the training set
  Fit fit;                                   // of the scaled values
};

// x, y > 0 somewhere; ChannelCurve::fit.status says whether the model converged and could be
// determined. DataError for fewer than eight points, no positive value, or a negative input.
ChannelCurve fit_curve(double channel, std::span<const double> x, std::span<const double> y,
                       CurveModel model);

// Scaled output that the curve predicts at an unscaled input.
double predict(const ChannelCurve& curve, CurveModel model, double x);

// Root mean square of the prediction error over contiguous blocks held out in turn, scaled; nullopt
// where the model does not converge without one of them.
std::optional<double> block_error(std::span<const double> x, std::span<const double> y,
                                  CurveModel model, std::size_t blocks);

}  // namespace attojoule::calibration
