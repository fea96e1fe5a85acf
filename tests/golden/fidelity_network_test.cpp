// Counting and Gaussian noise in a published network: the same accuracy where photons are plenty,
// and other outputs where the report on the Gaussian's validity says so.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "photonics/homodyne_receiver.hpp"
#include "photonics/waveform.hpp"
#include "tests/support/assets.hpp"
#include "tools/simulation.hpp"

namespace attojoule::tests {
namespace {

constexpr std::int64_t images = 200;

tools::Experiment experiment(const std::filesystem::path& model,
                             const std::filesystem::path& dataset) {
  tools::Experiment experiment;
  experiment.model = model;
  experiment.data.file = dataset;
  experiment.images = images;
  experiment.point.photons_per_mac = 20;
  return experiment;
}

// Plans noise with the same light for every dot product, `photons_per_dot_product` / D per
// multiplication; only in the last product, or in all.
std::vector<network::ProductNoise> plan(tools::Simulation& simulation, network::Fidelity fidelity,
                                        double photons_per_dot_product, bool last_only) {
  network::NoiseRequest request;
  request.fidelity = fidelity;
  const auto& products = simulation.program().products();
  for (const auto& product : products) {
    const double photons = photons_per_dot_product / static_cast<double>(product.dot_length);
    request.points.push_back({photonics::OperatingPoint{.photons_per_mac = photons}});
  }
  request.digital.assign(products.size(), last_only);
  request.digital.back() = false;
  return network::plan_noise({}, simulation.program(), request);
}

network::PassResult run(tools::Simulation& simulation, std::uint64_t seed, bool noisy) {
  network::PassRequest request;
  request.images = images;
  request.seed = seed;
  request.noisy = noisy;
  request.keep_logits = true;
  return simulation.evaluator().run(request, {});
}

// resnet20 at 20 photons per multiplication: light of 540 to 11520 photons in a dot product.
TEST(FidelityInANetwork, sameAccuracyAtTwentyPhotons) {
  ATTOJOULE_ASSET(model, "models/resnet20_cifar10.onnx");
  ATTOJOULE_ASSET(dataset, "datasets/cifar10_test1000.h5");
  double accuracy[2] = {0, 0};
  for (const bool counting : {false, true}) {
    tools::Experiment e = experiment(model, dataset);
    e.fidelity = counting ? network::Fidelity::counting : network::Fidelity::analytic;
    tools::Simulation simulation(e, 2);
    const auto& noise = simulation.set_points(simulation.points_at(20));
    EXPECT_EQ(noise[0].kind,
              counting ? network::NoiseKind::photoelectron_counting : network::NoiseKind::gaussian);
    for (const auto& pass : simulation.noisy_passes(images, 2, false, {})) {
      accuracy[counting] += pass.accuracy() / 2;
    }
  }
  // Half width of the 95 % interval of 400 answers, twice for the difference of two.
  const double p = accuracy[0];
  const double interval = 1.96 * std::sqrt(p * (1 - p) / (2 * images));
  EXPECT_NEAR(accuracy[1], accuracy[0], std::sqrt(2.0) * interval);
  EXPECT_GT(accuracy[0], 0.3);  // still a classifier
}

// 0.2 photons in a dot product of the last layer: e^-0.2 of the outputs see no photon, and the
// largest distance between the two laws of the outputs is what the report says. `auto` counts.
TEST(FidelityInANetwork, fewPhotonsDifferAsTheReportSays) {
  ATTOJOULE_ASSET(model, "models/resnet20_cifar10.onnx");
  ATTOJOULE_ASSET(dataset, "datasets/cifar10_test1000.h5");
  tools::Simulation simulation(experiment(model, dataset), 2);
  const auto clean = run(simulation, 1, false);
  const auto& product = simulation.program().products().back();
  constexpr double photons = 0.2;
  const auto counted = plan(simulation, network::Fidelity::automatic, photons, true);
  ASSERT_EQ(counted.back().kind, network::NoiseKind::photoelectron_counting);
  EXPECT_EQ(plan(simulation, network::Fidelity::automatic, 1e4, true).back().kind,
            network::NoiseKind::gaussian);
  const auto gaussian = plan(simulation, network::Fidelity::analytic, photons, true);
  const auto outputs = static_cast<std::size_t>(simulation.program().output_size());

  // Errors in units of the standard deviation that both laws share: of output c and image i
  // sigma = |w_c| |x_i| / sqrt(photons). An output without a photon errs by -y: its estimate is 0.
  const auto logits = [&](const std::vector<network::ProductNoise>& noise) {
    simulation.program().set_noise(noise);
    return run(simulation, 3, true).logits;
  };
  const std::vector<float> by_count = logits(counted), by_gaussian = logits(gaussian);
  ASSERT_EQ(by_count.size(), clean.logits.size());
  // The bias of the layer is what every output without a photon shows; it is the most frequent one.
  std::int64_t dark = 0, dark_gaussian = 0;
  for (std::size_t c = 0; c < outputs; ++c) {
    const auto most_frequent = [&](const std::vector<float>& values) {
      std::vector<float> column;
      for (std::size_t i = c; i < values.size(); i += outputs) column.push_back(values[i]);
      std::sort(column.begin(), column.end());
      std::int64_t best = 0, run_length = 0;
      for (std::size_t i = 0; i < column.size(); ++i) {
        const bool same = i > 0 && std::abs(column[i] - column[i - 1]) <= 1e-5f;
        run_length = same ? run_length + 1 : 1;
        best = std::max(best, run_length);
      }
      return best;
    };
    dark += most_frequent(by_count);
    dark_gaussian += most_frequent(by_gaussian);
  }
  const double count = static_cast<double>(by_count.size());
  const double expected = std::exp(-photons);
  const double bound = 5 * std::sqrt(expected * (1 - expected) / count);
  EXPECT_NEAR(static_cast<double>(dark) / count, expected, bound);
  EXPECT_LT(static_cast<double>(dark_gaussian) / count, 0.1);

  // The report: at y = 0 both diodes expect 0.1 counts; the step of the law at no count is 0.67 and
  // half of it is the Kolmogorov distance.
  const auto law = photonics::compile_homodyne_counts(
      {}, photonics::Encoding::normalised,
      {.photons_per_mac = photons / static_cast<double>(product.dot_length)},
      {.length = product.dot_length});
  const photonics::GaussianDistance report = photonics::gaussian_distance(law, 0.0, 1.0, 1.0);
  EXPECT_EQ(photonics::choose_fidelity(report), photonics::Fidelity::counting);
  // The outputs' estimates, without bias, over their noise: share at most t.
  EXPECT_GT(report.kolmogorov, 0.3);
  double largest = 0;
  std::vector<double> counted_errors, gaussian_errors;
  for (std::size_t i = 0; i < by_count.size(); ++i) {
    counted_errors.push_back(static_cast<double>(by_count[i] - clean.logits[i]));
    gaussian_errors.push_back(static_cast<double>(by_gaussian[i] - clean.logits[i]));
  }
  std::sort(counted_errors.begin(), counted_errors.end());
  std::sort(gaussian_errors.begin(), gaussian_errors.end());
  for (std::size_t i = 0; i < counted_errors.size(); ++i) {
    const auto below =
        std::lower_bound(gaussian_errors.begin(), gaussian_errors.end(), counted_errors[i]) -
        gaussian_errors.begin();
    largest =
        std::max(largest, std::abs(static_cast<double>(below) - static_cast<double>(i)) / count);
  }
  // Outputs have correlations and sizes of their own, which smear the step: not more than the
  // report's distance, and not less than half of it.
  EXPECT_GT(largest, report.kolmogorov / 2);
  EXPECT_LT(largest, report.kolmogorov + 5 * 0.5 / std::sqrt(count));

  // With light enough the same comparison sees nothing.
  const auto bright_counts = plan(simulation, network::Fidelity::counting, 1e4, true);
  const auto bright_gaussian = plan(simulation, network::Fidelity::analytic, 1e4, true);
  const std::vector<float> a = logits(bright_counts), b = logits(bright_gaussian);
  std::int64_t same = 0;
  for (std::size_t i = 0; i < a.size(); i += outputs) {
    const auto best = [&](const std::vector<float>& values) {
      return std::max_element(values.begin() + static_cast<std::ptrdiff_t>(i),
                              values.begin() + static_cast<std::ptrdiff_t>(i + outputs)) -
             (values.begin() + static_cast<std::ptrdiff_t>(i));
    };
    same += best(a) == best(b) ? 1 : 0;
  }
  EXPECT_GE(same, images - 2);
}

}  // namespace
}  // namespace attojoule::tests
