// A sequence of random numbers in double precision for one element, for what needs an unknown
// number of draws: rejection samplers, noise integrated over time, reference models in tests.
//
// Counter-based like everything else, and apart from the streams of random.hpp: the Philox block at
// (element, sample, domain + 128, read) under the user's seed gives a new key and half a counter,
// and the sequence counts its draws under that key. Two sequences share numbers with the
// probability that 128 random bits agree.
// Uniform numbers are exact on every platform; normal numbers go through the C library's log, sin
// and cos and may differ in the last bit between libraries.
// Test: tests/photonics/random_test.cpp, RandomSequence.*.
#pragma once

#include <cstdint>

#include "photonics/philox.hpp"
#include "photonics/random.hpp"

namespace attojoule::photonics {

class RandomSequence {
 public:
  RandomSequence(const RandomStream& stream, std::uint64_t element);

  // 64 random bits: a seed for streams of one's own (random.hpp) where numbers are needed in bulk.
  std::uint64_t bits();

  // Strictly inside (0, 1), a multiple of 2^-53.
  double uniform();

  // Standard normal number (Box-Muller, in pairs).
  double normal();

 private:
  PhiloxKey key_;
  PhiloxCounter counter_;  // word 0 counts the blocks used
  PhiloxCounter words_{};
  int words_left_ = 0;
  double second_normal_ = 0;
  bool has_second_normal_ = false;
};

}  // namespace attojoule::photonics
