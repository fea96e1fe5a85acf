// Clean networks against ONNX Runtime on the same inputs: outputs to 1e-4 of the largest, the same
// class for every input of the data set, and the accuracy that is known from elsewhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "data/bytes.hpp"
#include "data/hdf5.hpp"
#include "tests/support/assets.hpp"
#include "tools/simulation.hpp"

namespace attojoule::tests {
namespace {

// What tools/dev/reference_logits.py stored.
struct Reference {
  std::vector<int> argmax;    // of every input
  std::vector<float> logits;  // of the first inputs, row-major
  std::vector<double> mean, std;
  int correct = 0;
  int label_offset = 0;
  std::string model_sha256;

  explicit Reference(const std::filesystem::path& path) {
    const auto lock = data::hdf5_lock();
    const data::Hdf5Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
    if (!file) throw std::runtime_error("no reference file " + path.string());
    argmax = read<int>(file.get(), "argmax", H5T_NATIVE_INT);
    logits = read<float>(file.get(), "logits", H5T_NATIVE_FLOAT);
    mean = attribute<double>(file.get(), "mean", H5T_NATIVE_DOUBLE);
    std = attribute<double>(file.get(), "std", H5T_NATIVE_DOUBLE);
    correct = attribute<int>(file.get(), "correct", H5T_NATIVE_INT).at(0);
    label_offset = attribute<int>(file.get(), "label_offset", H5T_NATIVE_INT).at(0);
    const data::Hdf5Handle text(H5Aopen(file.get(), "model_sha256", H5P_DEFAULT), H5Aclose);
    const data::Hdf5Handle type(H5Aget_type(text.get()), H5Tclose);
    char* value = nullptr;
    if (H5Aread(text.get(), type.get(), static_cast<void*>(&value)) < 0) {
      throw std::runtime_error("no model_sha256 in " + path.string());
    }
    model_sha256 = value;
    H5free_memory(value);
  }

 private:
  template <class T>
  static std::vector<T> read(hid_t file, const char* name, hid_t type) {
    const data::Hdf5Handle set(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose);
    const data::Hdf5Handle space(H5Dget_space(set.get()), H5Sclose);
    std::vector<T> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get())));
    if (H5Dread(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
      throw std::runtime_error(std::string("cannot read ") + name);
    }
    return values;
  }
  template <class T>
  static std::vector<T> attribute(hid_t file, const char* name, hid_t type) {
    const data::Hdf5Handle handle(H5Aopen(file, name, H5P_DEFAULT), H5Aclose);
    const data::Hdf5Handle space(H5Aget_space(handle.get()), H5Sclose);
    std::vector<T> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get())));
    if (H5Aread(handle.get(), type, values.data()) < 0) {
      throw std::runtime_error(std::string("cannot read ") + name);
    }
    return values;
  }
};

void expect_same_as_reference(const std::string& name, const std::filesystem::path& model,
                              data::DatasetOptions data, bool own_normalisation,
                              bool winograd = false) {
  const Reference reference(std::filesystem::path(ATTOJOULE_SOURCE_DIR) / "tests/golden/logits" /
                            (name + ".h5"));
  ASSERT_EQ(data::sha256_of_file(model), reference.model_sha256)
      << "the reference is of another file";
  if (own_normalisation) {
    data.mean = reference.mean;
    data.std = reference.std;
    data.label_offset = reference.label_offset;
  }
  tools::Experiment experiment;
  experiment.model = model;
  experiment.data = std::move(data);
  experiment.point.photons_per_mac = 1;
  experiment.winograd = winograd;
  tools::Simulation simulation(experiment, 2);
  network::PassRequest request;
  request.images = simulation.images();
  request.keep_logits = true;
  const network::PassResult pass = simulation.evaluator().run(request, {});

  ASSERT_EQ(pass.correct.size(), reference.argmax.size());
  const std::size_t classes = pass.logits.size() / pass.correct.size();
  double largest = 0;
  double worst = 0;
  std::size_t worst_at = 0;
  ASSERT_LE(reference.logits.size(), pass.logits.size());
  for (std::size_t i = 0; i < reference.logits.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(reference.logits[i])));
    const double off = std::abs(static_cast<double>(pass.logits[i]) - reference.logits[i]);
    if (!(off <= worst)) {
      worst = off;
      worst_at = i;
    }
  }
  EXPECT_LE(worst, 1e-4 * largest)
      << "input " << worst_at / classes << ", class " << worst_at % classes << ": "
      << pass.logits[worst_at] << ", reference " << reference.logits[worst_at];
  int other_class = 0;
  for (std::size_t i = 0; i < reference.argmax.size(); ++i) {
    const auto row = pass.logits.begin() + static_cast<std::ptrdiff_t>(i * classes);
    const auto best = std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row;
    if (best == reference.argmax[i]) continue;
    if (++other_class <= 5) {
      ADD_FAILURE() << "input " << i << " is of class " << best << ", reference "
                    << reference.argmax[i];
    }
  }
  EXPECT_EQ(other_class, 0);
  const auto correct = std::count(pass.correct.begin(), pass.correct.end(), 1);
  EXPECT_EQ(correct, reference.correct);
}

struct Published {
  std::string model;
  std::string dataset;
  bool own_normalisation = false;  // instead of what the data file says
};

void PrintTo(const Published& published, std::ostream* out) {
  *out << published.model;
}

class CleanNetwork : public testing::TestWithParam<Published> {};

TEST_P(CleanNetwork, equals_onnx_runtime) {
  ATTOJOULE_ASSET(model, "models/" + GetParam().model + ".onnx");
  ATTOJOULE_ASSET(dataset, "datasets/" + GetParam().dataset);
  data::DatasetOptions options;
  options.file = dataset;
  expect_same_as_reference(GetParam().model, model, options, GetParam().own_normalisation);
}

const auto model_name = [](const auto& info) {
  std::string name = info.param.model;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
};

INSTANTIATE_TEST_SUITE_P(
    Models, CleanNetwork,
    testing::Values(Published{"onn_qat_mlp_mnist", "mnist_test.h5"},
                    Published{"resnet20_cifar10", "cifar10_test1000.h5"},
                    Published{"resnet56_cifar10", "cifar10_test1000.h5"},
                    Published{"mobilenet_v2_1.0_224_imagenet", "nips2017_dev_a500.h5"},
                    Published{"efficientnet_lite0_imagenet", "nips2017_dev_a500.h5", true},
                    Published{"tiny_sentiment_sst2", "sst2_dev.h5"},
                    Published{"minilm6_sst2", "sst2_minilm_dev.h5"}),
    model_name);

// The networks whose 3x3 convolutions Winograd's algorithm can do, to the same tolerance.
class WinogradNetwork : public testing::TestWithParam<Published> {};

TEST_P(WinogradNetwork, equals_onnx_runtime) {
  ATTOJOULE_ASSET(model, "models/" + GetParam().model + ".onnx");
  ATTOJOULE_ASSET(dataset, "datasets/" + GetParam().dataset);
  data::DatasetOptions options;
  options.file = dataset;
  expect_same_as_reference(GetParam().model, model, options, GetParam().own_normalisation, true);
}

INSTANTIATE_TEST_SUITE_P(Models, WinogradNetwork,
                         testing::Values(Published{"resnet20_cifar10", "cifar10_test1000.h5"},
                                         Published{"resnet56_cifar10", "cifar10_test1000.h5"}),
                         model_name);

TEST(CleanNetwork, shipped_default_equals_onnx_runtime) {
  data::DatasetOptions options;
  options.file = fashion_mnist("t10k-images-idx3-ubyte.gz");
  options.labels_file = fashion_mnist("t10k-labels-idx1-ubyte.gz");
  expect_same_as_reference(
      "fashion_cnn", std::filesystem::path(ATTOJOULE_SOURCE_DIR) / "data/models/fashion_cnn.onnx",
      options, true);
}

}  // namespace
}  // namespace attojoule::tests
