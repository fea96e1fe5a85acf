// Longer dot products need less light for each multiplication: photons per MAC at a fixed accuracy
// fall as 1 / D.
//
// One trained network (784-100-100-10 on MNIST) reads its images at one, two, three and four times
// the resolution: every pixel k x k times, its weight divided by k^2 each time. The function stays
// the same to rounding, and the dot products of the first layer grow from 784 to 12,544 terms. Only
// this layer is noisy. Networks trained at several widths differ in more than their width; this one
// does not.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <vector>

#include "data/dataset.hpp"
#include "network/evaluation.hpp"
#include "network/graph.hpp"
#include "network/noise_plan.hpp"
#include "tests/support/assets.hpp"

namespace attojoule::tests {
namespace {

constexpr std::int64_t images = 2000;
constexpr std::int64_t side = 28;

class WidthScaling {
 public:
  WidthScaling(const std::filesystem::path& model, const data::Dataset& dataset, std::int64_t k)
      : program_(build(model, k)) {
    network::SampleSource source;
    source.size = dataset.size();
    source.label = [&dataset](std::int64_t index) { return dataset.label(index); };
    source.load = [&dataset, k](std::int64_t index, network::Program::Lane& lane) {
      std::vector<float> pixels(side * side);
      dataset.read_input(index, pixels);
      const auto wide = lane.input(0);
      for (std::int64_t i = 0; i < side * k; ++i) {
        for (std::int64_t j = 0; j < side * k; ++j) {
          wide[static_cast<std::size_t>(i * side * k + j)] =
              pixels[static_cast<std::size_t>(i / k * side + j / k)];
        }
      }
    };
    evaluator_ = std::make_unique<network::Evaluator>(program_, source, 2);
  }

  double dot_length() const { return static_cast<double>(program_.products()[0].dot_length); }

  double clean_accuracy() { return evaluator_->run({.images = images}, {}).accuracy(); }

  double accuracy(double photons) {
    network::NoiseRequest request;
    request.points.assign(program_.products().size(), {photonics::OperatingPoint{photons, 1}});
    request.digital.assign(program_.products().size(), true);
    request.digital[0] = false;
    program_.set_noise(network::plan_noise(photonics::Device{}, program_, request));
    return evaluator_->run({.images = images, .seed = 1, .noisy = true}, {}).accuracy();
  }

  // Accuracy rises with light: bisection of the logarithm.
  double photons_for(double target) {
    double low = 1e-4;
    double high = 10;
    for (int step = 0; step < 14; ++step) {
      const double middle = std::sqrt(low * high);
      (accuracy(middle) < target ? low : high) = middle;
    }
    return std::sqrt(low * high);
  }

 private:
  static network::Program build(const std::filesystem::path& model, std::int64_t k) {
    std::ifstream file(model, std::ios::binary);
    network::Graph graph = network::import_onnx(file, model.string());
    const std::int64_t pixels = side * side;
    bool widened = false;
    for (network::Node& node : graph.nodes) {
      if (widened || (node.op != "Gemm" && node.op != "MatMul")) continue;
      network::Value& value = graph.value(node.inputs[1]);
      const bool rows = value.shape.at(0) != pixels;  // an output's weights are a row
      const std::int64_t outputs = value.shape.at(rows ? 0 : 1);
      std::vector<float> weights(static_cast<std::size_t>(outputs * pixels * k * k));
      for (std::int64_t o = 0; o < outputs; ++o) {
        for (std::int64_t i = 0; i < side * k; ++i) {
          for (std::int64_t j = 0; j < side * k; ++j) {
            const std::int64_t from = i / k * side + j / k;
            const std::int64_t to = i * side * k + j;
            const auto source =
                static_cast<std::size_t>(rows ? o * pixels + from : from * outputs + o);
            const auto target =
                static_cast<std::size_t>(rows ? o * pixels * k * k + to : to * outputs + o);
            weights[target] = value.constant->reals[source] / static_cast<float>(k * k);
          }
        }
      }
      value.shape[rows ? 1 : 0] = pixels * k * k;
      value.constant->shape = value.shape;
      value.constant->reals = std::move(weights);
      widened = true;
    }
    for (auto& extent : graph.value(graph.inputs[0]).shape) extent = -1;
    network::bind_inputs(graph, {{1, pixels * k * k}});
    network::simplify(graph);
    return {std::move(graph), {}};
  }

  network::Program program_;
  std::unique_ptr<network::Evaluator> evaluator_;
};

TEST(WidthScalingLaw, photons_per_mac_at_fixed_accuracy_fall_as_one_over_the_dot_length) {
  ATTOJOULE_ASSET(model, "models/onn_qat_mlp_mnist.onnx");
  ATTOJOULE_ASSET(file, "datasets/mnist_test.h5");
  data::DatasetOptions options;
  options.file = file;
  const data::Dataset dataset = data::Dataset::open(options);
  constexpr double target = 0.9;
  std::vector<double> x, y;
  double clean = 0;
  for (const std::int64_t k : {1, 2, 3, 4}) {
    WidthScaling network(model, dataset, k);
    EXPECT_EQ(network.dot_length(), static_cast<double>(side * side * k * k));
    const double own = network.clean_accuracy();
    if (k == 1) clean = own;
    EXPECT_NEAR(own, clean, 1.5 / images) << "the function changed with its width";
    const double photons = network.photons_for(target);
    std::printf("D %6.0f  %.5f photons/MAC for %.0f %%\n", network.dot_length(), photons,
                target * 100);
    x.push_back(std::log(network.dot_length()));
    y.push_back(std::log(photons));
  }
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    mean_x += x[i] / static_cast<double>(x.size());
    mean_y += y[i] / static_cast<double>(x.size());
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  const double slope = xy / xx;
  std::printf("slope %.3f\n", slope);
  EXPECT_NEAR(slope, -1, 0.15);
  // A law of constant photons per MAC (slope 0) or per square root (-1/2) is outside by far.
  EXPECT_LT(slope, -0.75);
}

}  // namespace
}  // namespace attojoule::tests
