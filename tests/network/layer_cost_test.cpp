// Joules of a layer from device, product and operating point: against sums by hand, finite
// differences, and what must not be accepted.
#include "network/layer_cost.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "photonics/error.hpp"
#include "photonics/laser.hpp"
#include "photonics/link.hpp"

namespace attojoule::network {
namespace {

using enum EnergyComponent;
using photonics::Device;
using photonics::OperatingPoint;

constexpr double photon_j = 6.62607015e-34 * 299792458.0 / 1550e-9;

Device full_device() {
  Device device;
  device.laser.wall_plug_efficiency = 0.2;
  device.link.coupling_loss_db = 2;
  device.link.splitting_excess_loss_db = 1;
  device.detector.quantum_efficiency = 0.8;
  device.modulator.capacitance_f = 20e-15;
  device.modulator.drive_voltage_v = 2;
  device.modulator.power_w = 1e-3;
  device.dac.energy_per_conversion_j = 2e-12;
  device.receiver.energy_per_read_j = 3e-13;
  device.receiver.power_w = 1e-4;
  device.adc.energy_per_conversion_j = 1e-12;
  device.digital.energy_per_addition_j = 1e-14;
  device.memory.energy_per_byte_j = 1e-12;
  device.tile.static_power_w = 0.5;
  device.tile.rows = 16;
  device.tile.columns = 8;
  device.tile.fan_out = 8;
  device.tile.accumulation_limit = 64;
  device.tile.read_time_s = 2e-9;
  return device;
}

MatrixProduct make_product() {
  MatrixProduct product;
  product.name = "layer";
  product.channels = 20;
  product.positions = 30;
  product.dot_length = 100;
  return product;
}

#define EXPECT_EXACT(got, wanted) EXPECT_NEAR(got, wanted, 1e-12 * std::abs(wanted))

// 20 channels over 16 rows: blocks of 16 and 4; 30 positions over 8 columns: 8, 8, 8, 6. Fan-out 8:
// inputs take 2 transmitters in the first block of rows and 1 in the second.
TEST(LayerCost, CountsTimesPrices) {
  const Device device = full_device();
  const std::vector<OperatingPoint> point{{.photons_per_mac = 50, .repetitions = 3}};
  const LayerCost cost = layer_cost(device, make_product(), {}, point);
  const double k = 3;
  const double symbols = k * 30 * 100 * (2 + 1) + k * 20 * 100 * 4;
  const double reads = k * 20 * 30 * 2;  // 64 and 36 slots
  const double sums = reads - 20 * 30;
  const double slots = k * 2 * 4 * 100;
  const double latency = slots / 1e9 + k * 2 * 4 * 2 * 2e-9;
  const double light = k * 20 * 30 * 100 * 50;
  const auto& joule = cost.bill.joule;
  EXPECT_EXACT(at(joule, optical_detected), 0.8 * light * photon_j);
  EXPECT_EXACT(at(joule, optical_facet), light * photon_j * std::pow(10, 0.3));
  EXPECT_EXACT(at(joule, laser_wall_plug), light * photon_j * std::pow(10, 0.3) / 0.2);
  // Modulators: 8 columns x 2 for the inputs, 16 rows x 1 for the weights.
  EXPECT_EXACT(at(joule, modulator), symbols * 20e-15 * 4 / 4 + 32 * 1e-3 * latency);
  EXPECT_EXACT(at(joule, dac), symbols * 2e-12);
  EXPECT_EXACT(at(joule, receiver), reads * 3e-13 + 128 * 1e-4 * latency);
  EXPECT_EXACT(at(joule, adc), reads * 1e-12);
  EXPECT_EXACT(at(joule, digital), sums * 1e-14);
  const double operands = k * 30 * 100 * 2 + k * 20 * 100 * 4 + 20 * 30;
  EXPECT_EXACT(at(joule, memory), (operands + 2 * 4 * sums) * 1e-12);
  EXPECT_EXACT(at(joule, static_power), 0.5 * latency);
  EXPECT_EXACT(total(cost.bill.static_joule), (32 * 1e-3 + 128 * 1e-4 + 0.5) * latency);
  EXPECT_EXACT(cost.work.latency_s, latency);
  double sum = 0;
  for (const auto component : energy_components) {
    if (is_in_total(component)) sum += at(joule, component);
  }
  EXPECT_EXACT(total(joule), sum);
}

TEST(LayerCost, WeightStationaryTilesProgramTheirWeightsOnce) {
  Device device = full_device();
  device.tile.dataflow = photonics::Dataflow::weight_stationary;
  const std::vector<OperatingPoint> point{{.photons_per_mac = 50, .repetitions = 3}};
  const LayerCost cost = layer_cost(device, make_product(), {}, point);
  // 100 multiplications over 8 columns: 13 reads of an output.
  const double reads = 3 * 20 * 30 * 13;
  EXPECT_EXACT(at(cost.bill.joule, adc), reads * 1e-12);
  EXPECT_EXACT(at(cost.bill.joule, dac), (20 * 100 + 3 * 30 * 100 * 3) * 2e-12);
  EXPECT_EQ(modulator_count(device.tile), 8 * 2 + 16 * 8);
  EXPECT_EQ(receiver_count(device.tile), 16);
}

TEST(LayerCost, LightCurrentLineIsBilledAtItsWorkingPoint) {
  Device device = full_device();
  device.laser.wall_plug_efficiency = 1;
  device.laser.slope_efficiency_w_per_a = 0.3;
  device.laser.threshold_current_a = 10e-3;
  device.laser.junction_voltage_v = 1;
  device.laser.series_resistance_ohm = 5;
  device.laser.cooling_per_heat = 0.5;
  const std::vector<OperatingPoint> point{{.photons_per_mac = 1000}};
  const double facet_j = 20.0 * 30 * 100 * 1000 * photon_j * std::pow(10, 0.3);
  for (const std::int64_t lasers : {0, 4}) {
    device.laser.count = lasers;
    const LayerCost cost = layer_cost(device, make_product(), {}, point);
    // One laser per pair of transmitters, which feeds 8 receivers; or four all the time.
    const double seconds = lasers == 0 ? 20.0 * 30 * 100 / (1e9 * 8) : 4 * 2 * 4 * 100 / 1e9;
    const double power = facet_j / seconds;
    const double current = 10e-3 + power / 0.3;
    const double supply = current * (1 + 5 * current);
    const double joule = seconds * (supply + 0.5 * (supply - power));
    EXPECT_EXACT(cost.bill.laser.power_w, power);
    EXPECT_EXACT(at(cost.bill.joule, laser_wall_plug), joule);
    EXPECT_EXACT(cost.bill.laser.wall_plug_efficiency, facet_j / joule);
    EXPECT_EXACT(at(cost.bill.static_joule, laser_wall_plug),
                 seconds * 1.5 * 10e-3 * (1 + 5 * 10e-3));
  }
}

TEST(LayerCost, FanOutThatTheLaserCannotFeedNamesTheMissingDecibels) {
  Device device = full_device();
  const std::vector<OperatingPoint> point{{.photons_per_mac = 1000}};
  // 8 receivers x 1000 photons a nanosecond behind 3 dB.
  const double needed = 8 * 1000 * photon_j * 1e9 * std::pow(10, 0.3);
  device.laser.maximum_power_w = needed * 1.0001;
  const LayerCost enough = layer_cost(device, make_product(), {}, point);
  EXPECT_NO_THROW(require_feedable(device, "layer", enough.bill.laser));
  device.laser.maximum_power_w = needed / std::pow(10, 0.25);
  const LayerCost weak = layer_cost(device, make_product(), {}, point);
  EXPECT_NEAR(weak.bill.laser.margin_db, -2.5, 1e-9);
  try {
    require_feedable(device, "layer", weak.bill.laser);
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("layer: laser.maximum_power"), std::string::npos) << text;
    EXPECT_NE(text.find("2.50 dB are missing"), std::string::npos) << text;
  }
}

// The same power and loss as photonics::link_budget, where an integration lasts as long as the
// symbols of a dot product.
TEST(LayerCost, LaserLoadIsThatOfTheLinkBudget) {
  Device device = full_device();
  device.receiver.integration_time_s = 100 / device.tile.symbol_rate_hz;
  device.laser.maximum_power_w = 1;
  const OperatingPoint point{.photons_per_mac = 70};
  const LayerCost cost = layer_cost(device, make_product(), {}, {&point, 1});
  const auto budget = photonics::link_budget(device, point, {.length = 100}, {});
  EXPECT_EXACT(cost.bill.laser.power_w, budget.facet_power_w);
  EXPECT_NEAR(cost.bill.laser.margin_db, budget.margin_db, 1e-9);
}

double slope_of(const std::function<double(double)>& f) {
  const double h = 1e-5;
  return (f(h) - f(-h)) / (2 * h);
}

TEST(LayerCost, DerivativesEqualFiniteDifferences) {
  for (const bool line : {false, true}) {
    Device device = full_device();
    if (line) {
      device.laser.wall_plug_efficiency = 1;
      device.laser.slope_efficiency_w_per_a = 0.3;
      device.laser.threshold_current_a = 1e-6;
      device.laser.junction_voltage_v = 1;
      device.laser.series_resistance_ohm = 5e4;
      device.laser.cooling_per_heat = 0.5;
    }
    const MatrixProduct product = make_product();
    std::vector<OperatingPoint> points;
    for (int c = 0; c < 20; ++c) {
      points.push_back({.photons_per_mac = 10.0 + c, .repetitions = c < 7 ? 1.0 : 3.0});
    }
    const LayerCost cost = layer_cost(device, product, {}, points);
    ASSERT_EQ(cost.total_per_ln_photons.size(), 20u);
    double sum = 0;
    for (std::size_t c = 0; c < 20; ++c) {
      const double slope = slope_of([&](double h) {
        auto moved = points;
        moved[c].photons_per_mac *= std::exp(h);
        return total(layer_cost(device, product, {}, moved).bill.joule);
      });
      EXPECT_NEAR(cost.total_per_ln_photons[c], slope, 1e-6 * total(cost.bill.joule));
      sum += cost.total_per_ln_photons[c];
    }
    EXPECT_EXACT(sum, total(cost.per_ln_photons));
    for (const auto component : energy_components) {
      const double slope = slope_of([&](double h) {
        auto moved = points;
        for (auto& point : moved) point.repetitions *= std::exp(h);
        return at(layer_cost(device, product, {}, moved).bill.joule, component);
      });
      EXPECT_NEAR(at(cost.per_ln_repetitions, component), slope,
                  1e-8 * at(cost.bill.joule, component))
          << to_string(component);
    }
  }
}

// Weight-stationary tiles write weights once, whatever is repeated.
TEST(LayerCost, RepetitionsOfHeldWeights) {
  Device device = full_device();
  device.tile.dataflow = photonics::Dataflow::weight_stationary;
  const MatrixProduct product = make_product();
  const OperatingPoint point{.photons_per_mac = 10, .repetitions = 2};
  const LayerCost cost = layer_cost(device, product, {}, {&point, 1});
  for (const auto component : energy_components) {
    const double slope = slope_of([&](double h) {
      OperatingPoint moved = point;
      moved.repetitions *= std::exp(h);
      return at(layer_cost(device, product, {}, {&moved, 1}).bill.joule, component);
    });
    EXPECT_NEAR(at(cost.per_ln_repetitions, component), slope,
                1e-8 * at(cost.bill.joule, component))
        << to_string(component);
  }
}

TEST(LayerCost, FullWellCutsReadsAndTheBillFollows) {
  Device device = full_device();
  device.receiver.kind = photonics::ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-15;
  device.receiver.voltage_swing_v = 1;  // 6242 electrons
  device.tile.accumulation_limit = 0;
  const OperatingPoint dim{.photons_per_mac = 50};      // 40 electrons a slot: the whole product
  const OperatingPoint bright{.photons_per_mac = 500};  // 400 a slot on the brighter diode
  const double one = at(layer_cost(device, make_product(), {}, {&dim, 1}).bill.joule, adc);
  const double more = at(layer_cost(device, make_product(), {}, {&bright, 1}).bill.joule, adc);
  EXPECT_EXACT(one, 600 * 1e-12);
  EXPECT_EXACT(more, 600 * 7e-12);  // 15 slots of 400 electrons fit: 100 / 15, rounded up
}

TEST(LayerCost, PublishedLawsCountRepeatsOrPhotons) {
  Device device;
  device.adc.energy_per_conversion_j = 1e-12;
  const OperatingPoint point{.photons_per_mac = 2.5, .repetitions = 2};
  const auto cost = [&](photonics::Law law) {
    return layer_cost(device, make_product(), {.law = law}, {&point, 1});
  };
  EXPECT_EQ(at(cost(photonics::Law::garg_thermal).bill.joule, laser_wall_plug), 0);
  EXPECT_EXACT(at(cost(photonics::Law::garg_thermal).bill.joule, adc), 600 * 5e-12);
  EXPECT_EXACT(at(cost(photonics::Law::garg_shot).bill.joule, laser_wall_plug),
               60000 * 5 * photon_j);
  EXPECT_EXACT(at(cost(photonics::Law::garg_shot).bill.joule, adc), 600 * 2e-12);
  // Light of the paper's operating points: 21.1 photons are 2.7 aJ, 12.5 are 1.6 aJ.
  EXPECT_NEAR(21.1 * photon_j * 1e18, 2.70, 0.002 * 2.7);
  EXPECT_NEAR(12.5 * photon_j * 1e18, 1.60, 0.002 * 1.6);
}

// physics: at D = 576 a 1 pJ converter costs 1.7 fJ/MAC, 640 times the light of 2.7 aJ.
TEST(LayerCost, ConverterAtDotLength576) {
  Device device;
  device.adc.energy_per_conversion_j = 1e-12;
  MatrixProduct product = make_product();
  product.dot_length = 576;
  const OperatingPoint point{.photons_per_mac = 21.1};
  const LayerCost cost = layer_cost(device, product, {}, {&point, 1});
  const double converter = at(cost.bill.joule, adc) / cost.work.macs;
  EXPECT_NEAR(converter, 1.7e-15, 0.05e-15);
  EXPECT_NEAR(converter / (at(cost.bill.joule, optical_detected) / cost.work.macs), 640, 5);
}

TEST(LayerCost, WrongNumberOfPointsIsRefused) {
  const std::vector<OperatingPoint> points(3, {.photons_per_mac = 1});
  EXPECT_THROW(layer_cost(full_device(), make_product(), {}, points), ConfigError);
}

}  // namespace
}  // namespace attojoule::network
