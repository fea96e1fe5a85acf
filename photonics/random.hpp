// Counter-based random numbers: every draw is a pure function of what it is drawn for.
//
// A stream names one field of random numbers; element e of it is the same number whatever thread,
// batch or rank asks for it, and in whatever order. Generator: Philox4x32-10 (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC11), key = seed, counter = (block of the
// element, sample, domain and layer, read).
//
// `rng_contract` names this mapping in every result file; a change of any bit of it is a new name.
// Tests: tests/photonics/random_test.cpp (known answers of Random123, distribution to the tails).
#pragma once

#include <cstdint>
#include <span>

namespace attojoule::photonics {

inline constexpr const char* rng_contract = "philox4x32-10/1";

// One per physical process, so that switching one off leaves the draws of the others unchanged.
enum class NoiseDomain : std::uint8_t {
  detection = 1,    // shot and read noise of a dot product (Gaussian)
  photon_count,     // photon or electron counts of a dot product (the plus diode of a pair)
  photon_count_minus,  // the minus diode of a balanced pair
  read_out,         // receiver and converter noise where it is drawn apart from the counts
  weight_read,      // weight noise that is fresh for every pass
  weight_programming,  // weight error that is fixed when the hardware is programmed (static)
  laser,            // laser intensity and phase noise (waveform fidelity)
  lab,              // synthetic lab measurements
  test,
};

// seed: the user's; layer: index of the matrix product in the network, < 2^24; sample: index of the
// input in its data set; read: index of the read-out of one dot product.
struct RandomStream {
  std::uint64_t seed = 0;
  NoiseDomain domain = NoiseDomain::test;
  std::uint32_t layer = 0;
  std::uint32_t sample = 0;
  std::uint32_t read = 0;
};

// out[i] = standard normal number of element first + i. Any `first`, any size: the result of an
// element does not depend on how a range is cut. Elements < 2^34.
void fill_normal(const RandomStream& stream, std::uint64_t first, std::span<float> out);

// out[i] = uniform number of element first + i, strictly inside (0, 1).
void fill_uniform(const RandomStream& stream, std::uint64_t first, std::span<float> out);

// counts[i] = Poisson number of mean means[i] >= 0 for element first + i. Exact up to the stated
// total-variation distance (see the .cpp and its test); a mean of 0 gives 0.
void fill_poisson(const RandomStream& stream, std::uint64_t first, std::span<const float> means,
                  std::span<float> counts);

}  // namespace attojoule::photonics
