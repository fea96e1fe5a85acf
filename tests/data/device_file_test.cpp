#include "data/device_file.hpp"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <cmath>
#include <numbers>

#include "data/paths.hpp"
#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"

namespace attojoule::data {
namespace {

using photonics::Device;
using photonics::ReceiverKind;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

std::string refusal(const std::string& text) {
  return message_of<ConfigError>([&] { parse_device(text, "d.yaml"); });
}

TEST(DeviceFile, EveryKeyReachesItsParameter) {
  const Device d = parse_device(R"(
name: everything
description: "every key: once"
laser: {wavelength: 1310 nm, wall_plug_efficiency: 20 %, rin: -150 dBc/Hz}
link:
  coupling_loss: 1 dB
  propagation_loss: 2 dB
  modulator_insertion_loss: 3 dB
  splitting_excess_loss: 4 dB
  detector_coupling_loss: 5 dB
detector: {quantum_efficiency: 0.8, excess_noise_factor: 3, dark_current: 5 nA}
receiver:
  kind: charge-integrator
  integration_time: 10 ns
  temperature: 290 K
  capacitance: {value: 10 pF, source: data sheet}
  voltage_swing: 900 mV
  visibility: 95 %
  phase_error: 5 deg
  signal_beam_share: 0.4
  energy_per_read: 2 pJ
adc: {bits: 7.5, full_scale: 1 V, energy_per_conversion: 1 pJ}
)",
                                "d.yaml");
  EXPECT_EQ(d.name, "everything");
  EXPECT_EQ(d.description, "every key: once");
  EXPECT_EQ(d.laser.wavelength_m, 1310e-9);
  EXPECT_EQ(d.laser.wall_plug_efficiency, 0.2);
  EXPECT_DOUBLE_EQ(d.laser.rin_per_hz, 1e-15);
  EXPECT_EQ(d.link.coupling_loss_db, 1);
  EXPECT_EQ(d.link.propagation_loss_db, 2);
  EXPECT_EQ(d.link.modulator_insertion_loss_db, 3);
  EXPECT_EQ(d.link.splitting_excess_loss_db, 4);
  EXPECT_EQ(d.link.detector_coupling_loss_db, 5);
  EXPECT_EQ(d.detector.quantum_efficiency, 0.8);
  EXPECT_EQ(d.detector.excess_noise_factor, 3);
  EXPECT_EQ(d.detector.dark_current_a, 5e-9);
  EXPECT_EQ(d.receiver.kind, ReceiverKind::charge_integrator);
  EXPECT_EQ(d.receiver.integration_time_s, 10e-9);
  EXPECT_EQ(d.receiver.temperature_k, 290);
  EXPECT_EQ(d.receiver.capacitance_f, 10e-12);
  EXPECT_EQ(d.receiver.voltage_swing_v, 0.9);
  EXPECT_EQ(d.receiver.visibility, 0.95);
  EXPECT_DOUBLE_EQ(d.receiver.phase_error_rad, 5 * std::numbers::pi / 180);
  EXPECT_EQ(d.receiver.signal_beam_share, 0.4);
  EXPECT_EQ(d.receiver.energy_per_read_j, 2e-12);
  EXPECT_EQ(d.adc.bits, 7.5);
  EXPECT_EQ(d.adc.full_scale_v, 1);
  EXPECT_EQ(d.adc.energy_per_conversion_j, 1e-12);
}

TEST(DeviceFile, LightCurrentLineAmplifierAndEncoder) {
  const std::string text = R"(
name: rest
laser:
  slope_efficiency: 250 mW/A
  threshold_current: 12 mA
  junction_voltage: 0.9 V
  series_resistance: 4 ohm
  cooling_per_heat: 0.5
  rin: 1e-15 1/Hz
  rin_slots: independent
  linewidth: 2 MHz
  maximum_power: 20 mW
modulator: {half_wave_voltage: 5 V, extinction_ratio: 25 dB, bias_error: 1 deg, bandwidth: 30 GHz, dac_bits: 8}
detector: {quantum_efficiency: 0.9, saturation_current: 3 mA, efficiency_imbalance: 0.02, coupler_transmission: 0.49}
receiver:
  kind: transimpedance
  feedback_resistance: 80 kohm
  amplifier_voltage_noise: 1.5 nV/sqrt(Hz)
  amplifier_current_noise: 2 pA/√Hz
  input_capacitance: 50 fF
  bandwidth: 2.5 GHz
  path_mismatch: 3 ps
)";
  const Device d = parse_device(text, "d.yaml");
  EXPECT_EQ(d.laser.slope_efficiency_w_per_a, 0.25);
  EXPECT_EQ(d.laser.threshold_current_a, 12e-3);
  EXPECT_EQ(d.laser.junction_voltage_v, 0.9);
  EXPECT_EQ(d.laser.series_resistance_ohm, 4);
  EXPECT_EQ(d.laser.cooling_per_heat, 0.5);
  EXPECT_FALSE(d.laser.rin_common_to_slots);
  EXPECT_EQ(d.detector.saturation_current_a, 3e-3);
  EXPECT_EQ(d.receiver.amplifier_voltage_noise_v_per_rthz, 1.5e-9);
  EXPECT_EQ(d.receiver.amplifier_current_noise_a_per_rthz, 2e-12);
  EXPECT_EQ(d.receiver.bandwidth_hz, 2.5e9);
  EXPECT_EQ(parse_device("laser: {rin_slots: common}", "d.yaml").laser.rin_common_to_slots, true);
  // And back.
  const std::string yaml = device_to_yaml(d);
  EXPECT_EQ(device_to_yaml(parse_device(yaml, "again")), yaml);
  EXPECT_EQ(parse_device(yaml, "again").receiver.amplifier_current_noise_a_per_rthz, 2e-12);
  EXPECT_EQ(parse_device(yaml, "again").laser.slope_efficiency_w_per_a, 0.25);

  EXPECT_THAT(refusal("laser:\n  slope_efficiency: 250 mW\n"),
              AllOf(StartsWith("d.yaml:2:21: "), HasSubstr("a slope efficiency"),
                    HasSubstr("W/A with an SI prefix")));
  EXPECT_THAT(refusal("receiver:\n  kind: transimpedance\n  amplifier_current_noise: 2 pA\n"),
              AllOf(HasSubstr("d.yaml:3:28: "), HasSubstr("a current noise density"),
                    HasSubstr("A/sqrt(Hz)")));
  EXPECT_THAT(refusal("laser: {threshold_current: 5 mA}"), HasSubstr("laser.slope_efficiency"));
  EXPECT_THAT(refusal("laser: {slope_efficiency: 2 W/A, junction_voltage: 3 V}"),
              HasSubstr("is above h nu / q"));
  EXPECT_THAT(refusal("laser: {rin_slots: some}"), HasSubstr("common, independent"));
  EXPECT_THAT(refusal("receiver: {bandwidth: 1 GHz}"), HasSubstr("would be ignored"));
  EXPECT_THAT(refusal("modulator: {dac_bits: 1}"), HasSubstr("is outside 2 to 32"));
}

TEST(DeviceFile, WhatIsNotSaidIsTheDefault) {
  const Device d = parse_device("name: empty\n", "d.yaml");
  const Device defaults;
  EXPECT_EQ(d.name, "empty");
  EXPECT_EQ(d.laser.wavelength_m, defaults.laser.wavelength_m);
  EXPECT_EQ(d.receiver.kind, ReceiverKind::ideal);
  EXPECT_EQ(d.adc.bits, 0);
}

// eta = R h c / (q lambda); at 1550 nm a perfect diode has 1.25 A/W.
TEST(DeviceFile, ResponsivityIsAQuantumEfficiency) {
  const Device d = parse_device("detector: {responsivity: 1 A/W}", "d.yaml");
  EXPECT_NEAR(d.detector.quantum_efficiency, 1.239841984 / 1.55, 1e-9);
  const Device green =
      parse_device("laser: {wavelength: 532 nm}\ndetector: {responsivity: 300 mA/W}", "d.yaml");
  EXPECT_NEAR(green.detector.quantum_efficiency, 0.3 * 1.239841984 / 0.532, 1e-9);
  EXPECT_THAT(
      refusal("detector:\n  responsivity: 1.5 A/W\n"),
      AllOf(StartsWith("d.yaml:2:17: detector.responsivity: \"1.5 A/W\" is a quantum efficiency "
                       "of 1.19984"),
            HasSubstr("is outside (0, 1]")));
  EXPECT_THAT(refusal("detector:\n  responsivity: 1 A/W\n  quantum_efficiency: 0.5\n"),
              AllOf(StartsWith("d.yaml:2:17: "), HasSubstr("each determines the other")));
}

struct Refused {
  const char* section;
  const char* line;     // key: value
  const char* subject;  // key and value as the message has them
  const char* reason;
};

class OutOfRange : public testing::TestWithParam<Refused> {};

TEST_P(OutOfRange, NamesPlaceValueUnitAndReason) {
  const auto& [section, line, subject, reason] = GetParam();
  const std::string kind = std::string(section) == "receiver" ? "  temperature: 300 K\n" : "";
  const std::string text = std::string("name: x\n") + section + ":\n" + kind + "  " + line + "\n";
  const int row = kind.empty() ? 3 : 4;
  const std::string_view entry = line;
  const std::size_t column = 3 + entry.find(": ") + 2;
  EXPECT_THAT(refusal(text), AllOf(StartsWith("d.yaml:" + std::to_string(row) + ":" +
                                              std::to_string(column) + ": " + subject + " "),
                                   HasSubstr(reason)));
}

INSTANTIATE_TEST_SUITE_P(
    Device, OutOfRange,
    testing::Values(
        Refused{"laser", "wavelength: 0 nm", "laser.wavelength: \"0 nm\"", "not a positive number"},
        Refused{"laser", "wavelength: -1 nm", "laser.wavelength: \"-1 nm\"",
                "not a positive number"},
        Refused{"laser", "wall_plug_efficiency: 0", "laser.wall_plug_efficiency: \"0\"",
                "outside (0, 1]"},
        Refused{"laser", "wall_plug_efficiency: 101 %", "laser.wall_plug_efficiency: \"101 %\"",
                "outside (0, 1]"},
        Refused{"laser", "rin: -1 1/Hz", "laser.rin: \"-1 1/Hz\"", "is negative"},
        Refused{"link", "coupling_loss: -1 dB", "link.coupling_loss: \"-1 dB\"",
                "does not amplify"},
        Refused{"link", "propagation_loss: -1 dB", "link.propagation_loss: \"-1 dB\"",
                "does not amplify"},
        Refused{"link", "modulator_insertion_loss: -1 dB",
                "link.modulator_insertion_loss: \"-1 dB\"", "does not amplify"},
        Refused{"link", "splitting_excess_loss: -1 dB", "link.splitting_excess_loss: \"-1 dB\"",
                "does not amplify"},
        Refused{"link", "detector_coupling_loss: -1 dB", "link.detector_coupling_loss: \"-1 dB\"",
                "does not amplify"},
        Refused{"detector", "quantum_efficiency: 0", "detector.quantum_efficiency: \"0\"",
                "outside (0, 1]"},
        Refused{"detector", "quantum_efficiency: 1.2", "detector.quantum_efficiency: \"1.2\"",
                "outside (0, 1]"},
        Refused{"detector", "excess_noise_factor: 0.9", "detector.excess_noise_factor: \"0.9\"",
                "is below 1"},
        Refused{"detector", "dark_current: -1 nA", "detector.dark_current: \"-1 nA\"",
                "is negative"},
        Refused{"receiver", "integration_time: 0 s", "receiver.integration_time: \"0 s\"",
                "not a positive number"},
        Refused{"receiver", "visibility: 1.01", "receiver.visibility: \"1.01\"", "outside (0, 1]"},
        Refused{"receiver", "phase_error: 90 deg", "receiver.phase_error: \"90 deg\"",
                "not below pi/2"},
        Refused{"receiver", "phase_error: -90 deg", "receiver.phase_error: \"-90 deg\"",
                "not below pi/2"},
        Refused{"receiver", "signal_beam_share: 0", "receiver.signal_beam_share: \"0\"",
                "outside (0, 1)"},
        Refused{"receiver", "signal_beam_share: 1", "receiver.signal_beam_share: \"1\"",
                "outside (0, 1)"},
        Refused{"receiver", "energy_per_read: -1 pJ", "receiver.energy_per_read: \"-1 pJ\"",
                "is negative"},
        Refused{"receiver", "capacitance: 1 pF", "receiver.capacitance: \"1 pF\"",
                "would be ignored"},
        Refused{"receiver", "voltage_swing: 1 V", "receiver.voltage_swing: \"1 V\"",
                "would be ignored"},
        Refused{"receiver", "feedback_resistance: 1 kohm",
                "receiver.feedback_resistance: \"1 kohm\"", "would be ignored"},
        Refused{"adc", "bits: -1", "adc.bits: \"-1\"", "is negative"},
        Refused{"adc", "bits: 33", "adc.bits: \"33\"", "is above 32"},
        Refused{"adc", "full_scale: -1 V", "adc.full_scale: \"-1 V\"", "is negative"},
        Refused{"adc", "energy_per_conversion: -1 pJ", "adc.energy_per_conversion: \"-1 pJ\"",
                "is negative"}));

TEST(DeviceFile, TemperatureBelowZero) {
  EXPECT_THAT(refusal("receiver:\n  temperature: -1 K\n"),
              StartsWith("d.yaml:2:16: receiver.temperature: \"-1 K\" is negative"));
}

TEST(DeviceFile, WhatAKindOfReceiverNeeds) {
  EXPECT_THAT(refusal("receiver:\n  kind: charge-integrator\n"),
              AllOf(StartsWith("d.yaml:2:3: receiver.capacitance: missing"),
                    HasSubstr("noise and full well follow from it")));
  EXPECT_THAT(refusal("receiver:\n  kind: transimpedance\n"),
              StartsWith("d.yaml:2:3: receiver.feedback_resistance: missing"));
  EXPECT_THAT(refusal("adc:\n  bits: 8\n"), StartsWith("d.yaml:2:3: adc.full_scale: missing"));
  EXPECT_THAT(
      refusal("adc:\n  bits: 8\n  full_scale: 1 V\n"),
      AllOf(StartsWith("d.yaml:2:9: adc.bits: \"8\""), HasSubstr("receiver.kind is ideal")));
  EXPECT_THAT(refusal("receiver:\n  kind: chargeintegrator\n"),
              AllOf(StartsWith("d.yaml:2:9: receiver.kind 'chargeintegrator' is unknown"),
                    HasSubstr("ideal, charge-integrator, transimpedance")));
}

TEST(DeviceFile, UnitsKeysAndSections) {
  EXPECT_THAT(refusal("laser:\n  wavelength: 1550\n"),
              StartsWith("d.yaml:2:15: laser.wavelength: \"1550\" has no unit"));
  EXPECT_THAT(refusal("laser:\n  wavelength: 1 pF\n"), HasSubstr("is a capacitance"));
  EXPECT_THAT(refusal("laser:\n  wavelenght: 1550 nm\n"),
              AllOf(StartsWith("d.yaml:2:3: unknown key \"wavelenght\" in \"laser\""),
                    HasSubstr("Did you mean \"wavelength\"?")));
  EXPECT_THAT(refusal("reciever: {}\n"),
              AllOf(StartsWith("d.yaml:1:1: "), HasSubstr("Did you mean \"receiver\"?")));
  EXPECT_THAT(refusal("laser: 3\n"), StartsWith("d.yaml:1:8: laser is not a section"));
}

TEST(DeviceFile, OverridesGoOverTheFile) {
  const Device d = load_device("charge-integrating-receiver",
                               {"receiver.capacitance=1pF", "detector.quantum_efficiency=70%"});
  EXPECT_EQ(d.receiver.capacitance_f, 1e-12);
  EXPECT_EQ(d.detector.quantum_efficiency, 0.7);
  EXPECT_THAT(message_of<ConfigError>([&] {
                load_device("charge-integrating-receiver", {"receiver.capacitance=-1pF"});
              }),
              StartsWith("--set receiver.capacitance=-1pF: receiver.capacitance: \"-1pF\" is not"));
  EXPECT_THAT(message_of<ConfigError>([&] { load_device("ideal-shot-noise", {"receiver.x=1"}); }),
              StartsWith("--set receiver.x=1: unknown key \"x\""));
}

// Zero takes back what a preset says of a receiver that it no longer is.
TEST(DeviceFile, AnotherKindOfReceiverByOverrides) {
  EXPECT_THROW(load_device("charge-integrating-receiver", {"receiver.kind=ideal"}), ConfigError);
  const Device d =
      load_device("charge-integrating-receiver",
                  {"receiver.kind=ideal", "receiver.capacitance=0F", "receiver.voltage_swing=0V"});
  EXPECT_EQ(d.receiver.kind, ReceiverKind::ideal);
}

TEST(DeviceFile, PricesOfEveryComponent) {
  const Device d = parse_device(R"(
laser: {count: 4}
modulator: {capacitance: 20 fF, drive_voltage: 2 V, power: 1 mW}
dac: {energy_per_conversion: 2 pJ}
receiver: {power: 3 mW}
tile: {static_power: 1 W}
digital: {energy_per_addition: 0.1 pJ}
memory: {energy_per_byte: 1 pJ, bytes_per_operand: 2, bytes_per_partial_sum: 3}
)",
                                "d.yaml");
  EXPECT_EQ(d.laser.count, 4);
  EXPECT_EQ(d.modulator.capacitance_f, 20e-15);
  EXPECT_EQ(d.modulator.drive_voltage_v, 2);
  EXPECT_EQ(d.modulator.power_w, 1e-3);
  EXPECT_EQ(d.dac.energy_per_conversion_j, 2e-12);
  EXPECT_EQ(d.receiver.power_w, 3e-3);
  EXPECT_EQ(d.tile.static_power_w, 1);
  EXPECT_EQ(d.digital.energy_per_addition_j, 0.1e-12);
  EXPECT_EQ(d.memory.energy_per_byte_j, 1e-12);
  EXPECT_EQ(d.memory.bytes_per_operand, 2);
  EXPECT_EQ(d.memory.bytes_per_partial_sum, 3);
  const std::string yaml = device_to_yaml(d);
  EXPECT_EQ(device_to_yaml(parse_device(yaml, "again")), yaml);
}

TEST(DeviceFile, ComponentsBringTheirPrices) {
  const Device d = parse_device(R"(
laser: {component: guan-2018-hybrid}
modulator: {component: timurdogan-2014, dac_bits: 8}
dac: {component: albireo-moderate}
receiver: {kind: charge-integrator, capacitance: 1 pF, component: albireo-tia-moderate}
adc: {component: walden-65nm, bits: 8, full_scale: 1 V}
digital: {component: int32-add-45nm, energy_per_addition: 0.2 pJ}
memory: {component: sram-8kb-45nm}
)",
                                "d.yaml");
  EXPECT_EQ(d.laser.wall_plug_efficiency, 0.042);
  EXPECT_EQ(d.modulator.energy_per_symbol_j, 0.9e-15);
  EXPECT_EQ(d.dac.energy_per_conversion_j, 2.6e-12);
  EXPECT_EQ(d.receiver.energy_per_read_j, 0.3e-12);
  EXPECT_DOUBLE_EQ(d.adc.energy_per_conversion_j, 57.07e-15 * 256);
  EXPECT_EQ(d.digital.energy_per_addition_j, 0.2e-12);  // what stands beside it wins
  EXPECT_EQ(d.memory.energy_per_byte_j, 1.25e-12);
  // Where each came from, in the device and in what is stored of it.
  std::vector<std::string> keys;
  for (const auto& [key, origin] : d.origins) {
    keys.push_back(key);
    EXPECT_THAT(origin, HasSubstr("component "));
  }
  EXPECT_THAT(keys, testing::UnorderedElementsAre(
                        "laser.wall_plug_efficiency", "modulator.energy_per_symbol",
                        "dac.energy_per_conversion", "receiver.energy_per_read",
                        "adc.energy_per_conversion", "memory.energy_per_byte"));
  const std::string yaml = device_to_yaml(d);
  EXPECT_THAT(yaml, HasSubstr("component walden-65nm (65 nm, measured 2023): Murmann"));
  const Device again = parse_device(yaml, "again");
  EXPECT_EQ(again.adc.energy_per_conversion_j, d.adc.energy_per_conversion_j);
}

TEST(DeviceFile, ComponentsOutsideTheLibraryAreRefused) {
  EXPECT_THAT(refusal("adc: {component: walden-65mn}"),
              AllOf(HasSubstr("d.yaml:1:18"), HasSubstr("nearest: walden-65nm"),
                    HasSubstr("attojoule info components")));
  EXPECT_THAT(refusal("adc: {component: walden-65nm}"), HasSubstr("none are given"));
  EXPECT_THAT(refusal("dac: {component: walden-65nm}"), HasSubstr("not in the library"));
  EXPECT_THAT(refusal("modulator: {dac_bits: 10}\ndac: {component: albireo-moderate}"),
              AllOf(HasSubstr("d.yaml:2:18"), HasSubstr("at 10 bits"), HasSubstr("covers 8 bits"),
                    HasSubstr("extrapolate: true")));
  EXPECT_THAT(refusal("adc: {component: {name: walden-65nm, bits: 14}}"),
              AllOf(HasSubstr("at 14 bits"), HasSubstr("covers 4.1 to 11.5 bits")));
  EXPECT_THAT(refusal("adc: {component: {name: walden-65nm, bit: 8}}"), HasSubstr("bit"));
  const Device wide =
      parse_device("adc: {component: {name: walden-65nm, bits: 14, extrapolate: true}}", "d.yaml");
  EXPECT_DOUBLE_EQ(wide.adc.energy_per_conversion_j, 57.07e-15 * 16384);
  const Device coarse = parse_device(
      "dac: {component: {name: albireo-moderate, bits: 6, extrapolate: true}}", "d.yaml");
  EXPECT_DOUBLE_EQ(coarse.dac.energy_per_conversion_j, 2.6e-12 / 4);
}

// What the ledger would make nonsense of.
TEST(DeviceFile, ImpossiblePricesAreRefused) {
  EXPECT_THAT(refusal("laser: {wall_plug_efficiency: 1.2}"), HasSubstr("outside (0, 1]"));
  EXPECT_THAT(refusal("detector: {quantum_efficiency: 110 %}"), HasSubstr("outside (0, 1]"));
  EXPECT_THAT(refusal("link: {coupling_loss: -1 dB}"),
              AllOf(HasSubstr("d.yaml:1:23"), HasSubstr("-1 dB"), HasSubstr("passive")));
  EXPECT_THAT(refusal("adc: {energy_per_conversion: -1 pJ}"), HasSubstr("give energy back"));
  EXPECT_THAT(refusal("memory: {energy_per_byte: 1 pF}"), HasSubstr("energy"));
  EXPECT_THAT(refusal("modulator: {component: timurdogan-2014, capacitance: 1 fF, "
                      "drive_voltage: 1 V}"),
              HasSubstr("stands beside modulator.capacitance"));
}

TEST(DeviceFile, NamesAndPaths) {
  EXPECT_THAT(message_of<ConfigError>([] { load_device("ideal-shotnoise"); }),
              AllOf(HasSubstr("(nearest: ideal-shot-noise)"), HasSubstr("free-space-homodyne")));
  EXPECT_THAT(message_of<DataError>([] { load_device("./no-such.yaml"); }),
              HasSubstr("no such file"));
  const TemporaryFolder folder;
  const auto file = folder.write("mine.yaml", "name: mine\n");
  EXPECT_EQ(load_device(file.string()).name, "mine");
}

// ---- presets ----

void expect_sources(const ConfigNode& node) {
  for (const std::string& key : node.keys()) {
    const ConfigNode child = node.child(key);
    if (child.is_map() && !child.has("value") && key != "component") {
      expect_sources(child);
      continue;
    }
    if (child.path() == "name" || child.path() == "description" || key == "kind") continue;
    // A component brings its citation with it.
    if (key == "component") continue;
    ASSERT_TRUE(child.is_map()) << child.place() << ": " << child.path() << " has no source";
    EXPECT_TRUE(child.source() && child.source()->size() > 10)
        << child.place() << ": " << child.path() << " has no source";
  }
}

TEST(DevicePresets, AreThere) {
  for (const char* name : {"ideal-shot-noise", "free-space-homodyne", "charge-integrating-receiver",
                           "photon-counting-wang2022"}) {
    EXPECT_THAT(device_presets(), Contains(name));
  }
}

TEST(DevicePresets, ValidateAndCarryTheirFilesName) {
  for (const std::string& name : device_presets()) {
    const Device device = load_device(name);
    EXPECT_EQ(device.name, name);
    EXPECT_FALSE(device.description.empty()) << name;
  }
}

TEST(DevicePresets, EveryNumberHasASource) {
  for (const std::string& name : device_presets()) {
    expect_sources(ConfigNode::load(data_directory() / "devices" / (name + ".yaml")));
  }
}

// What makes each preset worth having: the figure of its source.
TEST(DevicePresets, FiguresOfTheirSources) {
  constexpr double planck_times_c = 6.62607015e-34 * 299792458;
  const double green = load_device("photon-counting-wang2022").laser.wavelength_m;
  EXPECT_NEAR(planck_times_c / green * 0.64, 2.4e-19, 0.05e-19);  // 0.64 photons are 2.4e-19 J
  const auto receiver = load_device("charge-integrating-receiver").receiver;
  const double ktc =
      std::sqrt(1.380649e-23 * receiver.temperature_k * receiver.capacitance_f) / 1.602176634e-19;
  EXPECT_NEAR(ktc, 1270, 1);
}

// ---- writing ----

void expect_equal(const Device& a, const Device& b) {
  RC_ASSERT(a.name == b.name);
  RC_ASSERT(a.description == b.description);
  RC_ASSERT(a.laser.wavelength_m == b.laser.wavelength_m);
  RC_ASSERT(a.laser.wall_plug_efficiency == b.laser.wall_plug_efficiency);
  RC_ASSERT(a.laser.rin_per_hz == b.laser.rin_per_hz);
  RC_ASSERT(a.link.coupling_loss_db == b.link.coupling_loss_db);
  RC_ASSERT(a.link.propagation_loss_db == b.link.propagation_loss_db);
  RC_ASSERT(a.link.modulator_insertion_loss_db == b.link.modulator_insertion_loss_db);
  RC_ASSERT(a.link.splitting_excess_loss_db == b.link.splitting_excess_loss_db);
  RC_ASSERT(a.link.detector_coupling_loss_db == b.link.detector_coupling_loss_db);
  RC_ASSERT(a.detector.quantum_efficiency == b.detector.quantum_efficiency);
  RC_ASSERT(a.detector.excess_noise_factor == b.detector.excess_noise_factor);
  RC_ASSERT(a.detector.dark_current_a == b.detector.dark_current_a);
  RC_ASSERT(a.receiver.kind == b.receiver.kind);
  RC_ASSERT(a.receiver.integration_time_s == b.receiver.integration_time_s);
  RC_ASSERT(a.receiver.temperature_k == b.receiver.temperature_k);
  RC_ASSERT(a.receiver.capacitance_f == b.receiver.capacitance_f);
  RC_ASSERT(a.receiver.voltage_swing_v == b.receiver.voltage_swing_v);
  RC_ASSERT(a.receiver.feedback_resistance_ohm == b.receiver.feedback_resistance_ohm);
  RC_ASSERT(a.receiver.visibility == b.receiver.visibility);
  RC_ASSERT(a.receiver.phase_error_rad == b.receiver.phase_error_rad);
  RC_ASSERT(a.receiver.signal_beam_share == b.receiver.signal_beam_share);
  RC_ASSERT(a.receiver.energy_per_read_j == b.receiver.energy_per_read_j);
  RC_ASSERT(a.adc.bits == b.adc.bits);
  RC_ASSERT(a.adc.full_scale_v == b.adc.full_scale_v);
  RC_ASSERT(a.adc.energy_per_conversion_j == b.adc.energy_per_conversion_j);
}

// A number of (0, 1) times 10^low … 10^high.
double draw(int low, int high) {
  const auto mantissa = *rc::gen::inRange<std::int64_t>(1, 1'000'000'007);
  return static_cast<double>(mantissa) / 1'000'000'007.0 *
         std::pow(10, *rc::gen::inRange(low, high));
}

double share() {
  return draw(0, 1);
}

Device draw_device() {
  Device d;
  d.name = *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
  d.description = *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
  d.laser = {draw(-8, -4), share(), draw(-20, -10)};
  d.link = {draw(-3, 2), draw(-3, 2), 0, draw(-3, 2), draw(-3, 2)};
  d.detector = {share(), 1 + draw(-3, 2), draw(-15, -6)};
  d.receiver.kind = *rc::gen::element(ReceiverKind::ideal, ReceiverKind::charge_integrator,
                                      ReceiverKind::transimpedance);
  d.receiver.integration_time_s = draw(-12, 0);
  d.receiver.temperature_k = draw(0, 3);
  if (d.receiver.kind == ReceiverKind::charge_integrator) {
    d.receiver.capacitance_f = draw(-16, -10);
    d.receiver.voltage_swing_v = *rc::gen::element(0.0, draw(-1, 1));
  }
  if (d.receiver.kind == ReceiverKind::transimpedance)
    d.receiver.feedback_resistance_ohm = draw(1, 6);
  d.receiver.visibility = share();
  d.receiver.phase_error_rad = draw(-3, 1) * *rc::gen::element(-1, 1);
  d.receiver.signal_beam_share = share();
  d.receiver.energy_per_read_j = draw(-15, -9);
  d.adc.full_scale_v = draw(-1, 1);
  if (d.receiver.kind != ReceiverKind::ideal) d.adc.bits = draw(0, 2) / 4;
  d.adc.energy_per_conversion_j = draw(-15, -9);
  return d;
}

TEST(DeviceFile, WrittenAndReadAgainIsTheSame) {
  EXPECT_TRUE(rc::check("parse_device(device_to_yaml(d)) == d", [] {
    const Device device = draw_device();
    photonics::validate(device);
    expect_equal(parse_device(device_to_yaml(device), "again"), device);
  }));
}

}  // namespace
}  // namespace attojoule::data
