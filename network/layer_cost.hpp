// What one layer costs on a device at an operating point: joules of every component, their
// derivatives, and the laser's load. Cheap (no network runs, no data is read): the counts come from
// the tile mapping, the prices from the device. The energy accountant uses the same functions with
// the photons that a run has recorded.
//
//   light at the receivers  N = sum over channels of K n P D     (full scale)
//   facet                   E_f = N h nu / T_path
//   laser                   E_l = S P_el(E_f / S)  =  E_f / eta_wp at the power E_f / S
//   modulators              symbols e_sym + modulators P_mod t,   e_sym measured or C V^2 / 4
//   DAC                     symbols e_DAC;    symbols = inputs + weights + programmed weights
//   receivers               reads e_read + receivers P_RX t
//   ADC                     reads e_ADC
//   digital                 partial sums e_add
//   memory                  (operands b_op + results b_op + 2 partial sums b_sum) e_byte
//   static                  P_static t,       t: latency of the layer
//
// Symbols: n photons per MAC of both beams at the receiver, K repetitions, P outputs per channel, D
// dot length. S is the time that lasers are on, in laser-seconds: with laser.count lasers, count x
// slots / symbol rate; without, one laser per pair of transmitters and wavelength feeds
// F = s F_x + (1 - s) F_w receivers, S = multiplications / (symbol rate F).
//
// Not modelled: light that splitters send to receivers which a block of a matrix leaves idle;
// modulators' average transmission in the normalised encoding, where the light of a dot product is
// what it is told to be. Modulators and receivers that exist draw their power (tile x latency)
// whether a block uses them or not. Text: docs/physics/energy.md.
// Test: tests/network/layer_cost_test.cpp.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "network/energy_components.hpp"
#include "network/matrix_product.hpp"
#include "network/tile_mapping.hpp"
#include "photonics/device.hpp"
#include "photonics/noise_model.hpp"

namespace attojoule::network {

// The lasers of a tile while a layer's symbols are sent.
struct LaserLoad {
  double seconds = 0;               // laser-seconds S
  double power_w = 0;               // of each laser, at the facet
  double wall_plug_efficiency = 0;  // at that power; 0 without light
  // Largest power over this one, dB; negative where the laser cannot feed the tile, infinite
  // where it has no limit.
  double margin_db = 0;
};

// Photons of one inference at the receivers.
struct LayerLight {
  double full_scale = 0;  // what the lasers send for
  double detected = 0;    // what becomes electrons
};

struct LayerBill {
  EnergyBreakdown joule{};
  EnergyBreakdown static_joule{};  // the part of it that is power x time, whatever is computed
  LaserLoad laser;
};
// Prices the counts. Throws ConfigError as laser.hpp does for a light-current line.
LayerBill bill_work(const photonics::Device& device, const ProductWork& work,
                    const LayerLight& light);

struct CostRequest {
  photonics::Law law = photonics::Law::homodyne;
  photonics::Encoding encoding = photonics::Encoding::normalised;
  // Full-scale encoding: mean squares of the values over full scale, (0, 1]: what of the light
  // reaches the detectors. No effect on the total.
  double mean_square_input = 1;
  double mean_square_weight = 1;
};

struct LayerCost {
  ProductWork work;
  LayerLight light;
  LayerBill bill;
  // d joule / d ln n and d joule / d ln K, all channels together; counts that jump with n (reads,
  // where a full well cuts dot products) are held, and K is taken as continuous.
  EnergyBreakdown per_ln_photons{};
  EnergyBreakdown per_ln_repetitions{};
  // d total / d ln n of every operating point that was given.
  std::vector<double> total_per_ln_photons;
};

// points: one for all output channels, or one for each. Costs nothing but arithmetic: O(channels).
// Throws ConfigError where a full well cannot hold one symbol (photonics::cut_into_chunks). A laser
// that is too weak does not throw: see require_feedable.
LayerCost layer_cost(const photonics::Device& device, const MatrixProduct& product,
                     const CostRequest& request, std::span<const photonics::OperatingPoint> points);

// Throws ConfigError naming the layer and the missing dB where the laser is weaker than its load.
void require_feedable(const photonics::Device& device, const std::string& layer,
                      const LaserLoad& load);

// Modulators of the tile, and receivers: what draws power all the time.
double modulator_count(const photonics::Tile& tile);
double receiver_count(const photonics::Tile& tile);
// Energy of one symbol: measured, or C V^2 / 4; 0 where neither is described.
double energy_per_symbol_j(const photonics::Modulator& modulator);

}  // namespace attojoule::network
