// Stability of a phase or frequency over averaging times: the Allan family of deviations.
//
// From phase x_k (k = 0 … N-1, spaced tau0, in the unit that the user has: seconds for a clock,
// radians divided by 2 pi nu for a laser), with tau = m tau0:
//
//   Allan               adev^2  = <(x_(k+2m) - 2 x_(k+m) + x_k)^2> / (2 tau^2)        k = 0, m, 2m
//   … overlapping         oadev^2 = the same over every k modified            mdev^2  = <(mean of m
//   neighbouring second differences)^2> / (2 tau^2) time                tdev    = tau mdev /
//   sqrt(3) Hadamard            hdev^2  = <(x_(k+3m) - 3 x_(k+2m) + 3 x_(k+m) - x_k)^2> / (6 tau^2)
//   overlapping         ohdev^2 = the same over every k
//   total               totdev^2: oadev over data continued by reflection at both ends
//   Thêo1               theo1^2, m even, tau = 0.75 m tau0; without bias correction
//   MTIE                greatest peak-to-peak of x within m steps
//   TIE rms             root mean square of x_(k+m) - x_k
//
// Source: W. J. Riley, Handbook of Frequency Stability Analysis, NIST SP 1065 (2008).
// Test: tests/calibration/allan_test.cpp (Stable32's results on PHASE.DAT and an OCXO, 1e-4).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace attojoule::calibration {

enum class Stability { adev, oadev, mdev, tdev, hdev, ohdev, totdev, theo1, mtie, tierms };

// "oadev", …; nullopt for another word.
std::optional<Stability> stability_of_name(const std::string& name);
const std::vector<std::string>& stability_names();

// Power law of the frequency noise, S_y ~ f^alpha.
//   2 white phase, 1 flicker phase, 0 white frequency, -1 flicker frequency, -2 random walk
struct StabilityPoint {
  std::size_t m = 0;  // averaging factor
  double tau_s = 0;
  double deviation = 0;   // in the unit of x per second (adev …), or of x (tdev, mtie, tierms)
  std::size_t terms = 0;  // squares that were averaged
  int alpha = 0;
  // Equivalent degrees of freedom of the variance, and the interval of the deviation from them.
  // NaN for MTIE, TIE rms and Thêo1, and where alpha has no edf.
  double edf = 0, lower = 0, upper = 0;
};

// Deviation at one averaging factor; nullopt where the data are too short for it.
std::optional<StabilityPoint> stability(Stability kind, std::span<const double> x, double tau0_s,
                                        std::size_t m);

struct StabilityOptions {
  std::string taus = "octave";  // octave (1, 2, 4 …), decade (1, 2, 4, 10 …) or all
  double confidence = 0.95;     // of the intervals
};

// Deviations over averaging factors, with the noise identified and intervals from chi-square.
// Throws RunError for fewer than four phase points or a tau0 that is not positive.
std::vector<StabilityPoint> stability_curve(Stability kind, std::span<const double> x,
                                            double tau0_s, const StabilityOptions& options);

// Chi-square interval of a deviation; NaN where its equivalent degrees of freedom are not known.
std::pair<double, double> stability_interval(const StabilityPoint& point, double confidence);

// x_0 = 0, x_(k+1) = x_k + y_k tau0: phase of a fractional frequency.
std::vector<double> phase_from_frequency(std::span<const double> y, double tau0_s);

// Dominant power law at averaging factor m by the lag-1 autocorrelation of the phase (Riley and
// Greenhall, Proc. 36th PTTI (2004)); nullopt where fewer than 30 averages are left.
std::optional<int> noise_power_law(std::span<const double> x, std::size_t m,
                                   int greatest_difference);

// Equivalent degrees of freedom of a variance of difference order d (2 Allan, 3 Hadamard), modified
// or not, of N phase points (Greenhall and Riley, Proc. 35th PTTI (2003), the full sums). NaN where
// the variance of this noise does not exist.
double stability_edf(int alpha, int d, std::size_t m, bool modified, bool overlapping,
                     std::size_t points);

}  // namespace attojoule::calibration
