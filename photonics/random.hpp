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
  detection = 1,       // shot and read noise of a dot product (Gaussian)
  photon_count,        // photon or electron counts of a dot product (the plus diode of a pair)
  photon_count_minus,  // the minus diode of a balanced pair
  read_out,            // receiver and converter noise where it is drawn apart from the counts
  weight_read,         // weight noise that is fresh for every pass
  weight_programming,  // weight error that is fixed when the hardware is programmed (static)
  laser,               // laser intensity and phase noise (waveform fidelity)
  lab,                 // synthetic lab measurements
  test,
  learning,  // samples of a batch, labels drawn from a model
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

// Processors with a fused multiply-add (AVX2, AVX-512, NEON, SVE) give the same bits of every
// number. The others (x86 before AVX2) give the same uniform numbers, and normal numbers that
// differ by less than this: a few last places, except next to zero, where a radius close to 0 is a
// difference.
inline constexpr float normal_tolerance_without_fma = 3e-4f;

// out[i] = standard normal number of element first + i. Any `first`, any size: the result of an
// element does not depend on how a range is cut. Elements < 2^34.
void fill_normal(const RandomStream& stream, std::uint64_t first, std::span<float> out);

// out[i] = uniform number of element first + i, strictly inside (0, 1).
void fill_uniform(const RandomStream& stream, std::uint64_t first, std::span<float> out);

// Largest mean that the Poisson kernels take. Beyond it a count is better drawn as a normal number.
inline constexpr float poisson_largest_mean = 1e12f;

// counts[i] = Poisson number of mean means[i] in [0, poisson_largest_mean] for element first + i.
// A mean of 0 gives 0. One normal number an element and no rejection, so that the draw depends on
// nothing but its address: the count is the Poisson quantile at the element of fill_normal of the
// same stream, and grows with it. Counts and Gaussian noise drawn from one stream are therefore
// coupled: they differ by what separates the two laws, not by fresh noise.
//
// Total-variation distance to the Poisson law <= 1e-4: below a mean of 8 by inversion in single
// precision (distance < 2e-6), from 8 on by the Cornish-Fisher series of the quantile to order
// mean^(-3/2) (7e-5 at 8, then below 4e-5). Counts are whole numbers; above
// 2^24 a float holds only every second, fourth ... of them, and the count is the nearest one that
// it holds (the distance is then to the law rounded in the same way; the rounding adds less than
// 1e-7 of the variance).
//
// Throws RunError where a mean is negative, not finite or too large, or the spans differ in length.
// Test: tests/photonics/poisson_test.cpp, PoissonQuantile.*.
void fill_poisson(const RandomStream& stream, std::uint64_t first, std::span<const float> means,
                  std::span<float> counts);

// The same with the normal numbers given, |normals[i]| <= 6.7: counts[i] = smallest n with
// P(N <= n) >= P(Z <= normals[i]).
void poisson_from_normal(std::span<const float> means, std::span<const float> normals,
                         std::span<float> counts);

}  // namespace attojoule::photonics
