// What the imperfections of the coupler, the two diodes and the path lengths do to the difference
// of the two charges of a homodyne receiver.
//
// Coupler of power transmission T (beam w to the plus diode), R = 1 - T; efficiencies
// eta+- = eta (1 +- e). N_x, N_w photons of a dot product, g0 = 2 eta sqrt(4 T R) contrast:
//
//   total       eta (1 + e (R - T)) N_x + eta (1 + e (T - R)) N_w  +  e g0 sum a b
//   offset      delta = (eta+ T - eta- R) N_w + (eta+ R - eta- T) N_x
//                     = eta ((T - R)(N_w - N_x) + e (N_w + N_x))
//   rejection   CMRR = 20 log10(|delta| / (eta (N_x + N_w)))   dB, negative
//   contrast    V cos(phi) sqrt(4 T R) e^(-sigma^2/2),  sigma^2 = 2 pi Delta-nu tau
//
// Linewidth Delta-nu with a difference tau of the two paths: the phase between the beams is
// delta(t) = phi(t) - phi(t - tau). Averaged over T >= tau its variance is
// 2 pi Delta-nu tau^2/T (1 - tau/(3T)), for T < tau 2 pi Delta-nu (tau - T/3); times tan^2(phi) it
// is a relative variance of the signal. Around phi = 0 what is left is that of delta^2/2:
// (sigma^4/2)(2 tau/(3T) - tau^2/(6T^2)), for T < tau (sigma^4/2)(1 - 2T/(3 tau) + T^2/(6 tau^2)).
//
// Saturation: a photocurrent i of one diode comes out as i / (1 + i / i_sat), the first term of
// what space charge and series resistance do. It compresses every slot by its own current, so that
// no coefficient holds it: photon by photon and in time it is in the model, the Gaussian law leaves
// it out and reports the largest compression (NoiseModel::diode_compression).
//
// Validity. sigma << 1. The offset's mean is known from the norms and taken off. Intensity noise
// turns it into delta sqrt(RIN/2T). What the five coefficients of the Gaussian law cannot hold:
// the part of the shot noise in e y and the correlation 2 y delta RIN/2T (both linear in y; they
// average out over signs), and delta^2 in full_scale, which contains |w|^4 and |x|^4: replaced
// there by its upper bound, |w|^2 <= D w_fs^2 and |x|^2 <= D x_fs^2. Intensity noise on the offset
// is that of slots that share one error or have the same light. Test:
// tests/physics/detector_pair_test.cpp (V17). Text: docs/physics/receiver.md.
#pragma once

#include "photonics/device.hpp"
#include "photonics/noise_model.hpp"

namespace attojoule::photonics {

struct DetectorPair {
  double coupler_transmission = 0.5;  // T
  double imbalance = 0;               // e
  double contrast = 1;
  double detected_x = 1;  // electrons per photon of x, both diodes
  double detected_w = 1;
  double offset_x = 0;  // mean n+ - n- per photon of x
  double offset_w = 0;
  double phase_variance = 0;  // relative variance of the signal by the linewidth
};

// The device must have passed validate().
DetectorPair detector_pair(const Device& device);

// Common-mode rejection for equal beams, dB; minus infinity at perfect balance. Convention: the
// difference with both diodes lit over the sum of both.
double common_mode_rejection_db(const DetectorPair& pair, double share_x);

// Photoelectrons that one slot of even light can put on the fuller diode (w parallel to x), without
// dark current, at this many photons a slot: what full well and saturation have to take.
double peak_electrons_per_slot(const Device& device, double photons_per_slot);

// Electrons of one diode in `duration` after saturation; the argument without it.
double saturated_electrons(const Detector& detector, double electrons, double duration_s);

// Variance by intensity noise on the offset in counts^2, for one repetition, as coefficients to be
// divided by gain^2.
VarianceCoefficients offset_intensity_noise(const Device& device, Encoding encoding,
                                            const OperatingPoint& point, const DotProduct& product);

}  // namespace attojoule::photonics
