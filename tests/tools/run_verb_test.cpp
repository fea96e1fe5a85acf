// attojoule run: from flags, from a file, from both; what it prints and what it writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "data/result_file.hpp"
#include "tests/support/assets.hpp"
#include "tests/support/command_line.hpp"

namespace attojoule::tests {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class RunVerb : public CommandLine {};

json parse(const Outcome& outcome) {
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return json::parse(outcome.out);
}

TEST_F(RunVerb, json_has_the_keys_that_scripts_rely_on) {
  const json result = parse(run({"--json"}));
  for (const char* key : {"clean", "noisy", "ci95"}) {
    ASSERT_TRUE(result["accuracy"][key].is_number()) << key;
    EXPECT_GE(result["accuracy"][key], 0);
    EXPECT_LE(result["accuracy"][key], 1);
  }
  EXPECT_EQ(result["accuracy"]["images"], 60);
  EXPECT_EQ(result["accuracy"]["seeds"], 2);
  EXPECT_DOUBLE_EQ(result["accuracy"]["clean"].get<double>(), 0.9);
  EXPECT_EQ(result["macs"], 12 * 8 + 8 * 3);
  for (const char* part : {"optical_detected", "optical_facet", "laser_wall_plug", "total"}) {
    ASSERT_TRUE(result["energy"][part]["joule_per_inference"].is_number()) << part;
    ASSERT_TRUE(result["energy"][part]["attojoule_per_mac"].is_number()) << part;
  }
  ASSERT_EQ(result["layers"].size(), 2u);
  for (const auto& layer : result["layers"]) {
    for (const char* key :
         {"name", "kind", "macs", "dot_length", "photons_per_mac", "repetitions", "snr_db",
          "noise_bits", "optical_attojoule_per_mac", "attojoule_per_mac"}) {
      EXPECT_TRUE(layer.contains(key)) << key;
    }
  }
  EXPECT_EQ(result["layers"][0]["name"], "fc1");
  EXPECT_EQ(result["layers"][0]["kind"], "dense");
  EXPECT_EQ(result["layers"][0]["macs"], 96);
  EXPECT_EQ(result["layers"][0]["dot_length"], 12);
  EXPECT_EQ(result["layers"][1]["dot_length"], 8);
  EXPECT_EQ(result["layers"][0]["photons_per_mac"], 5);
  EXPECT_EQ(result["layers"][0]["repetitions"], 1);
}

// Five photons at 1550 nm of 0.128159... aJ each, all of them detected.
TEST_F(RunVerb, light_is_photons_times_their_energy) {
  const json result = parse(run({"--json"}));
  const double photon_aj = 6.62607015e-34 * 299792458.0 / 1550e-9 * 1e18;
  const auto& energy = result["energy"];
  EXPECT_NEAR(energy["optical_detected"]["attojoule_per_mac"].get<double>(), 5 * photon_aj, 1e-9);
  EXPECT_NEAR(energy["total"]["joule_per_inference"].get<double>(), 120 * 5 * photon_aj * 1e-18,
              1e-27);
  for (const auto& layer : result["layers"]) {
    EXPECT_NEAR(layer["optical_attojoule_per_mac"].get<double>(), 5 * photon_aj, 1e-9);
  }
}

TEST_F(RunVerb, the_readme_command_on_a_shipped_network) {
  const std::filesystem::path source(ATTOJOULE_SOURCE_DIR);
  const Outcome outcome = run_command({"run",
                                       "--model",
                                       (source / "data/models/fashion_cnn.onnx").string(),
                                       "--data",
                                       fashion_mnist("t10k-images-idx3-ubyte.gz").string(),
                                       "--labels",
                                       fashion_mnist("t10k-labels-idx1-ubyte.gz").string(),
                                       "--device",
                                       "ideal-shot-noise",
                                       "--set",
                                       "data.mean=0.286",
                                       "--set",
                                       "data.std=0.353",
                                       "--set",
                                       "operating_point.photons_per_mac=50",
                                       "--set",
                                       "evaluation.images=100",
                                       "--set",
                                       "evaluation.seeds=3",
                                       "--seed",
                                       "1",
                                       "--threads",
                                       "2",
                                       "--out",
                                       path("r.h5"),
                                       "--json"});
  const json result = parse(outcome);
  EXPECT_EQ(outcome.err, "Results in " + path("r.h5") + "\n");
  EXPECT_EQ(result["accuracy"]["images"], 100);
  EXPECT_GE(result["accuracy"]["clean"], 0.85);
  EXPECT_EQ(result["layers"].size(), 6u);
  EXPECT_TRUE(data::is_result_file(path("r.h5")));
  EXPECT_EQ(files(), (std::vector<std::string>{"r.h5"}));
}

TEST_F(RunVerb, from_a_file_whose_paths_are_relative_to_it) {
  model_file();
  data_file();
  std::filesystem::create_directories(path("sub"));
  write("sub/experiment.yaml",
        "model: ../model.onnx\n"
        "data: {file: ../data.h5}\n"
        "device: ideal-shot-noise\n"
        "law: homodyne\n"
        "encoding: normalised\n"
        "fidelity: analytic\n"
        "operating_point: {photons_per_mac: 5, repetitions: 1}\n"
        "evaluation: {images: 60, seeds: 2, batch: 8}\n"
        "seed: 1\n");
  const Outcome from_file = run_command({"run", path("sub/experiment.yaml"), "--json"});
  EXPECT_EQ(from_file.code, 0) << from_file.err;
  EXPECT_EQ(from_file.out, run({"--json"}).out);
}

TEST_F(RunVerb, set_goes_over_the_file_and_flags_over_both) {
  model_file();
  data_file();
  const std::string file = write("e.yaml",
                                 "model: model.onnx\ndata: data.h5\n"
                                 "operating_point: {photons_per_mac: 5}\n"
                                 "evaluation: {images: 60, seeds: 2}\nseed: 9\n");
  const json plain = parse(run_command({"run", file, "--json"}));
  const json more = parse(run_command({"run", file, "--set", "operating_point.photons_per_mac=20",
                                       "--set", "evaluation.images=30", "--json"}));
  EXPECT_EQ(plain["layers"][0]["photons_per_mac"], 5);
  EXPECT_EQ(more["layers"][0]["photons_per_mac"], 20);
  EXPECT_EQ(more["accuracy"]["images"], 30);
  const std::string one = run_command({"run", file, "--json"}).out;
  const std::string nine = run_command({"run", file, "--seed", "9", "--json"}).out;
  const std::string other =
      run_command({"run", file, "--seed", "10", "--logits", "--out", path("10.h5"), "--json"}).out;
  EXPECT_EQ(one, nine);
  EXPECT_NE(one, other);
}

TEST_F(RunVerb, device_keys_without_naming_the_device) {
  const json plain = parse(run({"--json"}));
  const json half = parse(
      run({"--set", "detector.quantum_efficiency=0.5", "--set",
           "link.coupling_loss=3.0102999566398120 dB", "--set", "laser.wall_plug_efficiency=0.1",
           "--set", "adc.energy_per_conversion=1 pJ", "--json"}));
  const auto value = [](const json& result, const char* part) {
    return result["energy"][part]["joule_per_inference"].get<double>();
  };
  EXPECT_NEAR(value(half, "optical_detected") / value(plain, "optical_detected"), 0.5, 1e-9);
  EXPECT_NEAR(value(half, "optical_facet") / value(plain, "optical_facet"), 2, 1e-9);
  EXPECT_NEAR(value(half, "laser_wall_plug") / value(plain, "laser_wall_plug"), 20, 1e-8);
  EXPECT_NEAR(value(half, "adc"), 11e-12, 1e-22);  // 8 + 3 outputs
  EXPECT_NEAR(value(half, "total"), value(half, "laser_wall_plug") + 11e-12, 1e-22);
}

TEST_F(RunVerb, repetitions_cost_light_and_reads) {
  const json once = parse(run({"--json"}));
  const json four = parse(run({"--set", "operating_point.repetitions=4", "--json"}));
  EXPECT_EQ(four["layers"][0]["repetitions"], 4);
  EXPECT_NEAR(four["energy"]["optical_detected"]["attojoule_per_mac"].get<double>() /
                  once["energy"]["optical_detected"]["attojoule_per_mac"].get<double>(),
              4, 1e-9);
  // Four times the light: 6.02 dB more signal to noise.
  EXPECT_NEAR(four["layers"][0]["snr_db"].get<double>() - once["layers"][0]["snr_db"].get<double>(),
              6.0206, 1e-3);
}

TEST_F(RunVerb, digital_layers_are_free_of_noise_and_cost) {
  const json result = parse(run({"--set", "digital_layers=[fc1, fc2]", "--json"}));
  EXPECT_EQ(result["accuracy"]["noisy"], result["accuracy"]["clean"]);
  EXPECT_EQ(result["energy"]["total"]["joule_per_inference"], 0);
  EXPECT_TRUE(result["layers"][0]["snr_db"].is_null());
  const json one = parse(run({"--set", "digital_layers=[fc2]", "--json"}));
  EXPECT_TRUE(one["layers"][0]["snr_db"].is_number());
  EXPECT_TRUE(one["layers"][1]["snr_db"].is_null());
}

TEST_F(RunVerb, results_do_not_depend_on_threads) {
  const std::string one = run({"--threads", "1", "--json"}).out;
  EXPECT_FALSE(one.empty());
  for (const char* threads : {"2", "4"}) {
    EXPECT_EQ(run({"--threads", threads, "--json"}).out, one) << threads;
  }
}

TEST_F(RunVerb, a_run_of_more_seeds_contains_the_others) {
  // The mean over seeds 1 and 2 follows from the runs of each.
  const auto noisy = [&](const char* seed, const char* seeds) {
    return parse(run({"--seed", seed, "--set", std::string("evaluation.seeds=") + seeds,
                      "--json"}))["accuracy"]["noisy"]
        .get<double>();
  };
  EXPECT_NEAR(noisy("1", "2"), (noisy("1", "1") + noisy("2", "1")) / 2, 1e-12);
}

TEST_F(RunVerb, counting_law_and_full_scale_encoding) {
  // Intensities are not negative, and fc1's inputs are: it stays digital.
  const json counting =
      parse(run({"--set", "law=counting", "--set", "digital_layers=[fc1]", "--json"}));
  const double transmission = counting["layers"][1]["transmission"];
  EXPECT_GT(transmission, 0.05);
  EXPECT_LT(transmission, 0.95);
  data_file();
  std::filesystem::copy(path("data.h5"), path("range.h5"));
  const json full = parse(run(
      {"--set", "encoding=full-scale", "--set", "range_data.file=" + path("range.h5"), "--json"}));
  // Less than full-scale light where the values are smaller than the largest.
  EXPECT_LT(full["energy"]["optical_detected"]["attojoule_per_mac"].get<double>(),
            full["energy"]["optical_facet"]["attojoule_per_mac"].get<double>());
}

TEST_F(RunVerb, curve_is_part_of_the_report) {
  const json result = parse(run(
      {"--set", "evaluation.curve=[100, 1, 10]", "--set", "evaluation.curve_images=40", "--json"}));
  ASSERT_EQ(result["sweep"].size(), 3u);
  EXPECT_EQ(result["sweep"][0]["photons_per_mac"], 1);  // sorted
  EXPECT_EQ(result["sweep"][2]["photons_per_mac"], 100);
  EXPECT_LE(result["sweep"][0]["accuracy"], result["sweep"][2]["accuracy"]);
}

TEST_F(RunVerb, result_file_names_units_and_provenance) {
  const Outcome outcome =
      run({"--out", path("r.h5"), "--logits", "--set", "evaluation.curve=[1, 10]"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const data::ResultSummary summary = data::read_result_summary(path("r.h5"));
  std::map<std::string, data::ResultSummary::Entry> entries;
  for (const auto& entry : summary.entries) {
    entries[entry.path] = entry;
    EXPECT_FALSE(entry.units.empty()) << entry.path;
    EXPECT_FALSE(entry.long_name.empty()) << entry.path;
  }
  for (const char* name :
       {"/accuracy/clean", "/accuracy/noisy", "/accuracy/ci95", "/accuracy/images",
        "/accuracy/seeds", "/macs", "/energy/optical_detected/joule_per_inference",
        "/energy/optical_detected/attojoule_per_mac", "/energy/optical_facet/joule_per_inference",
        "/energy/optical_facet/attojoule_per_mac", "/energy/laser_wall_plug/joule_per_inference",
        "/energy/laser_wall_plug/attojoule_per_mac", "/energy/total/joule_per_inference",
        "/energy/total/attojoule_per_mac"}) {
    ASSERT_TRUE(entries.contains(name)) << name;
    EXPECT_TRUE(entries[name].value.has_value()) << name;
  }
  for (const char* column :
       {"name", "kind", "macs", "dot_length", "photons_per_mac", "repetitions", "snr_db",
        "noise_bits", "optical_attojoule_per_mac", "attojoule_per_mac"}) {
    const std::string name = std::string("/layers/") + column;
    ASSERT_TRUE(entries.contains(name)) << name;
    EXPECT_EQ(entries[name].shape, (std::vector<std::int64_t>{2})) << name;
  }
  EXPECT_EQ(entries["/sweep/accuracy"].shape, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(entries["/logits/clean"].shape, (std::vector<std::int64_t>{60, 3}));
  EXPECT_EQ(entries["/logits/noisy"].shape, (std::vector<std::int64_t>{60, 3}));
  std::map<std::string, std::string> attributes(summary.attributes.begin(),
                                                summary.attributes.end());
  EXPECT_EQ(attributes["seed"], "1");
  EXPECT_THAT(attributes["command_line"], HasSubstr("attojoule run --model "));
  EXPECT_EQ(attributes["model_sha256"].size(), 64u);
  EXPECT_EQ(attributes["dataset_sha256"].size(), 64u);
  EXPECT_THAT(attributes["rng_contract"], HasSubstr("philox"));
  EXPECT_THAT(attributes["config"], HasSubstr("photons_per_mac: 5"));
  EXPECT_THAT(attributes["config"], HasSubstr("wavelength"));
}

// The configuration in a result file is a complete experiment file.
TEST_F(RunVerb, resolved_configuration_runs_again) {
  const Outcome first = run({"--out", path("r.h5"), "--json", "--seed", "3", "--set",
                             "digital_layers=[fc2]", "--set", "evaluation.curve=[1, 2]"});
  ASSERT_EQ(first.code, 0) << first.err;
  const auto summary = data::read_result_summary(path("r.h5"));
  std::string config;
  for (const auto& [name, value] : summary.attributes) {
    if (name == "config") config = value;
  }
  // The device stands in it as a section of its own, which is what `device:` does not take.
  const auto device = config.find("device:\n");
  ASSERT_NE(device, std::string::npos);
  std::string device_text;
  std::istringstream lines(config.substr(device + 8));
  for (std::string line; std::getline(lines, line);) device_text += line.substr(2) + "\n";
  write("device.yaml", device_text);
  write("again.yaml", config.substr(0, device) + "device: device.yaml\n");
  const Outcome again = run_command({"run", path("again.yaml"), "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out, first.out);
}

TEST_F(RunVerb, tables_for_people) {
  const Outcome outcome = run();
  EXPECT_EQ(outcome.code, 0);
  for (const char* text : {"fc1", "fc2", "photons/MAC", "SNR dB", "noise bits", "optical_detected",
                           "total", "accuracy  clean 90.00 %", "60 images, 2 noise seeds"}) {
    EXPECT_THAT(outcome.out, HasSubstr(text));
  }
  EXPECT_EQ(outcome.err, "");  // no progress bar where nobody watches
}

TEST_F(RunVerb, images_of_another_shape_with_ones) {
  // 12 numbers stored as 1 x 3 x 4 images: the data may add axes of extent 1, not others.
  OnnxModel model;
  model.input("x", {-1, 1, 3, 4});
  model.node("Flatten", {"x"}, "f");
  model.node("Gemm", {"f", model.random("w", {12, 3})}, "fc");
  model.output("fc");
  const std::string file = write("image.onnx", model.bytes());
  Hdf5Dataset(path("flat.h5"))
      .write("inputs", {5, 3, 4}, random_reals(60, 1))
      .write("labels", {5}, std::vector<int>{0, 1, 2, 0, 1});
  EXPECT_EQ(run_command({"run", "--model", file, "--data", path("flat.h5"), "--set",
                         "operating_point.photons_per_mac=5"})
                .code,
            0);
}

TEST_F(RunVerb, one_sigmoid_decides_between_two_classes) {
  OnnxModel model;
  model.input("x", {-1, 2});
  model.node("Gemm", {"x", model.constant("w", {2, 1}, Reals{1, -1})}, "z");
  model.node("Sigmoid", {"z"}, "y");
  model.output("y");
  // sigmoid(z) > 1/2 for the first two samples; the third label is wrong.
  Hdf5Dataset(path("two.h5"))
      .write("inputs", {4, 2}, Reals{2, 1, 3, -1, -1, 2, 0, 5})
      .write("labels", {4}, std::vector<int>{1, 1, 1, 0});
  const Outcome outcome =
      run_command({"run", "--json", "--model", write("two.onnx", model.bytes()), "--data",
                   path("two.h5"), "--set", "operating_point.photons_per_mac=1e6"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out)["accuracy"]["clean"], 0.75);
}

TEST_F(RunVerb, images_of_one_channel_are_vectors_and_the_reverse) {
  // The same 12 numbers as 1 x 3 x 4 image, 3 x 4 image and vector, into a network of each kind.
  const auto accuracy = [&](bool image, const std::vector<std::int64_t>& shape) {
    OnnxModel model;
    model.input("x", image ? network::Shape{-1, 1, 3, 4} : network::Shape{-1, 12});
    if (image) model.node("Flatten", {"x"}, "f");
    model.node("Gemm", {image ? "f" : "x", model.random("w", {12, 3})}, "fc");
    model.output("fc");
    std::vector<std::int64_t> extents{40};
    extents.insert(extents.end(), shape.begin(), shape.end());
    Hdf5Dataset(path("shaped.h5"))
        .write("inputs", extents, random_reals(480, 1))
        .write("labels", {40}, std::vector<int>(40, 1));
    const Outcome outcome =
        run_command({"run", "--json", "--model", write("shaped.onnx", model.bytes()), "--data",
                     path("shaped.h5"), "--set", "operating_point.photons_per_mac=5"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out)["accuracy"]["clean"].get<double>();
  };
  const double expected = accuracy(false, {12});
  EXPECT_GT(expected, 0.1);
  EXPECT_LT(expected, 0.7);
  for (const auto& shape : std::vector<std::vector<std::int64_t>>{{1, 3, 4}, {3, 4}, {12}}) {
    EXPECT_EQ(accuracy(true, shape), expected);
    EXPECT_EQ(accuracy(false, shape), expected);
  }
}

TEST_F(RunVerb, scale_mean_and_std_of_the_file_or_the_experiment) {
  OnnxModel model;
  model.input("x", {-1, 2});
  model.node("Gemm", {"x", model.constant("w", {2, 2}, Reals{1, 0, 0, 1})}, "y");
  model.output("y");
  const std::string file = write("identity.onnx", model.bytes());
  Hdf5Dataset(path("bytes.h5"))
      .write("inputs", {1, 2}, std::vector<std::uint8_t>{10, 20})
      .write("labels", {1}, std::vector<int>{1})
      .attribute("inputs", "scale", 0.5)
      .attribute("inputs", "mean", 1)
      .attribute("inputs", "std", 2);
  const auto logits = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"run",
                                       "--model",
                                       file,
                                       "--data",
                                       path("bytes.h5"),
                                       "--set",
                                       "operating_point.photons_per_mac=1",
                                       "--logits",
                                       "--out",
                                       path("r.h5")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(run_command(arguments).code, 0);
    const data::Hdf5Handle result(H5Fopen(path("r.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT),
                                  H5Fclose);
    const data::Hdf5Handle set(H5Dopen2(result.get(), "/logits/clean", H5P_DEFAULT), H5Dclose);
    Reals values(2);
    EXPECT_GE(H5Dread(set.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
              0);
    return values;
  };
  // x = (inputs scale - mean) / std
  EXPECT_EQ(logits({}), (Reals{2, 4.5f}));
  EXPECT_EQ(logits({"--set", "data.mean=0"}), (Reals{2.5f, 5}));
  EXPECT_EQ(logits({"--set", "data.std=4"}), (Reals{1, 2.25f}));
  EXPECT_EQ(logits({"--set", "data.scale=1", "--set", "data.mean=[0]", "--set", "data.std=[1, 2]"}),
            (Reals{10, 10}));
}

TEST_F(RunVerb, noise_bits_are_checked_by_rounding) {
  const Outcome plain = run({"--json"});
  EXPECT_FALSE(json::parse(plain.out)["accuracy"].contains("rounded_to_noise_bits"));
  const Outcome checked = run({"--json", "--noise-bits-check", "--out", path("r.h5")});
  ASSERT_EQ(checked.code, 0) << checked.err;
  json object = json::parse(checked.out);
  const double rounded = object["accuracy"]["rounded_to_noise_bits"];
  EXPECT_GT(rounded, 0);
  EXPECT_LE(rounded, 1);
  // Everything else is as without the check, the curve that follows it included.
  object["accuracy"].erase("rounded_to_noise_bits");
  EXPECT_EQ(object, json::parse(plain.out));
  const std::vector<std::string> curve{"--json", "--set", "evaluation.curve=[2, 20]"};
  auto with_check = curve;
  with_check.emplace_back("--noise-bits-check");
  EXPECT_EQ(json::parse(run(curve).out)["sweep"], json::parse(run(with_check).out)["sweep"]);
  EXPECT_THAT(run({"--noise-bits-check"}).out,
              HasSubstr("% without noise, every output rounded to its noise bits"));
  // Much light, many levels: nothing is lost.
  const json bright = json::parse(
      run({"--json", "--noise-bits-check", "--set", "operating_point.photons_per_mac=1e7"}).out);
  EXPECT_EQ(bright["accuracy"]["rounded_to_noise_bits"], bright["accuracy"]["clean"]);
}

TEST_F(RunVerb, saturation_is_reported_where_operands_have_a_range) {
  const std::string range =
      "range_data={file: " + data_file() + ", method: percentile, percentile: 90}";
  for (const std::string& setting : {std::string("encoding=full-scale"),
                                     std::string("quantisation={activations: 8, weights: 8}")}) {
    const Outcome outcome = run({"--json", "--set", range, "--set", setting});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const json results = json::parse(outcome.out);
    for (const json& layer : results["layers"]) {
      const double fraction = layer["saturated_fraction"];
      // Quantiles of 10 and 90 %: at most a fifth; beyond the larger of both for full scale.
      EXPECT_GT(fraction, 0.02) << setting;
      EXPECT_LE(fraction, 0.22) << setting;
    }
    EXPECT_THAT(run({"--set", range, "--set", setting}).out, HasSubstr("saturated %"));
  }
  const Outcome unlimited = run({"--json"});
  EXPECT_TRUE(json::parse(unlimited.out)["layers"][0]["saturated_fraction"].is_null());
  EXPECT_THAT(run({}).out, Not(HasSubstr("saturated")));
}

TEST_F(RunVerb, grouped_dot_length_of_garg_et_al_belongs_to_their_shot_law) {
  const Outcome wrong = run({"--set", "garg_grouped_dot_length=true"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("garg_grouped_dot_length: true of law: homodyne"));
  const Outcome right = run({"--json", "--set", "garg_grouped_dot_length=true", "--set",
                             "law=garg-shot", "--out", path("r.h5")});
  EXPECT_EQ(right.code, 0) << right.err;
  // No layer of this network is grouped.
  EXPECT_EQ(json::parse(right.out)["accuracy"],
            json::parse(run({"--json", "--set", "law=garg-shot"}).out)["accuracy"]);
}

}  // namespace
}  // namespace attojoule::tests
