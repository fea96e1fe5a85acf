// The hand-worked bill of docs/physics/energy.md, references and crossovers.
#include "network/energy_analysis.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

using enum EnergyComponent;
using photonics::Device;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// docs/physics/energy.md, "Worked by hand": every number there is one of these.
Device example_device() {
  Device d;
  d.laser.wavelength_m = 1550e-9;
  d.laser.wall_plug_efficiency = 0.2;
  d.link.coupling_loss_db = 2;
  d.link.splitting_excess_loss_db = 1;
  d.detector.quantum_efficiency = 0.8;
  d.modulator.capacitance_f = 20e-15;
  d.modulator.drive_voltage_v = 1;
  d.modulator.power_w = 1e-3;
  d.dac.energy_per_conversion_j = 0.325e-12;
  d.receiver.energy_per_read_j = 0.3e-12;
  d.adc.energy_per_conversion_j = 1e-12;
  d.digital.energy_per_addition_j = 0.03e-12;
  d.memory.energy_per_byte_j = 1.75e-12;
  d.tile.rows = 32;
  d.tile.columns = 16;
  d.tile.symbol_rate_hz = 1e9;
  d.tile.accumulation_limit = 256;
  d.tile.static_power_w = 0.01;
  return d;
}

struct Example {
  std::vector<MatrixProduct> products;
  std::vector<LayerQuestion> questions;

  Example() {
    const auto add = [&](const char* name, std::int64_t channels, std::int64_t positions,
                         std::int64_t length) {
      MatrixProduct product;
      product.name = name;
      product.channels = channels;
      product.positions = positions;
      product.dot_length = length;
      products.push_back(product);
    };
    add("conv1", 32, 64, 27);
    add("conv2", 64, 16, 288);
    add("fc", 10, 1, 1024);
    const double photons[] = {100, 20, 50}, repetitions[] = {1, 1, 4};
    for (std::size_t i = 0; i < 3; ++i) {
      LayerQuestion question;
      question.product = &products[i];
      question.points = {{.photons_per_mac = photons[i], .repetitions = repetitions[i]}};
      question.correlation = nan;
      questions.push_back(question);
    }
  }
};

#define EXPECT_NINE(got, wanted) EXPECT_NEAR(got, wanted, 1e-9 * std::abs(wanted))

TEST(EnergyAnalysis, WorkedByHand) {
  const Example example;
  const EnergyLedger ledger = ledger_of(example_device(), example.questions);
  const double photon = 6.62607015e-34 * 299792458.0 / 1550e-9;
  EXPECT_NINE(photon, 1.281577972354e-19);
  const double path = std::pow(10.0, 0.3);
  struct Layer {
    double macs, photons, symbols, reads, sums, bytes, latency;
  };
  // conv1: 1 x 4 blocks; conv2: 2 x 1 blocks, reads of 256 + 32 slots; fc: 4 repetitions.
  const Layer layers[] = {
      {55296, 5529600, 1728 + 3456, 2048, 0, 1728 + 3456 + 2048, 4 * 27e-9},
      {294912, 5898240, 9216 + 18432, 2048, 1024, 9216 + 18432 + 1024 + 8 * 1024, 2 * 288e-9},
      {10240, 2048000, 4096 + 40960, 160, 150, 4096 + 40960 + 10 + 8 * 150, 4 * 1024e-9}};
  double total_j = 0, latency = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const Layer& l = layers[i];
    const auto& joule = ledger.layers[i].joule_per_inference;
    EXPECT_EQ(ledger.layers[i].macs, l.macs);
    EXPECT_NINE(at(joule, optical_detected), 0.8 * l.photons * photon);
    EXPECT_NINE(at(joule, optical_facet), l.photons * photon * path);
    EXPECT_NINE(at(joule, laser_wall_plug), l.photons * photon * path / 0.2);
    EXPECT_NINE(at(joule, modulator), l.symbols * 5e-15 + 48 * 1e-3 * l.latency);
    EXPECT_NINE(at(joule, dac), l.symbols * 0.325e-12);
    EXPECT_NINE(at(joule, receiver), l.reads * 0.3e-12);
    EXPECT_NINE(at(joule, adc), l.reads * 1e-12);
    EXPECT_NINE(at(joule, digital), l.sums * 0.03e-12);
    EXPECT_NINE(at(joule, memory), l.bytes * 1.75e-12);
    EXPECT_NINE(at(joule, static_power), 0.01 * l.latency);
    total_j += total(joule);
    latency += l.latency;
  }
  EXPECT_NINE(ledger.total_joule(), total_j);
  EXPECT_NINE(ledger.latency_s, latency);
  EXPECT_NINE(ledger.average_power_w(), total_j / latency);
  // As the document prints them.
  EXPECT_NINE(total(ledger.layers[0].joule_per_inference), 2.330018982648e-8);
  EXPECT_NINE(total(ledger.layers[1].joule_per_inference), 1.097445011483e-7);
  EXPECT_NINE(total(ledger.layers[2].joule_per_inference), 3.336170984543e-7);
  EXPECT_NINE(ledger.total_joule(), 4.666617894290e-7);
  EXPECT_NINE(ledger.total_attojoule_per_mac(), 1.294671601532e6);
  EXPECT_NINE(ledger.average_power_w(), 9.7627989420e-2);
}

TEST(EnergyAnalysis, PublishedAccounting) {
  // Garg et al. 2021: 2.7 aJ/MAC at 1550 nm are 21.1 photons, 1.6 aJ 12.5.
  const double photon_aj = 6.62607015e-34 * 299792458.0 / 1550e-9 * 1e18;
  EXPECT_NEAR(2.7 / photon_aj, 21.1, 0.05);
  EXPECT_NEAR(1.6 / photon_aj, 12.5, 0.05);
  EXPECT_NEAR(landauer_energy_j(1, 300), 2.871e-21, 1e-24);
  EXPECT_DOUBLE_EQ(landauer_energy_j(8, 300), 64 * landauer_energy_j(1, 300));
}

TEST(EnergyAnalysis, TheQuantumLimitOfAnIdealReceiverIsItsOwnLight) {
  Example example;
  const Device ideal;
  for (const LayerQuestion& question : example.questions) {
    EXPECT_NINE(quantum_limit_photons(ideal, question),
                question.points[0].photons_per_mac * question.points[0].repetitions);
  }
  // Losses behind the receiver's plane: eta V^2 of the light counts.
  Device real = ideal;
  real.detector.quantum_efficiency = 0.8;
  real.receiver.visibility = 0.9;
  EXPECT_NINE(quantum_limit_photons(real, example.questions[0]), 100 * 0.8 * 0.81);
  // Full-scale encoding: signals below full scale use their share of the light.
  LayerQuestion full = example.questions[0];
  full.request.encoding = photonics::Encoding::full_scale;
  full.request.mean_square_input = full.request.mean_square_weight = 0.1;
  EXPECT_NINE(quantum_limit_photons(ideal, full), 100 * 0.1);
}

TEST(EnergyAnalysis, ReferencesAndWhatIsNotBilled) {
  const Example example;
  Device device = example_device();
  device.receiver.energy_per_read_j = 0;
  const EnergyLedger ledger = ledger_of(device, example.questions);
  ReferenceLine published;
  published.name = "mac";
  published.attojoule_per_mac = 1e5;
  const auto analysis = analyse_energy(device, example.questions, ledger, {published});
  EXPECT_EQ(analysis.not_billed, std::vector<EnergyComponent>{receiver});
  std::vector<std::string> names;
  for (const auto& line : analysis.references) names.push_back(line.name);
  EXPECT_EQ(names, (std::vector<std::string>{"landauer-bit", "landauer-int8",
                                             "standard-quantum-limit", "mac"}));
  // 2.7 aJ at 21.1 photons an ideal receiver would need: mean over MACs, loss of 20 % here.
  double photons = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    photons += analysis.layers[i].quantum_limit_photons * ledger.layers[i].macs;
  }
  EXPECT_NINE(analysis.references[2].attojoule_per_mac,
              photons / ledger.macs * 6.62607015e-34 * 299792458.0 / 1550e-9 * 1e18);
}

const Crossover& lever(const LayerAnalysis& layer, const std::string& name) {
  return *std::find_if(layer.crossovers.begin(), layer.crossovers.end(),
                       [&](const auto& c) { return c.lever == name; });
}

// At every crossing the bill says what it says, and just before it does not yet.
TEST(EnergyAnalysis, CrossoversAreWhereTheBillChanges) {
  const Example example;
  const Device device = example_device();
  const auto analysis =
      analyse_energy(device, example.questions, ledger_of(device, example.questions), {});
  int found = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto dominant = [&](const Device& d, const MatrixProduct& product, double photons) {
      auto points = example.questions[i].points;
      points[0].photons_per_mac = photons;
      return dominant_component(layer_cost(d, product, {}, points).bill.joule);
    };
    const MatrixProduct& product = example.products[i];
    const double light = example.questions[i].points[0].photons_per_mac;
    EXPECT_EQ(analysis.layers[i].dominant, dominant(device, product, light));
    for (const Crossover& crossover : analysis.layers[i].crossovers) {
      for (const bool up : {false, true}) {
        const Crossing& crossing = up ? crossover.above : crossover.below;
        if (std::isnan(crossing.value)) continue;
        ++found;
        const bool whole = crossover.lever == "dot_length" || crossover.lever == "fan_out";
        const double before =
            whole ? crossing.value + (up ? -1 : 1) : crossing.value * (up ? 1 - 1e-9 : 1 + 1e-9);
        for (const double value : {crossing.value, before}) {
          Device changed = device;
          MatrixProduct other = product;
          double photons = light;
          if (crossover.lever == "photons_per_mac") photons = value;
          if (crossover.lever == "dot_length") other.dot_length = static_cast<std::int64_t>(value);
          if (crossover.lever == "fan_out") changed.tile.fan_out = static_cast<std::int64_t>(value);
          if (crossover.lever == "adc.energy_per_conversion") {
            changed.adc.energy_per_conversion_j = value;
          }
          EXPECT_EQ(dominant(changed, other, photons),
                    value == crossing.value ? crossing.becomes : analysis.layers[i].dominant)
              << product.name << " " << crossover.lever << " " << value;
        }
      }
    }
  }
  EXPECT_GT(found, 5);
  // By hand: the laser overtakes the memory of conv1 at this many photons a multiplication.
  const double memory_j = (1728 + 3456 + 2048) * 1.75e-12;
  const double laser_per_photon =
      55296 * 6.62607015e-34 * 299792458.0 / 1550e-9 * std::pow(10.0, 0.3) / 0.2;
  EXPECT_EQ(analysis.layers[0].dominant, memory);
  EXPECT_NINE(lever(analysis.layers[0], "photons_per_mac").above.value,
              memory_j / laser_per_photon);
}

TEST(EnergyAnalysis, FanOutThatTheLaserCannotFeed) {
  const Example example;
  Device device = example_device();
  device.laser.maximum_power_w = 1e-9;
  try {
    ledger_of(device, example.questions);
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("conv1: laser.maximum_power"), std::string::npos) << text;
    EXPECT_NE(text.find("dB are missing"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace attojoule::network
