#include "calibration/bench_simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "photonics/constants.hpp"
#include "photonics/modulator.hpp"
#include "photonics/random_sequence.hpp"
#include "photonics/read_out.hpp"

namespace attojoule::calibration {
namespace {

using photonics::Device;
using photonics::RandomSequence;
using photonics::ReceiverKind;
namespace si = photonics::constants;

// Streams of the measurements, fixed numbers so that a new measurement changes none of the others.
enum class Stream : std::uint32_t {
  power_meter = 100,
  responsivity,
  shot_noise,
  cutback,
  mzm,
  cmrr,
  fringes,
  photon_transfer,
  adc,
  light_current,
  response,
  ring,
  intensity_noise,
  linewidth,
  noise_record,
  frequency_record,
  weights,
};

RandomSequence random_of(const Bench& bench, Stream stream) {
  return {{.seed = bench.seed,
           .domain = photonics::NoiseDomain::lab,
           .layer = static_cast<std::uint32_t>(stream)},
          0};
}

// As a display of `digits` significant digits shows it.
double shown(double value, int digits) {
  return std::stod(fmt::format("{:.{}e}", value, digits - 1));
}

double in_steps(double value, double step) {
  // A display shows decimals, not the nearest multiple in binary.
  return std::stod(fmt::format("{:.6f}", std::round(value / step) * step));
}

std::string percent(double share) {
  return fmt::format("{:.6g}%", 100 * share);
}

data::LabColumn column(std::string name, std::string unit, std::vector<double> values) {
  data::LabColumn result;
  result.name = std::move(name);
  result.unit = std::move(unit);
  // A change of unit must not show decimals that no display had.
  for (double& value : values) value = shown(value, 12);
  result.values = std::move(values);
  return result;
}

// One bench: the scale of its power meter is wrong by the same share in every measurement.
struct Instruments {
  const Device& device;
  const Bench& bench;
  double power_scale;  // reading over truth

  double read_power(double watt, RandomSequence& random) const {
    return shown(watt * power_scale * (1 + bench.power_repeatability * random.normal()),
                 bench.meter_digits);
  }
  double read_current(double ampere, RandomSequence& random) const {
    return shown(ampere * (1 + bench.current_repeatability * random.normal()) +
                     bench.current_noise_a * random.normal(),
                 bench.meter_digits);
  }
};

double responsivity(const Device& device) {
  const double volt = si::planck_j_s * si::speed_of_light_m_per_s /
                      (si::elementary_charge_c * device.laser.wavelength_m);
  return device.detector.quantum_efficiency / volt;
}

double with_saturation(const Device& device, double ampere) {
  const double limit = device.detector.saturation_current_a;
  return limit > 0 ? ampere / (1 + ampere / limit) : ampere;
}

// Largest power [W] at which a diode lacks less than `share` of its current; at most 1 mW.
double linear_power(const Device& device, double share) {
  const double limit = device.detector.saturation_current_a;
  return limit > 0 ? std::min(1e-3, share * limit / responsivity(device)) : 1e-3;
}

BenchMeasurement measure_responsivity(const Instruments& in) {
  auto random = random_of(in.bench, Stream::responsivity);
  BenchMeasurement m{"responsivity", "responsivity.csv", {}, {}, {}, "photocurrent of one diode"};
  const double r = responsivity(in.device), dark = in.device.detector.dark_current_a;
  std::vector<double> power, current;
  const auto read = [&](double watt) {
    power.push_back(watt == 0 ? 0 : in.read_power(watt, random) * 1e3);
    current.push_back(in.read_current(with_saturation(in.device, r * watt) + dark, random) * 1e6);
  };
  for (int i = 0; i < 4; ++i) read(0);  // shutter closed
  // Up to where saturation is below what the meters can tell.
  const double top = linear_power(in.device, 1e-4);
  constexpr int points = 30;
  for (int i = 0; i < points; ++i) read(top * std::pow(10, 2.0 * i / (points - 1) - 2));
  m.table.settings["wavelength"] = fmt::format("{:.6g} nm", in.device.laser.wavelength_m * 1e9);
  m.table.columns = {column("P", "mW", power), column("I", "uA", current)};
  // Both displays scatter: in quadrature.
  m.arguments = {"--relative",
                 percent(std::hypot(in.bench.power_repeatability, in.bench.current_repeatability)),
                 "--floor",
                 fmt::format("{:g}nA", in.bench.current_noise_a * 1e9),
                 "--power-scale-uncertainty",
                 percent(in.bench.power_scale_u)};
  m.truth = {{"responsivity", "A/W", r},
             {"eta", "1", in.device.detector.quantum_efficiency},
             {"dark_current", "A", dark}};
  return m;
}

// One-sided power gain of the amplifier's pole.
double pole(const Device& device, double frequency_hz) {
  const double corner = device.receiver.bandwidth_hz;
  return corner > 0 ? 1 / (1 + frequency_hz * frequency_hz / (corner * corner)) : 1;
}

BenchMeasurement measure_shot_noise(const Instruments& in) {
  auto random = random_of(in.bench, Stream::shot_noise);
  const Bench& bench = in.bench;
  const photonics::Receiver& receiver = in.device.receiver;
  const photonics::Detector& detector = in.device.detector;
  BenchMeasurement m{
      "shot-noise", "shot_noise.csv",
      {},           {},
      {},           "spectra of the receiver's output at several powers of one beam on the pair"};
  const double r = responsivity(in.device), ohm2 = std::pow(receiver.feedback_resistance_ohm, 2);
  // From 10 RBW on, below the amplifier's corner; a point each RBW, so that they are independent.
  const double first = 10 * bench.rbw_hz;
  double last = 400 * bench.rbw_hz;
  if (receiver.bandwidth_hz > 0) last = std::min(last, 0.1 * receiver.bandwidth_hz);
  const auto points = static_cast<std::size_t>(std::max(16.0, (last - first) / bench.rbw_hz));
  std::vector<double> frequency;
  for (std::size_t i = 0; i < points; ++i) {
    frequency.push_back(first + bench.rbw_hz * static_cast<double>(i));
  }
  // Electrons that the amplifier adds, A^2/Hz at its input.
  const double johnson =
      4 * si::boltzmann_j_per_k * receiver.temperature_k / receiver.feedback_resistance_ohm;
  const auto amplifier = [&](double f) {
    const double susceptance = 2 * std::numbers::pi * f * receiver.input_capacitance_f;
    return johnson + std::pow(receiver.amplifier_current_noise_a_per_rthz, 2) +
           std::pow(receiver.amplifier_voltage_noise_v_per_rthz, 2) *
               (1 / ohm2 + susceptance * susceptance) +
           2 * si::elementary_charge_c * 2 * detector.dark_current_a;
  };
  // Both diodes share the light through the coupler; intensity noise comes through their
  // difference.
  const double plus = detector.coupler_transmission * (1 + detector.efficiency_imbalance);
  const double minus = (1 - detector.coupler_transmission) * (1 - detector.efficiency_imbalance);
  const double difference2 = std::pow(plus - minus, 2);
  const double shot = 2 * si::elementary_charge_c * detector.excess_noise_factor * (plus + minus);
  const double noise_bandwidth = 1.0645 * bench.rbw_hz;
  // The diodes share the light. What they lack at the top bends the line by 2 %: the third term of
  // the law takes it.
  const double top = 2 * linear_power(in.device, 0.005);
  std::vector<double> powers{0};
  for (const double share : {0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0}) powers.push_back(share * top);
  m.table.columns = {column("frequency", "MHz", {})};
  for (const double f : frequency) m.table.columns[0].values.push_back(f / 1e6);
  std::string levels;
  double drift = 0, mean_pole = 0, mean_a = 0;
  for (const double f : frequency) {
    const double gain = ohm2 * pole(in.device, f);
    mean_pole += gain / static_cast<double>(points);
    mean_a += (gain * amplifier(f) + bench.analyser_floor_w_per_hz * bench.input_impedance_ohm) /
              static_cast<double>(points);
  }
  for (std::size_t level = 0; level < powers.size(); ++level) {
    const double watt = powers[level];
    const auto diode = [&](double share) {
      const double linear = r * watt * share;
      const double knee = detector.saturation_current_a;
      const double slope = knee > 0 ? std::pow(1 + linear / knee, -2) : 1;
      return 2 * si::elementary_charge_c * detector.excess_noise_factor * linear * slope * slope;
    };
    const double light = diode(plus) + diode(minus) +
                         in.device.laser.rin_per_hz * std::pow(r * watt, 2) * difference2;
    drift += bench.gain_drift_db * random.normal();
    std::vector<double> trace;
    for (const double f : frequency) {
      const double volt2 = ohm2 * pole(in.device, f) * (amplifier(f) + light);
      const double watt_in =
          (volt2 / bench.input_impedance_ohm + bench.analyser_floor_w_per_hz) * noise_bandwidth;
      double log_mean = 0;
      for (int sweep = 0; sweep < bench.sweeps; ++sweep) {
        log_mean += std::log10(-std::log(random.uniform())) / bench.sweeps;  // power of noise
      }
      trace.push_back(
          in_steps(10 * (std::log10(watt_in / 1e-3) + log_mean) + drift, bench.level_step_db));
    }
    const double read = watt == 0 ? 0 : in.read_power(watt, random) * 1e3;
    levels += fmt::format("{}{:g}mW", levels.empty() ? "" : ", ", read);
    m.table.columns.push_back(column(fmt::format("trace {}", level + 1), "dBm", trace));
  }
  m.table.settings["RBW"] = fmt::format("{:g} kHz", bench.rbw_hz / 1e3);
  m.table.settings["averaging"] = "log";
  m.table.settings["averages"] = std::to_string(bench.sweeps);
  m.table.settings["impedance"] = fmt::format("{:g} ohm", bench.input_impedance_ohm);
  m.arguments = {"--levels",
                 levels,
                 "--band",
                 fmt::format("{:g}MHz:{:g}MHz", first / 1e6, frequency.back() / 1e6),
                 "--responsivity",
                 fmt::format("{:.6g}A/W", r),
                 "--feedback-resistance",
                 fmt::format("{:g}ohm", receiver.feedback_resistance_ohm),
                 "--light-scale-uncertainty",
                 percent(in.bench.power_scale_u)};
  const double b = shot * r * mean_pole;
  // A diode's shot noise behind its saturation: 2 q F i (1 - 4 i / i_sat + ...).
  const double limit = detector.saturation_current_a;
  const double rin_per_w2 = in.device.laser.rin_per_hz * r * r * difference2;
  const double bend_per_w2 = limit > 0
                                 ? 8 * si::elementary_charge_c * detector.excess_noise_factor * r *
                                       r * (plus * plus + minus * minus) / limit
                                 : 0;
  m.truth = {{"a", "V^2/Hz", mean_a},
             {"b", "V^2/Hz/mW", b * 1e-3},
             {"c", "V^2/Hz/mW^2", (rin_per_w2 - bend_per_w2) * mean_pole * 1e-6},
             {"i_n", "A/sqrt(Hz)", std::sqrt(mean_a / mean_pole)},
             {"i_amplifier", "A/sqrt(Hz)", std::sqrt(mean_a / mean_pole - johnson)}};
  return m;
}

// Guides on a chip like the device's; its path is 1 cm of such a guide.
constexpr double path_length_cm = 1;

BenchMeasurement measure_cutback(const Instruments& in) {
  auto random = random_of(in.bench, Stream::cutback);
  BenchMeasurement m{"loss", "cutback.csv", {}, {}, {}, "waveguides of different length"};
  const double per_cm = in.device.link.propagation_loss_db / path_length_cm;
  const double couplings = 2 * in.device.link.coupling_loss_db;
  std::vector<double> length, transmission;
  for (const double mm : {2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 80.0}) {
    length.push_back(mm);
    transmission.push_back(in_steps(
        -couplings - per_cm * mm / 10 + in.bench.coupling_repeatability_db * random.normal(),
        in.bench.level_step_db));
  }
  m.table.columns = {column("length", "mm", length), column("transmission", "dB", transmission)};
  m.arguments = {"--path-length", fmt::format("{:g}cm", path_length_cm), "--repeatability",
                 fmt::format("{:g}dB", in.bench.coupling_repeatability_db)};
  m.truth = {{"propagation_loss", "dB/cm", per_cm}};
  return m;
}

BenchMeasurement measure_mzm(const Instruments& in) {
  auto random = random_of(in.bench, Stream::mzm);
  BenchMeasurement m{"mzm", "mzm.csv", {}, {}, {}, "transmission of a modulator over its voltage"};
  constexpr double input_w = 1e-3, dark_w = 20e-9, floor_w = 2e-9;
  const double half_wave = in.device.modulator.half_wave_voltage_v;
  // The field of photonics/modulator.hpp, without bias error: full light at drive 0.
  photonics::Modulator ideal = in.device.modulator;
  ideal.bias_error_rad = 0;
  ideal.dac_bits = 0;
  const photonics::MachZehnder modulator(ideal, in.device.link.modulator_insertion_loss_db);
  // Connectors of the two readings do not repeat: an error of the whole curve, type B.
  constexpr double connector_u_db = 0.1;
  const double connectors = std::pow(10, connector_u_db * random.normal() / 10);
  const double offset = 2 * random.uniform() - 1;  // where the maximum lies, in V_pi
  std::vector<double> volt, power;
  constexpr int points = 61;
  for (int i = 0; i < points; ++i) {
    const double v = shown(half_wave * (-0.4 + 2.8 * i / (points - 1)), 5);
    const double field = std::norm(modulator.field(v / half_wave - offset));
    volt.push_back(v);
    // Input and output are read on the same meter: its scale drops out of the ratio.
    const double watt = input_w * connectors * field + dark_w;
    power.push_back(shown(watt * (1 + in.bench.power_repeatability * random.normal()) +
                              floor_w * random.normal(),
                          in.bench.meter_digits) *
                    1e3);
  }
  m.table.columns = {column("V", "V", volt), column("P", "mW", power)};
  m.arguments = {"--input-power", fmt::format("{:g}mW", input_w * 1e3),
                 "--floor-level", fmt::format("{:g}uW", dark_w * 1e6),
                 "--relative",    percent(in.bench.power_repeatability),
                 "--floor",       fmt::format("{:g}nW", floor_w * 1e9)};
  m.arguments.insert(m.arguments.end(),
                     {"--transmission-uncertainty", fmt::format("{:g}dB", connector_u_db)});
  m.truth = {{"half_wave_voltage", "V", half_wave},
             {"insertion_loss", "dB", in.device.link.modulator_insertion_loss_db}};
  if (std::isfinite(in.device.modulator.extinction_ratio_db)) {
    m.truth.push_back({"extinction_ratio", "dB", in.device.modulator.extinction_ratio_db});
  }
  return m;
}

BenchMeasurement measure_cmrr(const Instruments& in) {
  auto random = random_of(in.bench, Stream::cmrr);
  BenchMeasurement m{"cmrr", "cmrr.csv",
                     {},     {},
                     {},     "level of an intensity-modulated tone, one diode and both lit alike"};
  const double e = in.device.detector.efficiency_imbalance;
  const double ratio = 2 * std::abs(e) / (1 + e);
  constexpr double delay_s = 40e-12, one_dbm = -20, floor_dbm = -105, sigma_db = 0.1;
  std::vector<double> frequency, one, both, floor;
  for (int i = 0; i < 21; ++i) {
    const double f = 1e6 * std::pow(10, 0.1 * i);
    const double t = 2 * std::numbers::pi * f * delay_s;
    const double rest = ratio * ratio + (1 - ratio) * t * t;
    const double noise = std::pow(10, floor_dbm / 10);
    const auto level = [&](double mw) {
      return in_steps(10 * std::log10(mw + noise) + sigma_db * random.normal(),
                      in.bench.level_step_db);
    };
    frequency.push_back(shown(f / 1e6, 5));
    one.push_back(level(std::pow(10, one_dbm / 10)));
    both.push_back(level(std::pow(10, one_dbm / 10) * rest));
    floor.push_back(floor_dbm);
  }
  m.table.columns = {column("frequency", "MHz", frequency), column("one", "dBm", one),
                     column("both", "dBm", both), column("floor", "dBm", floor)};
  m.arguments = {"--sigma", fmt::format("{:g}dB", sigma_db)};
  m.truth = {{"cmrr", "dB", -20 * std::log10(ratio)}, {"imbalance", "1", std::abs(e)}};
  return m;
}

BenchMeasurement measure_fringes(const Instruments& in) {
  auto random = random_of(in.bench, Stream::fringes);
  BenchMeasurement m{"visibility", "fringes.csv",
                     {},           {},
                     {},           "photocurrent behind the coupler while a mirror is scanned"};
  // The beams' ratio was measured to 2 %; vibration moves the fringe more than the meter scatters.
  constexpr double read_ratio = 1.3, ratio_u = 0.02, period_v = 3.1, mean_a = 20e-6,
                   dark_a = 0.4e-6, vibration = 0.003, vibration_floor_a = 20e-9;
  const double power_ratio = read_ratio / (1 + ratio_u * random.normal());
  const double visibility =
      in.device.receiver.visibility * 2 * std::sqrt(power_ratio) / (1 + power_ratio);
  const double phase = 2 * std::numbers::pi * random.uniform();
  std::vector<double> volt, current;
  for (int i = 0; i < 121; ++i) {
    const double v = i * 0.05;
    const double theta = 2 * std::numbers::pi * v / period_v + phase;
    volt.push_back(shown(v, 5));
    const double ampere = dark_a + mean_a * (1 + visibility * std::cos(theta));
    current.push_back(
        shown(ampere * (1 + vibration * random.normal()) + vibration_floor_a * random.normal(),
              in.bench.meter_digits) *
        1e6);
  }
  m.table.columns = {column("piezo", "V", volt), column("I", "uA", current)};
  m.arguments = {"--dark",
                 fmt::format("{:g}uA", dark_a * 1e6),
                 "--power-ratio",
                 fmt::format("{:g}", read_ratio),
                 "--power-ratio-uncertainty",
                 percent(ratio_u),
                 "--relative",
                 percent(vibration),
                 "--floor",
                 fmt::format("{:g}nA", vibration_floor_a * 1e9)};
  m.truth = {{"visibility", "1", visibility},
             {"mode_overlap", "1", in.device.receiver.visibility},
             {"period", "V", period_v}};
  return m;
}

BenchMeasurement measure_photon_transfer(const Instruments& in) {
  auto random = random_of(in.bench, Stream::photon_transfer);
  BenchMeasurement m{"ptc", "photon_transfer.csv",
                     {},    {},
                     {},    "mean and variance of one integrating receiver's output over exposure"};
  const photonics::ReadOut read = photonics::read_out(in.device);
  const double eta = in.device.detector.quantum_efficiency;
  // An unsigned converter of its own, so fine that its steps do not show: a quarter of the noise.
  const double step = std::max(read.receiver_noise_electrons / 4, 1.0);
  const double gain = 1 / step, offset_dn = 200, nu = in.bench.pixels - 1;
  const double read_variance = std::pow(read.receiver_noise_electrons, 2);
  // Up to ten times the read noise in shot noise, and at most 60 % of the well.
  double most = 100 * std::max(read_variance, 100.0);
  most = std::min(most, 0.6 * read.full_well_electrons);
  const double scale = 1 + in.bench.photon_scale_u * random.normal();
  std::vector<double> time, photons, mean, variance, dark_mean, dark_variance;
  constexpr int points = 24;
  for (int i = 1; i <= points; ++i) {
    const double n = most / eta * i / points;
    const double true_variance = gain * gain * (read_variance + eta * n) + 1.0 / 12;
    const double true_dark = gain * gain * read_variance + 1.0 / 12;
    const auto mean_of = [&](double v, double of) {
      return shown(v + std::sqrt(of / in.bench.pixels) * random.normal(), 9);
    };
    const auto variance_of = [&](double v) {
      return shown(v * (1 + std::sqrt(2 / nu) * random.normal()), 8);
    };
    time.push_back(shown(0.1 * i, 5));
    photons.push_back(shown(n * scale, 6));
    mean.push_back(mean_of(offset_dn + gain * eta * n, true_variance));
    variance.push_back(variance_of(true_variance));
    dark_mean.push_back(mean_of(offset_dn, true_dark));
    dark_variance.push_back(variance_of(true_dark));
  }
  m.table.settings["pixels"] = fmt::format("{:g}", in.bench.pixels);
  m.table.columns = {column("texp", "ms", time),         column("u_p", "photon", photons),
                     column("u_y", "DN", mean),          column("s2_y", "DN^2", variance),
                     column("u_ydark", "DN", dark_mean), column("s2_ydark", "DN^2", dark_variance)};
  m.arguments = {"--method", "weighted", "--photon-scale-uncertainty",
                 percent(in.bench.photon_scale_u)};
  m.truth = {{"K", "DN/e-", gain},
             {"R", "DN/photon", gain * eta},
             {"eta", "1", eta},
             {"sigma_d", "e-", read.receiver_noise_electrons}};
  return m;
}

BenchMeasurement measure_adc(const Instruments& in) {
  auto random = random_of(in.bench, Stream::adc);
  BenchMeasurement m{"adc", "adc_sine.csv", {}, {}, {}, "codes of a sine just below full scale"};
  // A converter of more steps, with the noise that leaves the effective bits of the device.
  const double effective = in.device.adc.bits;
  const int bits = static_cast<int>(std::ceil(effective)) + 1;
  const double noise = std::sqrt((std::pow(4, bits - effective) - 1) / 12);
  const double half = std::exp2(bits - 1);
  std::vector<double> codes;
  for (int i = 0; i < in.bench.record_samples; ++i) {
    // 479 cycles, an odd prime number of them: every sample another phase.
    const double phase = 2 * std::numbers::pi * 479 * i / in.bench.record_samples + 0.3;
    const double value = half + 0.95 * half * std::sin(phase) + noise * random.normal();
    codes.push_back(std::clamp(std::floor(value), 0.0, 2 * half - 1));
  }
  m.table.settings["sample interval"] = "1 ns";
  m.table.columns = {column("code", "DN", codes)};
  m.arguments = {"--bits", std::to_string(bits)};
  m.truth = {{"enob", "bit", effective}};
  return m;
}

BenchMeasurement measure_light_current(const Instruments& in) {
  auto random = random_of(in.bench, Stream::light_current);
  BenchMeasurement m{"li", "light_current.csv", {}, {}, {}, "laser power over its current"};
  const photonics::Laser& laser = in.device.laser;
  constexpr double knee_a = 0.2e-3;  // of the threshold; the step of the current resolves it
  const double top = laser.maximum_power_w > 0 ? laser.maximum_power_w : 10e-3;
  const double last = laser.threshold_current_a + top / laser.slope_efficiency_w_per_a;
  std::vector<double> current, power;
  constexpr int points = 101;
  const double noise_w = 2e-4 * top;
  for (int i = 0; i < points; ++i) {
    const double ampere = shown(last * i / (points - 1), 6);
    const double u = (ampere - laser.threshold_current_a) / knee_a;
    const double softplus = u > 30 ? u : std::log1p(std::exp(u));
    const double watt = laser.slope_efficiency_w_per_a * knee_a * softplus;
    current.push_back(ampere * 1e3);
    power.push_back(
        shown(in.power_scale * watt + noise_w * random.normal(), in.bench.meter_digits) * 1e3);
  }
  m.table.columns = {column("current", "mA", current), column("power", "mW", power)};
  m.arguments = {"--power-scale-uncertainty", percent(in.bench.power_scale_u)};
  m.truth = {{"threshold_current", "A", laser.threshold_current_a},
             {"slope_efficiency", "W/A", laser.slope_efficiency_w_per_a}};
  return m;
}

BenchMeasurement measure_response(const Instruments& in) {
  auto random = random_of(in.bench, Stream::response);
  BenchMeasurement m{"s21", "receiver_response.csv",
                     {},    {},
                     {},    "gain of the receiver over the frequency of modulated light"};
  const double corner = in.device.receiver.bandwidth_hz;
  constexpr double sigma_db = 0.02;
  std::vector<double> frequency, level;
  for (int i = 0; i < 301; ++i) {
    const double f = corner * std::pow(10, -2.5 + 3.0 * i / 300);
    frequency.push_back(shown(f / 1e6, 7));
    level.push_back(
        shown(10 * std::log10(pole(in.device, f)) - 12 + sigma_db * random.normal(), 6));
  }
  m.table.columns = {column("frequency", "MHz", frequency), column("S21", "dB", level)};
  // Where the pole takes less than a hundredth of a decibel.
  m.arguments = {"--column",    "S21",
                 "--poles",     "1",
                 "--reference", fmt::format("{:g}MHz:{:g}MHz", corner / 300e6, corner / 20e6)};
  m.truth = {{"bandwidth_3dBe", "Hz", corner}};
  return m;
}

// A ring on the device's chip, of the same guide: 2 mm around, coupled half as much as it loses.
BenchMeasurement measure_ring(const Instruments& in) {
  auto random = random_of(in.bench, Stream::ring);
  BenchMeasurement m{"ring", "ring.csv", {}, {}, {}, "transmission of a ring of the same guide"};
  constexpr double circumference_cm = 0.2, group_index = 4.2;
  const double per_cm = in.device.link.propagation_loss_db / path_length_cm;
  const double a = std::pow(10, -per_cm * circumference_cm / 20), r = std::sqrt(a);
  const double fsr = si::speed_of_light_m_per_s / (group_index * circumference_cm * 1e-2);
  const double middle = shown(si::speed_of_light_m_per_s / in.device.laser.wavelength_m / 1e9, 6);
  constexpr double input_w = 1e-3;
  constexpr int points = 1201;
  std::vector<double> frequency, power;
  for (int i = 0; i < points; ++i) {
    const double offset = 2.5 * fsr * (static_cast<double>(i) / (points - 1) - 0.5);
    const double cosine = std::cos(2 * std::numbers::pi * offset / fsr);
    const double transmission =
        (a * a - 2 * a * r * cosine + r * r) / (1 - 2 * a * r * cosine + a * a * r * r);
    frequency.push_back(middle + offset / 1e9);
    power.push_back(in.read_power(input_w * transmission, random) * 1e3);
  }
  m.table.columns = {column("frequency", "GHz", frequency), column("power", "mW", power)};
  m.arguments = {"--relative",      percent(in.bench.power_repeatability),
                 "--coupling",      "under",
                 "--circumference", fmt::format("{:g}mm", 10 * circumference_cm),
                 "--path-length",   fmt::format("{:g}cm", path_length_cm)};
  m.truth = {{"propagation_loss", "dB/cm", per_cm}, {"fsr", "Hz", fsr}};
  return m;
}

// Light on one diode behind the laser, spectra with and without it.
constexpr double rin_photocurrent_a = 5e-3;

double intensity_noise_w_per_hz(const Device& device, const Bench& bench) {
  return device.laser.rin_per_hz * std::pow(rin_photocurrent_a, 2) * bench.input_impedance_ohm;
}

double quiet_noise_w_per_hz(const Bench& bench) {
  return 2 * si::elementary_charge_c * rin_photocurrent_a * bench.input_impedance_ohm +
         bench.analyser_floor_w_per_hz;
}

BenchMeasurement measure_intensity_noise(const Instruments& in) {
  auto random = random_of(in.bench, Stream::intensity_noise);
  const Bench& bench = in.bench;
  BenchMeasurement m{"rin", "rin.csv", {}, {}, {}, "spectra of the laser's photocurrent, and dark"};
  const double lit = intensity_noise_w_per_hz(in.device, bench) + quiet_noise_w_per_hz(bench);
  const double noise_bandwidth = 1.0645 * bench.rbw_hz;
  double drift = 0;
  const auto trace = [&](double density) {
    drift += bench.gain_drift_db * random.normal();
    std::vector<double> levels;
    for (int i = 0; i < 300; ++i) {
      double log_mean = 0;
      for (int sweep = 0; sweep < bench.sweeps; ++sweep) {
        log_mean += std::log10(-std::log(random.uniform())) / bench.sweeps;
      }
      levels.push_back(
          in_steps(10 * (std::log10(density * noise_bandwidth / 1e-3) + log_mean) + drift,
                   bench.level_step_db));
    }
    return levels;
  };
  std::vector<double> frequency;
  for (int i = 0; i < 300; ++i) frequency.push_back(10 + bench.rbw_hz / 1e6 * i);
  m.table.columns = {column("frequency", "MHz", frequency), column("noise", "dBm", trace(lit)),
                     column("dark", "dBm", trace(bench.analyser_floor_w_per_hz))};
  m.table.settings["RBW"] = fmt::format("{:g} kHz", bench.rbw_hz / 1e3);
  m.table.settings["averaging"] = "log";
  m.table.settings["impedance"] = fmt::format("{:g} ohm", bench.input_impedance_ohm);
  m.table.settings["photocurrent"] =
      fmt::format("{:.9g} mA", in.read_current(rin_photocurrent_a, random) * 1e3);
  m.arguments = {"--averages", std::to_string(bench.sweeps), "--photocurrent-uncertainty",
                 percent(bench.current_repeatability)};
  m.truth = {{"rin", "1/Hz", in.device.laser.rin_per_hz}};
  return m;
}

// White frequency noise of the Lorentzian line, under 1/f noise with a corner of 100 kHz.
BenchMeasurement measure_linewidth(const Instruments& in) {
  auto random = random_of(in.bench, Stream::linewidth);
  BenchMeasurement m{"linewidth", "frequency_noise.csv",
                     {},          {},
                     {},          "frequency noise of the laser behind a discriminator"};
  const double white = in.device.laser.linewidth_hz / std::numbers::pi;
  constexpr double corner_hz = 1e5;
  constexpr int averages = 100;
  std::vector<double> frequency, noise;
  for (int i = 0; i <= 300; ++i) {
    const double f = shown(std::pow(10, 4 + i / 100.0), 6);
    double mean = 0;
    for (int k = 0; k < averages; ++k) mean += -std::log(random.uniform()) / averages;
    frequency.push_back(f);
    noise.push_back(shown(white * (1 + corner_hz / f) * mean, in.bench.meter_digits));
  }
  m.table.columns = {column("frequency", "Hz", frequency), column("S_nu", "Hz^2/Hz", noise)};
  m.arguments = {"--averages", std::to_string(averages)};
  m.truth = {{"linewidth", "Hz", in.device.laser.linewidth_hz}};
  return m;
}

// The receiver's output in the dark, sampled far below the amplifier's corner.
BenchMeasurement measure_noise_record(const Instruments& in) {
  auto random = random_of(in.bench, Stream::noise_record);
  BenchMeasurement m{"psd", "dark_record.csv", {}, {}, {}, "the receiver's output in the dark"};
  const photonics::Receiver& receiver = in.device.receiver;
  constexpr double rate_hz = 1e6;
  constexpr int samples = 16384, segment = 256;
  const double ohm2 = std::pow(receiver.feedback_resistance_ohm, 2);
  const double density =
      ohm2 *
          (4 * si::boltzmann_j_per_k * receiver.temperature_k / receiver.feedback_resistance_ohm +
           std::pow(receiver.amplifier_current_noise_a_per_rthz, 2) +
           2 * si::elementary_charge_c * 2 * in.device.detector.dark_current_a) +
      std::pow(receiver.amplifier_voltage_noise_v_per_rthz, 2);
  const double rms = std::sqrt(density * rate_hz / 2);
  std::vector<double> volt;
  // Steps of a digitiser whose range the noise fills.
  const double step = rms / 20;
  for (int i = 0; i < samples; ++i) volt.push_back(std::round(rms * random.normal() / step) * step);
  m.table.settings["sample interval"] = "1 us";
  m.table.columns = {column("output", "V", volt)};
  m.arguments = {"--segment", std::to_string(segment), "--range", "10kHz:490kHz"};
  // The digitiser's own noise is part of the record.
  m.truth = {{"density", "V^2/Hz", density + step * step / 12 / (rate_hz / 2)}};
  return m;
}

// Counted over gates of 1 ms: white frequency noise of a line of width w scatters by
// sqrt(w / (2 pi tau)) hertz from gate to gate.
BenchMeasurement measure_frequency_record(const Instruments& in) {
  auto random = random_of(in.bench, Stream::frequency_record);
  BenchMeasurement m{"allan", "laser_frequency.csv",
                     {},      {},
                     {},      "relative frequency of the laser, counted over gates of 1 ms"};
  constexpr double gate_s = 1e-3;
  const double optical_hz = si::speed_of_light_m_per_s / in.device.laser.wavelength_m;
  const double deviation =
      std::sqrt(in.device.laser.linewidth_hz / (2 * std::numbers::pi * gate_s)) / optical_hz;
  std::vector<double> relative;
  for (int i = 0; i < 4096; ++i) relative.push_back(deviation * random.normal());
  m.table.columns = {column("y", "1", relative)};
  m.arguments = {"--data", "frequency", "--rate", "1kHz"};
  m.truth = {{"oadev_tau0", "1", deviation}};
  return m;
}

// Weights through the encoder: its converter rounds the drive, the bench scatters each writing and
// each reading.
BenchMeasurement measure_weights(const Instruments& in) {
  auto random = random_of(in.bench, Stream::weights);
  BenchMeasurement m{"weights", "weights.csv", {}, {}, {}, "weights written and read repeatedly"};
  constexpr int targets = 17, writes = 30, reads = 3;
  const double steps =
      in.device.modulator.dac_bits > 0 ? std::exp2(in.device.modulator.dac_bits) - 2 : 0;
  double squares = 0;
  std::vector<double> target, write, value;
  for (int s = 0; s < targets; ++s) {
    const double wanted = -1 + 2.0 * s / (targets - 1);
    double angle = std::asin(wanted) / std::numbers::pi;  // -1/2 .. 1/2 of the drive's range
    if (steps > 0) angle = std::round(angle * steps) / steps;
    const double set = std::sin(std::numbers::pi * angle);
    squares += std::pow(set - wanted, 2);
    for (int c = 0; c < writes; ++c) {
      const double written = set + in.bench.weight_write_sigma * random.normal();
      for (int k = 0; k < reads; ++k) {
        target.push_back(wanted);
        write.push_back(c);
        value.push_back(shown(written + in.bench.weight_read_sigma * random.normal(), 6));
      }
    }
  }
  m.table.columns = {column("target", "1", target), column("write", "1", write),
                     column("value", "1", value)};
  m.truth = {{"sigma_programming", "1", in.bench.weight_write_sigma},
             {"sigma_read", "1", in.bench.weight_read_sigma}};
  // Below the scatter of the means a transfer error is not resolved.
  const double rounding = std::sqrt(squares / targets);
  if (rounding > in.bench.weight_write_sigma) {
    m.truth.push_back({"rms_transfer_error", "1", rounding});
  }
  return m;
}

}  // namespace

BenchSeries simulate_bench(const Device& device, const Bench& bench) {
  photonics::validate(device);
  auto meter = random_of(bench, Stream::power_meter);
  const Instruments in{device, bench, 1 + bench.power_scale_u * meter.normal()};
  BenchSeries series;
  series.power_meter_reads = in.power_scale;
  const auto take = [&](bool possible, const char* kind, const char* why_not,
                        BenchMeasurement (*measure)(const Instruments&)) {
    if (possible) {
      series.measurements.push_back(measure(in));
      series.measurements.back().table.settings["origin"] =
          fmt::format("simulated from {}, seed {}", device.name, bench.seed);
    } else {
      series.not_measured.emplace_back(kind, why_not);
    }
  };
  const photonics::Receiver& receiver = device.receiver;
  take(true, "responsivity", "", measure_responsivity);
  take(receiver.kind == ReceiverKind::transimpedance, "shot-noise",
       "the receiver has no transimpedance amplifier whose output a spectrum analyser could take",
       measure_shot_noise);
  take(receiver.kind == ReceiverKind::charge_integrator, "ptc", "the receiver integrates no charge",
       measure_photon_transfer);
  take(device.link.propagation_loss_db > 0, "loss", "link.propagation_loss is 0", measure_cutback);
  take(device.modulator.half_wave_voltage_v > 0, "mzm",
       "modulator.half_wave_voltage is not described", measure_mzm);
  take(device.detector.efficiency_imbalance != 0, "cmrr",
       "detector.efficiency_imbalance is 0: nothing is left of the common mode", measure_cmrr);
  take(true, "visibility", "", measure_fringes);
  take(receiver.bandwidth_hz > 0, "s21", "receiver.bandwidth is not limited", measure_response);
  take(device.adc.bits >= 2, "adc", "adc.bits is not described", measure_adc);
  take(device.laser.slope_efficiency_w_per_a > 0, "li", "laser.slope_efficiency is not described",
       measure_light_current);
  take(device.link.propagation_loss_db > 0, "ring", "link.propagation_loss is 0", measure_ring);
  take(intensity_noise_w_per_hz(device, bench) > 0.35 * quiet_noise_w_per_hz(bench), "rin",
       "laser.rin is 0, or less than 1 dB above shot and thermal noise of 5 mA",
       measure_intensity_noise);
  take(device.laser.linewidth_hz > 0, "linewidth", "laser.linewidth is 0", measure_linewidth);
  take(receiver.kind == ReceiverKind::transimpedance, "psd",
       "the receiver has no transimpedance amplifier whose output could be sampled",
       measure_noise_record);
  take(device.laser.linewidth_hz > 0, "allan", "laser.linewidth is 0", measure_frequency_record);
  take(true, "weights", "", measure_weights);
  return series;
}

}  // namespace attojoule::calibration
