// The fused sweep over a product's outputs against its plain formula, over sizes around the width
// of a vector, and the sums that it reads against brute force.
#include "network/noise_pass.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "network/kernels.hpp"
#include "tests/photonics/highway_targets.hpp"
#include "tests/support/onnx_builder.hpp"
#include "tests/support/plain_network.hpp"

namespace attojoule::tests {
namespace {

using network::NoisePass;

constexpr double unit = 5.960464477539063e-08;  // 2^-24
constexpr float infinity = std::numeric_limits<float>::infinity();

Reals positive_reals(std::int64_t count, std::uint64_t seed, float scale = 1) {
  Reals values = random_reals(count, seed, scale);
  for (float& value : values) value = std::abs(value);
  return values;
}

// Everything that a pass points to.
struct Arrays {
  std::int64_t positions, channels;
  Reals y, bias, residual, norms, offset, slope, signal;

  Arrays(std::int64_t p, std::int64_t c)
      : positions(p),
        channels(c),
        y(random_reals(p * c, 1, 3)),
        bias(random_reals(c, 2)),
        residual(random_reals(p * c, 3)),
        norms(positive_reals(p * c, 4)),
        offset(positive_reals(c, 5, 0.1f)),
        slope(positive_reals(c, 6, 0.5f)),
        signal(positive_reals(c, 7, 0.01f)) {}

  NoisePass pass(float* output) const {
    NoisePass pass;
    pass.positions = positions;
    pass.channels = channels;
    pass.accumulator = y.data();
    pass.output = output;
    pass.norms = norms.data();
    pass.variance_offset = offset.data();
    pass.variance_slope = slope.data();
    pass.signal = signal.data();
    pass.stream = {11, photonics::NoiseDomain::detection, 3, 5, 0};
    return pass;
  }
};

void expect_plain_formula(const Arrays& a, const NoisePass& pass, const Reals& output,
                          const Reals* residual) {
  Reals z(a.y.size());
  photonics::fill_normal(pass.stream, pass.first_element, z);
  for (std::size_t i = 0; i < z.size(); ++i) {
    const std::size_t c = i % static_cast<std::size_t>(a.channels);
    const std::size_t p = i / static_cast<std::size_t>(a.channels);
    const double norm = a.norms[pass.norm_per_channel ? i : p];
    double variance = a.slope[c] * norm;
    if (pass.has_offset)
      variance += a.offset[c] + static_cast<double>(a.signal[c]) * a.y[i] * a.y[i];
    const double noise = std::sqrt(variance) * z[i];
    const double bias = pass.bias != nullptr ? a.bias[c] : 0.0;
    const double added = residual != nullptr ? (*residual)[i] : 0.0;
    const double sum = a.y[i] + noise + bias + added;
    const double wanted = std::min<double>(std::max<double>(sum, pass.low), pass.high);
    const double size = std::abs(a.y[i]) + std::abs(noise) + std::abs(bias) + std::abs(added);
    ASSERT_NEAR(output[i], wanted, 8 * unit * size)
        << a.positions << " x " << a.channels << ", element " << i;
  }
}

const std::vector<std::pair<std::int64_t, std::int64_t>> sizes{
    {1, 1},
    {1, 15},
    {1, 16},
    {1, 17},
    {3, 1},
    {5, 7},
    {2, 8},
    {3, 9},
    {7, 3},
    {2, 63},
    {2, 64},
    {2, 65},
    {17, 1},
    {70, 33},
    {1, 2049},
    {2048, 1},
    // Long enough for noise drawn in registers; rows that end inside a vector.
    {80, 16},
    {65, 17},
    {50, 24},
    {33, 40},
    {20, 64},
    {3, 1000},
    {300, 100}};

TEST(GaussianNoise, equals_the_plain_formula) {
  for (const auto& [positions, channels] : sizes) {
    const Arrays a(positions, channels);
    for (int options = 0; options < 64; ++options) {
      Reals output(a.y.size(), -1000);
      NoisePass pass = a.pass(output.data());
      if ((options & 32) != 0) pass.first_element = 37;
      if ((options & 1) != 0) pass.bias = a.bias.data();
      if ((options & 2) != 0) pass.residual = a.residual.data();
      pass.has_offset = (options & 4) != 0;
      pass.norm_per_channel = (options & 8) != 0;
      if ((options & 16) != 0) {
        pass.low = -0.5f;
        pass.high = 2.5f;
      }
      network::apply_gaussian_noise(pass);
      expect_plain_formula(a, pass, output, (options & 2) != 0 ? &a.residual : nullptr);
    }
  }
}

TEST(GaussianNoise, may_write_over_its_accumulator_or_residual) {
  for (const auto& [positions, channels] : sizes) {
    const Arrays a(positions, channels);
    Arrays over = a;
    NoisePass pass = over.pass(over.y.data());
    network::apply_gaussian_noise(pass);
    expect_plain_formula(a, pass, over.y, nullptr);
    Arrays residual = a;
    pass = residual.pass(residual.residual.data());
    pass.residual = residual.residual.data();
    network::apply_gaussian_noise(pass);
    expect_plain_formula(a, pass, residual.residual, &a.residual);
  }
}

// Sums of codes become outputs in the same sweep.
TEST(GaussianNoise, takes_integer_accumulators) {
  for (const auto& [positions, channels] : sizes) {
    Arrays a(positions, channels);
    std::vector<std::int32_t> sums(a.y.size()), input_sums(a.y.size());
    std::vector<std::int32_t> shift, weight_zero;
    Reals scale;
    for (std::int64_t c = 0; c < channels; ++c) {
      shift.push_back(static_cast<std::int32_t>(7 * c % 1000));
      weight_zero.push_back(static_cast<std::int32_t>(c % 5) - 2);
      scale.push_back(0.001f * static_cast<float>(c % 7 + 1));
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      sums[i] = static_cast<std::int32_t>(i * 7919 % 4001) - 2000;
      input_sums[i] = static_cast<std::int32_t>(i * 31 % 503);
    }
    for (int options = 0; options < 8; ++options) {
      Reals output(a.y.size());
      NoisePass pass = a.pass(output.data());
      pass.accumulator = nullptr;
      pass.norm_per_channel = (options & 1) != 0;
      pass.has_offset = (options & 2) != 0;
      pass.integers.sums = sums.data();
      pass.integers.scale = scale.data();
      pass.integers.shift = shift.data();
      pass.integers.input_sums = input_sums.data();
      if ((options & 4) != 0) pass.integers.weight_zero = weight_zero.data();
      for (std::int64_t p = 0; p < positions; ++p) {
        for (std::int64_t c = 0; c < channels; ++c) {
          a.y[static_cast<std::size_t>(p * channels + c)] = network::accumulated(pass, p, c);
        }
      }
      network::apply_gaussian_noise(pass);
      expect_plain_formula(a, pass, output, nullptr);
    }
  }
}

// Processors with a fused multiply-add give the same bits, others what random.hpp allows.
TEST(GaussianNoise, agrees_between_instruction_sets) {
  for (const auto& [positions, channels] : sizes) {
    const Arrays a(positions, channels);
    for (int options = 0; options < 4; ++options) {
      Reals wanted;
      for (const std::int64_t target : runnable_targets()) {
        const OnlyTarget only(target);
        Reals output(a.y.size());
        NoisePass pass = a.pass(output.data());
        pass.has_offset = (options & 1) != 0;
        pass.norm_per_channel = (options & 2) != 0;
        network::apply_gaussian_noise(pass);
        if (has_fused_multiply_add(target)) {
          if (wanted.empty()) wanted = output;
          ASSERT_EQ(output, wanted) << hwy::TargetName(target) << ", channels " << channels;
        } else {
          expect_plain_formula(a, pass, output, nullptr);
        }
      }
    }
  }
}

TEST(GaussianNoise, one_sided_clamps) {
  const Arrays a(5, 17);
  for (const auto& [low, high] : {std::pair{0.0f, infinity}, std::pair{-infinity, 0.25f}}) {
    Reals output(a.y.size());
    NoisePass pass = a.pass(output.data());
    pass.low = low;
    pass.high = high;
    network::apply_gaussian_noise(pass);
    expect_plain_formula(a, pass, output, nullptr);
    for (const float value : output) {
      EXPECT_GE(value, low);
      EXPECT_LE(value, high);
    }
  }
}

// A pass over all outputs is the same, bit for bit, as passes over its rows.
TEST(GaussianNoise, rows_know_their_element_numbers) {
  const Arrays a(9, 33);
  Reals whole(a.y.size());
  network::apply_gaussian_noise(a.pass(whole.data()));
  Reals parts(a.y.size());
  for (std::int64_t row = 0; row < a.positions; ++row) {
    NoisePass pass = a.pass(parts.data() + row * a.channels);
    pass.positions = 1;
    pass.accumulator += row * a.channels;
    pass.norms += row;
    pass.first_element = static_cast<std::uint64_t>(row * a.channels);
    network::apply_gaussian_noise(pass);
  }
  EXPECT_EQ(whole, parts);
}

TEST(GaussianNoise, without_variance_nothing_changes) {
  Arrays a(3, 21);
  a.slope.assign(a.slope.size(), 0);
  Reals output(a.y.size());
  NoisePass pass = a.pass(output.data());
  pass.has_offset = false;
  network::apply_gaussian_noise(pass);
  EXPECT_EQ(output, a.y);
}

// ---- photoelectrons of two diodes ----

// A pass whose counts come from registers, and the same with a second noise of no size, which is
// drawn and added tile by tile.
TEST(PhotoelectronCounting, is_the_same_in_registers_and_tile_by_tile) {
  for (const bool per_channel : {false, true}) {
    for (const bool normalised : {false, true}) {
      for (const std::int64_t channels : {16, 17, 64, 100}) {
        SCOPED_TRACE(std::to_string(channels) + (per_channel ? " per channel" : "") +
                     (normalised ? " normalised" : ""));
        const std::int64_t positions = 150;
        Arrays arrays(positions, channels);
        arrays.norms[3] = 0;  // no light: the output stays
        const Reals light = positive_reals(channels, 20, 300);
        Reals gain = positive_reals(channels, 21, 5);
        gain[5] = 0;
        const Reals none(static_cast<std::size_t>(channels), 0.0f);
        Reals registers(arrays.y.size()), tiles(arrays.y.size());
        NoisePass pass = arrays.pass(registers.data());
        pass.norm_per_channel = per_channel;
        pass.first_element = 37;
        pass.bias = arrays.bias.data();
        pass.residual = arrays.residual.data();
        pass.low = 0;
        pass.variance_offset = pass.variance_slope = pass.signal = none.data();
        network::DiodeCounts counts;
        counts.light = light.data();
        counts.gain = gain.data();
        counts.dark = 20;  // both together: above the series' smallest total
        counts.normalised = normalised;
        network::apply_photoelectron_counting(pass, counts);
        pass.output = tiles.data();
        counts.has_residual = true;
        network::apply_photoelectron_counting(pass, counts);
        EXPECT_EQ(registers, tiles);
        pass.output = registers.data();
        network::apply_epilogue(pass);
        EXPECT_NE(registers, tiles);
      }
    }
  }
}

// ---- photon counting ----

// Numbers of few bits, so that every mean count is exact and cannot fall on the other side of a
// step of the quantile: S a power of two, y = (t K_W + w_min) S with t in 64ths.
struct Light {
  static constexpr float weight_low = -0.5f;
  static constexpr float weight_span = 2;
  Reals y, sums, photons, transmissions;

  Light(std::int64_t positions, std::int64_t channels, bool per_channel) {
    const Reals uniform = [&] {
      Reals values(static_cast<std::size_t>(positions * channels));
      photonics::fill_uniform({3, photonics::NoiseDomain::test, 0, 0, 0}, 0, values);
      return values;
    }();
    sums.resize(static_cast<std::size_t>(per_channel ? positions * channels : positions));
    for (std::size_t i = 0; i < sums.size(); ++i)
      sums[i] = std::ldexp(1.0f, static_cast<int>(i % 5));
    for (std::int64_t c = 0; c < channels; ++c) {
      photons.push_back(std::ldexp(1.0f, static_cast<int>(c % 9) - 1));  // 0.5 to 128
    }
    for (std::size_t i = 0; i < uniform.size(); ++i) {
      const float sum = sums[per_channel ? i : i / static_cast<std::size_t>(channels)];
      transmissions.push_back(std::round(uniform[i] * 64) / 64);
      y.push_back((transmissions[i] * weight_span + weight_low) * sum);
    }
  }
};

TEST(PhotonCounting, equals_the_plain_formula) {
  for (const auto& [positions, channels] : sizes) {
    for (const bool per_channel : {false, true}) {
      const Light light(positions, channels, per_channel);
      const Arrays a(positions, channels);
      Reals means(light.y.size());
      for (std::size_t i = 0; i < means.size(); ++i) {
        means[i] = light.photons[i % static_cast<std::size_t>(channels)] * light.transmissions[i];
      }
      Reals output(light.y.size());
      NoisePass pass = a.pass(output.data());
      pass.accumulator = light.y.data();
      pass.norms = light.sums.data();
      pass.norm_per_channel = per_channel;
      pass.bias = a.bias.data();
      pass.residual = a.residual.data();
      pass.low = -4;
      pass.high = 40;
      pass.first_element = 77;
      const auto counted = network::apply_photon_counting(pass, light.photons.data(),
                                                          Light::weight_low, Light::weight_span);
      Reals counts(means.size());
      photonics::fill_poisson(pass.stream, 77, means, counts);
      double photons = 0;
      double transmission = 0;
      for (std::size_t i = 0; i < means.size(); ++i) {
        const std::size_t c = i % static_cast<std::size_t>(channels);
        const double sum = light.sums[per_channel ? i : i / static_cast<std::size_t>(channels)];
        const double error = Light::weight_span * sum / light.photons[c] *
                             (static_cast<double>(counts[i]) - means[i]);
        const double value = light.y[i] + error + a.bias[c] + a.residual[i];
        const double size =
            std::abs(light.y[i]) + std::abs(error) + std::abs(a.bias[c]) + std::abs(a.residual[i]);
        ASSERT_NEAR(output[i], std::clamp(value, -4.0, 40.0), 8 * unit * size)
            << positions << " x " << channels << ", element " << i;
        photons += means[i];
        transmission += light.transmissions[i];
      }
      EXPECT_NEAR(counted.photons, photons, 1e-6 * photons + 1e-12);
      EXPECT_NEAR(counted.transmission, transmission, 1e-6 * transmission + 1e-12);
    }
  }
}

TEST(PhotonCounting, dark_inputs_are_known_without_light) {
  const Reals y(16, 0.0f), sums{0}, photons(16, 8.0f);
  Reals output(16, 5.0f);
  NoisePass pass;
  pass.positions = 1;
  pass.channels = 16;
  pass.accumulator = y.data();
  pass.output = output.data();
  pass.norms = sums.data();
  const auto counted = network::apply_photon_counting(pass, photons.data(), -1, 2);
  EXPECT_EQ(output, y);
  EXPECT_EQ(counted.photons, 0);
  EXPECT_EQ(counted.transmission, 0);
}

// An output at the dark level, and rounding below it, sees no photon.
TEST(PhotonCounting, rounding_below_the_dark_level_is_dark) {
  const Reals y{-1, -1.0000001f, 1, 1.0000001f}, sums{1}, photons(4, 4.0f);
  Reals output(4);
  NoisePass pass;
  pass.positions = 1;
  pass.channels = 4;
  pass.accumulator = y.data();
  pass.output = output.data();
  pass.norms = sums.data();
  const auto counted = network::apply_photon_counting(pass, photons.data(), -1, 2);
  EXPECT_EQ(output[0], y[0]);
  EXPECT_EQ(output[1], y[1]);
  EXPECT_EQ(counted.photons, 8);  // the two outputs that see everything
  EXPECT_EQ(counted.transmission, 2);
}

// ---- sums ----

TEST(InputSums, of_values_and_squares) {
  for (const std::int64_t depth : {1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200}) {
    for (const std::int64_t groups : {1, 3}) {
      const std::int64_t positions = 37;
      const Reals x = random_reals(positions * groups * depth, 9);
      Reals squares(static_cast<std::size_t>(positions * groups)), values(squares.size());
      network::sum_of_squares(x.data(), positions, groups, depth, squares.data());
      network::sum_of_values(x.data(), positions, groups, depth, values.data());
      for (std::size_t i = 0; i < squares.size(); ++i) {
        double square = 0, value = 0, size = 0;
        for (std::size_t k = 0; k < static_cast<std::size_t>(depth); ++k) {
          const double one = x[i * static_cast<std::size_t>(depth) + k];
          square += one * one;
          value += one;
          size += std::abs(one);
        }
        ASSERT_NEAR(squares[i], square, (static_cast<double>(depth) + 2) * unit * square) << depth;
        ASSERT_NEAR(values[i], value, (static_cast<double>(depth) + 2) * unit * size) << depth;
      }
    }
  }
}

TEST(NormSums, may_leave_rows_out) {
  for (const std::int64_t depth : {1, 3, 16, 19}) {
    const Reals x = random_reals(12 * depth, 9);
    Reals all(12), some(4);
    network::sum_of_squares(x.data(), 12, 1, depth, all.data());
    network::sum_of_squares(x.data(), 4, 1, depth, some.data(), 3);
    for (std::size_t i = 0; i < some.size(); ++i) {
      EXPECT_NEAR(some[i], all[3 * i], 4 * unit * all[3 * i]) << depth;
    }
    network::sum_of_values(x.data(), 12, 1, depth, all.data());
    network::sum_of_values(x.data(), 4, 1, depth, some.data(), 3);
    for (std::size_t i = 0; i < some.size(); ++i) EXPECT_NEAR(some[i], all[3 * i], 1e-5) << depth;
  }
}

TEST(WindowSum, equals_brute_force) {
  for (const std::int64_t kernel : {1, 2, 3, 5}) {
    for (const std::int64_t stride : {1, 2, 3}) {
      for (const std::int64_t dilation : {1, 2}) {
        for (const std::int64_t channels : {1, 3, 16, 17}) {
          network::WindowGeometry g;
          g.channels = channels;
          g.input = {9, 11};
          g.kernel = {kernel, kernel + 1};
          g.stride = {stride, stride == 3 ? 1 : stride};
          g.dilation = {dilation, 1};
          g.pad_begin = {kernel / 2, kernel};
          g.pad_end = {kernel, 0};
          for (std::size_t i = 0; i < 2; ++i) {
            const std::int64_t span = (g.kernel[i] - 1) * g.dilation[i] + 1;
            g.output[i] = (g.input[i] + g.pad_begin[i] + g.pad_end[i] - span) / g.stride[i] + 1;
          }
          const Reals map = positive_reals(9 * 11 * channels, 5);
          Reals scratch(static_cast<std::size_t>(9 * g.output[1] * channels));
          Reals out(static_cast<std::size_t>(g.positions() * channels), -1);
          network::window_sum(map.data(), g, channels, scratch.data(), out.data());
          const Reals values = random_reals(9 * 11 * channels, 6);
          Reals row(static_cast<std::size_t>(11 * channels)), squares(out.size(), -1);
          network::window_squares(values.data(), g, channels, row.data(), squares.data());
          std::size_t at = 0;
          for (std::int64_t oy = 0; oy < g.output[0]; ++oy) {
            for (std::int64_t ox = 0; ox < g.output[1]; ++ox) {
              for (std::int64_t c = 0; c < channels; ++c) {
                double sum = 0;
                double square = 0;
                for (std::int64_t ky = 0; ky < g.kernel[0]; ++ky) {
                  for (std::int64_t kx = 0; kx < g.kernel[1]; ++kx) {
                    const std::int64_t y = oy * g.stride[0] + ky * g.dilation[0] - g.pad_begin[0];
                    const std::int64_t x = ox * g.stride[1] + kx * g.dilation[1] - g.pad_begin[1];
                    if (y < 0 || y >= 9 || x < 0 || x >= 11) continue;
                    const auto i = static_cast<std::size_t>((y * 11 + x) * channels + c);
                    sum += map[i];
                    square += static_cast<double>(values[i]) * values[i];
                  }
                }
                ASSERT_NEAR(squares[at], square, 40 * unit * square)
                    << kernel << " " << stride << " " << dilation << " " << channels;
                ASSERT_NEAR(out[at++], sum, 40 * unit * sum)
                    << kernel << " " << stride << " " << dilation << " " << channels;
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace attojoule::tests
