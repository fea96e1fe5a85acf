// Our own Winograd convolutions against the definition in double: every padding, extents that tiles
// do not divide, and the direction of gradients.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "network/winograd.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::WinogradPlanes;

struct Case {
  std::int64_t inputs, outputs, height, width, pad;
};

class WinogradKernel : public testing::TestWithParam<Case> {};

// y[p][q][o] = sum w[o][i][r][s] x[p + r - pad][q + s - pad][i], in double.
std::vector<double> convolve(const Case& c, const std::vector<float>& w,
                             const std::vector<float>& x) {
  const std::int64_t high = c.height + 2 * c.pad - 2, wide = c.width + 2 * c.pad - 2;
  std::vector<double> y(static_cast<std::size_t>(high * wide * c.outputs), 0.0);
  for (std::int64_t p = 0; p < high; ++p) {
    for (std::int64_t q = 0; q < wide; ++q) {
      for (std::int64_t r = 0; r < 3; ++r) {
        for (std::int64_t s = 0; s < 3; ++s) {
          const std::int64_t row = p + r - c.pad, column = q + s - c.pad;
          if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
          for (std::int64_t o = 0; o < c.outputs; ++o) {
            double sum = 0;
            for (std::int64_t i = 0; i < c.inputs; ++i) {
              sum += static_cast<double>(
                         w[static_cast<std::size_t>(((o * c.inputs + i) * 3 + r) * 3 + s)]) *
                     static_cast<double>(
                         x[static_cast<std::size_t>((row * c.width + column) * c.inputs + i)]);
            }
            y[static_cast<std::size_t>((p * wide + q) * c.outputs + o)] += sum;
          }
        }
      }
    }
  }
  return y;
}

void run_kernel(const network::WinogradWeights& weights, const WinogradPlanes& planes,
                const std::vector<float>& x, std::vector<float>& y) {
  std::vector<float> room(static_cast<std::size_t>(network::winograd_room(weights, planes.output)),
                          NAN);
  network::winograd_convolution(weights, planes, x.data(), room.data(), y.data());
}

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

TEST_P(WinogradKernel, equals_the_definition) {
  const Case c = GetParam();
  const auto x = random_reals(c.height * c.width * c.inputs, 1);
  const auto w = random_reals(c.outputs * c.inputs * 9, 2);
  const std::int64_t high = c.height + 2 * c.pad - 2, wide = c.width + 2 * c.pad - 2;
  const auto expected = convolve(c, w, x);
  std::vector<float> y(expected.size(), NAN);
  run_kernel(network::winograd_weights(w.data(), c.outputs, c.inputs, false),
             {{c.height, c.width}, {c.pad, c.pad}, {high, wide}}, x, y);
  const double tolerance = 2e-5 * largest(expected);
  for (std::size_t i = 0; i < y.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(y[i]), expected[i], tolerance) << i;
  }
}

// <g, conv(x)> = <conv_backward(g), x> for all x: the gradient of the input is the adjoint.
TEST_P(WinogradKernel, backward_is_the_adjoint) {
  const Case c = GetParam();
  const std::int64_t high = c.height + 2 * c.pad - 2, wide = c.width + 2 * c.pad - 2;
  const auto w = random_reals(c.outputs * c.inputs * 9, 3);
  const auto g = random_reals(high * wide * c.outputs, 4);
  std::vector<float> dx(static_cast<std::size_t>(c.height * c.width * c.inputs), NAN);
  const WinogradPlanes planes{{high, wide}, {2 - c.pad, 2 - c.pad}, {c.height, c.width}};
  run_kernel(network::winograd_weights(w.data(), c.outputs, c.inputs, true), planes, g, dx);
  for (std::uint64_t trial = 0; trial < 4; ++trial) {
    const auto x = random_reals(c.height * c.width * c.inputs, 10 + trial);
    const auto y = convolve(c, w, x);
    double forward = 0, backward = 0, size = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      forward += static_cast<double>(g[i]) * y[i];
      size += std::abs(static_cast<double>(g[i]) * y[i]);
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      backward += static_cast<double>(dx[i]) * static_cast<double>(x[i]);
    }
    EXPECT_NEAR(forward, backward, 2e-6 * size);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, WinogradKernel,
                         testing::Values(Case{16, 16, 8, 8, 1}, Case{16, 32, 7, 9, 1},
                                         Case{32, 16, 3, 5, 0}, Case{48, 64, 6, 13, 2},
                                         Case{64, 64, 8, 8, 1}, Case{16, 16, 1, 1, 1},
                                         Case{256, 16, 4, 4, 1}, Case{16, 256, 5, 4, 1},
                                         Case{16, 16, 32, 32, 1}, Case{512, 32, 12, 16, 1},
                                         Case{48, 80, 33, 31, 1}));

TEST(Winograd, takes_what_it_can_do) {
  network::WindowGeometry g;
  g.channels = 16;
  g.kernel = {3, 3};
  g.pad_begin = {1, 1};
  g.input = g.output = {16, 16};
  EXPECT_TRUE(network::fits_winograd(g, 1, 32));
  EXPECT_FALSE(network::fits_winograd(g, 16, 32));
  EXPECT_FALSE(network::fits_winograd(g, 1, 24));
  g.stride = {2, 2};
  EXPECT_FALSE(network::fits_winograd(g, 1, 32));
  g.stride = {1, 1};
  g.input = g.output = {8, 8};  // four tiles
  EXPECT_FALSE(network::fits_winograd(g, 1, 32));
  g.input = g.output = {16, 16};
  g.channels = 3;
  EXPECT_FALSE(network::fits_winograd(g, 1, 32));
}

}  // namespace
}  // namespace attojoule::tests
