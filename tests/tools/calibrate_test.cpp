// attojoule calibrate, in process: every kind's example, result files, and errors with their codes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/device_calibration.hpp"
#include "data/device_file.hpp"
#include "tests/support/assets.hpp"
#include "tests/support/command_line.hpp"
#include "tools/calibrate/kinds.hpp"

namespace attojoule::tests {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class Calibrate : public CommandLine {
 protected:
  static std::string fixture(const std::string& name) {
    return std::string(ATTOJOULE_SOURCE_DIR) + "/data/laboratory/" + name;
  }
  static Outcome calibrate(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "calibrate");
    return run_command(arguments);
  }
  // result.json of a run into a folder of its own.
  json result(std::vector<std::string> arguments, int code = 0) {
    arguments.insert(arguments.end(), {"--out", path("out")});
    const Outcome outcome = calibrate(arguments);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    for (const char* name : {"report.html", "residuals.csv", "cal.h5", "check.py"}) {
      EXPECT_TRUE(std::filesystem::exists(folder_ / "out" / name)) << name;
    }
    std::ifstream file(path("out/result.json"));
    const json object = json::parse(file);
    // No uncertainty is zero that is only not known, and every parameter has its row of
    // covariances.
    for (const char* group : {"parameters", "figures"}) {
      for (const auto& [name, entry] : object[group].items()) {
        EXPECT_TRUE(entry["u_a"].is_null() || entry["u_a"] != 0.0 || entry["u_b"] != 0.0) << name;
      }
    }
    const auto& matrix = object["covariance"]["matrix"];
    EXPECT_EQ(matrix.size(), object["parameters"].size());
    for (std::size_t i = 0; i < matrix.size(); ++i) {
      const auto& entry = object["parameters"][object["covariance"]["parameters"][i]];
      if (entry["u_a"].is_null()) continue;
      const double u = std::hypot(entry["u_a"].get<double>(), entry["u_b"].get<double>());
      EXPECT_NEAR(std::sqrt(matrix[i][i].get<double>()) / u, 1, 1e-9);
    }
    return object;
  }
  static double value(const json& object, const std::string& name) {
    const char* group = object["parameters"].contains(name) ? "parameters" : "figures";
    return object[group][name]["value"];
  }
  std::string text_of(const std::string& name) const {
    std::ifstream in(path(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

TEST_F(Calibrate, EveryExampleRunsAndHasItsKeys) {
  std::size_t count = 0;
  for (const auto& kind : tools::calibrate_kinds()) {
    // Kinds whose files lie elsewhere are tried by their own tests.
    for (const std::string& example : kind.examples) {
      if (example.find("data/laboratory/") == std::string::npos) continue;
      std::istringstream words(example);
      std::vector<std::string> arguments;
      std::string word;
      words >> word;
      while (words >> word) {
        if (word.starts_with("data/")) word = std::string(ATTOJOULE_SOURCE_DIR) + "/" + word;
        if (word == "converted.h5") word = path(word);
        arguments.push_back(word);
      }
      const Outcome outcome = run_command(arguments);
      EXPECT_EQ(outcome.code, 0) << example << "\n" << outcome.err;
      EXPECT_FALSE(outcome.out.empty()) << example;
      ++count;
    }
  }
  EXPECT_GE(count, 8u);
}

TEST_F(Calibrate, InspectAndConvert) {
  const Outcome shown = calibrate({"inspect", fixture("own_with_units.csv"), "--json"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  const json object = json::parse(shown.out);
  EXPECT_EQ(object["format"], "attojoule-csv");
  EXPECT_EQ(object["rows"], 4);
  EXPECT_EQ(object["columns"][1]["unit"], "uA");
  EXPECT_EQ(object["settings"]["RBW"], "300 kHz");
  EXPECT_EQ(object["sha256"].get<std::string>().size(), 64u);
  for (const char* name : {"a.h5", "a.csv"}) {
    EXPECT_EQ(calibrate({"convert", fixture("own_with_units.csv"), "--out", path(name)}).code, 0);
    const json again = json::parse(calibrate({"inspect", path(name), "--json"}).out);
    EXPECT_EQ(again["rows"], 4);
  }
  EXPECT_EQ(calibrate({"convert", fixture("own_with_units.csv"), "--out", "x.txt"}).code, 2);
  EXPECT_EQ(calibrate({"convert", path("a.csv"), "--out", path("a.csv")}).code, 2);
  EXPECT_EQ(calibrate({"inspect", path("none.csv")}).code, 3);
  EXPECT_EQ(calibrate({"inspect"}).code, 2);
  const Outcome unknown = calibrate({"magic"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("inspect, convert"));
}

TEST_F(Calibrate, Psd) {
  const json object =
      result({"psd", fixture("noise.csv"), "--segment", "64", "--range", "1kHz:40kHz"});
  // 1 mV rms over 50 kHz.
  const double density = value(object, "density");
  EXPECT_NEAR(density, 1 / 50e3, 5 * object["parameters"]["density"]["u_a"].get<double>());
  EXPECT_EQ(object["parameters"]["density"]["unit"], "mV^2/Hz");
  EXPECT_NEAR(value(object, "enbw"), 1.5 * 100e3 / 64, 1e-6);
  EXPECT_EQ(object["verdict"], "accepted");
  EXPECT_NE(object["parameters"]["density"]["interval95"][1], nullptr);
  EXPECT_THAT(calibrate({"psd", write("t.csv", "f [Hz],P [dBm]\n1,2\n2,3\n")}).err,
              HasSubstr("RBW not in file; pass --rbw 300kHz"));
  EXPECT_EQ(calibrate({"psd", path("t.csv")}).code, 3);
  EXPECT_THAT(calibrate({"psd", path("t.csv"), "--rbw", "1kHz"}).err,
              HasSubstr("pass --averaging"));
  EXPECT_EQ(calibrate({"psd", fixture("noise.csv"), "--range", "2kHz"}).code, 2);
  EXPECT_EQ(calibrate({"psd", fixture("noise.csv"), "--range", "2V:3V"}).code, 2);
  EXPECT_EQ(calibrate({"psd", write("bare.csv", "x [V]\n1\n2\n1\n2\n1\n")}).code, 3);
}

// A line in the noise is no white noise: --strict gives 6.
TEST_F(Calibrate, PsdRejectsWhatIsNotFlat) {
  std::string text = "t [us],V [V]\n";
  for (int i = 0; i < 1024; ++i) {
    text += std::to_string(10 * i) + "," +
            std::to_string(std::sin(0.7 * i) + 0.01 * ((i * 7919) % 13)) + "\n";
  }
  const auto file = write("line.csv", text);
  EXPECT_EQ(calibrate({"psd", file, "--segment", "128"}).code, 0);
  EXPECT_EQ(calibrate({"psd", file, "--segment", "128", "--strict"}).code, 6);
}

TEST_F(Calibrate, PsdOfAnAnalysersTrace) {
  ATTOJOULE_ASSET(file, "lab/photodetector_traces/OPA818_FGA01FC_4k7.csv");
  const json object =
      result({"psd", file.string(), "--column", "Trace B", "--range", "50MHz:150MHz"});
  EXPECT_EQ(object["settings"]["averaging correction"], "2.5068 dB");
  EXPECT_NEAR(value(object, "enbw"), 1.0645 * 3000, 1e-6);
  EXPECT_NEAR(value(object, "level"), -132.2, 1);
  EXPECT_GT(object["parameters"]["density"]["u_b"].get<double>(), 0);
}

TEST_F(Calibrate, Allan) {
  const json object = result({"allan", fixture("phase.csv"), "--rate", "1Hz"});
  EXPECT_GT(value(object, "oadev_tau0"), 0);
  EXPECT_EQ(object["tables"]["curve"]["alpha"]["values"][0], 2);
  EXPECT_EQ(object["tables"]["curve"]["noise"]["values"][0], "white phase");
  EXPECT_THAT(text_of("out/curve.csv"), HasSubstr("m [1],tau [s],oadev [1],"));
  // Deviations at two averaging times share data: their covariance is not known.
  EXPECT_TRUE(object["covariance"]["matrix"][0][1].is_null());
  const json bare = result({"allan", fixture("phase.csv"), "--deviation", "mtie"});
  EXPECT_TRUE(bare["parameters"]["mtie_tau0"]["u_a"].is_null());
  EXPECT_EQ(calibrate({"allan", fixture("phase.csv"), "--deviation", "xdev"}).code, 2);
  EXPECT_EQ(calibrate({"allan", fixture("phase.csv"), "--rate", "1V"}).code, 2);
  EXPECT_EQ(calibrate({"allan", fixture("phase.csv"), "--data", "x"}).code, 2);
}

TEST_F(Calibrate, Adc) {
  const json object = result({"adc", fixture("sine_8bit.csv"), "--bits", "8"});
  // 0.3 LSB of noise and an ideal quantiser's: log2(256 / sqrt(12 (0.3^2 + 1/12))).
  EXPECT_NEAR(value(object, "enob"), 8 - std::log2(std::sqrt(12 * (0.09 + 1 / 12.0))),
              5 * object["parameters"]["enob"]["u_a"].get<double>());
  EXPECT_NEAR(value(object, "amplitude"), 110, 0.1);
  EXPECT_EQ(calibrate({"adc", fixture("sine_8bit.csv"), "--bits", "4"}).code, 3);
  EXPECT_EQ(calibrate({"adc", fixture("sine_8bit.csv"), "--frequency", "1kHz"}).code, 2);
  EXPECT_EQ(calibrate({"adc", write("flat.csv", "x\n1\n1\n1\n1\n1\n1\n1\n1\n1\n")}).code, 3);
  EXPECT_NE(object["parameters"]["sfdr"]["u_a"], nullptr);
  EXPECT_FALSE(std::filesystem::exists(path("out/device.yaml")));
  // A receiver whose converter this is.
  result({"adc", fixture("sine_8bit.csv"), "--bits", "8", "--full-scale", "1V", "--device",
          "silicon-photonics-conservative"});
  const auto device = data::load_device(path("out/device.yaml"));
  EXPECT_NEAR(device.adc.bits, value(object, "enob"), 1e-12);
  EXPECT_EQ(device.adc.full_scale_v, 1);
  EXPECT_EQ(data::load_calibration(path("out/device.yaml")).parameters.size(), 1u);
  EXPECT_EQ(calibrate({"adc", fixture("sine_8bit.csv"), "--full-scale", "1V"}).code, 2);
}

TEST_F(Calibrate, Weights) {
  const json object = result({"weights", fixture("weights.csv")});
  const auto covers = [&](const char* name, double truth) {
    const auto& interval = object["parameters"][name]["interval95"];
    EXPECT_LE(interval[0].get<double>(), truth) << name;
    EXPECT_GE(interval[1].get<double>(), truth) << name;
  };
  covers("sigma_programming", 0.01);
  covers("sigma_read", 0.004);
  for (const auto& [name, p] : object["parameters"].items()) {
    EXPECT_LT(p["interval95"][0].get<double>(), p["interval68"][0].get<double>()) << name;
    EXPECT_LT(p["interval68"][0].get<double>(), p["value"].get<double>()) << name;
    EXPECT_LT(p["value"].get<double>(), p["interval68"][1].get<double>()) << name;
    EXPECT_LT(p["interval68"][1].get<double>(), p["interval95"][1].get<double>()) << name;
  }
  // Nine targets: Student's law of seven degrees of freedom.
  const auto& gain = object["parameters"]["gain"];
  EXPECT_EQ(gain["dof"], 7);
  EXPECT_NEAR(gain["interval68"][1].get<double>() - gain["value"].get<double>(),
              1.0767 * gain["u_a"].get<double>(), 1e-3 * gain["u_a"].get<double>());
  EXPECT_FALSE(object["parameters"]["sigma_read"].contains("dof"));
  const auto& covariance = object["covariance"];
  const auto& order = covariance["parameters"];
  const auto at =
      static_cast<std::size_t>(std::find(order.begin(), order.end(), "gain") - order.begin());
  // The targets are symmetric about 0: gain and offset have nothing to do with each other.
  EXPECT_NEAR(covariance["type_a"][at][at + 1].get<double>(), 0, 1e-12);
  EXPECT_NEAR(value(object, "bits_sigma") - value(object, "bits_quantiser"), 1.7925, 1e-4);
  EXPECT_EQ(calibrate({"weights", fixture("own_with_units.csv")}).code, 3);
  EXPECT_EQ(
      calibrate({"weights", write("w.csv", "target [1],write,value [1]\n0,1,1\n1,1,2\n")}).code, 5);
  EXPECT_FALSE(std::filesystem::exists(path("out/device.yaml")));
  result({"weights", fixture("weights.csv"), "--as-converter"});
  EXPECT_NEAR(data::load_device(path("out/device.yaml")).modulator.dac_bits,
              std::log2(2 / (0.01 * std::sqrt(12.0))), 0.5);
}

TEST_F(Calibrate, S21) {
  const json object = result({"s21", fixture("lowpass.s2p"), "--reference", "5MHz:15MHz"});
  EXPECT_NEAR(value(object, "bandwidth_3dBe"), 600e6, 3e5);
  EXPECT_NEAR(value(object, "f1"), 600e6, 1e3);
  EXPECT_NEAR(value(object, "gain"), 3, 1e-5);
  EXPECT_THAT(object["method"].get<std::string>(), HasSubstr("one-pole"));
  result({"s21", fixture("lowpass.s2p"), "--of", "modulator"});
  EXPECT_NEAR(data::load_device(path("out/device.yaml")).modulator.bandwidth_hz, 600e6, 1e3);
  const Outcome short_sweep = calibrate({"s21", fixture("lowpass.s2p"), "--range", ":300MHz"});
  EXPECT_EQ(short_sweep.code, 5);
  EXPECT_THAT(short_sweep.err, HasSubstr("does not fall 3 dB"));
  EXPECT_EQ(calibrate({"s21", fixture("lowpass.s2p"), "--of", "x"}).code, 2);
  EXPECT_GT(value(object, "group_delay"), 1.2e-9);
  EXPECT_EQ(calibrate({"s21", fixture("lowpass.s2p"), "--poles", "7"}).code, 2);
  EXPECT_EQ(calibrate({"s21", fixture("lowpass.s2p"), "--element", "S12"}).code, 3);
}

TEST_F(Calibrate, Nonlinearity) {
  const json object =
      result({"nonlinearity", fixture("nonlinearity.csv"), "--model", "saturation"});
  EXPECT_LT(value(object, "rms_train"), 0.02);
  EXPECT_GT(value(object, "rms_line_train"), 0.03);
  EXPECT_EQ(object["tables"]["scales"]["channel"]["values"].size(), 3u);
  EXPECT_EQ(object["parameters"].size(), 9u);
  EXPECT_NE(object["covariance"]["matrix"][0][1], 0.0);
  EXPECT_EQ(object["covariance"]["matrix"][0][3], 0.0);
  EXPECT_EQ(calibrate({"nonlinearity", fixture("nonlinearity.csv"), "--model", "x"}).code, 2);
}

// The acceptance figure: 0.025 of the full scale on unseen points, straight lines 0.043.
TEST_F(Calibrate, NonlinearityOfTheImageIntensifier) {
  ATTOJOULE_ASSET(file, "lab/intensifier/cell_train.csv");
  const json object = result(
      {"nonlinearity", file.string(), "--test", (file.parent_path() / "cell_test.csv").string()});
  EXPECT_LE(value(object, "rms_test"), 0.025);
  EXPECT_NEAR(value(object, "rms_line_test"), 0.043, 0.0005);
}

}  // namespace
}  // namespace attojoule::tests
