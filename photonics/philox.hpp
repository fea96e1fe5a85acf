// Philox4x32-10: the bijection on 128-bit counters behind every random number of the simulator.
//
// Ten rounds of two 32 x 32 -> 64 bit multiplications and a key that grows by a constant a round
// (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11, 2011). This is
// the plain form: a few nanoseconds a block, usable at compile time, and what the vector kernels of
// random_simd.hpp are compared with.
// Test: tests/photonics/philox_test.cpp (published known answers; Random123 on random counters).
#pragma once

#include <array>
#include <cstdint>

namespace attojoule::photonics {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

inline constexpr int philox_rounds = 10;
inline constexpr std::uint32_t philox_multiplier_0 = 0xD2511F53;
inline constexpr std::uint32_t philox_multiplier_1 = 0xCD9E8D57;
// Weyl increments of the key: the golden ratio and sqrt(3) - 1, as 32-bit fractions.
inline constexpr std::uint32_t philox_weyl_0 = 0x9E3779B9;
inline constexpr std::uint32_t philox_weyl_1 = 0xBB67AE85;

// Four random words for one counter; uniform and independent over counters for any fixed key.
constexpr PhiloxCounter philox4x32(PhiloxCounter x, PhiloxKey key) {
  for (int round = 0; round < philox_rounds; ++round) {
    const std::uint64_t product_0 = std::uint64_t{philox_multiplier_0} * x[0];
    const std::uint64_t product_1 = std::uint64_t{philox_multiplier_1} * x[2];
    x = {static_cast<std::uint32_t>(product_1 >> 32) ^ x[1] ^ key[0],
         static_cast<std::uint32_t>(product_1),
         static_cast<std::uint32_t>(product_0 >> 32) ^ x[3] ^ key[1],
         static_cast<std::uint32_t>(product_0)};
    key[0] += philox_weyl_0;
    key[1] += philox_weyl_1;
  }
  return x;
}

}  // namespace attojoule::photonics
