// Ring resonator, all-pass or add-drop: linewidth, Q, coupling and loss from its transmission.
//
//   T(f) = B (M + X) / (1 + X)
//   X = sin^2(pi (f - f_0) / FSR) / sin^2(pi w / (2 FSR))   exact, where the FSR is known
//   X = [2 (f - f_0) / w]^2                                 one resonance alone
//   dispersion: N = (f - f_0) / FSR becomes N (1 - s N / 2), so that the distance to the next
//   resonance is FSR (1 + s N) to first order; fitted over four resonances and more where the data
//   ask for it
//
// B baseline, M least transmission, w full width where T is half way between least and baseline.
// With the ring's round-trip amplitude a and the coupler's self-coupling r, p = a r:
//   1 / sin^2(pi w / (2 FSR)) = 4 p / (1 - p)^2,   M = [(a - r) / (1 - p)]^2
//   Q = f_0 / w,   finesse = FSR / w
//
// a and r enter alike: the transmission alone cannot tell an under-coupled ring (a < r) from an
// over-coupled one. Without being told, the two values are given as `larger` and `smaller` (or the
// two Qs), and no device parameter. Loss: -20 log10 a over the circumference, or 2 pi n_g f_0 /
// (c Q_i).
// A ring with a second coupler (add-drop): its through port is that of an all-pass ring whose
// round-trip amplitude is a times the second self-coupling. With two equal couplers a r < r always:
// r is the larger of the two values, a their quotient, and the intrinsic Q is Q / sqrt(M).
// Its drop port is a peak, T = A (1 + m X) / (1 + X), of the same width: it tells the linewidth, Q,
// finesse and the product a r_1 r_2, but neither loss nor coupling.
// One resonance without an FSR gives no finesse and no a, r: linewidth and coupling to the FSR are
// one number.
// Not modelled: split resonances, thermal bistability, dispersion of higher order or of the loss, a
// Fano baseline (a tilted or asymmetric resonance rejects). Source: W. Bogaerts et al., Laser
// Photonics Rev. 6, 47 (2012). Test: tests/calibration/resonator_test.cpp.
#pragma once

#include <optional>

#include "calibration/curve.hpp"

namespace attojoule::calibration {

enum class Coupling { unknown, under, over };

struct ResonatorData {
  CurveData curve;               // x: frequency [Hz], y: power or transmission, linear
  std::optional<double> fsr_hz;  // where the sweep holds one resonance
  Coupling coupling = Coupling::unknown;
  bool drop_port = false;       // a peak instead of a dip
  bool equal_couplers = false;  // add-drop ring of two equal couplers; the through port
  std::optional<double> circumference_cm;
  std::optional<double> group_index;
  std::optional<double> path_length_cm;  // of the device, for link.propagation_loss
};

// Of round-trip amplitude and self-couplings, from linewidth and FSR in one unit.
double amplitude_product(double width, double fsr);

// Parameters linewidth [Hz], frequency [Hz], minimum_transmission, baseline [y], fsr [Hz] where the
// sweep holds several resonances, fsr_slope where they disperse, q, finesse, and those of the
// coupling. Of a drop port: linewidth, frequency, background (m), peak [y], fsr, q, finesse,
// amplitude_product. DataError with fewer than 8 points, ConfigError for a coupling of a drop port.
CalibrationResult calibrate_resonator(const ResonatorData& data, std::size_t holdout_blocks = 0);

}  // namespace attojoule::calibration
