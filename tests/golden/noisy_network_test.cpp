// Published convolutional networks under shot noise: plenty of light changes little, little light
// changes much, and most in the network of small dot products.
#include <gtest/gtest.h>

#include "tests/support/assets.hpp"
#include "tools/simulation.hpp"

namespace attojoule::tests {
namespace {

struct Accuracies {
  double clean = 0, at_50 = 0, at_1000 = 0;
};

Accuracies run(const std::filesystem::path& model, const std::filesystem::path& dataset,
               std::int64_t images) {
  tools::Experiment experiment;
  experiment.model = model;
  experiment.data.file = dataset;
  experiment.images = images;
  experiment.point.photons_per_mac = 50;
  tools::Simulation simulation(experiment, 2);
  network::PassRequest clean;
  clean.images = images;
  Accuracies result;
  result.clean = simulation.evaluator().run(clean, {}).accuracy();
  const auto noisy = [&](double photons) {
    simulation.set_points(simulation.points_at(photons));
    return simulation.noisy_passes(images, 1, false, {})[0].accuracy();
  };
  result.at_50 = noisy(50);
  result.at_1000 = noisy(1000);
  return result;
}

TEST(NoisyNetwork, resnet20_at_50_and_1000_photons) {
  ATTOJOULE_ASSET(model, "models/resnet20_cifar10.onnx");
  ATTOJOULE_ASSET(dataset, "datasets/cifar10_test1000.h5");
  const Accuracies accuracy = run(model, dataset, 500);
  EXPECT_NEAR(accuracy.at_1000, accuracy.clean, 0.015);
  EXPECT_LT(accuracy.at_50, accuracy.clean - 0.01);
  EXPECT_GT(accuracy.at_50, 0.75);  // still the network, and not noise
}

TEST(NoisyNetwork, mobilenet_at_50_and_1000_photons) {
  ATTOJOULE_ASSET(model, "models/mobilenet_v2_1.0_224_imagenet.onnx");
  ATTOJOULE_ASSET(dataset, "datasets/nips2017_dev_a500.h5");
  const Accuracies accuracy = run(model, dataset, 60);
  EXPECT_GT(accuracy.at_1000, accuracy.clean - 0.12);
  EXPECT_LT(accuracy.at_1000, accuracy.clean + 0.05);
  EXPECT_LT(accuracy.at_50, 0.5 * accuracy.at_1000);
}

}  // namespace
}  // namespace attojoule::tests
