// Exact laws and exact samplers of photon counts, in double precision.
//
// The reference that the vector kernels of random.hpp are tested against, and the counts of the
// explicit receiver (homodyne_receiver.hpp). One call is 30 to 100 ns; a simulation of a network
// uses fill_poisson.
// Test: tests/photonics/poisson_test.cpp.
#pragma once

#include <cstdint>
#include <vector>

#include "photonics/random_sequence.hpp"

namespace attojoule::photonics {

// P(N = n) for a Poisson law of the given mean >= 0, from the log-gamma function: relative error
// about 1e-15 max(1, mean, n log n).
double poisson_probability(double mean, std::int64_t n);

// Inversion by sequential search: exact to double rounding; mean + 1 steps. 0 <= mean <= 700
// (e^-mean must not underflow).
std::int64_t sample_poisson_by_inversion(double mean, RandomSequence& random);

// Transformed rejection with squeeze, PTRS (Hoermann, Insurance: Mathematics and Economics 12, 39,
// 1993): exact, about 1.15 tries whatever the mean. 10 <= mean <= 1e12.
std::int64_t sample_poisson_by_rejection(double mean, RandomSequence& random);

// Inversion below a mean of 10, PTRS from there on.
// Throws RunError where the mean is negative, not finite or above 1e12.
std::int64_t sample_poisson(double mean, RandomSequence& random);

// n_plus - n_minus of two independent Poisson counts (Skellam, J. R. Stat. Soc. 109, 296, 1946):
// mean mu_plus - mu_minus, variance mu_plus + mu_minus, third cumulant mu_plus - mu_minus.
std::int64_t sample_skellam(double mu_plus, double mu_minus, RandomSequence& random);

// Probabilities of the whole numbers first, first + 1, ...: all but about 1e-20 of a count law.
struct CountLaw {
  std::int64_t first = 0;
  std::vector<double> probability;
};

// Law of n_plus - n_minus for mu_plus, mu_minus >= 0 (a Poisson law where mu_minus = 0). The
// ratios of neighbouring probabilities follow from the recurrence of the modified Bessel function
// I_k(z), z = 2 sqrt(mu_plus mu_minus): with q_k = I_(k+1)(z) / (sqrt(mu_plus mu_minus) I_k(z)),
//
//     q_k = 1 / (k + 1 + mu_plus mu_minus q_(k+1)),
//     P(k+1) / P(k) = mu_plus q_k,   P(-k-1) / P(-k) = mu_minus q_k   for k >= 0,
//
// run downwards in k, where it is stable (Miller). Work and memory: about 30 standard deviations.
// Throws RunError where a mean is negative or not finite, or mu_plus + mu_minus > 1e12.
CountLaw skellam_law(double mu_plus, double mu_minus);

// How far the Gaussian with the mean and variance of d = n_plus - n_minus is from its exact law:
// what the `analytic` fidelity gets wrong about the counts.
struct GaussianDistance {
  // sup over t of |P(d <= t) - Phi((t - mean) / sigma)|, t real: what a threshold decision can see.
  // It includes the steps of the counts and falls as 1 / (2 sqrt(2 pi) sigma).
  double kolmogorov = 0;
  // Half the sum over whole numbers k of |P(d = k) - (Gaussian mass of [k - 1/2, k + 1/2])|: what
  // is left once the Gaussian is rounded to counts.
  double total_variation = 0;
};
GaussianDistance gaussian_distance(double mu_plus, double mu_minus);

}  // namespace attojoule::photonics
