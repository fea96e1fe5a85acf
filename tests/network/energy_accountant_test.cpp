// The ledger: photons that set the noise are the photons that are billed, and nothing is billed
// twice.
#include "network/energy_accountant.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "network/evaluation.hpp"
#include "network/noise_plan.hpp"
#include "photonics/error.hpp"
#include "photonics/homodyne_receiver.hpp"
#include "photonics/random_sequence.hpp"
#include "tests/support/network_runs.hpp"

namespace attojoule::tests {
namespace {

using network::EnergyComponent;
using network::EnergyLedger;
using network::Program;
using network::Shape;

constexpr double exact = 1e-12;  // relative
constexpr double wavelength = 1310e-9;
constexpr double photon_energy = 6.62607015e-34 * 299792458.0 / wavelength;

photonics::Device lossy_device() {
  photonics::Device device;
  device.laser.wavelength_m = wavelength;
  device.laser.wall_plug_efficiency = 0.2;
  device.link.coupling_loss_db = 2;
  device.link.propagation_loss_db = 1;
  device.detector.quantum_efficiency = 0.7;
  device.receiver.energy_per_read_j = 3e-13;
  device.adc.energy_per_conversion_j = 1e-12;
  return device;
}

const Shape shape{1, 4, 5, 6};
constexpr std::int64_t samples = 7;

OnnxModel model() {
  OnnxModel model;
  model.input("x", shape);
  model.node("Conv", {"x", model.random("w1", {6, 4, 3, 3}, 0.3f)}, "conv",
             {{"pads", Integers{1, 1, 1, 1}}, {"strides", Integers{2, 1}}});
  model.node("Relu", {"conv"}, "r");
  model.node("Conv", {"r", model.random("w2", {6, 1, 3, 3}, 0.3f)}, "depthwise",
             {{"group", 6}, {"pads", Integers{1, 1, 1, 1}}});
  model.node("Relu", {"depthwise"}, "s");
  model.node("Flatten", {"s"}, "f");
  model.node("Gemm", {"f", model.random("w3", {108, 5}, 0.3f)}, "fc");
  model.output("fc");
  return model;
}

struct LedgerRun {
  Program program = make_limited_program(model(), {shape});
  std::vector<network::ProductNoise> noise;
  std::vector<network::ProductRecord> totals;
  EnergyLedger ledger;

  LedgerRun(const photonics::Device& device, photonics::Law law, photonics::Encoding encoding,
            std::vector<network::ProductOperatingPoint> points, std::vector<bool> digital = {},
            std::vector<network::InputRange> ranges = {}) {
    network::NoiseRequest request;
    request.law = law;
    request.encoding = encoding;
    request.points = std::move(points);
    request.digital = std::move(digital);
    request.ranges = std::move(ranges);
    noise = network::plan_noise(device, program, request);
    program.set_noise(noise);
    network::SampleSource source;
    source.size = samples;
    source.load = [](std::int64_t index, Program::Lane& lane) {
      const Reals x = input(index);
      std::copy(x.begin(), x.end(), lane.input(0).begin());
    };
    source.label = [](std::int64_t) { return 0; };
    network::PassRequest pass;
    pass.images = samples;
    pass.noisy = true;
    totals = network::Evaluator(program, source, 1).run(pass, {}).totals;
    ledger = network::account_energy(device, program, noise, totals, samples);
    network::verify_ledger(device, program, noise, totals, samples, ledger);
  }

  static Reals input(std::int64_t index) {
    Reals x = random_reals(120, 40 + static_cast<std::uint64_t>(index));
    for (float& value : x) value = std::abs(value);
    return x;
  }

  double joule(std::size_t layer, EnergyComponent component) const {
    return ledger.layers[layer].joule_per_inference[static_cast<std::size_t>(component)];
  }
  double joule(EnergyComponent component) const {
    return ledger.joule_per_inference[static_cast<std::size_t>(component)];
  }
};

#define EXPECT_EXACT(got, wanted) EXPECT_NEAR(got, wanted, exact* std::abs(wanted))

void expect_sums(const LedgerRun& run) {
  network::EnergyBreakdown sum{};
  double macs = 0;
  for (const auto& layer : run.ledger.layers) {
    macs += layer.macs;
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += layer.joule_per_inference[k];
  }
  for (std::size_t k = 0; k < sum.size(); ++k) {
    EXPECT_EXACT(run.ledger.joule_per_inference[k], sum[k]) << k;
  }
  EXPECT_EQ(run.ledger.macs, macs);
  using enum EnergyComponent;
  const double total = run.joule(laser_wall_plug) + run.joule(modulator) + run.joule(dac) +
                       run.joule(receiver) + run.joule(adc) + run.joule(digital) +
                       run.joule(memory) + run.joule(static_power);
  EXPECT_EXACT(network::total(run.ledger.joule_per_inference), total);
  EXPECT_EXACT(run.ledger.total_attojoule_per_mac(), total / macs * 1e18);
  EXPECT_EXACT(run.ledger.attojoule_per_mac(EnergyComponent::optical_detected),
               run.joule(EnergyComponent::optical_detected) / macs * 1e18);
}

const double path = std::pow(10, -0.3);  // 3 dB

TEST(EnergyLedger, normalised_light_is_counted_by_macs) {
  const photonics::Device device = lossy_device();
  const LedgerRun run(device, photonics::Law::homodyne, photonics::Encoding::normalised,
                      {{{.photons_per_mac = 5, .repetitions = 1}},
                       {{.photons_per_mac = 50, .repetitions = 2}},
                       {{.photons_per_mac = 0.5, .repetitions = 1}}});
  const std::vector<double> light{5, 100, 0.5};  // per MAC, repetitions included
  const std::vector<double> reads{1, 2, 1};      // per output
  const std::vector<std::int64_t> macs{6 * 18 * 36, 6 * 18 * 9, 540};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& product = run.program.products()[i];
    ASSERT_EQ(product.macs(), macs[i]);
    const double photons = light[i] * static_cast<double>(macs[i]);
    EXPECT_EXACT(run.ledger.layers[i].photons_incident, photons);
    EXPECT_EXACT(run.joule(i, EnergyComponent::optical_detected), photons * photon_energy * 0.7);
    EXPECT_EXACT(run.joule(i, EnergyComponent::optical_facet), photons * photon_energy / path);
    EXPECT_EXACT(run.joule(i, EnergyComponent::laser_wall_plug),
                 photons * photon_energy / path / 0.2);
    const double conversions = reads[i] * static_cast<double>(product.outputs());
    EXPECT_EXACT(run.ledger.layers[i].reads, conversions);
    EXPECT_EXACT(run.joule(i, EnergyComponent::receiver), conversions * 3e-13);
    EXPECT_EXACT(run.joule(i, EnergyComponent::adc), conversions * 1e-12);
    // sigma^2 = |w|^2 |x|^2 / (eta K D n): the photons that set the noise, from the noise.
    const double from_noise = static_cast<double>(product.outputs()) /
                              (0.7 * run.noise[i].models[0].variance.norm_product);
    EXPECT_EXACT(run.ledger.layers[i].photons_incident * photon_energy, from_noise * photon_energy);
  }
  expect_sums(run);
}

TEST(EnergyLedger, channels_of_their_own) {
  network::ProductOperatingPoint by_channel;
  double sum = 0;
  for (int c = 0; c < 6; ++c) {
    by_channel.push_back({.photons_per_mac = 1.0 + c, .repetitions = c < 3 ? 1.0 : 2.0});
    sum += (1.0 + c) * (c < 3 ? 1 : 2);
  }
  const LedgerRun run(lossy_device(), photonics::Law::homodyne, photonics::Encoding::normalised,
                      {by_channel, by_channel, {{.photons_per_mac = 1, .repetitions = 1}}});
  EXPECT_EXACT(run.ledger.layers[0].photons_incident, sum * 18 * 36);
  EXPECT_EXACT(run.ledger.layers[1].photons_incident, sum * 18 * 9);
  EXPECT_EXACT(run.ledger.layers[0].reads, 18.0 * (3 + 6));
  EXPECT_EXACT(run.joule(0, EnergyComponent::optical_facet), sum * 18 * 36 * photon_energy / path);
  expect_sums(run);
}

// Full-scale encoding: light follows the values, K s n sum (x / x_fs)^2 + K (1 - s) n sum (w /
// w_fs)^2 over all multiplications, zero padding included.
TEST(EnergyLedger, full_scale_light_by_brute_force) {
  photonics::Device device = lossy_device();
  device.receiver.signal_beam_share = 0.3;
  const std::vector<network::InputRange> ranges{{0, 3, 0}, {0, 2.5, 0}, {0, 4, 0}};
  const LedgerRun run(device, photonics::Law::homodyne, photonics::Encoding::full_scale,
                      {{{.photons_per_mac = 20, .repetitions = 3}},
                       {{.photons_per_mac = 40, .repetitions = 1}},
                       {{.photons_per_mac = 10, .repetitions = 1}}},
                      {}, ranges);
  // The first layer's inputs are the samples themselves; the others see noise before them.
  const Reals w = random_reals(6 * 4 * 9, 1001, 0.3f);
  double largest = 0;
  for (const float value : w) largest = std::max<double>(largest, std::abs(value));
  double photons = 0;
  for (std::int64_t sample = 0; sample < samples; ++sample) {
    const Reals x = LedgerRun::input(sample);
    for (std::int64_t o = 0; o < 6; ++o) {
      for (std::int64_t oy = 0; oy < 3; ++oy) {
        for (std::int64_t ox = 0; ox < 6; ++ox) {
          for (std::int64_t k = 0; k < 36; ++k) {
            const std::int64_t c = k / 9, y = oy * 2 + k / 3 % 3 - 1, z = ox + k % 3 - 1;
            const bool inside = y >= 0 && y < 5 && z >= 0 && z < 6;
            const double given = inside ? x[static_cast<std::size_t>((c * 5 + y) * 6 + z)] : 0;
            const double value = std::clamp(given, -3.0, 3.0);  // what a modulator can send
            const double weight = w[static_cast<std::size_t>(o * 36 + k)];
            photons +=
                3 * 20 * (0.3 * value * value / 9 + 0.7 * weight * weight / largest / largest);
          }
        }
      }
    }
  }
  photons /= samples;
  const double macs = 6 * 18 * 36;
  // |x|^2 is summed in single precision.
  EXPECT_NEAR(run.ledger.layers[0].photons_incident, photons, 1e-6 * photons);
  // What is billed is what was summed, exactly.
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EXACT(run.joule(i, EnergyComponent::optical_detected),
                 run.totals[i].photons / samples * photon_energy * 0.7);
  }
  // The laser sends full-scale light whatever the modulators let through.
  EXPECT_EXACT(run.joule(0, EnergyComponent::optical_facet), 60 * macs * photon_energy / path);
  EXPECT_LT(run.joule(0, EnergyComponent::optical_detected),
            run.joule(0, EnergyComponent::optical_facet));
  // Grouped products: noise and bill of the same inputs. Per group K s n / x_fs^2 for each channel.
  const auto& light = run.noise[1].models[0].photons;
  EXPECT_EXACT(light.per_input_norm, 0.3 * 40 / 2.5 / 2.5);
  // c_w = F x_fs^2 / (4 eta V^2 s n): the photons of x from the noise.
  EXPECT_EXACT(1 / (4 * 0.7 * run.noise[1].models[0].variance.weight_norm), light.per_input_norm);
  expect_sums(run);
}

// A weight-stationary tile reads every block of columns: the noise has as many reads as the bill.
TEST(EnergyLedger, weight_stationary_reads_are_in_the_noise) {
  photonics::Device device = lossy_device();
  device.tile.dataflow = photonics::Dataflow::weight_stationary;
  device.tile.columns = 8;
  device.receiver.kind = photonics::ReceiverKind::charge_integrator;
  device.receiver.capacitance_f = 1e-15;
  const network::ProductOperatingPoint point{{.photons_per_mac = 5, .repetitions = 2}};
  const LedgerRun run(device, photonics::Law::homodyne, photonics::Encoding::normalised,
                      {point, point, point});
  // D = 36, 9 and 108 over 8 columns.
  const std::vector<double> blocks{5, 2, 14};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto outputs = static_cast<double>(run.program.products()[i].outputs());
    EXPECT_EXACT(run.ledger.layers[i].reads, 2 * blocks[i] * outputs);
    EXPECT_EXACT(run.noise[i].models[0].reads, 2 * blocks[i]);
  }
  expect_sums(run);
}

// What a cost function says before anything runs is what the run is billed.
TEST(EnergyLedger, equals_the_cost_function) {
  photonics::Device device = lossy_device();
  device.dac.energy_per_conversion_j = 2e-12;
  device.modulator.energy_per_symbol_j = 1e-13;
  device.memory.energy_per_byte_j = 1e-12;
  device.tile.static_power_w = 1;
  device.tile.accumulation_limit = 20;
  network::ProductOperatingPoint by_channel;
  for (int c = 0; c < 6; ++c) {
    by_channel.push_back({.photons_per_mac = 1.0 + c, .repetitions = c < 3 ? 1.0 : 2.0});
  }
  const std::vector<network::ProductOperatingPoint> points{
      by_channel, by_channel, {{.photons_per_mac = 3}}};
  const LedgerRun run(device, photonics::Law::homodyne, photonics::Encoding::normalised, points);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto cost = network::layer_cost(device, run.program.products()[i], {}, points[i]);
    for (const auto component : network::energy_components) {
      EXPECT_EXACT(run.joule(i, component), network::at(cost.bill.joule, component));
    }
  }
  EXPECT_EQ(network::unbilled(device), (std::vector<EnergyComponent>{EnergyComponent::digital}));
  expect_sums(run);
}

// A ledger that is off by a part in a billion is found out.
TEST(EnergyLedger, verification_finds_what_is_wrong) {
  const network::ProductOperatingPoint point{{.photons_per_mac = 5, .repetitions = 2}};
  const LedgerRun run(lossy_device(), photonics::Law::homodyne, photonics::Encoding::normalised,
                      {point, point, point});
  const auto refused = [&](const std::function<void(EnergyLedger&)>& spoil) {
    EnergyLedger ledger = run.ledger;
    spoil(ledger);
    EXPECT_THROW(
        network::verify_ledger(lossy_device(), run.program, run.noise, run.totals, samples, ledger),
        RunError);
  };
  const auto adc = static_cast<std::size_t>(EnergyComponent::adc);
  const auto detected = static_cast<std::size_t>(EnergyComponent::optical_detected);
  refused([&](EnergyLedger& l) { l.joule_per_inference[adc] *= 1 + 1e-9; });
  refused([&](EnergyLedger& l) { l.layers[1].joule_per_inference[adc] *= 1 + 1e-9; });
  refused([&](EnergyLedger& l) {
    l.layers[0].joule_per_inference[detected] *= 1 + 1e-9;
    l.joule_per_inference[detected] +=
        l.layers[0].joule_per_inference[detected] * (1 - 1 / (1 + 1e-9));
  });
  refused([&](EnergyLedger& l) { l.layers[2].work.reads += 1; });
  refused([&](EnergyLedger& l) { l.layers[2].photons_incident *= 1 + 1e-9; });
}

TEST(EnergyLedger, depthwise_full_scale_light_of_every_channel) {
  const Shape image{1, 3, 4, 4};
  OnnxModel depthwise;
  depthwise.input("x", image);
  depthwise.node("Conv", {"x", depthwise.random("w", {3, 1, 3, 3})}, "y", {{"group", 3}});
  depthwise.output("y");
  Program program = make_program(depthwise, {image});
  network::ProductNoise noise = shot_noise(0.01);
  noise.models.resize(3);
  for (std::size_t c = 0; c < 3; ++c) {
    noise.models[c].variance.norm_product = 0.01;
    noise.models[c].photons.per_input_norm = 1.0 + static_cast<double>(c);
  }
  program.set_noise({noise});
  const Inputs inputs = random_inputs({image}, 1);
  auto lane = program.make_lane();
  std::vector<network::ProductRecord> records(1);
  run_sample(program, lane, inputs, 0, {.noisy = true, .statistics = false, .seed = 1}, records);
  double photons = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t at = 0; at < 4 * 9; ++at) {
      const std::size_t y = at / 18 + at / 3 % 3, x = at / 9 % 2 + at % 3;
      photons += (1.0 + static_cast<double>(c)) * std::pow(inputs[0][c * 16 + y * 4 + x], 2);
    }
  }
  EXPECT_NEAR(records[0].photons, photons, 1e-6 * photons);
}

TEST(EnergyLedger, dynamic_products_bill_both_operands) {
  OnnxModel attention;
  attention.input("a", {2, 3, 4});
  attention.input("b", {2, 4, 5});
  attention.node("MatMul", {"a", "b"}, "y");
  attention.output("y");
  const std::vector<Shape> shapes{{2, 3, 4}, {2, 4, 5}};
  Program program = make_program(attention, shapes);
  network::ProductNoise noise = shot_noise(0.01);
  noise.models[0].photons = {.constant = 2, .per_weight_norm = 0.5, .per_input_norm = 0.25};
  program.set_noise({noise});
  const Inputs inputs = random_inputs(shapes, 1);
  auto lane = program.make_lane();
  std::vector<network::ProductRecord> records(1);
  run_sample(program, lane, inputs, 0, {.noisy = true, .statistics = false, .seed = 1}, records);
  double a = 0, b = 0;
  for (const float value : inputs[0]) a += static_cast<double>(value) * value;
  for (const float value : inputs[1]) b += static_cast<double>(value) * value;
  const double photons = 2.0 * 30 + 0.25 * 5 * a + 0.5 * 3 * b;
  EXPECT_NEAR(records[0].photons, photons, 1e-6 * photons);
}

TEST(EnergyLedger, counting_law) {
  const LedgerRun run(lossy_device(), photonics::Law::counting, photonics::Encoding::normalised,
                      {{{.photons_per_mac = 8, .repetitions = 1}},
                       {{.photons_per_mac = 4, .repetitions = 2}},
                       {{.photons_per_mac = 2, .repetitions = 1}}});
  const std::vector<double> macs{6 * 18 * 36, 6 * 18 * 9, 540};
  const std::vector<double> light{8, 8, 2};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EXACT(run.ledger.layers[i].photons_incident, light[i] * macs[i]);
    // The weights absorb: what reaches the detectors is less, by the transmission of the outputs.
    const double detected = run.totals[i].photons_detected / samples;
    const double transmission = run.totals[i].transmission / samples;
    EXPECT_NEAR(detected, 0.7 * light[i] * macs[i] * transmission, 1e-4 * detected);
    EXPECT_GT(transmission, 0.1);
    EXPECT_LT(transmission, 0.9);
    EXPECT_EXACT(run.joule(i, EnergyComponent::optical_detected), detected * photon_energy);
    EXPECT_EXACT(run.joule(i, EnergyComponent::optical_facet),
                 light[i] * macs[i] * photon_energy / path);
  }
  expect_sums(run);
}

TEST(EnergyLedger, digital_products_cost_nothing) {
  const network::ProductOperatingPoint point{{.photons_per_mac = 5, .repetitions = 1}};
  const LedgerRun run(lossy_device(), photonics::Law::homodyne, photonics::Encoding::normalised,
                      {point, point, point}, {false, true, false});
  EXPECT_EQ(run.ledger.layers[1].macs, 0);
  EXPECT_EQ(run.ledger.layers[1].reads, 0);
  for (const double joule : run.ledger.layers[1].joule_per_inference) EXPECT_EQ(joule, 0);
  EXPECT_EQ(run.ledger.macs, 6 * 18 * 36 + 540);
  expect_sums(run);
}

TEST(EnergyLedger, of_no_optical_product) {
  const network::ProductOperatingPoint point{{.photons_per_mac = 5, .repetitions = 1}};
  const LedgerRun run(lossy_device(), photonics::Law::homodyne, photonics::Encoding::normalised,
                      {point, point, point}, {true, true, true});
  EXPECT_EQ(run.ledger.total_attojoule_per_mac(), 0);
  EXPECT_EQ(run.ledger.attojoule_per_mac(EnergyComponent::adc), 0);
}

TEST(EnergyComponents, total_holds_each_joule_once) {
  network::EnergyBreakdown energy{};
  for (std::size_t i = 0; i < energy.size(); ++i)
    energy[i] = std::pow(10.0, static_cast<double>(i));
  double wanted = 0;
  for (const auto component : network::energy_components) {
    const std::string name = network::to_string(component);
    const bool counted = name != "optical_detected" && name != "optical_facet";
    EXPECT_EQ(network::is_in_total(component), counted) << name;
    if (counted) wanted += energy[static_cast<std::size_t>(component)];
  }
  EXPECT_EQ(network::total(energy), wanted);
}

// ---- photons counted, not computed ----

struct Estimate {
  double value = 0;
  double variance = 0;
  double standard_errors(double wanted) const {
    return std::abs(value - wanted) / std::sqrt(variance);
  }
};

// Photoelectrons of one inference as the counting executor drew them: the difference of two Poisson
// counts has their sum as its variance, S, and (n+ - n- - mean)^2 that of 2 S^2 + S.
Estimate counted_photoelectrons(Program& program, const network::ProductNoise& noise,
                                const photonics::HomodyneCounts& law, int inferences) {
  const Inputs inputs = random_inputs({{1, 16}}, 3);
  const auto clean = run_clean(program, inputs);
  auto lane = program.make_lane();
  double norm = 0;
  for (const float x : inputs[0]) norm += static_cast<double>(x) * x;
  EXPECT_EQ(noise.kind, network::NoiseKind::photoelectron_counting);
  Estimate counted;
  for (int i = 0; i < inferences; ++i) {
    const auto noisy = run_sample(program, lane, inputs, static_cast<std::uint32_t>(i),
                                  {.noisy = true, .statistics = false, .seed = 11});
    for (std::size_t c = 0; c < noisy.size(); ++c) {
      const double gain = law.gain_of(program.products()[0].weight_norms[c], norm);
      const double difference = gain * (static_cast<double>(noisy[c]) - clean[c]);
      counted.value += difference * difference / inferences;
    }
  }
  const auto outputs = static_cast<double>(clean.size());
  const double one = counted.value / outputs;
  counted.variance = outputs * (2 * one * one + one) / inferences;
  return counted;
}

TEST(EnergyLedger, CountedPhotoelectronsAreTheBill) {
  OnnxModel dense;
  dense.input("x", {1, 16});
  dense.node("MatMul", {"x", dense.random("w", {16, 33})}, "y");
  dense.output("y");
  photonics::Device device;
  device.detector.quantum_efficiency = 0.7;
  const double photon_j = 6.62607015e-34 * 299792458.0 / device.laser.wavelength_m;
  for (const double photons : {0.4, 3.0, 200.0}) {
    Program program = make_program(dense, {{1, 16}});
    const photonics::OperatingPoint point{.photons_per_mac = photons, .repetitions = 2};
    network::NoiseRequest request;
    request.fidelity = network::Fidelity::counting;
    request.points = {{point}};
    const auto noise = network::plan_noise(device, program, request);
    program.set_noise(noise);
    photonics::DotProduct dot;
    dot.length = 16;
    const auto law =
        photonics::compile_homodyne_counts(device, photonics::Encoding::normalised, point, dot);
    const Estimate counted = counted_photoelectrons(program, noise[0], law, 3000);
    // The bill, from the mapping's cost alone.
    const auto cost = network::layer_cost(device, program.products()[0], {}, {&point, 1});
    const double billed =
        network::at(cost.bill.joule, EnergyComponent::optical_detected) / photon_j;
    EXPECT_LT(counted.standard_errors(billed), 5) << photons;
    EXPECT_GT(counted.standard_errors(1.1 * billed), 5) << photons;  // a tenth more is seen
    // And the explicit receiver, electron by electron on both diodes.
    const photonics::HomodyneReceiver receiver(device, photonics::Encoding::normalised, point, dot);
    photonics::RandomSequence random({.seed = 5}, 0);
    const Reals w = random_reals(16, 1), x = random_reals(16, 2);
    Estimate electrons;
    constexpr int trials = 4000;
    for (int i = 0; i < trials; ++i) {
      const auto reading = receiver.measure(w, x, random);
      electrons.value += (reading.electrons_plus + reading.electrons_minus) * 33 / trials;
    }
    electrons.variance = electrons.value * 33 / trials;
    EXPECT_LT(electrons.standard_errors(billed), 5) << photons;
    EXPECT_GT(electrons.standard_errors(1.1 * billed), 5) << photons;
  }
}

}  // namespace
}  // namespace attojoule::tests
