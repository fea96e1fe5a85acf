// attojoule calibrate validate, diff, export: in process, with the files they write.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>

#include "data/device_calibration.hpp"
#include "data/device_file.hpp"
#include "data/result_file.hpp"
#include "tests/support/written_files.hpp"

namespace attojoule::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string examples = std::string(ATTOJOULE_SOURCE_DIR) + "/data/laboratory/";
const std::string device_file = examples + "receiver_device.yaml";
const std::string later_file = examples + "receiver_later.yaml";
const std::string check_file = examples + "receiver_check.csv";

class CalibrateDevices : public WrittenFiles {
 protected:
  static Outcome calibrate(std::vector<std::string> words) {
    words.insert(words.begin(), "calibrate");
    return run_command(words);
  }
  // The example's device with one calibrated parameter moved by so many of its uncertainties.
  std::string moved(const std::string& key, double sigmas) const {
    auto calibration = data::load_calibration(device_file);
    for (auto& parameter : calibration.parameters) {
      if (parameter.key == key) {
        parameter.value += sigmas * std::hypot(parameter.u_a, parameter.u_b);
      }
    }
    std::vector<std::string> overrides;
    for (const auto& parameter : calibration.parameters) {
      overrides.push_back(
          fmt::format("{}={:.17g} {}", parameter.key, parameter.value, parameter.unit));
    }
    return write("moved.yaml", data::device_to_yaml(data::load_device(device_file, overrides)) +
                                   data::calibration_to_yaml(calibration));
  }
};

const std::vector<std::string> response{"--kind", "response", "--floor", "0.05dB"};

std::vector<std::string> validate(const std::string& device, const std::string& file,
                                  std::vector<std::string> more) {
  std::vector<std::string> words{"validate", device, file};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST_F(CalibrateDevices, a_device_predicts_what_it_has_not_seen_and_a_moved_one_does_not) {
  const Outcome good = calibrate(validate(
      device_file, check_file, {"--kind", "response", "--floor", "0.05dB", "--out", path("good")}));
  EXPECT_EQ(good.code, 0) << good.err;
  const auto result = json_of("good/result.json");
  EXPECT_EQ(result["kind"], "validate");
  EXPECT_EQ(result["verdict"], "accepted");
  EXPECT_GT(result["figures"]["device test"]["value"], 1e-3);
  EXPECT_GT(result["hold_out"]["coverage95"], 0.85);
  EXPECT_THAT(text_of("good/report.html"), HasSubstr("Prediction of the device"));
  EXPECT_THAT(text_of("good/check.py"), HasSubstr("least_squares"));
  EXPECT_TRUE(data::is_result_file(path("good/cal.h5")));
  EXPECT_FALSE(std::filesystem::exists(path("good/device.yaml")));

  // Both have an uncertainty of like size: eight of the device's are five of both and more.
  const std::string off = moved("receiver.bandwidth", 8);
  const Outcome bad = calibrate(
      validate(off, check_file, {"--kind", "response", "--floor", "0.05dB", "--out", path("bad")}));
  EXPECT_EQ(bad.code, 7) << bad.err;
  EXPECT_THAT(bad.err, HasSubstr("does not predict the measurement"));
  EXPECT_THAT(bad.err, HasSubstr("receiver.bandwidth"));
  EXPECT_EQ(json_of("bad/result.json")["verdict"], "rejected");
  // A parameter that the measurement does not depend on is not its business.
  EXPECT_EQ(calibrate(validate(moved("detector.responsivity", 2), check_file, response)).code, 0);
}

TEST_F(CalibrateDevices, values_without_uncertainty_are_tested_as_exact_and_said_so) {
  const Outcome preset = calibrate(
      validate("silicon-photonics-conservative", examples + "cutback.csv",
               {"--kind", "loss", "--parameter", "propagation_loss=link.propagation_loss / 1000"}));
  EXPECT_EQ(preset.code, 7) << preset.err;
  EXPECT_THAT(preset.err, HasSubstr("tested as exact"));
}

TEST_F(CalibrateDevices, results_of_any_kind_validate_a_device) {
  const std::vector<std::string> rin{"rin", examples + "rin.csv", "--photocurrent",
                                     "2mA", "--averages",         "100"};
  std::vector<std::string> words = rin;
  words.insert(words.end(), {"--out", path("first")});
  ASSERT_EQ(calibrate(words).code, 0);
  // The same data again: no difference, of course; then a laser of twice the noise.
  EXPECT_EQ(calibrate({"validate", path("first/device.yaml"), path("first/result.json")}).code, 0);
  auto calibration = data::load_calibration(path("first/device.yaml"));
  calibration.parameters[0].value *= 2;
  const std::string noisy = write(
      "noisy.yaml",
      data::device_to_yaml(data::load_device(path("first/device.yaml"), {"laser.rin=6e-15 1/Hz"})) +
          data::calibration_to_yaml(calibration));
  const Outcome outcome = calibrate({"validate", noisy, path("first/result.json")});
  EXPECT_EQ(outcome.code, 7) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("laser.rin moved by"));
}

TEST_F(CalibrateDevices, validate_says_what_is_wrong_with_the_question) {
  struct Bad {
    std::vector<std::string> words;
    int code;
    std::string part;
  };
  for (const Bad& bad : std::vector<Bad>{
           {validate(device_file, check_file, {}), 2, "--kind: not given"},
           {validate(device_file, check_file, {"--kind", "sun"}), 2, "no kind is called 'sun'"},
           {validate(device_file, examples + "cutback.csv", {"--kind", "loss"}), 2,
            "nothing in the device predicts it"},
           {validate(device_file, check_file, {"--kind", "response", "--level", "2"}), 2,
            "--level"},
           {validate(device_file, check_file,
                     {"--kind", "response", "--parameter", "bandwidth=receiver.width"}),
            2, "says nothing of 'receiver.width'"},
           {validate(device_file, "nowhere.csv", response), 3, "nowhere.csv"},
           {validate(device_file, "nowhere.json", {}), 3, "nowhere.json"},
           {validate("no-such-device", check_file, response), 2, "no-such-device"}}) {
    const Outcome outcome = calibrate(bad.words);
    EXPECT_EQ(outcome.code, bad.code) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(bad.part));
  }
}

// K from the scatter of 17 exposures: 15 degrees of freedom, and twice as many of a difference.
TEST_F(CalibrateDevices, diff_of_results_uses_their_degrees_of_freedom) {
  ASSERT_EQ(calibrate({"ptc", examples + "photon_transfer.csv", "--out", path("p")}).code, 0);
  const double dof = json_of("p/result.json")["parameters"]["K"]["dof"].get<double>();
  EXPECT_NEAR(dof, 15, 1e-9);
  const std::string file = path("p/result.json");
  ASSERT_EQ(calibrate({"diff", file, file, "--out", path("q")}).code, 0);
  EXPECT_NEAR(json_of("q/result.json")["parameters"]["K"]["dof"].get<double>(), 2 * dof, 1e-6);
}

TEST_F(CalibrateDevices, diff_finds_what_moved_and_nothing_between_equals) {
  const Outcome same = calibrate({"diff", device_file, device_file, "--strict"});
  EXPECT_EQ(same.code, 0) << same.err;
  const Outcome later = calibrate({"diff", device_file, later_file, "--out", path("d")});
  EXPECT_EQ(later.code, 0) << later.err;
  const auto result = json_of("d/result.json");
  EXPECT_EQ(result["verdict"], "rejected");
  ASSERT_EQ(result["reasons"].size(), 1U) << result["reasons"];
  EXPECT_THAT(result["reasons"][0].get<std::string>(),
              HasSubstr("receiver.feedback_resistance moved by"));
  const auto& p = result["parameters"]["receiver.feedback_resistance"];
  EXPECT_NEAR(p["value"].get<double>(), 240,
              5 * std::hypot(p["u_a"].get<double>(), p["u_b"].get<double>()));
  EXPECT_THAT(text_of("d/report.html"), HasSubstr("Differences"));
  EXPECT_FALSE(std::filesystem::exists(path("d/device.yaml")));
  EXPECT_EQ(calibrate({"diff", device_file, later_file, "--strict"}).code, 6);
  // scipy has the same chi2.
  ASSERT_EQ(std::system(("/usr/bin/python3 " + path("d/check.py") + " > " + path("p")).c_str()), 0);
  std::istringstream words(text_of("p"));
  std::string chi2;
  double value = 0;
  words >> chi2 >> value;
  EXPECT_NEAR(value, result["chi2"].get<double>(), 1e-6 * value);

  EXPECT_EQ(calibrate({"diff", "ideal-shot-noise", device_file}).code, 3);
  EXPECT_EQ(calibrate({"diff", device_file, later_file, "--shared-type-b"}).code, 3);
  EXPECT_EQ(calibrate({"diff", device_file, check_file}).code, 2);
  EXPECT_EQ(calibrate({"diff", device_file, "nowhere.json"}).code, 3);
}

TEST_F(CalibrateDevices, diff_of_results_takes_out_common_errors_of_instruments) {
  for (const char* name : {"a", "b"}) {
    ASSERT_EQ(
        calibrate({"responsivity", examples + "receiver_current.csv", "--relative", "0.3%",
                   "--floor", "0.5nA", "--power-scale-uncertainty", "3%", "--out", path(name)})
            .code,
        0);
  }
  const Outcome outcome = calibrate(
      {"diff", path("a/result.json"), path("b/result.json"), "--shared-type-b", "--json"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const auto p = nlohmann::json::parse(outcome.out)["parameters"]["responsivity"];
  EXPECT_EQ(p["u_b"], 0);
  EXPECT_GT(p["u_a"], 0);
}

TEST_F(CalibrateDevices, export_writes_formats_that_others_read) {
  const Outcome csv = calibrate({"export", device_file});
  EXPECT_EQ(csv.code, 0) << csv.err;
  EXPECT_THAT(csv.out, HasSubstr("name,unit,value,u_a,u_b"));
  EXPECT_THAT(calibrate({"export", device_file, "--format", "markdown"}).out,
              HasSubstr("| `receiver.feedback_resistance` | 11996(14) | ohm |"));
  ASSERT_EQ(
      calibrate({"export", device_file, "--format", "python", "--out", path("calibrated.py")}).code,
      0);
  // numpy, and the packages uncertainties and lmfit where they are installed.
  const std::string check = "cd " + path("") +
                            " && /usr/bin/python3 -c \"import calibrated as c, numpy as np\n"
                            "assert len(c.names) == 4\n"
                            "d = c.draws(20000, 1)\n"
                            "u = np.sqrt(np.diag(c.covariance))\n"
                            "assert np.all(np.abs(d.mean(0) - c.values) < 0.05 * u)\n"
                            "r = np.corrcoef(d.T)\n"
                            "assert np.all(np.abs(r - c.covariance / np.outer(u, u)) < 0.05)\n"
                            "try:\n"
                            "    import uncertainties, lmfit\n"
                            "except ImportError:\n"
                            "    pass\n"
                            "else:\n"
                            "    assert abs(c.correlated()['receiver.bandwidth'].s / "
                            "u[c.names.index('receiver.bandwidth')]"
                            " - 1) < 1e-6\n"
                            "    assert 'receiver_bandwidth' in c.lmfit_parameters()\n"
                            "\"";
  EXPECT_EQ(std::system(check.c_str()), 0);
  // Draws are a measurement file of the program's own.
  ASSERT_EQ(calibrate({"export", device_file, "--format", "draws", "--count", "50", "--out",
                       path("draws.csv")})
                .code,
            0);
  const Outcome inspected = calibrate({"inspect", path("draws.csv")});
  EXPECT_EQ(inspected.code, 0) << inspected.err;
  EXPECT_THAT(inspected.out, HasSubstr("receiver.bandwidth"));
  EXPECT_EQ(calibrate({"export", "ideal-shot-noise"}).code, 2);
  EXPECT_EQ(calibrate({"export", device_file, "--format", "device"}).code, 2);
  EXPECT_EQ(calibrate({"export", check_file}).code, 2);
  EXPECT_EQ(run_command({"device", check_file}).code, 2);
  EXPECT_EQ(calibrate({"export", device_file, "--out", path("no/such/folder")}).code, 1);
}

TEST_F(CalibrateDevices, a_result_goes_into_another_device_as_the_calibration_would_write_it) {
  const std::vector<std::string> fit{
      "rin", examples + "rin.csv", "--photocurrent",      "2mA",   "--averages",
      "100", "--device",           "free-space-homodyne", "--out", path("r")};
  ASSERT_EQ(calibrate(fit).code, 0);
  const auto device = json_of("r/result.json")["device"];
  EXPECT_EQ(device["parameters"][0]["key"], "laser.rin");
  EXPECT_TRUE(device["left_out"].empty());
  const Outcome outcome =
      calibrate({"export", path("r/result.json"), "--format", "device", "--device",
                 "free-space-homodyne", "--out", path("again.yaml")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(data::device_to_yaml(data::load_device(path("again.yaml"))),
            data::device_to_yaml(data::load_device(path("r/device.yaml"))));
  const auto a = data::load_calibration(path("again.yaml")),
             b = data::load_calibration(path("r/device.yaml"));
  EXPECT_EQ(a.covariance, b.covariance);
}

TEST_F(CalibrateDevices, what_the_device_does_not_take_stands_in_the_result) {
  // A transimpedance amplifier's noise, and a receiver that is ideal.
  const std::string job = write("job.yaml",
                                "parameters:\n"
                                "  responsivity: {value: 0.92 A/W}\n"
                                "  transresistance: {unit: ohm, device: detector.no_such_key}\n"
                                "measurements:\n"
                                "  - {kind: monitor, floor: 0.5 mV, file: " +
                                    examples + "receiver_monitor.csv}\n");
  const Outcome outcome = calibrate({"joint", job, "--out", path("out"), "--json"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const auto& result : {json_of("out/result.json"), nlohmann::json::parse(outcome.out)}) {
    ASSERT_EQ(result["device"]["left_out"].size(), 1U);
    EXPECT_THAT(result["device"]["left_out"][0].get<std::string>(),
                HasSubstr("detector.no_such_key"));
  }
}

}  // namespace
}  // namespace attojoule::tests
