// From learned energies to what the hardware can set: laser power, integration time, repetitions.
//
// A learned energy E of a group (a product, or one of its output channels) stands for a variance
// v(E) of its outputs. The hardware reaches a variance by three levers (docs/physics/
// precision_schedule.md):
//
//   laser power    photons n of one repetition, in steps of the power's DAC, at most what
//                  laser.maximum_power gives through the link; more light, no more time or reads
//   integration    m integration times for the light of one repetition: m times the photons at the
//                  same power, m times the symbols; receiver noise enters once
//   repetitions    K reads averaged: light, symbols and reads times K, every variance / K
//
// The full well cuts a dot product whose light it cannot hold into chunks, each one more read
// (photonics::cut_into_chunks), which the variance and the cost of an option contain. The law
// garg-thermal and garg-weight know repeats only: E becomes whole.
//
// The choice is joint: minimise the cost over one option for each group while the loss that the
// quadratic model predicts does not grow,
//
//   min sum_g cost_g(o_g)   subject to   sum_g a_g v_g(o_g) / v_g(E_g) <= sum_g a_g
//
// At the learned optimum the loss's slope is that of the cost, so that the weights follow from the
// energies themselves: a_g = (d cost_g / d ln E) / (-d ln v_g / d ln E), for shot noise a_g = M_g
// E_g. Solved with a Lagrange multiplier and local exchange, starting from the rounded continuous
// solution (every group alone: the cheapest option with v <= v(E_g)), which the result is never
// worse than. Test: tests/network/schedule_test.cpp, against all combinations of small cases.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "network/evaluation.hpp"
#include "network/noise_plan.hpp"

namespace attojoule::network {

enum class Objective {
  optical,  // light that is detected: photons (or repeats) per multiplication
  total,    // joules of the ledger (network/energy_accountant.hpp)
};

struct ScheduleOption {
  photonics::OperatingPoint point;
  double cost = 0;
  double variance = 0;  // relative to that of the learned energy
};

struct ScheduleGroup {
  std::vector<ScheduleOption> options;
  double weight = 0;        // a_g >= 0
  std::size_t rounded = 0;  // the option of the rounded continuous solution, variance <= 1
};

// The chosen option of each group.
std::vector<std::size_t> choose_options(const std::vector<ScheduleGroup>& groups);

// What the device's levers can do besides laser.maximum_power and the full well.
struct Levers {
  int power_bits = 0;                   // steps of the laser's power up to its maximum; 0 = any
  std::int64_t max_integrations = 1;    // m, powers of two; 1 on a weight-stationary tile
  std::int64_t max_repetitions = 1024;  // K
};

// Means over data of what each variance coefficient multiplies, for one product: 1, |w|^2, |x|^2,
// |w|^2 |x|^2, y^2.
using VarianceMeans = std::array<double, 5>;

// Measured on `images` samples of the evaluator, which is left without noise.
std::vector<VarianceMeans> measure_variance_means(Program& program, Evaluator& evaluator,
                                                  std::int64_t images);

struct ScheduleRequest {
  photonics::Device device;
  NoiseRequest law;  // its points: the learned ones (repetitions 1)
  std::vector<VarianceMeans> means;
  Objective objective = Objective::optical;
  Levers levers;
  // d cost / d ln E of the cost that the energies were learned for, shaped as the points; empty:
  // the light, M_g E_g.
  std::vector<std::vector<double>> cost_slopes;
};

struct Schedule {
  std::vector<ProductOperatingPoint> points;
  double cost = 0;             // optical: photons per inference; total: joules per inference
  double rounded_cost = 0;     // of the rounded continuous solution
  double continuous_cost = 0;  // of the learned energies, with any power and no limit
  double predicted_loss = 1;   // increase of the loss over that of the learned energies; <= 1
};

// Throws TargetError naming the product where no setting within the limits reaches its variance,
// and ConfigError where the objective needs energies that the device does not state.
Schedule plan_schedule(const Program& program, const ScheduleRequest& request);

// Cost of `outputs` of a product's outputs: photons (or repeats) times multiplications, or joules
// of network/layer_cost.hpp.
double operating_cost(const photonics::Device& device, const MatrixProduct& product, double outputs,
                      const photonics::OperatingPoint& point, photonics::Law law,
                      photonics::Encoding encoding, Objective objective);

// Photons of one repetition per multiplication that laser.maximum_power gives in one integration
// time; infinite without a limit.
double largest_photons_per_mac(const photonics::Device& device, const MatrixProduct& product,
                               photonics::Law law, photonics::Encoding encoding);

}  // namespace attojoule::network
