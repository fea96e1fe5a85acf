// One dot product in time: the `waveform` fidelity, and which fidelity a dot product needs.
//
// Every slot of T / D is cut into samples of dt. In each sample
//   laser       both beams carry 1 + e, e normal of variance RIN / (2 dt), anew in every sample, or
//               RIN / (2 T), one for the dot product (laser.rin_slots: common); the phase walks by
//               sqrt(2 pi Delta-nu dt) and reaches the coupler twice, a path mismatch tau apart
//   modulators  drives follow their one pole from symbol to symbol (modulator.hpp); the fields are
//               those in the middle of the sample, E_x and E_w, in sqrt(photons / s)
//   coupler     F+ = R |E_x|^2 + T |E_w|^2 + 2 sqrt(TR) V Re(E_x E_w* e^(j (phi + delta)))
//               F- = T |E_x|^2 + R |E_w|^2 - the same
//   diodes      n+- ~ Poisson(S(eta (1 +- e) F+- dt) + i_d dt / q), S the saturation of a diode;
//               few or many, to a total variation of 1e-4 (fill_poisson); for F > 1 a normal number
//               of variance (F - 1) times the photoelectrons more
//   receiver    pole of the amplifier, integrator and its leak: receiver_response.hpp, exact for
//               electrons that are released evenly over a sample
//   read        full well, receiver noise and converter of read_out.hpp
// and the estimate is (charge / A - offset) / g with the gain, collected share A and offset that an
// ideal modulator would have, less the leaked product that follows from the norms
// (encoding_error.hpp): what a calibration with full-scale symbols would find.
//
// Symbols in detector_pair.hpp. In `normalised` encoding the light of each dot product is set to D
// n photons, leaked light included; full scales are those of the product, or, where they are 0, the
// largest |w_k| and |x_k|. Modulators rest at 0 before the first slot, the amplifier before a read.
//
// Validity: the laser's phase is taken to run straight within a sample. White intensity noise must
// be small in a sample (20 %). Diodes have no bandwidth of their own. Agreement with the other
// fidelities, and where it must end:
// tests/physics/fidelity_agreement_test.cpp. Text: docs/physics/fidelities.md.
#pragma once

#include <span>
#include <vector>

#include "photonics/homodyne_receiver.hpp"
#include "photonics/modulator.hpp"
#include "photonics/receiver_response.hpp"

namespace attojoule::photonics {

enum class Fidelity { analytic, counting, waveform };

// The rule of `auto`: analytic where the Gaussian is within `tolerance` of the exact counts (total
// variation, the Gaussian rounded to counts), else counting. Default: a wrong decision in one of
// 100 dot products at most.
Fidelity choose_fidelity(const GaussianDistance& distance, double tolerance = 0.01);

// What an oscilloscope would show of one dot product, one value a sample.
struct WaveformTrace {
  double step_s = 0;
  std::vector<double> field_x, field_w;  // real parts, sqrt(photons / s), at the coupler
  std::vector<double> electrons_plus, electrons_minus;  // released in the sample
  std::vector<double> charge;                           // held, plus - minus, electrons
  // Of the receiver at the end of the sample: behind the amplifier R_f i_f, of an integrator q Q /
  // C. Volts; empty for an ideal receiver, which has none.
  std::vector<double> output_v;
};

class WaveformReceiver {
 public:
  // Throws ConfigError as compile_noise_model does, where samples_per_slot < 1, and where intensity
  // noise is not small in a sample.
  WaveformReceiver(const Device& device, Encoding encoding, const OperatingPoint& point,
                   const DotProduct& product, int samples_per_slot = 4);

  // Measures w . x, as HomodyneReceiver::measure does. `trace`, if given, is filled anew with the
  // last repetition. Throws RunError where a length differs or an amplitude is beyond full scale.
  // Numbers are drawn in bulk from streams whose seed `random` gives.
  Reading measure(std::span<const float> weights, std::span<const float> inputs,
                  RandomSequence& random, WaveformTrace* trace = nullptr) const;

 private:
  Device device_;
  Encoding encoding_;
  OperatingPoint point_;
  DotProduct product_;
  MachZehnder modulator_;
  ReadOut read_;
  Chunks chunks_;
  int samples_per_slot_;
  double step_s_;
  ReceiverResponse response_;
  // Of the drive of the symbol before, in the middle of every sample and at the end of the slot.
  std::vector<double> left_over_;
  double left_over_slot_;
};

}  // namespace attojoule::photonics
