// What every lane of a vector kernel shares of a random stream, computed once a call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "photonics/philox.hpp"
#include "photonics/random.hpp"

namespace attojoule::photonics {

inline constexpr std::size_t random_lanes_per_run = 16;  // elements of one word, side by side
inline constexpr std::size_t random_group_size = 64;     // four words of sixteen blocks

// From this mean on the Poisson kernel uses the Cornish-Fisher series, below it inversion.
inline constexpr float poisson_series_mean = 8.0f;

// 1/k; the inversion of a mean below 8 at |z| <= 6.7 ends before k = 64.
inline constexpr std::array<float, 64> reciprocal_of_integer = [] {
  std::array<float, 64> table{};
  for (std::size_t k = 1; k < table.size(); ++k) table[k] = 1.0f / static_cast<float>(k);
  return table;
}();

// Counter words 1..3 and the key of a stream, with the parts of the first three Philox rounds that
// do not depend on the block number (counter word 0). Words are widened to 64 bits because the
// kernels broadcast them into 64-bit lanes.
struct RandomPlan {
  PhiloxKey key{};
  PhiloxCounter counter{};
  std::array<std::uint64_t, philox_rounds> round_key_0{};
  std::array<std::uint64_t, philox_rounds> round_key_1{};
  std::uint64_t round0_word2 = 0;
  std::uint64_t round1_word0 = 0;
  std::uint64_t round1_word2 = 0;
  std::uint64_t round2_word2 = 0;
};

// Key and counter words 1..3 of a stream; word 0 is the block number.
constexpr PhiloxKey philox_key(const RandomStream& stream) {
  return {static_cast<std::uint32_t>(stream.seed), static_cast<std::uint32_t>(stream.seed >> 32)};
}

constexpr PhiloxCounter philox_counter(const RandomStream& stream, std::uint32_t block) {
  return {block, stream.sample,
          static_cast<std::uint32_t>(stream.domain) << 24 | (stream.layer & 0xFFFFFFu),
          stream.read};
}

constexpr RandomPlan make_random_plan(const RandomStream& stream) {
  RandomPlan plan;
  plan.key = philox_key(stream);
  plan.counter = philox_counter(stream, 0);
  PhiloxKey key = plan.key;
  for (std::size_t round = 0; round < philox_rounds; ++round) {
    plan.round_key_0[round] = key[0];
    plan.round_key_1[round] = key[1];
    key[0] += philox_weyl_0;
    key[1] += philox_weyl_1;
  }
  const auto low = [](std::uint64_t product) { return static_cast<std::uint32_t>(product); };
  const auto high = [](std::uint64_t product) { return product >> 32; };
  const auto& c = plan.counter;
  // Round 0: words 0 and 1 are the same for all blocks.
  const std::uint64_t product_1 = std::uint64_t{philox_multiplier_1} * c[2];
  const std::uint64_t word0 = high(product_1) ^ c[1] ^ plan.round_key_0[0];
  const std::uint64_t word1 = low(product_1);
  plan.round0_word2 = c[3] ^ plan.round_key_1[0];
  // Round 1: so are the products of word 0, hence word 3.
  const std::uint64_t product_0 = std::uint64_t{philox_multiplier_0} * low(word0);
  plan.round1_word0 = word1 ^ plan.round_key_0[1];
  plan.round1_word2 = high(product_0) ^ plan.round_key_1[1];
  // Round 2: word 3 enters word 2 for the last time as a common value.
  plan.round2_word2 = std::uint64_t{low(product_0)} ^ plan.round_key_1[2];
  return plan;
}

}  // namespace attojoule::photonics
