// The difference of two large counts from one normal number.
//
// n+ - n- of Poisson counts with the means mu+-, S = mu+ + mu-, rho = (mu+ - mu-) / S, has the
// cumulants rho S, S, rho S, S, ... Its quantile at the probability of a normal number z is
// floor(x + 1/2) with the Cornish-Fisher series of a smooth law whose second cumulant is less by
// 1/12 (what rounding adds, Sheppard):
//
//   x = rho S + z sqrt(S) + rho (z^2 - 1)/6 + [z^3/24 - z/6 - rho^2 (2 z^3 - 5 z)/36] / sqrt(S)
//       + rho [(z^4 - 6 z^2 + 3)/120 - (z^4 - 5 z^2 + 2)/24 + (z^2 - 1)/72
//              + rho^2 (12 z^4 - 53 z^2 + 17)/324] / S
//
// One draw instead of two, and coupled to the Gaussian noise that the same z gives. Total variation
// to the exact law below 1e-4 from S = 32 on, for any rho; counts above 2^24 as in fill_poisson.
// Sources: Skellam, J. R. Stat. Soc. 109, 296 (1946); Cornish and Fisher, Rev. Int. Stat. Inst. 5,
// 307 (1938).
// Test: tests/photonics/skellam_test.cpp.
#pragma once

#include <span>

namespace attojoule::photonics {

// Smallest mu+ + mu- that the series is for.
inline constexpr float skellam_series_total = 32;

// deviations[i] = (n+ - n-) - differences[i] at the quantile of normals[i], for mu+ - mu- =
// differences[i] and mu+ + mu- = totals[i] >= skellam_series_total, |differences[i]| <= totals[i].
// Throws RunError where the spans differ in length or a total is too small.
void skellam_from_normal(std::span<const float> totals, std::span<const float> differences,
                         std::span<const float> normals, std::span<float> deviations);

}  // namespace attojoule::photonics
