// The optical network of Wang et al. (Nat. Commun. 13, 123, 2022): its accuracy over photons per
// multiplication under its own photon-counting law and under the homodyne law, on all MNIST test
// images with noise in all three layers. Source of the numbers: data/reference/wang2022_curve.csv.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/assets.hpp"
#include "tools/simulation.hpp"

namespace attojoule::tests {
namespace {

struct Point {
  double photons;            // per multiplication
  double accuracy_percent;   // published, or computed from the published network
  double tolerance_percent;  // points
};

class Wang2022 : public testing::Test {
 protected:
  // Mean accuracy in percent over two noise seeds at each point, and at photons / 1.1: a noise
  // variance that is a tenth too large must be told apart where the curve is steep.
  static void expect_curve(photonics::Law law, const std::vector<Point>& curve) {
    ATTOJOULE_ASSET(model, "models/onn_qat_mlp_mnist.onnx");
    ATTOJOULE_ASSET(dataset, "datasets/mnist_test.h5");
    tools::Simulation simulation(experiment(model, dataset, law), 2);
    const auto accuracy = [&](double photons) {
      simulation.set_points(simulation.points_at(photons));
      double sum = 0;
      const auto passes = simulation.noisy_passes(simulation.images(), 2, false, {});
      for (const auto& pass : passes) sum += pass.accuracy() * 100 / 2;
      return sum;
    };
    EXPECT_EQ(simulation.images(), 10000);
    for (const Point& point : curve) {
      const double right = accuracy(point.photons);
      EXPECT_NEAR(right, point.accuracy_percent, point.tolerance_percent)
          << "n = " << point.photons;
      if (point.photons >= 0.39 && point.photons <= 2) {
        const double wrong = accuracy(point.photons / 1.1);
        EXPECT_GT(std::abs(wrong - point.accuracy_percent), point.tolerance_percent)
            << "n = " << point.photons << ": a variance 1.1 times as large goes unnoticed";
      }
    }
  }

  static tools::Experiment experiment(const std::filesystem::path& model,
                                      const std::filesystem::path& dataset, photonics::Law law) {
    tools::Experiment experiment;
    experiment.model = model;
    experiment.data.file = dataset;
    experiment.law = law;
    experiment.point.photons_per_mac = 1;
    experiment.seed = 2022;
    return experiment;
  }
};

TEST_F(Wang2022, accuracy_over_photons_by_counting) {
  expect_curve(photonics::Law::counting, {{0.1, 12.8, 1.5},
                                          {0.3981, 31.9, 1.5},
                                          {1, 68.7, 1.5},
                                          {2, 89.9, 0.7},
                                          {3.981, 96.5, 0.7},
                                          {10, 98.3, 0.3},
                                          {100, 98.9, 0.3}});
}

TEST_F(Wang2022, accuracy_over_photons_by_homodyne_detection) {
  expect_curve(photonics::Law::homodyne, {{0.1, 13.1, 1.2},
                                          {0.5, 41.4, 1.2},
                                          {1, 70.2, 1.2},
                                          {2, 90.5, 0.6},
                                          {10, 98.3, 0.3},
                                          {50, 98.8, 0.3}});
}

TEST_F(Wang2022, accuracy_without_noise) {
  ATTOJOULE_ASSET(model, "models/onn_qat_mlp_mnist.onnx");
  ATTOJOULE_ASSET(dataset, "datasets/mnist_test.h5");
  tools::Simulation simulation(experiment(model, dataset, photonics::Law::counting), 2);
  network::PassRequest request;
  request.images = simulation.images();
  EXPECT_NEAR(simulation.evaluator().run(request, {}).accuracy() * 100, 98.94, 0.02);
}

// Light that passes the weights, and reaches a detector: 0.481 of all light in this network.
TEST_F(Wang2022, transmission_of_the_layers) {
  ATTOJOULE_ASSET(model, "models/onn_qat_mlp_mnist.onnx");
  ATTOJOULE_ASSET(dataset, "datasets/mnist_test.h5");
  tools::Simulation simulation(experiment(model, dataset, photonics::Law::counting), 2);
  const std::vector<double> published{0.489, 0.428, 0.406};
  simulation.set_points(simulation.points_at(100));
  const auto pass = simulation.noisy_passes(simulation.images(), 1, false, {})[0];
  ASSERT_EQ(pass.totals.size(), published.size());
  double detected = 0;
  double incident = 0;
  for (std::size_t i = 0; i < published.size(); ++i) {
    EXPECT_NEAR(pass.totals[i].transmission / 10000, published[i], 0.003) << "layer " << i + 1;
    detected += pass.totals[i].photons_detected;
    incident += pass.totals[i].photons;
  }
  EXPECT_NEAR(detected / incident, 0.481, 0.003);
}

}  // namespace
}  // namespace attojoule::tests
