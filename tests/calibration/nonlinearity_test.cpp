// Curves of known shape, coverage of their parameters, and the image intensifier's channels.
#include "calibration/nonlinearity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "data/lab_file.hpp"
#include "photonics/error.hpp"
#include "photonics/random_sequence.hpp"
#include "tests/support/assets.hpp"

namespace attojoule::calibration {
namespace {

TEST(Nonlinearity, KnownCurves) {
  std::vector<double> x, power, saturation;
  for (int i = 0; i <= 40; ++i) {
    x.push_back(5.0 * i);
    power.push_back(2 + 3 * std::pow(x.back(), 0.7));
    saturation.push_back(1 + 0.4 * x.back() / (1 + x.back() / 150));
  }
  const ChannelCurve p = fit_curve(3, x, power, CurveModel::power);
  EXPECT_EQ(p.channel, 3);
  EXPECT_NEAR(p.fit.value("p"), 0.7, 1e-8);
  EXPECT_NEAR(predict(p, CurveModel::power, 77) * p.output_scale, 2 + 3 * std::pow(77, 0.7), 1e-8);
  const ChannelCurve s = fit_curve(0, x, saturation, CurveModel::saturation);
  EXPECT_NEAR(s.input_scale / s.fit.value("1/s"), 150, 1e-6);
  const ChannelCurve c = fit_curve(0, x, x, CurveModel::cubic);
  EXPECT_NEAR(predict(c, CurveModel::cubic, 50), 0.25, 1e-12);
}

TEST(Nonlinearity, Coverage) {
  constexpr int sets = 2000;
  int inside68 = 0, inside95 = 0, halved = 0;
  for (int set = 0; set < sets; ++set) {
    photonics::RandomSequence random({.seed = 53}, static_cast<std::uint64_t>(set));
    std::vector<double> x, y;
    for (int i = 1; i <= 60; ++i) {
      x.push_back(i / 60.0);
      y.push_back(0.05 + 0.9 * std::pow(x.back(), 0.8) + 0.01 * random.normal());
    }
    const ChannelCurve curve = fit_curve(0, x, y, CurveModel::power);
    const double off = std::abs(curve.fit.value("p") - 0.8);
    const double error = curve.fit.standard_error("p");
    inside68 += off < error * curve.fit.coverage_factor(0.683);
    inside95 += off < error * curve.fit.coverage_factor(0.95);
    halved += off < error / 2 * curve.fit.coverage_factor(0.95);
  }
  const double total = sets;
  const double b95 = 3 * std::sqrt(0.95 * 0.05 / sets);
  EXPECT_NEAR(inside68 / total, 0.683, 3 * std::sqrt(0.683 * 0.317 / sets));
  EXPECT_NEAR(inside95 / total, 0.95, b95);
  EXPECT_LT(halved / total, 0.95 - b95) << "power check";
}

// 36 channels: 0.025 of the full scale on the test set, where straight lines miss by 0.043.
TEST(Nonlinearity, ImageIntensifier) {
  ATTOJOULE_ASSET(file, "lab/intensifier/cell_train.csv");
  const auto read = [](const std::filesystem::path& name) {
    const auto table = data::read_lab_file(name);
    std::map<double, std::pair<std::vector<double>, std::vector<double>>> channels;
    for (std::size_t i = 0; i < table.rows(); ++i) {
      auto& [x, y] = channels[table.column("channel").values[i]];
      x.push_back(table.column("before").values[i]);
      y.push_back(table.column("after").values[i]);
    }
    return channels;
  };
  const auto train = read(file), test = read(file.parent_path() / "cell_test.csv");
  ASSERT_EQ(train.size(), 36u);
  const auto rms = [&](CurveModel model) {
    double squares = 0, count = 0;
    for (const auto& [label, points] : train) {
      const ChannelCurve curve = fit_curve(label, points.first, points.second, model);
      const auto& [x, y] = test.at(label);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double error = y[i] / curve.output_scale - predict(curve, model, x[i]);
        squares += error * error;
        ++count;
      }
    }
    return std::sqrt(squares / count);
  };
  EXPECT_NEAR(rms(CurveModel::line), 0.043, 0.0005);
  EXPECT_LE(rms(CurveModel::power), 0.025);
  EXPECT_LE(rms(CurveModel::saturation), 0.025);
}

TEST(Nonlinearity, Refusals) {
  const std::vector<double> few(4, 1.0), some = {1, 2, 3, 4, 5, 6, 7, 8},
                                         negative = {-1, 2, 3, 4, 5, 6, 7, 8}, none(8, 0.0);
  EXPECT_THROW(fit_curve(0, few, few, CurveModel::line), DataError);
  EXPECT_THROW(fit_curve(0, negative, some, CurveModel::line), DataError);
  EXPECT_THROW(fit_curve(0, none, some, CurveModel::line), DataError);
}

}  // namespace
}  // namespace attojoule::calibration
