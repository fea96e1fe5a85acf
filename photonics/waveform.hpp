// One dot product in time: the `waveform` fidelity, and which fidelity a dot product needs.
//
// Every slot of T / D is cut into samples of dt. In each sample
//   laser       both beams carry 1 + e, e normal of variance RIN / (2 dt); the phase walks by
//               sqrt(2 pi Delta-nu dt) and reaches the coupler twice, a path mismatch tau apart
//   modulators  drives follow their one pole from symbol to symbol (modulator.hpp); the fields are
//               those in the middle of the sample, E_x and E_w, in sqrt(photons / s)
//   coupler     F+ = R |E_x|^2 + T |E_w|^2 + 2 sqrt(TR) V Re(E_x E_w* e^(j (phi + delta)))
//               F- = T |E_x|^2 + R |E_w|^2 - the same
//   diodes      n+- ~ Poisson((eta (1 +- e) F+- + i_d / q) dt), exact; for F > 1 a normal number of
//               variance (F - 1) times the photoelectrons more
//   integrator  dQ/dt = -Q / tau_l + n(t), solved exactly over a sample with n spread evenly
//   read        full well, receiver noise and converter of read_out.hpp
// and the estimate is (charge / A - offset) / g with the gain, leak average A and offset that an
// ideal modulator would have: what a calibration with full-scale symbols would find.
//
// Symbols in detector_pair.hpp. In `normalised` encoding the largest |w_k| and |x_k| of a dot
// product are the modulators' full scale. Modulators rest at 0 before the first slot.
//
// Validity: the laser's phase is taken to run straight within a sample. White intensity noise must
// be small in a sample (20 %). Diodes and amplifiers have no bandwidth of their own, saturation is
// that of well and converter. Agreement with the other fidelities, and where it must end:
// tests/physics/fidelity_agreement_test.cpp. Text: docs/physics/fidelities.md.
#pragma once

#include <span>
#include <vector>

#include "photonics/homodyne_receiver.hpp"
#include "photonics/modulator.hpp"

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
};

class WaveformReceiver {
 public:
  // Throws ConfigError as compile_noise_model does, where samples_per_slot < 1, and where intensity
  // noise is not small in a sample.
  WaveformReceiver(const Device& device, Encoding encoding, const OperatingPoint& point,
                   const DotProduct& product, int samples_per_slot = 4);

  // Measures w . x, as HomodyneReceiver::measure does. `trace`, if given, is filled anew with the
  // last repetition. Throws RunError where a length differs or an amplitude is beyond full scale.
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
};

}  // namespace attojoule::photonics
