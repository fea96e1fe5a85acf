// attojoule calibrate joint: in process, with the files it writes.
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

class CalibrateJoint : public WrittenFiles {
 protected:
  Outcome joint(const std::string& job, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{"calibrate", "joint", write("job.yaml", job)};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words);
  }
};

const std::string current_job =
    "measurements:\n"
    "  - {name: current, kind: responsivity, relative: 0.3 %, floor: 0.5 nA, file: " +
    examples + "receiver_current.csv}\n";

TEST_F(CalibrateJoint, finds_what_the_example_was_made_of_and_writes_everything) {
  const Outcome outcome = run_command({"calibrate", "joint", examples + "receiver.yaml", "--out",
                                       path("out"), "--strict", "--holdout", "block:4"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const auto result = json_of("out/result.json");
  const auto& p = result["parameters"];
  for (const auto& [name, value] : std::vector<std::pair<std::string, double>>{
           {"responsivity", 0.92},
           {"transresistance", 12e3},
           {"bandwidth", 2 / M_PI * 5e6},
           {"noise.input_noise", 2.1e-12},
           {"noise.excess_noise", 2e-15},
           {"amplifier_noise", std::sqrt(2.1e-12 * 2.1e-12 - 4 * 1.380649e-23 * 300 / 12e3)}}) {
    const double u = std::hypot(p[name]["u_a"].get<double>(), p[name]["u_b"].get<double>());
    EXPECT_LT(std::abs(p[name]["value"].get<double>() - value), 3 * u) << name;
  }
  EXPECT_EQ(result["hold_out"]["points"], 79);
  EXPECT_GT(result["hold_out"]["coverage95"], 0.85);
  EXPECT_GT(result["figures"]["noise: tension"]["value"], 1e-3);
  EXPECT_EQ(result["inputs"].size(), 5U);
  EXPECT_EQ(result["covariance"]["matrix"].size(), p.size());
  const std::string html = text_of("out/report.html");
  EXPECT_THAT(html, HasSubstr("Alone against joint"));
  EXPECT_THAT(html, Not(HasSubstr(">nan")));
  EXPECT_THAT(text_of("out/check.py"), HasSubstr("least_squares"));
  EXPECT_TRUE(data::is_result_file(path("out/cal.h5")));

  // The device has all four, with the covariances between them, and loads.
  const auto device = data::load_device(path("out/device.yaml"));
  EXPECT_NEAR(device.receiver.feedback_resistance_ohm, p["transresistance"]["value"], 1e-6);
  const auto calibration = data::load_calibration(path("out/device.yaml"));
  ASSERT_EQ(calibration.parameters.size(), 4U);
  std::size_t z = 0, bandwidth = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    if (calibration.parameters[k].key == "receiver.feedback_resistance") z = k;
    if (calibration.parameters[k].key == "receiver.bandwidth") bandwidth = k;
  }
  const double correlation =
      calibration.covariance[z * 4 + bandwidth] /
      std::sqrt(calibration.covariance[z * 5] * calibration.covariance[bandwidth * 5]);
  EXPECT_NE(correlation, 0);
  EXPECT_LT(std::abs(correlation), 1);
  EXPECT_EQ(data::draw_devices(path("out/device.yaml"), {}, 20, 1).devices.size(), 20U);
}

TEST_F(CalibrateJoint, scipy_finds_the_same) {
  ASSERT_EQ(
      run_command({"calibrate", "joint", examples + "receiver.yaml", "--out", path("out")}).code,
      0);
  const auto result = json_of("out/result.json")["parameters"];
  const std::string printed = path("printed.txt");
  ASSERT_EQ(std::system(("/usr/bin/python3 " + path("out/check.py") + " > " + printed).c_str()), 0);
  std::istringstream lines(text_of("printed.txt"));
  std::string name;
  double value = 0, error = 0;
  int count = 0;
  while (lines >> name >> value >> error) {
    const auto dot = name.find('_');
    if (!result.contains(name)) name[dot] = '.';
    if (!result.contains(name)) continue;
    const auto& p = result[name];
    const double u = std::hypot(p["u_a"].get<double>(), p["u_b"].get<double>());
    EXPECT_NEAR(value, p["value"].get<double>(), 1e-3 * u) << name;
    EXPECT_NEAR(error, u, 1e-4 * u) << name;
    ++count;
  }
  EXPECT_GE(count, 8);
}

TEST_F(CalibrateJoint, results_of_other_verbs_and_own_formulas_join) {
  ASSERT_EQ(run_command({"calibrate", "responsivity", examples + "receiver_current.csv",
                         "--relative", "0.3%", "--floor", "0.5nA", "--out", path("r")})
                .code,
            0);
  const std::string job =
      "parameters:\n"
      "  slope: {unit: V/W, start: 1 kV/W}\n"
      "  offset: {unit: mV, start: 0 mV}\n"
      "  z: {unit: ohm, start: 1 kohm}\n"
      "measurements:\n"
      "  - name: monitor\n"
      "    model: offset + 1e3 * slope * P\n"
      "    file: " +
      examples +
      "receiver_monitor.csv\n"
      "    columns: {P: P, y: V}\n"
      "    units: {P: W, y: mV}\n"
      "    floor: 0.5 mV\n"
      "results:\n"
      "  - {name: diode, file: r/result.json, values: {responsivity: slope / z}}\n";
  const Outcome outcome = joint(job, {"--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto z = nlohmann::json::parse(outcome.out)["parameters"]["z"];
  EXPECT_NEAR(z["value"].get<double>(), 12e3, 5 * z["u_a"].get<double>());
  EXPECT_LT(z["u_a"].get<double>(), 60);
}

TEST_F(CalibrateJoint, exit_codes_say_what_is_wrong) {
  // 5: the monitor alone does not tell responsivity from transresistance.
  const std::string monitor =
      "measurements:\n  - {kind: monitor, floor: 0.5 mV, file: " + examples +
      "receiver_monitor.csv}\n";
  const Outcome degenerate = joint(monitor, {"--out", path("none")});
  EXPECT_EQ(degenerate.code, 5);
  EXPECT_THAT(degenerate.err, HasSubstr("cannot separate"));
  EXPECT_THAT(degenerate.err, HasSubstr("responsivity"));
  EXPECT_FALSE(std::filesystem::exists(path("none/device.yaml")));
  EXPECT_TRUE(std::filesystem::exists(path("none/report.html")));

  // 6: given values that contradict the data.
  const std::string wrong = "parameters: {responsivity: {value: 0.5 A/W, u: 1 %}}\n" + current_job;
  EXPECT_EQ(joint(wrong).code, 0);
  const Outcome rejected = joint(wrong, {"--strict"});
  EXPECT_EQ(rejected.code, 6);
  EXPECT_THAT(rejected.err, HasSubstr("contradict each other"));
  // The same with a value that agrees.
  EXPECT_EQ(
      joint("parameters: {responsivity: {value: 0.938 A/W, u: 1 %}}\n" + current_job, {"--strict"})
          .code,
      0);

  struct Bad {
    std::string job;
    int code;
    std::string part;
  };
  const std::string file = ", file: " + examples + "receiver_current.csv}\n";
  for (const Bad& bad : std::vector<Bad>{
           {"name: empty\n", 2, "no measurements"},
           {"measurements:\n  - {kind: sun" + file, 2, "no kind is called 'sun'"},
           {"measurements:\n  - {name: x" + file, 2, "either a kind or a model"},
           {"measurements:\n  - {kind: responsivity, file: nowhere.csv}\n", 3, "nowhere.csv"},
           {"measurements:\n  - {kind: loss" + file, 3, "no column of length [cm]"},
           {"measurements:\n  - {kind: responsivity, misspelt: 1" + file, 2, "misspelt"},
           {"measurements:\n  - {kind: responsivity, relative: 3 W" + file, 2, "relative"},
           {"measurements:\n  - {kind: responsivity, parameters: {eta: 1}" + file, 2,
            "has no parameter 'eta'"},
           {"measurements:\n  - {kind: responsivity, parameters: {responsivity: 2 *}" + file, 2,
            "ends too early"},
           {"parameters: {responsivity: {unit: V}}\n" + current_job, 2, "Declare that unit"},
           {"parameters: {power_scale: {u: 3 %}}\n" + current_job, 2, "u without value"},
           {"parameters: {pi: {value: 3}}\n" + current_job, 2, "cannot be a name"},
           {"parameters: {other: {value: 3, u: 1}}\n" + current_job, 2,
            "no measurement depends on it"},
           {current_job + "results:\n  - {file: " + examples + "mzm.csv, values: {a: a}}\n", 2, ""},
           {current_job + "derived: {e: {formula: eta}}\n", 2, "nothing is called 'eta'"}}) {
    const Outcome outcome = joint(bad.job);
    EXPECT_EQ(outcome.code, bad.code) << bad.job << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(bad.part)) << bad.job;
  }
}

TEST_F(CalibrateJoint, units_of_the_job_are_converted_to_those_of_the_kind) {
  const auto value = [&](const std::string& unit) {
    const Outcome outcome =
        joint("parameters: {responsivity: {unit: " + unit + "}}\n" + current_job, {"--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out)["parameters"]["responsivity"]["value"].get<double>();
  };
  EXPECT_NEAR(value("mA/W"), 1e3 * value("A/W"), 1e-6);
}

TEST_F(CalibrateJoint, every_kind_joins_from_its_example) {
  const std::vector<std::pair<std::string, std::pair<std::string, double>>> kinds{
      {"{kind: mzm, floor: 0.2 uW, relative: 0.5 %, parameters: {input_power: 1e-3, floor: "
       "0.2e-6}, "
       "file: " +
           examples + "mzm.csv}",
       {"mzm.half_wave_voltage", 3.4}},
      {"{kind: visibility, parameters: {power_ratio: 1.3}, file: " + examples + "fringes.csv}",
       {"visibility.period", 3.1}},
      {"{kind: loss, file: " + examples + "cutback.csv}", {"loss.propagation_loss", 2.3}},
      {"{kind: li, file: " + examples + "light_current.csv}", {"li.threshold_current", 12.3e-3}},
      {"{kind: response, floor: 0.05 dB, file: " + examples + "receiver_response.csv}",
       {"response.bandwidth", 2 / M_PI * 5e6}}};
  for (const auto& [line, found] : kinds) {
    const Outcome outcome = joint("measurements:\n  - " + line + "\n", {"--json"});
    ASSERT_EQ(outcome.code, 0) << line << outcome.err;
    const auto result = nlohmann::json::parse(outcome.out);
    const auto& p = result["parameters"][found.first];
    ASSERT_TRUE(p.is_object()) << outcome.out;
    EXPECT_NEAR(p["value"].get<double>(), found.second, 5 * p["u_a"].get<double>()) << line;
  }
}

}  // namespace
}  // namespace attojoule::tests
