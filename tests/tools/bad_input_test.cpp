// Input that cannot be used: the exit code says whose fault it is, the message says what to do, and
// nothing half-written is left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <limits>

#include "tests/support/command_line.hpp"

namespace attojoule::tests {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr int exit_run = 1;
constexpr int exit_usage = 2;
constexpr int exit_data = 3;

class BadInput : public CommandLine {
 protected:
  // Runs into r.h5 and expects that the run fails with this code, this message on stderr only, and
  // no file but those that were there.
  void expect_refused(const std::vector<std::string>& arguments, int code,
                      const std::vector<std::string>& parts) const {
    const auto before = files();
    auto all = arguments;
    all.insert(all.end(), {"--out", path("r.h5")});
    const Outcome outcome = run_command(all);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, testing::StartsWith("attojoule: "));
    // One line: the place, the problem, and what to do.
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, EndsWith(".\n"));
    for (const auto& part : parts) EXPECT_THAT(outcome.err, HasSubstr(part));
    EXPECT_EQ(files(), before);
  }

  std::vector<std::string> command(const std::string& model, const std::string& data,
                                   std::vector<std::string> more = {}) const {
    std::vector<std::string> words{
        "run", "--model", model, "--data", data, "--set", "operating_point.photons_per_mac=5"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  void expect_set_refused(const std::string& assignment, int code,
                          const std::vector<std::string>& parts) const {
    SCOPED_TRACE(assignment);
    expect_refused(command(model_file(), data_file(), {"--set", assignment}), code, parts);
  }
};

TEST_F(BadInput, control_the_same_command_runs) {
  EXPECT_EQ(run_command(command(model_file(), data_file(), {"--out", path("r.h5")})).code, 0);
}

// ---- networks ----

TEST_F(BadInput, truncated_network) {
  const std::string bytes = small_network().bytes();
  expect_refused(command(write("cut.onnx", bytes.substr(0, bytes.size() - 7)), data_file()),
                 exit_data, {"cut.onnx: not a complete ONNX model", "Check that the file"});
}

TEST_F(BadInput, unknown_operator) {
  OnnxModel model = small_network();
  model.proto().mutable_graph()->mutable_node(1)->set_op_type("GridSample");
  expect_refused(command(write("grid.onnx", model.bytes()), data_file()), exit_data,
                 {"grid.onnx: node 'relu' (GridSample, opset 13)", "not supported"});
}

TEST_F(BadInput, input_of_another_shape) {
  Hdf5Dataset(path("wide.h5"))
      .write("inputs", {4, 13}, random_reals(52, 1))
      .write("labels", {4}, std::vector<int>{0, 1, 2, 0});
  expect_refused(command(model_file(), path("wide.h5")), exit_data,
                 {"model.onnx: input 'x' takes shape ?x12", "the data has 1x13"});
}

TEST_F(BadInput, images_in_another_order_of_axes) {
  OnnxModel model;
  model.input("x", {-1, 3, 4, 5});
  model.node("Conv", {"x", model.random("w", {2, 3, 3, 3})}, "c");
  model.node("GlobalAveragePool", {"c"}, "p");
  model.node("Flatten", {"p"}, "y");
  model.output("y");
  const std::string file = write("images.onnx", model.bytes());
  const auto with = [&](const std::vector<std::int64_t>& shape) {
    Hdf5Dataset(path("images.h5"))
        .write("inputs", shape, random_reals(2 * 60, 1))
        .write("labels", {2}, std::vector<int>{0, 1});
    return command(file, path("images.h5"));
  };
  expect_refused(
      with({2, 4, 5, 3}), exit_data,
      {"the data has 1x4x5x3", "images.h5", "(N, C, H, W), inputs.transpose(0, 3, 1, 2)"});
  expect_refused(with({2, 60}), exit_data, {"Store them in that shape"});
  expect_refused(with({2, 3, 20}), exit_data, {"Store them in that shape"});
}

TEST_F(BadInput, network_of_one_output) {
  OnnxModel model;
  model.input("x", {-1, 12});
  model.node("Gemm", {"x", model.random("w", {12, 1})}, "y");
  model.output("y");
  expect_refused(command(write("one.onnx", model.bytes()), data_file()), exit_data,
                 {"a network of one output", "Export the scores of all classes"});
}

TEST_F(BadInput, network_of_several_answers) {
  OnnxModel model;
  model.input("x", {-1, 12});
  model.constant("pairs", {3}, Integers{-1, 4, 3});
  model.node("Reshape", {"x", "pairs"}, "y");
  model.output("y");
  expect_refused(command(write("several.onnx", model.bytes()), data_file()), exit_data,
                 {"several.onnx: output 'y' of shape", "scores of several positions"});
}

TEST_F(BadInput, weights_that_are_no_numbers) {
  OnnxModel model;
  model.input("x", {-1, 12});
  Reals weights(36, 1.0f);
  weights[7] = std::numeric_limits<float>::quiet_NaN();
  model.node("Gemm", {"x", model.constant("w", {12, 3}, weights)}, "y");
  model.output("y");
  expect_refused(command(write("nan.onnx", model.bytes()), data_file()), exit_data,
                 {"nan.onnx: initializer 'w': element 7 is nan"});
}

TEST_F(BadInput, file_that_is_no_network) {
  expect_refused(command(data_file(), data_file()), exit_data, {"not a complete ONNX model"});
  expect_refused(command(path("missing.onnx"), data_file()), exit_data, {"missing.onnx"});
  expect_refused(command(folder_.string(), data_file()), exit_data, {folder_.string()});
}

// ---- data sets ----

TEST_F(BadInput, missing_data) {
  expect_refused(command(model_file(), path("missing.h5")), exit_data, {"missing.h5"});
}

TEST_F(BadInput, data_without_labels_or_inputs) {
  Hdf5Dataset(path("bare.h5")).write("inputs", {4, 12}, random_reals(48, 1));
  expect_refused(command(model_file(), path("bare.h5")), exit_data,
                 {"bare.h5: no data set 'labels'"});
  Hdf5Dataset(path("empty.h5")).write("labels", {1}, std::vector<int>{1});
  expect_refused(command(model_file(), path("empty.h5")), exit_data, {"no data set 'inputs'"});
}

TEST_F(BadInput, labels_outside_the_networks_outputs) {
  const auto with = [&](const std::vector<int>& labels) {
    Hdf5Dataset(path("labels.h5"))
        .write("inputs", {4, 12}, random_reals(48, 1))
        .write("labels", {static_cast<std::int64_t>(labels.size())}, labels);
    return command(model_file(), path("labels.h5"));
  };
  expect_refused(with({0, 1, 3, 2}), exit_data,
                 {"labels.h5: label 3 of sample 2 for a network of 3 outputs", "label_offset"});
  expect_refused(with({0, -1, 1, 2}), exit_data, {"label -1 of sample 1"});
  expect_refused(with({0, 1, 2}), exit_data, {"3 labels for 4 inputs"});
  auto shifted = with({1, 2, 3, 1});
  shifted.insert(shifted.end(), {"--set", "data.label_offset=-1"});
  EXPECT_EQ(run_command(shifted).code, 0);
}

TEST_F(BadInput, inputs_that_are_no_numbers) {
  Reals inputs = random_reals(48, 1);
  inputs[13] = std::numeric_limits<float>::infinity();
  Hdf5Dataset(path("inf.h5"))
      .write("inputs", {4, 12}, inputs)
      .write("labels", {4}, std::vector<int>(4, 0));
  expect_refused(command(model_file(), path("inf.h5")), exit_data,
                 {"element 1 of sample 1 is inf"});
}

TEST_F(BadInput, truncated_data) {
  data_file();
  std::filesystem::resize_file(path("data.h5"), std::filesystem::file_size(path("data.h5")) / 2);
  expect_refused(command(model_file(), path("data.h5")), exit_data, {"data.h5"});
  expect_refused(command(model_file(), write("junk.h5", "this is no data set")), exit_data,
                 {"neither HDF5 nor IDX"});
}

TEST_F(BadInput, more_images_than_there_are) {
  expect_set_refused("evaluation.images=61", exit_usage, {"evaluation.images: 61", "60 samples"});
}

TEST_F(BadInput, negative_light) {
  // The run fails in its middle: fc1 reads inputs of both signs.
  expect_set_refused("law=counting", exit_data, {"fc1", "is negative", "digital_layers: [fc1]"});
}

TEST_F(BadInput, a_second_input_without_data) {
  OnnxModel model;
  model.input("x", {-1, 12});
  model.input("mask", {-1, 12});
  model.node("Mul", {"x", "mask"}, "m");
  model.node("Gemm", {"m", model.random("w", {12, 3})}, "y");
  model.output("y");
  expect_refused(command(write("two.onnx", model.bytes()), data_file()), exit_data,
                 {"no data for input 'mask'"});
}

// ---- configuration ----

TEST_F(BadInput, quantities) {
  expect_set_refused("laser.wavelength=1550", exit_usage, {"1550", "unit"});
  expect_set_refused("laser.wavelength=3 mW", exit_usage, {"3 mW", "length"});
  expect_set_refused("laser.wavelength=-1550 nm", exit_usage, {"wavelength"});
  expect_set_refused("receiver.capacitance=-1 pF", exit_usage, {"capacitance"});
  expect_set_refused("detector.quantum_efficiency=1.5", exit_usage, {"quantum_efficiency"});
  expect_set_refused("adc.energy_per_conversion=-1 pJ", exit_usage, {"energy_per_conversion"});
}

TEST_F(BadInput, unknown_keys_name_the_nearest) {
  expect_set_refused("evaluation.image=3", exit_usage, {"evaluation.image", "images"});
  expect_set_refused("operating_point.photons=3", exit_usage, {"photons", "photons_per_mac"});
  expect_set_refused("encodin=full-scale", exit_usage, {"encodin", "encoding"});
  expect_set_refused("laser.wavelenght=1550 nm", exit_usage, {"wavelenght", "wavelength"});
}

TEST_F(BadInput, values_that_make_no_sense) {
  expect_set_refused("operating_point.photons_per_mac=-5", exit_usage, {"photons_per_mac: -5"});
  expect_set_refused("operating_point.photons_per_mac=0", exit_usage, {"photons_per_mac: 0"});
  expect_set_refused("operating_point.photons_per_mac=nan", exit_usage, {"photons_per_mac"});
  expect_set_refused("operating_point.photons_per_mac=many", exit_usage, {"many"});
  expect_set_refused("operating_point.repetitions=0", exit_usage, {"repetitions: 0"});
  expect_set_refused("operating_point.repetitions=1.5", exit_usage, {"1.5"});
  expect_set_refused("evaluation.images=0", exit_usage, {"images: 0"});
  expect_set_refused("evaluation.seeds=-1", exit_usage, {"seeds: -1"});
  expect_set_refused("evaluation.curve=[1, -1]", exit_usage, {"curve", "-1"});
  expect_set_refused("seed=-4", exit_usage, {"seed", "-4"});
  expect_set_refused("law=homodine", exit_usage, {"'homodine'", "homodyne, counting"});
  expect_set_refused("encoding=fullscale", exit_usage, {"'fullscale'", "full-scale"});
  expect_set_refused("fidelity=waveform", exit_usage, {"waveform"});
  expect_set_refused("digital_layers=[fc9]", exit_usage, {"'fc9'", "fc1, fc2"});
  expect_set_refused("device=ideal", exit_usage, {"ideal-shot-noise"});
  expect_set_refused("encoding=full-scale", exit_usage, {"range_data"});
  expect_set_refused("nonsense", exit_usage, {"nonsense"});
}

TEST_F(BadInput, experiment_files) {
  model_file();
  data_file();
  const auto expect_file_refused = [&](const std::string& text, int code,
                                       const std::vector<std::string>& parts) {
    SCOPED_TRACE(text);
    expect_refused({"run", write("e.yaml", text)}, code, parts);
  };
  const std::string head = "model: model.onnx\ndata: data.h5\n";
  expect_file_refused(head + "operating_point: {photons_per_mac: 5}\nevaluations: {images: 3}\n",
                      exit_usage, {"e.yaml:4:1", "evaluations", "evaluation"});
  expect_file_refused(head + "operating_point:\n  photons_per_mac: -5\n", exit_usage,
                      {"e.yaml:4:", "-5 photons/MAC"});
  expect_file_refused(head, exit_usage, {"operating_point.photons_per_mac: missing"});
  expect_file_refused("data: data.h5\noperating_point: {photons_per_mac: 5}\n", exit_usage,
                      {"model: missing"});
  expect_file_refused("model: model.onnx\noperating_point: {photons_per_mac: 5}\n", exit_usage,
                      {"data: missing"});
  expect_file_refused(head + "operating_point: {photons_per_mac: 5\n", exit_usage, {"e.yaml:"});
  expect_file_refused("model: other.onnx\ndata: data.h5\noperating_point: {photons_per_mac: 5}\n",
                      exit_data, {"other.onnx"});
  expect_refused({"run", path("missing.yaml")}, exit_data, {"missing.yaml"});
}

// ---- output ----

TEST_F(BadInput, output_that_cannot_be_written) {
  const auto refused = [&](const std::string& out) {
    auto words = command(model_file(), data_file(), {"--out", out});
    const auto before = files();
    const Outcome outcome = run_command(words);
    EXPECT_EQ(outcome.code, exit_run) << outcome.err;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(out), HasSubstr("cannot be written")));
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(files(), before);
  };
  refused(path("no/such/folder/r.h5"));
  std::filesystem::create_directories(path("folder"));
  refused(path("folder"));
  EXPECT_TRUE(std::filesystem::is_empty(path("folder")));
  refused("/proc/r.h5");  // a file system that takes no files, not even root's
}

TEST_F(BadInput, an_old_result_survives_a_failed_run) {
  write("r.h5", "the old result");
  auto words = command(model_file(), data_file(), {"--set", "law=counting", "--out", path("r.h5")});
  EXPECT_EQ(run_command(words).code, exit_data);
  std::ifstream stream(path("r.h5"));
  const std::string text((std::istreambuf_iterator<char>(stream)), {});
  EXPECT_EQ(text, "the old result");
  EXPECT_EQ(files(), (std::vector<std::string>{"data.h5", "model.onnx", "r.h5"}));
}

}  // namespace
}  // namespace attojoule::tests
