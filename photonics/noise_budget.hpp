// The noise of one homodyne read-out, term by term, in electrons at the difference of the diodes.
//
// Normalised encoding, one repetition, N_x = s D n and N_w = (1 - s) D n photons, correlation
// rho = w . x / (|w| |x|), signal d = g rho electrons:
//
//   shot x, shot w      F B eta_x N_x, F B eta_w N_w
//   dark current        B 2 i_d T / q
//   receiver, converter M sigma_r^2, M LSB^2 / 12
//   RIN on the signal   d^2 RIN / (2 T), or g^2 kappa RIN / (2 T) where slots fluctuate apart
//   RIN on the offset   (A delta)^2 RIN / (2 T)
//   linewidth           d^2 x relative variance of the signal by the phase
//   DAC                 g^2 sigma^2 (w_fs^2 + x_fs^2), an upper bound
//
// Their sum is that of compile_noise_model times g^2; symbols in noise_model.hpp,
// detector_pair.hpp and encoding_error.hpp. Modulators that leak lower g by the share of the light
// that carries no value. Test: tests/photonics/noise_budget_test.cpp.
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
  // Of an output that uses all correlations from -1 to 1: bits of Garg et al. (noise_bits), and
  // effective bits of a converter with this noise against a full-scale sine of the same range,
  // ENOB = (SNDR - 1.76 dB) / 6.02 dB.
  double full_range_electrons = 0;
  double bits() const;
  double effective_bits() const;
};

// For |w| = |x| = 1: full scales of the product, which modulators that are not ideal need, are in
// units of the norms. Throws ConfigError as compile_noise_model does, and where |correlation| > 1.
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
