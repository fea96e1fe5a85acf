// The program run in process, in a folder of its own with a small network and data set.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/hdf5_dataset.hpp"
#include "tests/support/network_runs.hpp"
#include "tests/support/onnx_builder.hpp"
#include "tools/verbs.hpp"

namespace attojoule::tests {

struct Outcome {
  int code = 0;
  std::string out, err;
};

inline Outcome run_command(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  Outcome outcome;
  outcome.code = tools::run_program(arguments, {out, err});
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

class CommandLine : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string(test->test_suite_name()) + "." + test->name();
    std::replace(name.begin(), name.end(), '/', '_');
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("attojoule." + std::to_string(getpid()) + "." + name);
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

  // 12 numbers -> Gemm fc1 (8 outputs) -> Relu -> Gemm fc2 (3 outputs).
  static OnnxModel small_network() {
    OnnxModel model;
    model.input("x", {-1, 12});
    model.node("Gemm", {"x", model.random("w1", {12, 8}, 0.4f), model.random("b1", {8}, 0.1f)},
               "fc1");
    model.node("Relu", {"fc1"}, "relu");
    model.node("Gemm", {"relu", model.random("w2", {8, 3}, 0.6f), model.random("b2", {3}, 0.1f)},
               "fc2");
    model.output("fc2");
    return model;
  }

  std::string model_file() const { return write("model.onnx", small_network().bytes()); }

  // 60 samples, labelled by the network itself but for every tenth one.
  std::string data_file(std::int64_t samples = 60) const {
    const auto inputs = random_reals(samples * 12, 42);
    const network::Program program = make_program(small_network(), {{1, 12}});
    std::vector<int> labels;
    for (std::int64_t i = 0; i < samples; ++i) {
      const auto at = inputs.begin() + i * 12;
      const auto logits = run_clean(program, {{at, at + 12}});
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      labels.push_back(static_cast<int>(i % 10 == 9 ? (best + 1) % 3 : best));
    }
    Hdf5Dataset(path("data.h5"))
        .write("inputs", {samples, 12}, inputs)
        .write("labels", {samples}, labels);
    return path("data.h5");
  }

  // run --model … --data … at 5 photons/MAC with two seeds, and these further arguments.
  Outcome run(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{"run",
                                       "--model",
                                       model_file(),
                                       "--data",
                                       data_file(),
                                       "--set",
                                       "operating_point.photons_per_mac=5",
                                       "--set",
                                       "evaluation.seeds=2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_command(arguments);
  }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  std::filesystem::path folder_;
};

}  // namespace attojoule::tests
