// The noise of one homodyne read-out, term by term, in electrons at the difference of the diodes.
//
// Normalised encoding, one repetition, N_x = s D n and N_w = (1 - s) D n photons, correlation
// rho = w . x / (|w| |x|), signal d = g rho electrons:
//
//   shot x, shot w      F B eta_x N_x, F B eta_w N_w
//   dark current        B 2 i_d T / q
//   receiver, converter M sigma_r^2, M LSB^2 / 12
//   RIN on the signal   d^2 RIN / (2 T);   RIN on the offset  (A delta)^2 RIN / (2 T)
//   linewidth           d^2 x relative variance of the signal by the phase
//
// Their sum is that of compile_noise_model times g^2; symbols in noise_model.hpp and
// detector_pair.hpp. Test: tests/photonics/noise_budget_test.cpp.
#pragma once

#include <string>
#include <vector>

#include "photonics/device.hpp"
#include "photonics/noise_model.hpp"

namespace attojoule::photonics {

struct NoiseTerm {
  std::string name;
  double variance = 0;  // electrons^2
};

struct NoiseBudget {
  std::vector<NoiseTerm> terms;
  double signal_electrons = 0;  // d
  double variance = 0;          // sum of the terms
  double power_w = 0;           // of both beams at the receiver, averaged over T
  // Variance of shot noise is at least that of everything else.
  bool shot_limited = false;
  double snr_db() const;  // 20 log10(|d| / sigma)
};

// Throws ConfigError as compile_noise_model does, and where |correlation| > 1.
NoiseBudget noise_budget(const Device& device, const OperatingPoint& point,
                         const DotProduct& product, double correlation);

// Crossover: photons per multiplication above which shot noise is the largest part (half of the
// variance or more), searched from 1e-4 to 1e8; 0 if it always is, infinity if it never is.
// Intensity noise ends it again at high power: `upper` is where, infinity if never.
struct ShotNoiseRange {
  double lower = 0;
  double upper = 0;
};
ShotNoiseRange shot_noise_range(const Device& device, const DotProduct& product,
                                double correlation);

}  // namespace attojoule::photonics
