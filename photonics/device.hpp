// The optical hardware, as plain parameters. `data/device_file` reads them from YAML; every value
// has its unit in its name. Defaults describe the ideal shot-noise-limited receiver.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "photonics/error.hpp"

namespace attojoule::photonics {

struct Laser {
  double wavelength_m = 1550e-9;    // in vacuum, > 0; C band
  double wall_plug_efficiency = 1;  // optical power at the facet / electrical power, (0, 1]
  double rin_per_hz = 0;  // one-sided relative intensity noise, white over the integration
  // Whether all slots of a dot product share one intensity error (slots beside each other in space
  // or wavelength, or noise slower than a dot product), or each has its own (one after the other,
  // white up to the symbol rate).
  bool rin_common_to_slots = true;
  double linewidth_hz = 0;     // Lorentzian, full width at half maximum
  double maximum_power_w = 0;  // at the facet; 0 = no limit
  // Light-current line; a slope of 0 = not described, wall_plug_efficiency counts instead.
  double slope_efficiency_w_per_a = 0;
  double threshold_current_a = 0;
  double junction_voltage_v = 0;
  double series_resistance_ohm = 0;
  double cooling_per_heat = 0;  // watts of cooling per watt of heat
  // Lasers that share the tile's light; 0 = one for each pair of transmitters and wavelength, as
  // the link budget has it.
  std::int64_t count = 0;
};

// Amplitude encoder of either beam (modulator.hpp). Defaults: ideal.
struct Modulator {
  double half_wave_voltage_v = 0;                                        // V_pi; 0 = not described
  double extinction_ratio_db = std::numeric_limits<double>::infinity();  // of power, > 0
  double bias_error_rad = 0;
  double bandwidth_hz = 0;  // one pole; 0 = no limit
  double dac_bits = 0;      // >= 2 (2^b - 1 voltages, zero light among them); 0 = continuous
  // Either what a symbol costs, or the capacitance and peak-to-peak drive of C V^2 / 4.
  double energy_per_symbol_j = 0;
  double capacitance_f = 0;
  double drive_voltage_v = 0;
  double power_w = 0;  // of each modulator as long as the tile works: bias, tuning
};

// Converter in front of a modulator, one conversion per symbol. Its bits are Modulator::dac_bits.
struct Dac {
  double energy_per_conversion_j = 0;
};

// Losses from the laser's facet to the photodiode, dB >= 0 of optical power.
struct Link {
  double coupling_loss_db = 0;
  double propagation_loss_db = 0;
  double modulator_insertion_loss_db = 0;
  double splitting_excess_loss_db = 0;
  double detector_coupling_loss_db = 0;
};

struct Detector {
  double quantum_efficiency = 1;      // electrons per photon, (0, 1]
  double excess_noise_factor = 1;     // F >= 1; 1 for a PIN diode
  double dark_current_a = 0;          // each diode
  double efficiency_imbalance = 0;    // e: efficiencies eta (1 +- e) of the two diodes
  double coupler_transmission = 0.5;  // T of the coupler in front of them, (0, 1)
  // A photocurrent i comes out as i / (1 + i / i_sat), on each diode; 0 = no saturation.
  double saturation_current_a = 0;
};

enum class ReceiverKind { ideal, charge_integrator, transimpedance };

struct Receiver {
  ReceiverKind kind = ReceiverKind::ideal;
  double integration_time_s = 1e-9;  // T of one dot product's read
  double temperature_k = 300;
  double capacitance_f = 0;            // charge integrator
  double voltage_swing_v = 0;          // charge integrator: full well = C V / q; 0 = no limit
  double feedback_resistance_ohm = 0;  // transimpedance amplifier
  double visibility = 1;               // mode overlap V, (0, 1]
  double phase_error_rad = 0;          // phi
  double signal_beam_share = 0.5;      // s: photons of x / all photons, (0, 1)
  double energy_per_read_j = 0;        // amplifier and reset
  double power_w = 0;          // of each receiver as long as the tile works: the amplifier's supply
  double path_mismatch_s = 0;  // difference of the two beams' delays; matters with a linewidth
  // Charge integrator: amplifier noise of one sample, electrons rms; a second sample after the
  // reset takes the reset noise off and brings this noise twice; leak of the charge, 0 = none.
  double sample_noise_electrons = 0;
  bool correlated_double_sampling = false;
  double leak_time_constant_s = 0;
  // Transimpedance amplifier, input referred; the capacitance is that of diodes and input.
  double amplifier_voltage_noise_v_per_rthz = 0;  // e_n
  double amplifier_current_noise_a_per_rthz = 0;  // i_n
  double input_capacitance_f = 0;
  double bandwidth_hz = 0;  // one pole; 0 = no limit
};

struct Converter {
  double bits = 0;          // effective number of bits; 0 = no converter noise
  double full_scale_v = 0;  // input range, peak to peak; needed where bits > 0
  double energy_per_conversion_j = 0;
};

// How a matrix product is laid over the hardware.
//
//   output-stationary: receiver (i, j) of rows x columns accumulates one output over the slots of
//   its
//     dot product; row i's weights and column j's inputs are broadcast (Hamerly et al. 2019)
//   weight-stationary: rows x columns weights are held; an input vector of `columns` elements gives
//     `rows` partial outputs in one slot, each a read
enum class Dataflow { output_stationary, weight_stationary };

// Defaults are a mid-sized array at a symbol rate that integrated modulators reach; assumptions, to
// be replaced by the design's own numbers.
struct Tile {
  Dataflow dataflow = Dataflow::output_stationary;
  std::int64_t rows = 64;
  std::int64_t columns = 64;
  std::int64_t wavelengths = 1;  // slots (output-stationary) or input vectors (weight-stationary)
                                 // that pass at the same time
  double symbol_rate_hz = 1e9;   // slots per second and wavelength
  double read_time_s = 0;        // of a read that no accumulation hides
  std::int64_t accumulation_limit = 0;  // slots that one read may cover; 0 = a whole dot product
  std::int64_t fan_out = 0;   // receivers that one transmitter feeds; 0 = a whole row or column
  double static_power_w = 0;  // of the whole tile as long as it works: clocks, control, heaters
};

// Digital logic behind the converters.
struct Digital {
  double energy_per_addition_j = 0;  // of partial sums and repetitions
};

// Where operands come from and results go. The sizes are assumptions that fit 8-bit operands and
// 32-bit accumulators.
struct Memory {
  double energy_per_byte_j = 0;
  double bytes_per_operand = 1;
  double bytes_per_partial_sum = 4;
};

struct Device {
  std::string name = "ideal-shot-noise";
  std::string description;
  Laser laser;
  Modulator modulator;
  Dac dac;
  Link link;
  Detector detector;
  Receiver receiver;
  Converter adc;
  Tile tile;
  Digital digital;
  Memory memory;
  // Where values came from that the file did not state itself: key and origin ("adc.
  // energy_per_conversion", "component NAME: citation"). No effect on any result.
  std::vector<std::pair<std::string, std::string>> origins;
};

// What validate() refuses, in parts: whoever read the value from somewhere can say where it stands.
struct DeviceProblem {
  std::string key;      // as device files write it: "receiver.capacitance"
  std::string value;    // with its SI unit: "-1e-11 F"
  std::string problem;  // goes on from the value: "is not a positive number"
  std::string why;
  std::string remedy;
};

class DeviceError : public ConfigError {
 public:
  DeviceError(const std::string& device, DeviceProblem problem);
  const DeviceProblem& problem() const { return problem_; }

 private:
  DeviceProblem problem_;
};

// Throws DeviceError where a value is outside its physical range, where the receiver's kind lacks a
// value that it needs, or where a value belongs to another kind of receiver and would be ignored.
// Test: tests/photonics/device_test.cpp.
void validate(const Device& device);

}  // namespace attojoule::photonics
