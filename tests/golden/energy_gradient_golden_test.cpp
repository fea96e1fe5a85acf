// Gradients in the energies of published networks against an implementation in PyTorch that shares
// no code with ours, noise included (gradients/, made by tools/dev/reference_gradients.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/bytes.hpp"
#include "network/energy_gradient.hpp"
#include "tests/support/assets.hpp"
#include "tools/simulation.hpp"

namespace attojoule::tests {
namespace {

void expect_same_as_pytorch(const std::string& name, const std::filesystem::path& model,
                            const std::filesystem::path& data_file) {
  std::ifstream stream(std::filesystem::path(ATTOJOULE_SOURCE_DIR) / "tests/golden/gradients" /
                       (name + ".json"));
  const auto reference = nlohmann::json::parse(stream);
  ASSERT_EQ(data::sha256_of_file(model), reference.at("model_sha256").get<std::string>())
      << "the reference is of another file";
  data::DatasetOptions options;
  options.file = data_file;
  const auto dataset = data::Dataset::open(options);
  network::ProgramOptions program_options;
  program_options.gradients = true;
  auto network = tools::load_network(model, dataset, program_options);
  network::SampleSource source;
  source.size = dataset.size();
  source.load = [&](std::int64_t index, network::Program::Lane& lane) {
    for (std::size_t i = 0; i < network.input_sources.size(); ++i) {
      const int from = network.input_sources[i];
      from < 0 ? dataset.read_input(index, lane.input(i))
               : dataset.read_named_input(static_cast<std::size_t>(from), index, lane.input(i));
    }
  };
  source.label = [&](std::int64_t index) { return dataset.label(index); };
  network::NoiseRequest law;
  law.law = photonics::Law::garg_shot;
  network::EnergyGradient gradient(network.program, source, {}, law, 2);

  const auto& products = network.program.products();
  const auto energies = reference.at("energies").get<std::vector<double>>();
  ASSERT_EQ(energies.size(), products.size());
  std::vector<network::ProductOperatingPoint> points;
  for (std::size_t i = 0; i < energies.size(); ++i) {
    EXPECT_EQ(products[i].name, reference.at("products")[i].get<std::string>());
    points.push_back({{energies[i], 1}});
  }
  gradient.set_points(points);
  const auto samples = reference.at("samples").get<std::vector<std::int64_t>>();
  const auto got = gradient.run(samples, reference.at("seed").get<std::uint64_t>(), true);
  EXPECT_NEAR(got.loss, reference.at("loss").get<double>(), 1e-4);
  const auto wanted = reference.at("by_log_energy").get<std::vector<std::vector<double>>>();
  double largest = 0;
  double squares = 0;
  double difference = 0;
  for (const auto& row : wanted) {
    for (const double value : row) {
      largest = std::max(largest, std::abs(value));
      squares += value * value;
    }
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_EQ(got.by_log_energy[i].size(), wanted[i].size()) << products[i].name;
    for (std::size_t c = 0; c < wanted[i].size(); ++c) {
      const double error = got.by_log_energy[i][c] - wanted[i][c];
      difference += error * error;
      // A Relu whose input is next to 0 may be on in one arithmetic and off in the other.
      EXPECT_LE(std::abs(error), 5e-3 * largest) << products[i].name << " channel " << c;
    }
  }
  EXPECT_LE(std::sqrt(difference / squares), 2e-3);
}

TEST(EnergyGradientGolden, onn_qat_mlp) {
  ATTOJOULE_ASSET(model, "models/onn_qat_mlp_mnist.onnx");
  ATTOJOULE_ASSET(data_file, "datasets/mnist_test.h5");
  expect_same_as_pytorch("onn_qat_mlp_mnist", model, data_file);
}

TEST(EnergyGradientGolden, resnet20) {
  ATTOJOULE_ASSET(model, "models/resnet20_cifar10.onnx");
  ATTOJOULE_ASSET(data_file, "datasets/cifar10_test1000.h5");
  expect_same_as_pytorch("resnet20_cifar10", model, data_file);
}

TEST(EnergyGradientGolden, tiny_sentiment) {
  ATTOJOULE_ASSET(model, "models/tiny_sentiment_sst2.onnx");
  ATTOJOULE_ASSET(data_file, "datasets/sst2_dev.h5");
  expect_same_as_pytorch("tiny_sentiment_sst2", model, data_file);
}

}  // namespace
}  // namespace attojoule::tests
