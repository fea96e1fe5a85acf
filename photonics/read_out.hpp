// What one read of a receiver adds to the electrons that it collected, and how many it can hold.
//
//   charge integrator        sigma = sqrt(k_B Theta C) / q            (reset noise, once a read)
//     with an amplifier noise of sigma_s a sample: sqrt(sigma^2 + sigma_s^2);
//     correlated double sampling: sqrt(2) sigma_s, the reset noise is in both samples and goes
//   transimpedance amplifier sigma = sqrt(2 k_B Theta T / R_f) / q    (bandwidth B = 1/(2T))
//     with input noise e_n, i_n and capacitance C_i: sigma_a^2 = (T / q)^2
//       (i_n^2 B + e_n^2 (B / R_f^2 + (2 pi C_i)^2 B^3 / 3)) more, white up to B and nothing above
//   converter                LSB = full_scale / 2^bits volts, sigma = LSB / sqrt(12);
//                            one volt is C / q or T / (q R_f) electrons
//   full well                Q_max = C V / q electrons on either diode
//
// Symbols: Theta temperature, C integration capacitance, T integration time, R_f feedback resistor,
// V voltage swing. 1/f noise is not modelled. The converter's error is taken as uniform and
// independent of the signal, which needs a spread of the signal of at least half a step before the
// converter (Widrow, IRE Trans. Circuit Theory 3, 266, 1956); bits is the effective number, SNDR
// included.
//
// A dot product whose charge would exceed the full well is collected in several chunks of whole
// symbol slots, each a read of its own. Worst case: all light in the fuller diode (w parallel to
// x). Tests: tests/photonics/noise_model_test.cpp, ReadOut.*.
#pragma once

#include <cstdint>
#include <limits>

#include "photonics/device.hpp"
#include "photonics/noise_model.hpp"
#include "photonics/random_sequence.hpp"

namespace attojoule::photonics {

struct ReadOut {
  double receiver_noise_electrons = 0;  // root mean square, one read
  double converter_step_electrons = 0;  // LSB; 0 = no converter
  // The converter takes differences in +- this range and clips beyond it.
  double converter_half_range_electrons = std::numeric_limits<double>::infinity();
  double full_well_electrons = std::numeric_limits<double>::infinity();

  // Variance that one read adds, in electrons squared.
  double variance() const {
    return receiver_noise_electrons * receiver_noise_electrons +
           converter_step_electrons * converter_step_electrons / 12;
  }
};

// The device must have passed validate().
ReadOut read_out(const Device& device);

// One read of the two diodes' electrons: full well of each, receiver noise on the difference,
// converter. Draws one normal number where there is receiver noise.
struct ReadCharge {
  double electrons = 0;    // n+ - n- as the converter tells it
  bool saturated = false;  // full well or converter range reached
};
ReadCharge read_charge(const ReadOut& read, double plus, double minus, RandomSequence& random);

// How a dot product of `length` slots is cut: `count` chunks of at most `slots` slots.
struct Chunks {
  std::int64_t slots = 0;
  std::int64_t count = 1;
};

// Chunks of one homodyne dot product, from the full well and the tile's accumulation limit, at
// point.photons_per_mac photons a slot. In the normalised encoding only the total is fixed; it is
// then cut as if the light were spread evenly over the slots. A read of a weight-stationary tile
// covers tile.columns multiplications, whatever accumulation_limit says. Throws ConfigError where
// the light of a single slot, or of those columns, overfills the well.
Chunks cut_into_chunks(const Device& device, const OperatingPoint& point,
                       const DotProduct& product);

}  // namespace attojoule::photonics
