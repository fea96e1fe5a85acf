// attojoule run --device-draws: devices drawn from a calibration, and what they make of a result.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "data/result_file.hpp"
#include "tests/statistics.hpp"
#include "tests/support/command_line.hpp"

namespace attojoule::tests {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr double photon_aj = 6.62607015e-34 * 299792458.0 / 1550e-9 * 1e18;

class DeviceDraws : public CommandLine {
 protected:
  // A device with these parameters {key, unit, value, u} calibrated, independent of each other.
  struct Calibrated {
    std::string key, unit;
    double value, u;
  };
  std::string device(const std::vector<Calibrated>& parameters, const std::string& more = "") {
    std::string text = "name: drawn\ncalibration:\n  source: test\n  parameters:\n", rows, values;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto& p = parameters[i];
      text += "    - {key: " + p.key + ", unit: \"" + p.unit +
              "\", value: " + std::to_string(p.value) + "}\n";
      rows += "    - [";
      for (std::size_t k = 0; k < parameters.size(); ++k) {
        rows += (k > 0 ? ", " : "") + std::to_string(i == k ? p.u * p.u : 0);
      }
      rows += "]\n";
    }
    return write("device.yaml", text + "  covariance:\n" + rows + more);
  }

  json draw(const std::string& file, const std::vector<std::string>& more = {}, int count = 40) {
    std::vector<std::string> arguments{"--device", file, "--device-draws", std::to_string(count),
                                       "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out);
  }

  static std::vector<double> drawn(const json& result, const std::string& key) {
    std::vector<double> values;
    for (const auto& entry : result["calibration"]["draws"]) {
      values.push_back(entry["values"][key].get<double>());
    }
    return values;
  }
};

const std::string efficiency = "detector.quantum_efficiency";

TEST_F(DeviceDraws, without_uncertainty_all_devices_are_the_same_and_it_is_exactly_zero) {
  const auto result =
      draw(device({{efficiency, "1", 0.8, 0}, {"link.coupling_loss", "dB", 3, 0}},
                  "detector: {quantum_efficiency: 0.8}\nlink: {coupling_loss: 3 dB}\n"));
  const auto& calibration = result["calibration"];
  EXPECT_EQ(calibration["devices"], 40);
  EXPECT_EQ(calibration["refused"], 0);
  for (const char* key : {"u_calibration", "ci95_calibration"}) {
    EXPECT_EQ(calibration["accuracy"][key], 0);
    for (const auto& [name, energy] : calibration["energy"].items()) {
      EXPECT_EQ(energy["attojoule_per_mac"][key], 0) << name;
    }
  }
  EXPECT_FALSE(calibration["accuracy"]["resolved"]);
  EXPECT_TRUE(calibration["accuracy"]["correlation"][efficiency].is_null());
  for (const auto& entry : calibration["draws"]) {
    EXPECT_EQ(entry["accuracy"], result["accuracy"]["noisy"]);
    EXPECT_EQ(entry["attojoule_per_mac"], result["energy"]["total"]["attojoule_per_mac"]);
  }
  // The noise has its part whatever the devices do.
  EXPECT_GT(calibration["accuracy"]["ci95_noise"], 0);
  EXPECT_GT(calibration["accuracy"]["ci95_images"], 0);
  EXPECT_NEAR(calibration["accuracy"]["ci95_combined"].get<double>(),
              std::hypot(calibration["accuracy"]["ci95_noise"].get<double>(),
                         calibration["accuracy"]["ci95_images"].get<double>()),
              1e-12);
}

// Detected light is n eta h nu: its uncertainty is that of eta. Facet light is n h nu 10^(L/10).
TEST_F(DeviceDraws, the_spread_of_energy_is_the_propagated_uncertainty) {
  const auto result =
      draw(device({{efficiency, "1", 0.8, 0.01}, {"link.coupling_loss", "dB", 3, 0.05}},
                  "detector: {quantum_efficiency: 0.8}\nlink: {coupling_loss: 3 dB}\n"),
           {"--set", "evaluation.images=20"}, 400);
  const auto& energy = result["calibration"]["energy"];
  Moments eta, loss;
  eta.add_all(drawn(result, efficiency));
  loss.add_all(drawn(result, "link.coupling_loss"));
  const auto of = [&](const char* part, const char* key) {
    return energy[part]["attojoule_per_mac"][key].get<double>();
  };
  // Of these very devices to rounding, of the covariance within five standard errors.
  EXPECT_NEAR(of("optical_detected", "u_calibration") / (5 * photon_aj * eta.deviation()), 1, 1e-9);
  EXPECT_NEAR(eta.deviation() / 0.01, 1, five_sigma / std::sqrt(800.0));
  EXPECT_NEAR(of("optical_detected", "mean"), 5 * photon_aj * eta.mean(), 1e-9);
  EXPECT_NEAR(of("optical_detected", "calibrated"), 5 * photon_aj * 0.8, 1e-9);
  const double per_db = std::log(10) / 10;
  EXPECT_NEAR(of("optical_facet", "u_calibration") / of("optical_facet", "mean") / per_db / 0.05, 1,
              five_sigma / std::sqrt(800.0));
  EXPECT_NEAR(energy["optical_detected"]["attojoule_per_mac"]["correlation"][efficiency], 1, 1e-9);
  EXPECT_GT(energy["optical_facet"]["attojoule_per_mac"]["correlation"]["link.coupling_loss"],
            0.99);
  // The interval of the spread holds what the covariance says.
  const auto& interval =
      energy["optical_detected"]["attojoule_per_mac"]["u_calibration_interval95"];
  EXPECT_LT(interval[0], 5 * photon_aj * 0.01);
  EXPECT_GT(interval[1], 5 * photon_aj * 0.01);
}

// A drawn device is what a device with its values is, under the same seeds and images.
TEST_F(DeviceDraws, a_drawn_device_runs_as_if_it_were_given) {
  const std::string file =
      device({{efficiency, "1", 0.5, 0.15}}, "detector: {quantum_efficiency: 0.5}\n");
  const auto result = draw(file, {}, 4);
  for (const auto& entry : result["calibration"]["draws"]) {
    std::ostringstream value;
    value.precision(17);
    value << efficiency << "=" << entry["values"][efficiency].get<double>();
    const auto alone = json::parse(run({"--device", file, "--set", value.str(), "--json"}).out);
    EXPECT_DOUBLE_EQ(entry["accuracy"].get<double>(), alone["accuracy"]["noisy"].get<double>());
    EXPECT_DOUBLE_EQ(entry["attojoule_per_mac"].get<double>(),
                     alone["energy"]["total"]["attojoule_per_mac"].get<double>());
  }
}

TEST_F(DeviceDraws, the_same_for_any_number_of_threads_and_fewer_devices_are_the_first_of_more) {
  const std::string file =
      device({{efficiency, "1", 0.5, 0.15}}, "detector: {quantum_efficiency: 0.5}\n");
  const auto one = draw(file, {"--threads", "1"});
  EXPECT_EQ(draw(file, {"--threads", "3"}), one);
  const auto fewer = draw(file, {}, 7);
  const auto& draws = one["calibration"]["draws"];
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(fewer["calibration"]["draws"][i], draws[i]);
  EXPECT_NE(draw(file, {"--seed", "2"})["calibration"]["draws"], draws);
  // What was there without draws stays as it was.
  auto plain = one;
  plain.erase("calibration");
  EXPECT_EQ(json::parse(run({"--device", file, "--json"}).out), plain);
}

TEST_F(DeviceDraws, draws_outside_of_physics_are_refused_and_counted) {
  const auto result =
      draw(device({{efficiency, "1", 0.99, 0.02}}, "detector: {quantum_efficiency: 0.99}\n"));
  // A share Phi(-0.5) = 0.31 lies beyond 1.
  EXPECT_GT(result["calibration"]["refused"], 3);
  EXPECT_LT(result["calibration"]["refused"], 45);
  for (const double value : drawn(result, efficiency)) EXPECT_LE(value, 1);
  EXPECT_EQ(result["calibration"]["draws"].size(), 40u);
  const Outcome beyond =
      run({"--device", device({{efficiency, "1", 1.2, 0.02}}), "--device-draws", "5", "--json"});
  EXPECT_EQ(beyond.code, 2);
  EXPECT_THAT(beyond.err, HasSubstr("beyond a physical bound"));
}

// 3 dB more loss: half the photons where nobody touches the laser, twice its light where somebody
// does.
TEST_F(DeviceDraws, light_is_held_at_the_receivers_or_at_the_laser) {
  const std::string file =
      device({{"link.coupling_loss", "dB", 3, 0.5}}, "link: {coupling_loss: 3 dB}\n");
  const auto receiver = draw(file)["calibration"];
  const auto laser = draw(file, {"--set", "evaluation.device_draws_hold=laser"})["calibration"];
  EXPECT_EQ(receiver["hold"], "receiver");
  EXPECT_EQ(receiver["photons_per_mac"]["u_calibration"], 0);
  EXPECT_EQ(receiver["accuracy"]["u_calibration"], 0);
  EXPECT_GT(receiver["energy"]["optical_facet"]["attojoule_per_mac"]["u_calibration"], 0);
  EXPECT_EQ(laser["hold"], "laser");
  const auto& facet = laser["energy"]["optical_facet"]["attojoule_per_mac"];
  EXPECT_LT(facet["u_calibration"], 1e-9 * facet["mean"].get<double>());
  for (const auto& entry : laser["draws"]) {
    const double loss = entry["values"]["link.coupling_loss"];
    EXPECT_NEAR(entry["photons_per_mac"].get<double>(), 5 * std::pow(10, -(loss - 3) / 10), 1e-9);
  }
  EXPECT_LT(laser["photons_per_mac"]["correlation"]["link.coupling_loss"], -0.99);
}

// The accuracies differ by more than the noise, and more light-sensitive devices do better.
TEST_F(DeviceDraws, accuracy_follows_the_parameter_that_it_depends_on) {
  const std::string file =
      device({{efficiency, "1", 0.5, 0.15}}, "detector: {quantum_efficiency: 0.5}\n");
  const auto result = draw(file, {"--set", "operating_point.photons_per_mac=1", "--set",
                                  "evaluation.seeds=8", "--set", "fidelity=analytic"});
  const auto& accuracy = result["calibration"]["accuracy"];
  EXPECT_TRUE(accuracy["resolved"]);
  EXPECT_GT(accuracy["correlation"][efficiency], 0.7);
  EXPECT_GT(accuracy["u_calibration"], 0.005);
}

TEST_F(DeviceDraws, devices_that_cannot_run_are_counted_and_left_out) {
  // The laser feeds the calibrated device with a margin of 0.1 dB, the path is known to 0.3 dB.
  const std::string calibrated = "link: {coupling_loss: 3 dB}\n";
  const auto at = [&](const std::string& power) {
    return run({"--device",
                device({{"link.coupling_loss", "dB", 3, 0.3}},
                       calibrated + "laser: {maximum_power: " + power + "}\n"),
                "--device-draws", "40", "--json"});
  };
  // 5 photons, 64 receivers, 1e9 symbols a second, 3 dB: P = 5 h nu 64 1e9 10^0.3.
  const double power = 5 * photon_aj * 1e-18 * 64 * 1e9 * std::pow(10, 0.3);
  const Outcome outcome = at(std::to_string(power * std::pow(10, 0.01) * 1e9) + " nW");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto result = json::parse(outcome.out)["calibration"];
  EXPECT_GT(result["cannot_run"], 5);  // Phi(-0.33) = 0.37 of them
  EXPECT_LT(result["cannot_run"], 27);
  EXPECT_THAT(result["cannot_run_because"].get<std::string>(), HasSubstr("laser"));
  EXPECT_EQ(result["draws"].size(), 40u - result["cannot_run"].get<std::size_t>());
  for (const auto& entry : result["draws"]) {
    EXPECT_LT(entry["values"]["link.coupling_loss"], 3.1 + 1e-6);
  }
}

TEST_F(DeviceDraws, table_and_result_file) {
  const std::string file =
      device({{efficiency, "1", 0.5, 0.1}}, "detector: {quantum_efficiency: 0.5}\n");
  const Outcome outcome = run({"--device", file, "--device-draws", "6", "--out", path("r.h5")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("6 devices drawn from the calibration"));
  EXPECT_THAT(outcome.out, HasSubstr("(calibration)"));
  const auto summary = data::read_result_summary(path("r.h5"));
  const auto entry = [&](const std::string& name) {
    const auto found = std::find_if(summary.entries.begin(), summary.entries.end(),
                                    [&](const auto& e) { return e.path == name; });
    EXPECT_NE(found, summary.entries.end()) << name;
    return found == summary.entries.end() ? data::ResultSummary::Entry{} : *found;
  };
  EXPECT_EQ(entry("/calibration/drawn/" + efficiency).shape, (std::vector<std::int64_t>{6}));
  EXPECT_EQ(entry("/calibration/accuracy_by_seed").shape, (std::vector<std::int64_t>{6, 2}));
  EXPECT_EQ(entry("/calibration/attojoule_per_mac/total/by_device").units, "aJ");
  EXPECT_EQ(entry("/calibration/accuracy/u_calibration").units, "1");
  // The stored configuration holds what was drawn from.
  const auto config = std::find_if(summary.attributes.begin(), summary.attributes.end(),
                                   [](const auto& a) { return a.first == "config"; });
  ASSERT_NE(config, summary.attributes.end());
  EXPECT_THAT(config->second, HasSubstr("device_draws: 6"));
  EXPECT_THAT(config->second, HasSubstr("covariance"));
}

// The device verb's budgets: no noise is sampled, so the spread is the propagated uncertainty
// alone. Facet power in dB follows the loss one to one; 10 log10 of the signal's photons follows
// eta.
TEST_F(DeviceDraws, budgets_of_the_device_verb) {
  const std::string file =
      device({{efficiency, "1", 0.8, 0.01}, {"link.coupling_loss", "dB", 3, 0.05}},
             "detector: {quantum_efficiency: 0.8}\nlink: {coupling_loss: 3 dB}\n");
  const auto budgets = [&](const std::string& count, const std::string& out) {
    const Outcome outcome = run_command(
        {"device", file, "--trials", "20", "--device-draws", count, "--json", "--out", path(out)});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out);
  };
  const auto result = budgets("300", "budget.h5");
  const auto& figures = result["calibration"]["figures"];
  const auto& facet = figures["facet_power_dbm"];
  EXPECT_NEAR(facet["u_calibration"].get<double>(), 0.05, 0.05 * five_sigma / std::sqrt(600.0));
  EXPECT_NEAR(facet["correlation"]["link.coupling_loss"], 1, 1e-9);
  const double signal = figures["signal_electrons"]["calibrated"];
  EXPECT_NEAR(figures["signal_electrons"]["u_calibration"].get<double>() / signal, 0.01 / 0.8,
              0.0125 * five_sigma / std::sqrt(600.0));
  // An ideal receiver: SNR is the photoelectrons' alone, 10 log10 eta, u = 10 / ln 10 u_eta / eta.
  EXPECT_NEAR(figures["snr_db"]["u_calibration"].get<double>(), 4.343 * 0.0125,
              4.343 * 0.0125 * five_sigma / std::sqrt(600.0));
  EXPECT_LT(facet["interval95"][0], facet["mean"]);
  EXPECT_TRUE(data::is_result_file(path("budget.h5")));
  // What was there without draws stays as it was.
  auto without = result;
  without.erase("calibration");
  EXPECT_EQ(json::parse(run_command({"device", file, "--trials", "20", "--json"}).out), without);
  const Outcome table = run_command({"device", file, "--trials", "20", "--device-draws", "5"});
  EXPECT_THAT(table.out, HasSubstr("follows (correlation)"));
  const std::string exact =
      device({{efficiency, "1", 0.8, 0}}, "detector: {quantum_efficiency: 0.8}\n");
  const auto none = json::parse(
      run_command({"device", exact, "--trials", "20", "--device-draws", "5", "--json"}).out);
  for (const auto& [name, figure] : none["calibration"]["figures"].items()) {
    EXPECT_EQ(figure["u_calibration"], 0) << name;
  }
}

TEST_F(DeviceDraws, a_learned_operating_point_is_judged_on_the_devices) {
  const std::string file =
      device({{efficiency, "1", 0.5, 0.1}}, "detector: {quantum_efficiency: 0.5}\n");
  data_file(400);
  std::filesystem::rename(path("data.h5"), path("range.h5"));
  data_file(100);
  const Outcome outcome = run_command({"learn",
                                       "--model",
                                       model_file(),
                                       "--data",
                                       path("data.h5"),
                                       "--device",
                                       file,
                                       "--set",
                                       "range_data.file=" + path("range.h5"),
                                       "--set",
                                       "evaluation.seeds=2",
                                       "--set",
                                       "evaluation.images=100",
                                       "--set",
                                       "learn.method=sensitivity",
                                       "--set",
                                       "learn.max_degradation_points=5",
                                       "--device-draws",
                                       "6",
                                       "--json",
                                       "--out",
                                       path("learned.h5")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto calibration = json::parse(outcome.out)["calibration"];
  EXPECT_EQ(calibration["draws"].size(), 6u);
  EXPECT_NEAR(calibration["allowed_loss"].get<double>(), 0.05, 1e-12);
  std::size_t within = 0;
  const double clean = json::parse(outcome.out)["accuracy"]["clean"];
  for (const auto& entry : calibration["draws"]) {
    within += clean - entry["accuracy"].get<double>() <= 0.05 ? 1 : 0;
  }
  EXPECT_EQ(calibration["devices_within_allowed_loss"], within);
}

TEST_F(DeviceDraws, what_is_missing_is_said_before_anything_runs) {
  Outcome outcome = run({"--device-draws", "5"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("no section `calibration`"));
  const std::string file =
      device({{efficiency, "1", 0.5, 0.1}}, "detector: {quantum_efficiency: 0.5}\n");
  outcome = run({"--device", file, "--device-draws", "5", "--set", "evaluation.seeds=1"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("evaluation.seeds=2"));
  EXPECT_EQ(run({"--device", file, "--device-draws", "1"}).code, 2);
  EXPECT_EQ(run({"--device", file, "--set", "evaluation.device_draws=1"}).code, 2);
  outcome =
      run({"--device", file, "--device-draws", "5", "--set", "evaluation.device_draws_hold=wall"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("receiver, laser"));
}

}  // namespace
}  // namespace attojoule::tests
