// Gradients of the loss with respect to the energy of every product, through the noisy network.
//
// The noise of an output is drawn as xi = sigma z with z a standard normal number that does not
// depend on the energies. With the cross entropy L of a sample,
//
//   dL/d ln E_lc = sum over the outputs i of product l, channel c:
//                  dL/dy_i z_i d sigma_i/d ln E_lc        (= -1/2 sum xi_i dL/dy_i where sigma^2 ~
//                  1/E)
//
// and dL/dy_i is carried back through the network exactly, the dependence of every sigma on the
// activations (norms of both operands, signal) included. z is drawn again from its counter on the
// way back; nothing of the noise is stored. Weight noise (one draw n a pass): dL/d ln E_lc =
// -1/2 sum over the outputs of dL/dy_i (n_c . x_i).
//
// Curvature. For little noise the loss grows by
//
//   sum_lc c_lc / E_lc,   c_lc = 1/2 sum_i E_lc sigma_i^2 h_i,   h_i = d^2 L/dy_i^2
//
// and h_i is replaced by its Gauss-Newton part: E[(dL/dy_i)^2] over labels drawn from the network's
// own softmax p (the Fisher information). The gradient of a drawn label is carried back as
// sqrt(p) e - p (sqrt(p) . e), e = +-1 at random, which has the same covariance diag(p) - p p^T and
// says as much of a sample that the network is sure of as of others. One forward and one backward
// pass a sample.
//
// Laws. Gaussian laws (homodyne with all its coefficients, garg-shot, garg-thermal), weight noise,
// and photon counting, whose forward pass draws Poisson counts and whose derivative is that of the
// Gaussian with the same variance at the normal number the count was drawn from. The homodyne law
// is always differentiated in its analytic fidelity.
//
// Results do not depend on the number of threads: each sample's contributions are summed in the
// order of `samples`.
//
// Tests: tests/network/energy_gradient_test.cpp (finite differences under common random numbers on
// every operator and law), tests/golden/energy_gradient_golden_test.cpp (PyTorch).
// Text: docs/physics/precision_learning.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "network/evaluation.hpp"
#include "network/noise_plan.hpp"
#include "network/program.hpp"

namespace attojoule::network {

struct GradientResult {
  double loss = 0;      // mean cross entropy over the samples, nats
  double accuracy = 0;  // fraction
  // d mean loss / d ln E: of every product, one number or (by_channel) one for each channel.
  // Dynamic products have one. Digital products have zeros.
  std::vector<std::vector<double>> by_log_energy;
  std::vector<double> losses;  // of every sample, nats
};

struct CurvatureResult {
  double loss = 0;  // mean cross entropy of the pass with the labels of the data, nats
  double accuracy = 0;
  // c_lc >= 0, shaped as by_log_energy: at the points that were set, the products' noise costs
  // about sum c_lc / E_lc of the loss. Where a law has terms other than 1/E, c is that of the
  // tangent: c_lc = -E_lc d(loss increase)/d ln E_lc.
  std::vector<std::vector<double>> coefficients;
};

enum class LabelSource {
  data,   // the sample's label
  model,  // in place of the gradient of a label that is drawn from the softmax: the vector above
};

class EnergyGradient {
 public:
  // `program` must be built with ProgramOptions::gradients, and with keep_weights for weight noise;
  // it must outlive this. `law`: its points are ignored. Throws DataError naming node and operator
  // where the gradient would have to pass an operator without a derivative, ConfigError where the
  // program was not built for gradients.
  EnergyGradient(Program& program, SampleSource source, photonics::Device device, NoiseRequest law,
                 int threads);
  ~EnergyGradient();
  EnergyGradient(EnergyGradient&&) noexcept;
  EnergyGradient& operator=(EnergyGradient&&) noexcept;

  const Program& program() const;
  const SampleSource& source() const;
  const std::vector<bool>& digital() const;  // one per product

  // Sets the operating point of every product (1 or `channels` points) and hands the noise to the
  // program. Throws as plan_noise does.
  void set_points(const std::vector<ProductOperatingPoint>& points);

  // Loss and gradient under the noise of `seed` over `samples` (indices into the source).
  GradientResult run(std::span<const std::int64_t> samples, std::uint64_t seed, bool by_channel,
                     LabelSource labels = LabelSource::data);
  // `noisy`: with the noise of the points that were set (a better model where the noise is not
  // small), else around the clean network. `seed` draws labels and noise.
  CurvatureResult curvature(std::span<const std::int64_t> samples, std::uint64_t seed,
                            bool by_channel, bool noisy = false);
  // Loss and accuracy only (by_log_energy is empty): a forward pass.
  GradientResult loss(std::span<const std::int64_t> samples, std::uint64_t seed, bool noisy);

  // Samples carried forward and backward so far, in passes of one sample each: what a method costs.
  // A forward pass alone counts one third.
  double passes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attojoule::network
