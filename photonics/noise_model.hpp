// What the network layer knows of the hardware: the variance of one dot product, and its photons.
//
// For output i of a matrix product with weight row w_i (length D) and input vector x_j,
//
//   Var[y_ij] = c0 + c_w |w_i|^2 + c_x |x_j|^2 + c_wx |w_i|^2 |x_j|^2 + c_y y_ij^2
//
// in units of y^2. The photons that set these coefficients are carried in the same struct and are
// the ones that are billed.
//
// Homodyne law. Slot k of a dot product carries the amplitudes a_k of x and b_k of w, in
// sqrt(photons), to a 50:50 coupler and two photodiodes whose charges are subtracted:
//
//   mean counts      mu+- = (eta/2) sum_k (a_k^2 + b_k^2 +- 2 V cos(phi) a_k b_k) + i_d T / q
//   difference       E[d] = 2 eta V cos(phi) sum_k a_k b_k
//                    Var[d] = F eta sum_k (a_k^2 + b_k^2) + 2 i_d T / q + M sigma_read^2
//   estimate         y = d / g, g chosen so that E[y] = w . x
//
//   full_scale:  a_k = sqrt(s n) x_k / x_fs, b_k = sqrt((1-s) n) w_k / w_fs, hence
//     g    = 2 eta V cos(phi) sqrt(s(1-s)) n / (w_fs x_fs)
//     c_w  = F x_fs^2 / (4 eta V^2 cos^2(phi) s n),   c_x = F w_fs^2 / (4 eta V^2 cos^2(phi) (1-s)
//     n) c0   = (2 i_d T / q + M sigma_read^2) / g^2
//   normalised:  sum a_k^2 = s D n and sum b_k^2 = (1-s) D n whatever the amplitudes, hence
//     g    = 2 eta V cos(phi) sqrt(s(1-s)) D n / (|w| |x|)
//     c_wx = (F eta D n + 2 i_d T / q + M sigma_read^2) / (2 eta V cos(phi) sqrt(s(1-s)) D n)^2,
//            which is 1 / (eta D n) for an ideal receiver and equal beams
//   both:        c_y = RIN / (2 T) where all slots share one intensity error (laser.rin_slots
//                common); c_wx = kappa RIN / (2 T), c_y = 0 where each has its own (independent)
// Unbalanced couplers and diodes and linewidth with a path mismatch change these as
// detector_pair.hpp says, leak and amplifier bandwidth as receiver_response.hpp, modulators as
// encoding_error.hpp.
//
// eta quantum efficiency, V visibility, phi phase error, F excess noise factor, i_d dark current of
// each diode, T integration time of the dot product, s share of the photons in x, n photons per
// multiplication in both beams (per full-scale multiplication in full_scale), D length, M chunks,
// sigma_read receiver and converter noise of one read (read_out.hpp), RIN one-sided and white.
// K repetitions divide every coefficient by K and multiply photons and reads by K.
//
// Validity. Gaussian: good where the counts are many; poisson.hpp's gaussian_distance says how
// good. Intensity noise: the coefficient c_y is exact where the products of a dot product are
// formed at the same time (parallel in space or wavelength) or contribute equally. Formed one after
// the other under white RIN, slot k carries its own independent error, and the variance is
//   (RIN / 2T) D sum_k (w_k x_k)^2 = kappa (RIN / 2T) |w|^2 |x|^2  >=  (RIN / 2T) y^2,
// kappa = DotProduct::slot_unevenness, 1 where the squares of w and x are uncorrelated.
// Not modelled here: clipping, saturation of the diodes (both are reported), crosstalk.
// Sources: balanced detection is standard (e.g. Yuen and Chan, Opt. Lett. 8, 177, 1983); dot
// products by homodyne detection, Hamerly et al., Phys. Rev. X 9, 021032 (2019).
//
// Garg's laws (Garg, Lou, Jain, Nahmias, "Dynamic precision analog computing for neural networks",
// arXiv:2102.06365, 2021), E the energy argument of the law, R = max - min of a quantiser range:
//
//   garg_shot     sigma = |w_i| |x| / sqrt(D E)            E in photons per multiplication
//   garg_thermal  sigma = 0.01 sqrt(D) R_w R_x / sqrt(E)   E in repeats of a base operation
//   garg_weight   every weight w + (0.1 R_w / sqrt(E)) N(0, 1), one draw a pass
//
// They have no device in them, so a device with noise of its own is refused. The light of the
// thermal and weight laws is not known: their photons are zero, and their reads are max(E, 1) K.
//
// Counting law (Wang et al., Nat. Commun. 13, 123, 2022): photon_counting.hpp. No Gaussian
// coefficients; quantum efficiency is the only imperfection that the law knows.
//
// Tests: tests/photonics/noise_model_test.cpp (coefficients, errors),
// tests/physics/homodyne_test.cpp (against counted photons), tests/physics/garg_laws_test.cpp.
// Text: docs/physics/homodyne.md.
#pragma once

#include <cstdint>
#include <limits>

#include "photonics/device.hpp"

namespace attojoule::photonics {

enum class Law { homodyne, counting, garg_shot, garg_thermal, garg_weight };
enum class Encoding { normalised, full_scale };

// The levers of a layer (or output channel): light per multiplication, how often the whole
// operation is repeated and averaged digitally, and how long one read integrates. For Garg's
// thermal and weight laws, and only there, `photons_per_mac` holds the paper's E, in repeats of a
// base operation.
struct OperatingPoint {
  // Both beams together, > 0, incident on the receiver; in full_scale encoding those of a
  // multiplication of two full-scale values.
  double photons_per_mac = 0;
  double repetitions = 1;  // >= 1, whole
  // Law::homodyne: how many times receiver.integration_time the light of one repetition takes, >=
  // 1, whole. The same photons at less power, for more symbols: dark current and a transimpedance
  // amplifier collect noise for longer, relative intensity noise averages out.
  double integrations = 1;
};

// What the noise of a dot product depends on besides the device. Full scales and ranges are in the
// units of w and x. Unknown full scales are 0, unknown ranges no number (an error where a law or
// encoding needs them); a range of 0 is that of an operand which never changes, such as a channel
// that was pruned away, and has no noise.
struct DotProduct {
  std::int64_t length = 0;       // D, number of multiplications
  double weight_full_scale = 0;  // w_fs = largest |w| that the modulator can encode
  double input_full_scale = 0;   // x_fs
  // R_w = max - min of the quantiser (Garg's thermal and weight laws), and R_x.
  double weight_range = std::numeric_limits<double>::quiet_NaN();
  double input_range = std::numeric_limits<double>::quiet_NaN();
  // kappa = D sum (w_k x_k)^2 / (|w|^2 |x|^2), for intensity noise that each slot has for itself.
  double slot_unevenness = 1;
};

// Coefficients of the variance above, for the average over all repetitions.
struct VarianceCoefficients {
  double constant = 0;      // c0   [y^2]
  double weight_norm = 0;   // c_w  [y^2 / w^2]
  double input_norm = 0;    // c_x  [y^2 / x^2]
  double norm_product = 0;  // c_wx [1]
  double signal = 0;        // c_y  [1]

  bool is_zero() const {
    return constant == 0 && weight_norm == 0 && input_norm == 0 && norm_product == 0 && signal == 0;
  }
};

// Photons that reach the receiver for one dot product, all repetitions included:
//   constant + per_weight_norm |w_i|^2 + per_input_norm |x_j|^2
// (`normalised`: constant = K D n; `full_scale`: K n_w |w_i|^2 / w_fs^2 + K n_x |x_j|^2 / x_fs^2).
struct PhotonCoefficients {
  double constant = 0;
  double per_weight_norm = 0;
  double per_input_norm = 0;
  // Photons of an all-full-scale dot product: what the lasers must be able to send.
  double full_scale = 0;
};

struct NoiseModel {
  VarianceCoefficients variance;
  PhotonCoefficients photons;     // incident on the receiver
  double quantum_efficiency = 1;  // detected = incident * quantum_efficiency
  double reads = 1;               // ADC conversions per dot product: chunks * repetitions
  double repetitions = 1;         // passes over the operation: K, integrations, Garg's repeats
  // Homodyne: slots of a chunk; the product's length where the full well does not limit it.
  std::int64_t slots_per_read = 0;
  // Homodyne: |w . x| / (|w| |x|) above which a read leaves the converter's range and clips, which
  // the Gaussian law leaves out; infinite without a converter. At full scale in `full_scale`.
  double clipping_correlation = std::numeric_limits<double>::infinity();
  // Homodyne: largest share of its photocurrent that the fuller diode loses to saturation, which
  // the Gaussian law leaves out: that of a full-scale slot, or of even slots where `normalised`.
  double diode_compression = 0;
  // Garg's weight law: standard deviation of the noise of every single weight, one draw a pass.
  double weight_noise = 0;
  // Law::counting (Wang et al. 2022): photons per multiplication incident on the weights, times
  // repetitions; the executor draws the counts, whose mean has quantum_efficiency as one more
  // factor (photon_counting.hpp).
  double photons_per_multiplication = 0;
};

// Throws ConfigError where the law or encoding needs a value that is missing or out of range, where
// the device fails validate(), and where the law has no place for a noise that the device has.
NoiseModel compile_noise_model(const Device& device, Law law, Encoding encoding,
                               const OperatingPoint& point, const DotProduct& product);

// Effective number of bits of an output of range R_y = max - min under noise of standard deviation
// sigma: B = log2(R_y / (sqrt(12) sigma) + 1), so that sigma is the rounding error of B bits, whose
// step is R_y / (2^B - 1). Four times the energy is one bit more where B is large. Infinite without
// noise, zero for an output that never changes. Source: Garg et al. 2021. Test: NoiseBits.*.
double noise_bits(double output_range, double sigma);

}  // namespace attojoule::photonics
