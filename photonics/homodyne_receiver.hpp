// One dot product on a balanced homodyne receiver, photon by photon.
//
// Two forms of the same device. `HomodyneCounts` gives the mean counts of the two diodes from what
// a network knows of a dot product (its value and the norms of its operands): the `counting`
// fidelity, for which an executor draws two Poisson numbers an output with fill_poisson.
// `HomodyneReceiver` builds a dot product up from the fields of every symbol slot and reads it
// chunk by chunk: the explicit model that the Gaussian law of noise_model.hpp is tested against.
//
//   mu+- = (eta/2) sum_k (1 + e_k) (a_k^2 + b_k^2 +- 2 V cos(phi) a_k b_k) + i_d T / q
//   n+- ~ Poisson(mu+-),  d = n+ - n- ~ Skellam(mu+, mu-)
//
// Symbols and encodings as in noise_model.hpp; e_k is the relative intensity error of slot k.
//
// Tests: tests/physics/homodyne_test.cpp. Text: docs/physics/homodyne.md.
#pragma once

#include <cstdint>
#include <span>

#include "photonics/noise_model.hpp"
#include "photonics/poisson.hpp"
#include "photonics/random_sequence.hpp"
#include "photonics/read_out.hpp"

namespace attojoule::photonics {

// Mean counts of the two diodes in electrons, all repetitions together.
struct CountMeans {
  double plus = 0;
  double minus = 0;
};

// The counts of a dot product as functions of y = w . x, |w|^2 and |x|^2 (squared norms, in the
// units of w and x), summed over all repetitions:
//
//   light = light_constant + light_per_weight_norm |w|^2 + light_per_input_norm |x|^2
//   offset = offset_constant + offset_per_weight_norm |w|^2 + offset_per_input_norm |x|^2
//   mu+-  = dark + (light +- offset +- (1 +- e) g y) / 2,   y_hat = (n+ - n- - offset) / g
//   g     = gain (full_scale)  or  gain / (|w| |x|) (normalised)
//
// offset and e (imbalance) are zero for a balanced pair. With modulators that leak, the norms in g
// are those of all the light: |w|^2 -> norm_scale |w|^2 + weight_norm_offset (encoding_error.hpp).
// The estimate is unbiased, and its counting variance is (mu+ + mu-) / g^2 = the shot and dark
// parts of compile_noise_model at F = 1. `residual` holds the rest (receiver, converter, F - 1,
// RIN, linewidth, leak) as coefficients of a Gaussian to be added to y_hat, from a stream of its
// own (NoiseDomain::read_out).
struct HomodyneCounts {
  Encoding encoding = Encoding::normalised;
  double dark = 0;            // counts on each diode
  double light_constant = 0;  // detected photons on both diodes
  double light_per_weight_norm = 0;
  double light_per_input_norm = 0;
  double gain = 0;             // counts [per unit of y (full_scale) or of correlation]
  double imbalance = 0;        // e
  double offset_constant = 0;  // mean of n+ - n- without a signal, counts
  double offset_per_weight_norm = 0;
  double offset_per_input_norm = 0;
  double norm_scale = 1;
  double weight_norm_offset = 0;
  double input_norm_offset = 0;
  VarianceCoefficients residual;

  double offset(double weight_norm2, double input_norm2) const {
    return offset_constant + offset_per_weight_norm * weight_norm2 +
           offset_per_input_norm * input_norm2;
  }

  // Counts per unit of y. Zero in normalised encoding where a norm is zero: y is 0 without a
  // measurement then.
  double gain_of(double weight_norm2, double input_norm2) const;
  // Both means are at least `dark`: rounding of y against the norms cannot make light negative.
  CountMeans means(double y, double weight_norm2, double input_norm2) const;
};

// Throws ConfigError as compile_noise_model does.
HomodyneCounts compile_homodyne_counts(const Device& device, Encoding encoding,
                                       const OperatingPoint& point, const DotProduct& product);

// How far the Gaussian of the `analytic` fidelity is from the exact counts of this dot product.
// The receiver's noise, which is Gaussian and smooths the counts, is left out: an upper bound.
GaussianDistance gaussian_distance(const HomodyneCounts& counts, double y, double weight_norm2,
                                   double input_norm2);

// The result of one dot product.
struct Reading {
  double estimate = 0;        // y_hat, in the units of w x
  double electrons_plus = 0;  // collected on the two diodes, all repetitions
  double electrons_minus = 0;
  double photons = 0;       // incident, all repetitions
  int saturated_reads = 0;  // full well or converter range reached
};

// The explicit device, with ideal modulators. Light is fluctuated by RIN, of every slot for itself
// (variance RIN / (2 T_slot), T_slot = T / D) or of all alike; each diode compresses every slot by
// its saturation; every chunk's counts are drawn exactly and clipped at the full well; receiver
// noise is Gaussian, excess noise beyond Poisson is Gaussian of variance (F - 1) times the
// photoelectrons, and the converter rounds to its steps and clips at its range. With a leak or a
// bandwidth of the amplifier every slot's counts are drawn and weighed by their age at the read,
// with the spread of the age within the slot.
class HomodyneReceiver {
 public:
  // Throws ConfigError as compile_noise_model does, for modulators that are not ideal, and where a
  // slot's RIN is not a small perturbation (more than 20 % root mean square).
  HomodyneReceiver(const Device& device, Encoding encoding, const OperatingPoint& point,
                   const DotProduct& product);

  // Measures w . x. Both spans have the length of the product; |w_k| <= w_fs and |x_k| <= x_fs in
  // full_scale encoding.
  // Throws RunError where a length differs or an amplitude is beyond full scale.
  Reading measure(std::span<const float> weights, std::span<const float> inputs,
                  RandomSequence& random) const;

 private:
  Device device_;
  Encoding encoding_;
  OperatingPoint point_;
  DotProduct product_;
  ReadOut read_;
  Chunks chunks_;
};

}  // namespace attojoule::photonics
