#include "calibration/nonlinearity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "photonics/error.hpp"

namespace attojoule::calibration {
namespace {

template <class T>
T curve(CurveModel model, const T* p, double x) {
  using std::exp;
  using std::log;
  switch (model) {
    case CurveModel::line:
      return p[0] + p[1] * T(x);
    case CurveModel::cubic:
      return p[0] + T(x) * (p[1] + T(x) * (p[2] + T(x) * p[3]));
    case CurveModel::power:
      // 0^p = 0 for p > 0, which a logarithm cannot say.
      return x > 0 ? p[0] + p[1] * exp(p[2] * T(std::log(x))) : p[0] + T(0) * p[1] * p[2];
    case CurveModel::saturation:
      // By the inverse of s, which is zero for a line.
      return p[0] + p[1] * T(x) / (T(1) + T(x) * p[2]);
  }
  return p[0];
}

FitProblem problem_of(std::vector<double> x, std::vector<double> y, CurveModel model) {
  FitProblem problem;
  problem.convention = SigmaConvention::scale;
  problem.model =
      Model(x.size(), [model, x](const auto* p, std::size_t i) { return curve(model, p, x[i]); });
  problem.y = std::move(y);
  const auto add = [&](const char* name, double start) {
    Parameter parameter;
    parameter.name = name;
    parameter.start = start;
    parameter.unit = "1";
    problem.parameters.push_back(parameter);
  };
  add("a", 0.01);
  add("b", 1);
  if (model == CurveModel::cubic) {
    add("c", -0.1);
    add("d", 0.01);
  }
  if (model == CurveModel::power) add("p", 0.8);
  if (model == CurveModel::saturation) add("1/s", 0.3);
  return problem;
}

}  // namespace

std::string name_of(CurveModel model) {
  switch (model) {
    case CurveModel::line:
      return "line";
    case CurveModel::cubic:
      return "cubic";
    case CurveModel::power:
      return "power";
    case CurveModel::saturation:
      return "saturation";
  }
  return {};
}

ChannelCurve fit_curve(double channel, std::span<const double> x, std::span<const double> y,
                       CurveModel model) {
  ChannelCurve result;
  result.channel = channel;
  if (x.size() < 8) {
    throw DataError(
        fmt::format("nonlinearity: channel {} has {} points (at least eight are needed). "
                    "Give more.",
                    channel, x.size()));
  }
  result.input_scale = *std::max_element(x.begin(), x.end());
  result.output_scale = *std::max_element(y.begin(), y.end());
  if (!(result.input_scale > 0) || !(result.output_scale > 0)) {
    throw DataError(
        fmt::format("nonlinearity: channel {} has no positive input or output. Check the "
                    "columns.",
                    channel));
  }
  std::vector<double> sx, sy;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] < 0) {
      throw DataError(
          fmt::format("nonlinearity: channel {} has the input {} (intensities are not "
                      "negative). Subtract the dark level, or delete the row.",
                      channel, x[i]));
    }
    sx.push_back(x[i] / result.input_scale);
    sy.push_back(y[i] / result.output_scale);
  }
  result.fit = fit(problem_of(std::move(sx), std::move(sy), model));
  return result;
}

double predict(const ChannelCurve& channel, CurveModel model, double x) {
  return curve(model, channel.fit.values.data(), x / channel.input_scale);
}

std::optional<double> block_error(std::span<const double> x, std::span<const double> y,
                                  CurveModel model, std::size_t blocks) {
  double squares = 0;
  const double scale = *std::max_element(y.begin(), y.end());
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t first = block * x.size() / blocks, end = (block + 1) * x.size() / blocks;
    std::vector<double> rest_x, rest_y;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (i >= first && i < end) continue;
      rest_x.push_back(x[i]);
      rest_y.push_back(y[i]);
    }
    const ChannelCurve part = fit_curve(0, rest_x, rest_y, model);
    if (part.fit.status != FitStatus::converged) return std::nullopt;
    for (std::size_t i = first; i < end; ++i) {
      const double error = y[i] - predict(part, model, x[i]) * part.output_scale;
      squares += error * error / (scale * scale);
    }
  }
  return std::sqrt(squares / static_cast<double>(x.size()));
}

}  // namespace attojoule::calibration
