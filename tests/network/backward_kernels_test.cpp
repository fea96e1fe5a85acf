// Loops of the backward pass against their formulas in double precision, over odd sizes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "network/backward_kernels.hpp"
#include "network/kernels.hpp"
#include "tests/support/onnx_builder.hpp"

namespace attojoule::tests {
namespace {

using network::NoiseGradient;
using network::WindowGeometry;

Reals positive_reals(std::int64_t count, std::uint64_t seed) {
  Reals values = random_reals(count, seed);
  for (float& value : values) value = std::abs(value) + 0.05f;
  return values;
}

struct Sizes {
  std::int64_t positions, channels;
};
const std::vector<Sizes> sizes{{1, 1}, {3, 5}, {7, 16}, {1, 33}, {2049, 1}, {40, 67}, {130, 32}};

struct Form {
  bool noisy, norm_per_channel, offset, kept, clamp, residual, add_residual;
};

void expect_formulas(const Sizes& size, const Form& form) {
  const auto [positions, channels] = size;
  const std::int64_t count = positions * channels;
  const std::int64_t norm_count = form.norm_per_channel ? count : positions;
  const Reals g = random_reals(count, 1);
  const Reals y = random_reals(count, 2);
  const Reals output = random_reals(count, 3);
  Reals norms = positive_reals(norm_count, 4);
  norms[0] = 0;  // no light, no noise
  Reals offset(static_cast<std::size_t>(channels), 0.0f);
  Reals signal = offset;
  if (form.offset) {
    offset = positive_reals(channels, 5);
    signal = positive_reals(channels, 6);
    offset[0] = signal[0] = 0;
  }
  const Reals slope = positive_reals(channels, 7);
  const Reals before = random_reals(count, 8);
  Reals gradient = g;
  Reals residual = before;
  Reals norm_gradient(static_cast<std::size_t>(norm_count), 77.0f);  // must be written
  Reals by_offset(static_cast<std::size_t>(channels), 0.5f);         // must be added to
  Reals by_slope = by_offset;
  Reals by_signal = by_offset;

  NoiseGradient pass;
  pass.positions = positions;
  pass.channels = channels;
  pass.norm_per_channel = form.norm_per_channel;
  pass.gradient = gradient.data();
  pass.output = output.data();
  if (form.clamp) {
    pass.low = -0.5f;
    pass.high = 0.8f;
  }
  if (form.residual) pass.residual = residual.data();
  pass.add_residual = form.add_residual;
  pass.noisy = form.noisy;
  pass.accumulator = y.data();
  pass.norms = norms.data();
  pass.variance_offset = offset.data();
  pass.variance_slope = slope.data();
  pass.signal = signal.data();
  pass.has_offset = form.offset;
  pass.norm_gradient = norm_gradient.data();
  pass.offset_gradient = by_offset.data();
  pass.slope_gradient = by_slope.data();
  pass.signal_gradient = by_signal.data();
  pass.stream = {9, photonics::NoiseDomain::detection, 3, 4, 0};
  pass.first_element = 21;
  Reals z(static_cast<std::size_t>(count));
  photonics::fill_normal(pass.stream, 21, z);
  Reals error = z;  // sigma z, as the forward pass leaves it
  for (std::size_t i = 0; i < error.size(); ++i) {
    const auto c = static_cast<std::size_t>(channels);
    error[i] *= std::sqrt(slope[i % c] * norms[form.norm_per_channel ? i : i / c]);
  }
  if (form.kept) {
    pass.error = error.data();
    // Must not be drawn from where the law allows that.
    if (!form.offset && !form.norm_per_channel) pass.stream.seed = 1000;
  }
  network::carry_noise_gradient(pass);

  std::vector<double> dp(static_cast<std::size_t>(norm_count), 0.0);
  std::vector<double> da(static_cast<std::size_t>(channels), 0.5), db = da, dc = da;
  for (std::int64_t p = 0; p < positions; ++p) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto i = static_cast<std::size_t>(p * channels + c);
      const auto k = static_cast<std::size_t>(c);
      const auto n = form.norm_per_channel ? i : static_cast<std::size_t>(p);
      double inside = g[i];
      if (form.clamp && !(output[i] > -0.5f && output[i] < 0.8f)) inside = 0;
      if (form.residual) {
        EXPECT_NEAR(residual[i], inside + (form.add_residual ? before[i] : 0.0), 1e-6);
      } else {
        EXPECT_EQ(residual[i], before[i]);
      }
      double wanted = inside;
      if (form.noisy) {
        const double variance = offset[k] + static_cast<double>(slope[k]) * norms[n] +
                                static_cast<double>(signal[k]) * y[i] * y[i];
        const double t = variance > 0 ? inside * z[i] / (2 * std::sqrt(variance)) : 0.0;
        wanted += 2 * t * signal[k] * y[i];
        dp[n] += t * slope[k];
        da[k] += t;
        db[k] += t * norms[n];
        dc[k] += t * y[i] * y[i];
      }
      EXPECT_NEAR(gradient[i], wanted, 1e-5 * (1 + std::abs(wanted)));
    }
  }
  if (!form.noisy) return;
  const double tolerance = 2e-5 * std::sqrt(static_cast<double>(count));
  for (std::size_t n = 0; n < dp.size(); ++n) {
    EXPECT_NEAR(norm_gradient[n], dp[n], 2e-4 * (1 + std::abs(dp[n]))) << n;
  }
  for (std::size_t k = 0; k < db.size(); ++k) {
    EXPECT_NEAR(by_slope[k], db[k], tolerance) << k;
    EXPECT_NEAR(by_offset[k], form.offset ? da[k] : 0.5, tolerance) << k;
    EXPECT_NEAR(by_signal[k], form.offset ? dc[k] : 0.5, tolerance) << k;
  }
}

TEST(BackwardKernels, noise_gradient) {
  for (const Sizes& size : sizes) {
    for (const bool clamp : {false, true}) {
      for (const int residual : {0, 1, 2}) {
        const bool has = residual > 0;
        const bool add = residual == 2;
        SCOPED_TRACE(testing::Message() << size.positions << " x " << size.channels << " clamp "
                                        << clamp << " residual " << residual);
        expect_formulas(size, {false, false, false, false, clamp, has, add});
        expect_formulas(size, {true, false, false, true, clamp, has, add});
        expect_formulas(size, {true, false, false, false, clamp, has, add});
        expect_formulas(size, {true, false, true, true, clamp, has, add});
        expect_formulas(size, {true, true, false, true, clamp, has, add});
        expect_formulas(size, {true, true, true, false, clamp, has, add});
      }
    }
  }
}

TEST(BackwardKernels, counting_gradient) {
  for (const bool norm_per_channel : {false, true}) {
    constexpr std::int64_t positions = 11, channels = 7, count = positions * channels;
    const Reals g = random_reals(count, 1);
    const Reals photons = positive_reals(channels, 3);
    Reals sums = positive_reals(norm_per_channel ? count : positions, 4);
    sums[1] = 0;
    const float low = -0.4f, span = 1.3f;
    Reals y = positive_reals(count, 5);
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = y[i] * 0.3f - 0.35f;  // some are below what light can carry
    }
    Reals gradient = g;
    Reals norm_gradient(sums.size(), 3.0f);
    std::vector<double> energy(channels, 0.0);
    std::vector<double> curvature(channels, 0.0);
    NoiseGradient pass;
    pass.positions = positions;
    pass.channels = channels;
    pass.norm_per_channel = norm_per_channel;
    pass.gradient = gradient.data();
    pass.output = y.data();
    pass.accumulator = y.data();
    pass.norms = sums.data();
    pass.norm_gradient = norm_gradient.data();
    pass.stream = {9, photonics::NoiseDomain::photon_count, 1, 2, 0};
    pass.noisy = true;
    network::add_counting_curvature(pass, photons.data(), low, span, curvature.data());
    network::carry_counting_gradient(pass, photons.data(), low, span, energy.data());
    Reals z(static_cast<std::size_t>(count));
    photonics::fill_normal(pass.stream, 0, z);
    // sigma(y, S, N) by finite differences of the variance's formula.
    const auto sigma = [&](double value, double sum, double n) {
      const double variance = span * sum * (value - low * sum) / n;
      return variance > 0 ? std::sqrt(variance) : 0.0;
    };
    std::vector<double> ds(sums.size(), 0.0), de(channels, 0.0), dcurvature(channels, 0.0);
    for (std::int64_t p = 0; p < positions; ++p) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const auto i = static_cast<std::size_t>(p * channels + c);
        const auto n = norm_per_channel ? i : static_cast<std::size_t>(p);
        const auto k = static_cast<std::size_t>(c);
        const double s = sigma(y[i], sums[n], photons[k]);
        const double h = 1e-7;
        if (s == 0) {
          EXPECT_EQ(gradient[i], g[i]);
          continue;
        }
        const double by_y =
            (sigma(y[i] + h, sums[n], photons[k]) - sigma(y[i] - h, sums[n], photons[k])) / (2 * h);
        const double by_s =
            (sigma(y[i], sums[n] + h, photons[k]) - sigma(y[i], sums[n] - h, photons[k])) / (2 * h);
        const double wanted = g[i] * (1 + z[i] * by_y);
        EXPECT_NEAR(gradient[i], wanted, 1e-4 * (1 + std::abs(wanted)));
        ds[n] += g[i] * z[i] * by_s;
        de[k] -= 0.5 * g[i] * z[i] * s;
        dcurvature[k] += 0.5 * g[i] * g[i] * s * s;
      }
    }
    for (std::size_t n = 0; n < ds.size(); ++n) {
      EXPECT_NEAR(norm_gradient[n], ds[n], 1e-4 * (1 + std::abs(ds[n])));
    }
    for (std::size_t k = 0; k < de.size(); ++k) {
      EXPECT_NEAR(energy[k], de[k], 1e-5 * (1 + std::abs(de[k])));
      EXPECT_NEAR(curvature[k], dcurvature[k], 1e-5 * (1 + dcurvature[k]));
    }
  }
}

TEST(BackwardKernels, window_spread_is_the_adjoint_of_window_sum) {
  std::vector<WindowGeometry> geometries(4);
  geometries[0] = {1, {5, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {5, 7}};
  geometries[1] = {1, {9, 6}, {3, 2}, {2, 3}, {1, 1}, {1, 0}, {0, 0}, {4, 2}};
  geometries[2] = {1, {8, 8}, {2, 3}, {1, 1}, {2, 2}, {0, 2}, {0, 2}, {6, 8}};
  geometries[3] = {1, {4, 4}, {1, 1}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, {2, 2}};
  for (const WindowGeometry& g : geometries) {
    for (const std::int64_t channels : {1, 3}) {
      const std::int64_t in = g.input[0] * g.input[1] * channels;
      const std::int64_t out = g.positions() * channels;
      const Reals map = random_reals(in, 1);
      const Reals sums = random_reals(out, 2);
      Reals scratch(static_cast<std::size_t>(g.input[0] * g.output[1] * channels));
      Reals forward(static_cast<std::size_t>(out)), backward(static_cast<std::size_t>(in));
      network::window_sum(map.data(), g, channels, scratch.data(), forward.data());
      network::window_spread(sums.data(), g, channels, scratch.data(), backward.data());
      double a = 0, b = 0;
      for (std::size_t i = 0; i < forward.size(); ++i)
        a += static_cast<double>(forward[i]) * sums[i];
      for (std::size_t i = 0; i < backward.size(); ++i)
        b += static_cast<double>(backward[i]) * map[i];
      EXPECT_NEAR(a, b, 1e-4 * (1 + std::abs(a)));
    }
  }
}

TEST(BackwardKernels, norm_gradient) {
  for (const std::int64_t depth : {1, 5, 16, 37}) {
    for (const bool values : {false, true}) {
      for (const bool extra : {false, true}) {
        constexpr std::int64_t positions = 9, groups = 3;
        const std::int64_t count = positions * groups * depth;
        const Reals x = random_reals(count, 1);
        const Reals more = random_reals(count, 2);
        const Reals factor = random_reals(positions * groups, 3);
        const Reals before = random_reals(count, 4);
        Reals gradient = before;
        network::add_norm_gradient(values ? x.data() : nullptr, 2, factor.data(),
                                   extra ? more.data() : nullptr, positions, groups, depth,
                                   gradient.data());
        for (std::size_t i = 0; i < gradient.size(); ++i) {
          const double wanted =
              before[i] + (extra ? more[i] : 0.0) +
              2.0 * factor[i / static_cast<std::size_t>(depth)] * (values ? x[i] : 1.0);
          EXPECT_NEAR(gradient[i], wanted, 1e-5);
        }
      }
    }
  }
}

}  // namespace
}  // namespace attojoule::tests
